//! Who asks, as Kafka names it: `User:alice`.

use std::fmt;
use std::sync::Arc;

/// The type of every principal but those that a plug-in of Kafka's makes.
const USER: &str = "User";

/// Who sends the requests of a connection. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parts {
    kind: String,
    name: String,
}

impl Principal {
    /// A user of this name.
    pub fn user(name: &str) -> Self {
        Self(Arc::new(Parts {
            kind: USER.to_owned(),
            name: name.to_owned(),
        }))
    }

    /// Whoever has not said who they are: `User:ANONYMOUS`.
    pub fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }

    /// What kind of principal it is: `User`.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Principal;

    #[test]
    fn it_is_written_as_kafka_writes_it() {
        assert_eq!(Principal::anonymous().to_string(), "User:ANONYMOUS");
        let alice = Principal::user("alice");
        assert_eq!((alice.kind(), alice.name()), ("User", "alice"));
        assert_ne!(alice, Principal::user("ANONYMOUS"));
    }
}
