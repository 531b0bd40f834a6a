//! Ids: small types, so that one number cannot be mistaken for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A node of the cluster (`node.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub i32);

impl NodeId {
    /// Kafka's "no node": no leader, no controller.
    pub const NONE: Self = Self(-1);
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A UUID as Kafka prints it: 22 characters of base64url. It names topics, directories and clusters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct KafkaUuid(pub uuid::Uuid);

/// The id of a topic. A topic that is created again gets a new one.
pub type TopicId = KafkaUuid;

/// The identity of a log directory (`directory.id`).
pub type DirectoryId = KafkaUuid;

impl KafkaUuid {
    /// "No id", all zeros.
    pub const ZERO: Self = Self(uuid::Uuid::nil());

    /// The id of `__cluster_metadata`.
    pub const METADATA_TOPIC: Self = Self(uuid::Uuid::from_u128(1));

    /// Instead of a directory's id: the broker has yet to choose a directory.
    pub const UNASSIGNED_DIRECTORY: Self = Self(uuid::Uuid::from_u128(1));

    /// Instead of a directory's id: the directory has failed, and its id is not known.
    pub const LOST_DIRECTORY: Self = Self(uuid::Uuid::from_u128(2));

    /// A new random id. It is never one of the hundred reserved ids, and its text never begins with a dash,
    /// which command lines would take for an option.
    pub fn random() -> Self {
        loop {
            let id = Self(uuid::Uuid::new_v4());
            if !id.is_reserved() && !id.to_string().starts_with('-') {
                return id;
            }
        }
    }

    /// Whether this is one of the first hundred ids, which Kafka keeps for special meanings.
    pub const fn is_reserved(self) -> bool {
        self.0.as_u128() < 100
    }

    /// Whether this is the zero id.
    pub const fn is_zero(self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for KafkaUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for KafkaUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a UUID in Kafka's form.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a UUID of 22 base64url characters")]
pub struct InvalidUuid(String);

impl FromStr for KafkaUuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| InvalidUuid(text.to_owned()))?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| InvalidUuid(text.to_owned()))?;
        Ok(Self(uuid::Uuid::from_bytes(bytes)))
    }
}

/// A partition by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number in its topic, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// The identity of an idempotent or transactional producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// No producer id: the batch is not idempotent.
    pub const NONE: Self = Self(-1);

    /// Whether this names a producer.
    pub const fn is_some(self) -> bool {
        self.0 >= 0
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The epoch that fences older instances of one producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerEpoch(pub i16);

impl ProducerEpoch {
    /// No epoch: the batch is not idempotent.
    pub const NONE: Self = Self(-1);
}

impl fmt::Display for ProducerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A level of the feature `transaction.version`: the cluster's, or that of which a client's request is.
///
/// | level | what it adds |
/// | --- | --- |
/// | 0 | |
/// | 1 | `__transaction_state` in flexible records |
/// | 2 | the epoch grows with every transaction (KIP-890) |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionVersion(pub i16);

impl TransactionVersion {
    /// The level of clients that end transactions without a new epoch.
    pub const V0: Self = Self(0);
    /// The level of clients that get a new epoch whenever a transaction ends.
    pub const V2: Self = Self(2);

    /// Whether the epoch grows whenever a transaction ends.
    pub const fn bumps_epoch(self) -> bool {
        self.0 >= 2
    }

    /// Whether records are written in their flexible version.
    pub const fn has_flexible_records(self) -> bool {
        self.0 >= 1
    }
}

#[cfg(test)]
mod tests {
    use super::KafkaUuid;

    #[test]
    fn the_metadata_topic_id_prints_as_kafka_prints_it() {
        assert_eq!(
            KafkaUuid::METADATA_TOPIC.to_string(),
            "AAAAAAAAAAAAAAAAAAAAAQ"
        );
        assert_eq!(
            "AAAAAAAAAAAAAAAAAAAAAQ".parse::<KafkaUuid>().ok(),
            Some(KafkaUuid::METADATA_TOPIC)
        );
    }

    #[test]
    fn random_ids_survive_printing() {
        let id = KafkaUuid::random();
        assert_eq!(id.to_string().parse::<KafkaUuid>().ok(), Some(id));
    }
}
