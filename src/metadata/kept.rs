//! Records that only Kafka uses: users, ACLs, quotas, delegation tokens, and the records of newer releases.
//!
//! A directory from Kafka brings them, and they are still there if Kafka uses it again. They have no effect here.
//! Administrators can list quotas and SCRAM users. These records are parsed at the first request, and once for all
//! images that share them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::record::{DecodeError, KeptRecord, Unmodelled};

/// Records that are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Ordered by their place in a snapshot, then by their order in the log: an image is the same whether it was read
    /// from the log or from a snapshot.
    records: Vec<Arc<Unmodelled>>,
    told: OnceLock<Result<Arc<Told>, DecodeError>>,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl Kept {
    pub(super) fn add(&mut self, record: &Unmodelled) {
        let place = |other: &Arc<Unmodelled>| other.place() <= record.place();
        let after = self.records.partition_point(place);
        self.records.insert(after, Arc::new(record.clone()));
        self.told = OnceLock::new();
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Unmodelled> {
        self.records.iter().map(|record| &**record)
    }

    pub(super) fn told(&self) -> Result<&Arc<Told>, DecodeError> {
        let told = self.told.get_or_init(|| {
            let mut reading = Reading::default();
            for record in self.records() {
                if let Some(said) = KeptRecord::read(record)? {
                    reading.apply(said);
                }
            }
            Ok(Arc::new(reading.finish()))
        });
        told.as_ref().map_err(Clone::clone)
    }
}

/// The quotas and users in the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Every entity with quotas.
    pub client_quotas: Vec<ClientQuota>,
    /// Every user with credentials, by name.
    pub scram_users: Vec<ScramUser>,
}

/// The quotas of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientQuota {
    /// Types with a name, or with `None` for the default of the type.
    pub entity: BTreeMap<String, Option<String>>,
    /// The quotas: key and limit.
    pub values: BTreeMap<String, f64>,
}

/// A user with SCRAM credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramUser {
    /// The user.
    pub name: String,
    /// Kafka's number of each mechanism, with the number of iterations.
    pub mechanisms: BTreeMap<i8, i32>,
}

#[derive(Default)]
struct Reading {
    quotas: BTreeMap<BTreeMap<String, Option<String>>, BTreeMap<String, f64>>,
    users: BTreeMap<String, BTreeMap<i8, i32>>,
}

impl Reading {
    fn apply(&mut self, said: KeptRecord) {
        match said {
            KeptRecord::ClientQuota { entity, key, value } => {
                let entity = entity.into_iter().collect();
                change(self.quotas.entry(entity).or_default(), key, value);
            }
            KeptRecord::UserScramCredential {
                user,
                mechanism,
                iterations,
            } => change(self.users.entry(user).or_default(), mechanism, iterations),
        }
    }

    fn finish(self) -> Told {
        let quotas = self.quotas.into_iter();
        let users = self.users.into_iter();
        Told {
            client_quotas: quotas
                .filter(|(_, values)| !values.is_empty())
                .map(|(entity, values)| ClientQuota { entity, values })
                .collect(),
            scram_users: users
                .filter(|(_, mechanisms)| !mechanisms.is_empty())
                .map(|(name, mechanisms)| ScramUser { name, mechanisms })
                .collect(),
        }
    }
}

fn change<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Writer;

    fn record(record_type: u32, write: impl FnOnce(&mut Writer)) -> Unmodelled {
        let mut writer = Writer::flexible();
        write(&mut writer);
        writer.no_tagged_fields();
        Unmodelled {
            record_type,
            version: 0,
            bytes: writer.into_bytes(),
        }
    }

    fn quota(entity: &[(&str, Option<&str>)], key: &str, value: f64, remove: bool) -> Unmodelled {
        record(Unmodelled::CLIENT_QUOTA, |writer| {
            writer.array(entity, |writer, (kind, name)| {
                writer.string(kind);
                writer.nullable_string(*name);
                writer.no_tagged_fields();
            });
            writer.string(key);
            writer.raw(&value.to_be_bytes());
            writer.int8(i8::from(remove));
        })
    }

    fn credential(user: &str, mechanism: i8, iterations: i32) -> Unmodelled {
        record(Unmodelled::USER_SCRAM_CREDENTIAL, |writer| {
            writer.string(user);
            writer.int8(mechanism);
            for secret in [b"salt", b"key1", b"key2"] {
                writer.bytes(secret);
            }
            writer.int32(iterations);
        })
    }

    fn no_credential(user: &str, mechanism: i8) -> Unmodelled {
        record(Unmodelled::REMOVE_USER_SCRAM_CREDENTIAL, |writer| {
            writer.string(user);
            writer.int8(mechanism);
        })
    }

    fn told(records: &[Unmodelled]) -> Result<Arc<Told>, DecodeError> {
        let mut kept = Kept::default();
        for record in records {
            kept.add(record);
        }
        kept.told().cloned()
    }

    #[test]
    fn the_last_word_on_each_quota_and_credential_is_told() {
        let alice = [("user", Some("alice"))];
        let both = [("user", Some("alice")), ("client-id", None)];
        let records = [
            quota(&alice, "producer_byte_rate", 1.0, false),
            quota(&alice, "producer_byte_rate", 1024.5, false),
            quota(&alice, "consumer_byte_rate", 5.0, false),
            quota(&alice, "consumer_byte_rate", 0.0, true),
            quota(&both, "request_percentage", 50.0, false),
            quota(
                &[("ip", Some("::1"))],
                "connection_creation_rate",
                1.0,
                false,
            ),
            quota(
                &[("ip", Some("::1"))],
                "connection_creation_rate",
                0.0,
                true,
            ),
            credential("bob", 1, 4096),
            credential("bob", 2, 8192),
            credential("alice", 1, 4096),
            no_credential("alice", 1),
            no_credential("bob", 1),
        ];
        let told = told(&records).unwrap();
        let quotas: Vec<_> = told
            .client_quotas
            .iter()
            .map(|quota| (quota.entity.len(), quota.values.clone()))
            .collect();
        let value = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
        assert_eq!(quotas.len(), 2);
        assert!(quotas.contains(&(1, value("producer_byte_rate", 1024.5))));
        assert!(quotas.contains(&(2, value("request_percentage", 50.0))));
        let bob = ScramUser {
            name: "bob".to_owned(),
            mechanisms: BTreeMap::from([(2, 8192)]),
        };
        assert_eq!(told.scram_users, [bob]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_other_kinds_are_passed_over() {
        let other = Unmodelled {
            record_type: 18,
            version: 7,
            bytes: vec![1],
        };
        assert_eq!(told(std::slice::from_ref(&other)), Ok(Arc::default()));
        for wrong in [
            Unmodelled {
                version: 1,
                ..credential("bob", 1, 4096)
            },
            Unmodelled {
                bytes: vec![1, 2],
                ..quota(&[], "key", 1.0, false)
            },
        ] {
            assert!(told(&[other.clone(), wrong]).is_err());
        }
    }
}
