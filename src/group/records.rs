//! The records of `__consumer_offsets` that this room writes and reads, in Kafka's own schemas.
//!
//! A key is a type (16 bits) and the key's fields; a value is a version (16 bits) and the value's fields; no value is
//! a tombstone. Kafka 4.3 writes group metadata in version 3. It writes offsets in version 4, or in version 1 when
//! the client asked for a retention of its own, since only that version has an expiry time. All versions from 0 to 4
//! are read.
//!
//! ```text
//! key 0, 1   group, topic, partition                              an offset (1 is what is written)
//! value 0-4  offset, leader epoch (3+), metadata, commit time, expiry (1), topic id (4+, tag 0)
//! key 2      group                                                a generation of a classic group
//! value 0-4  protocol type, generation, protocol, leader, since (2+), members:
//!            id, instance (3+), client id, client host, rebalance timeout (1+), session timeout,
//!            subscription, assignment
//! key 3-8,16 group, ...                                           something of a consumer group (`consumer/records.rs`)
//! key 10-23  group, ...                                           something of a group of another type
//! ```

use std::sync::Arc;

use bytes::Bytes;

use super::consumer::records::ConsumerKey;
use super::replay::ReplayError;
use super::unserved::UnservedType;
use crate::base::{KeyValue, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use crate::schema::{DecodeError, Reader, Tags, Writer};

const LEGACY_OFFSET_KEY: i16 = 0;
const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 4;
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;
const GROUP_VALUE: i16 = 3;
const LATEST_VALUE: i16 = 4;
const TOPIC_ID_TAG: u32 = 0;

/// The key of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A committed offset.
    Offset {
        /// The group that committed it.
        group: Arc<str>,
        /// The partition.
        at: TopicPartition,
    },
    /// A classic group.
    Group {
        /// The group's id.
        group: Arc<str>,
    },
    /// A consumer group.
    Consumer {
        /// The group's id.
        group: Arc<str>,
        /// The rest of the key.
        key: ConsumerKey,
    },
    /// A record of a group of a type that is not served.
    Unserved {
        /// The group's type.
        kind: UnservedType,
        /// The key's type.
        key_type: i16,
        /// The group's id.
        group: Arc<str>,
    },
    /// A key that cannot be read, since its type is not served or not known to Kafka 4.3.
    Other(i16),
}

/// A committed offset, as in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    /// The next offset to consume.
    pub(crate) offset: Offset,
    /// The leader epoch of the record before it, if the client knew it.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The client's metadata.
    pub(crate) metadata: Arc<str>,
    /// When it was committed.
    pub(crate) committed: Timestamp,
    /// When it expires, if the client asked for a retention of its own.
    pub(crate) expires: Option<Timestamp>,
    /// The topic id; zero if it was not known.
    pub(crate) topic_id: TopicId,
}

/// A generation of a classic group, as in the log. Without members the group is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The protocol type ("consumer", "connect"); empty if there were never members.
    pub(crate) protocol_type: Arc<str>,
    /// The number of the generation.
    pub(crate) generation: i32,
    /// The protocol that the members agreed on.
    pub(crate) protocol: Option<Arc<str>>,
    /// The member that made the assignment.
    pub(crate) leader: Option<Arc<str>>,
    /// When the group entered its state; [`Timestamp::NONE`] if the record does not say.
    pub(crate) since: Timestamp,
    /// The members.
    pub(crate) members: Vec<GenerationMember>,
}

/// A member of a [`Generation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GenerationMember {
    /// The member's id.
    pub(crate) member: Arc<str>,
    /// The static member's instance id.
    pub(crate) instance: Option<Arc<str>>,
    /// The client id.
    pub(crate) client_id: Arc<str>,
    /// The client's host.
    pub(crate) client_host: Arc<str>,
    /// The rebalance timeout; -1 if the record does not say.
    pub(crate) rebalance_timeout_ms: i32,
    /// The session timeout.
    pub(crate) session_timeout_ms: i32,
    /// The member's metadata for the chosen protocol.
    pub(crate) subscription: Bytes,
    /// The member's assignment.
    pub(crate) assignment: Bytes,
}

/// Reads a key.
pub(crate) fn decode_key(bytes: &[u8]) -> Result<Key, ReplayError> {
    let mut reader = Reader::new(bytes);
    match reader.int16()? {
        LEGACY_OFFSET_KEY | OFFSET_KEY => {
            let group = reader.string()?;
            let topic = reader.string()?;
            Ok(Key::Offset {
                group,
                at: TopicPartition {
                    topic,
                    partition: reader.int32()?,
                },
            })
        }
        GROUP_KEY => Ok(Key::Group {
            group: reader.string()?,
        }),
        consumer if ConsumerKey::is_type(consumer) => {
            let (group, key) = ConsumerKey::read(consumer, &mut reader)?;
            Ok(Key::Consumer { group, key })
        }
        // Keys that cannot be read here are not refused.
        other => Ok(match (UnservedType::of_key(other), reader.string()) {
            (Some(kind), Ok(group)) => Key::Unserved {
                kind,
                key_type: other,
                group,
            },
            _ => Key::Other(other),
        }),
    }
}

fn value_reader<'a>(
    record: &'static str,
    bytes: &'a [u8],
) -> Result<(i16, Reader<'a>), ReplayError> {
    let mut reader = Reader::new(bytes);
    let version = reader.int16()?;
    if !(0..=LATEST_VALUE).contains(&version) {
        return Err(ReplayError::UnknownVersion { record, version });
    }
    reader.set_flexible(version >= 4);
    Ok((version, reader))
}

/// Reads the value of an offset.
pub(crate) fn decode_offset(bytes: &[u8]) -> Result<CommittedOffset, ReplayError> {
    let (version, mut reader) = value_reader("offset commit", bytes)?;
    let offset = Offset(reader.int64()?);
    let leader_epoch = if version >= 3 {
        LeaderEpoch(reader.int32()?)
    } else {
        LeaderEpoch::NONE
    };
    let metadata = reader.string()?;
    let committed = Timestamp(reader.int64()?);
    let expires = if version == 1 {
        Some(Timestamp(reader.int64()?))
    } else {
        None
    };
    let expires = expires.filter(|expires| *expires != Timestamp::NONE);
    let mut topic_id = TopicId::ZERO;
    reader.tagged_fields(|tag, field| {
        if tag == TOPIC_ID_TAG {
            topic_id = field.uuid()?;
        }
        Ok(())
    })?;
    Ok(CommittedOffset {
        offset,
        leader_epoch,
        metadata,
        committed,
        expires,
        topic_id,
    })
}

/// Reads the value of a group.
pub(crate) fn decode_generation(bytes: &[u8]) -> Result<Generation, ReplayError> {
    let (version, mut reader) = value_reader("group metadata", bytes)?;
    let protocol_type = reader.string()?;
    let generation = reader.int32()?;
    let protocol = reader.nullable_string()?;
    let leader = reader.nullable_string()?;
    let since = if version >= 2 {
        Timestamp(reader.int64()?)
    } else {
        Timestamp::NONE
    };
    let members = reader.array(|reader| decode_member(version, reader))?;
    reader.no_tagged_fields()?;
    Ok(Generation {
        protocol_type,
        generation,
        protocol,
        leader,
        since,
        members,
    })
}

fn decode_member(version: i16, reader: &mut Reader<'_>) -> Result<GenerationMember, DecodeError> {
    let member = GenerationMember {
        member: reader.string()?,
        instance: if version >= 3 {
            reader.nullable_string()?
        } else {
            None
        },
        client_id: reader.string()?,
        client_host: reader.string()?,
        rebalance_timeout_ms: if version >= 1 { reader.int32()? } else { -1 },
        session_timeout_ms: reader.int32()?,
        subscription: Bytes::copy_from_slice(reader.bytes()?),
        assignment: Bytes::copy_from_slice(reader.bytes()?),
    };
    reader.no_tagged_fields()?;
    Ok(member)
}

fn offset_key(group: &str, at: &TopicPartition) -> Vec<u8> {
    let mut writer = Writer::starting_with(OFFSET_KEY, false);
    writer.string(group);
    writer.string(&at.topic);
    writer.int32(at.partition);
    writer.into_bytes()
}

fn group_key(group: &str) -> Vec<u8> {
    let mut writer = Writer::starting_with(GROUP_KEY, false);
    writer.string(group);
    writer.into_bytes()
}

fn encode_offset(value: &CommittedOffset) -> Vec<u8> {
    let version = if value.expires.is_some() {
        OFFSET_VALUE_WITH_EXPIRY
    } else {
        OFFSET_VALUE
    };
    let mut writer = Writer::starting_with(version, version >= 4);
    writer.int64(value.offset.0);
    if version >= 3 {
        writer.int32(value.leader_epoch.0);
    }
    writer.string(&value.metadata);
    writer.int64(value.committed.0);
    if let Some(expires) = value.expires {
        writer.int64(expires.0);
    }
    let mut tags = Tags::default();
    if !value.topic_id.is_zero() {
        tags.add(TOPIC_ID_TAG, |field| field.uuid(value.topic_id));
    }
    writer.tagged_fields(&tags);
    writer.into_bytes()
}

fn encode_generation(value: &Generation) -> Vec<u8> {
    let mut writer = Writer::starting_with(GROUP_VALUE, false);
    writer.string(&value.protocol_type);
    writer.int32(value.generation);
    writer.nullable_string(value.protocol.as_deref());
    writer.nullable_string(value.leader.as_deref());
    writer.int64(value.since.0);
    writer.array(&value.members, |writer, member| {
        writer.string(&member.member);
        writer.nullable_string(member.instance.as_deref());
        writer.string(&member.client_id);
        writer.string(&member.client_host);
        writer.int32(member.rebalance_timeout_ms);
        writer.int32(member.session_timeout_ms);
        writer.bytes(&member.subscription);
        writer.bytes(&member.assignment);
    });
    writer.into_bytes()
}

/// The record that `group` committed `value` for the partition `at`.
pub(crate) fn offset_record(group: &str, at: &TopicPartition, value: &CommittedOffset) -> KeyValue {
    KeyValue {
        key: offset_key(group, at),
        value: Some(encode_offset(value)),
    }
}

/// The record that `group` has no offset for the partition `at` any more.
pub(crate) fn offset_tombstone(group: &str, at: &TopicPartition) -> KeyValue {
    KeyValue {
        key: offset_key(group, at),
        value: None,
    }
}

/// The record that `group` is in this generation.
pub(crate) fn group_record(group: &str, value: &Generation) -> KeyValue {
    KeyValue {
        key: group_key(group),
        value: Some(encode_generation(value)),
    }
}

/// The record that `group` is deleted.
pub(crate) fn group_tombstone(group: &str) -> KeyValue {
    KeyValue {
        key: group_key(group),
        value: None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::base::KafkaUuid;

    // Written by Kafka 4.3.1's own record classes.
    const KEYS: [&str; 2] = ["00010001670005746f70696300000003", "0002000167"];
    const OFFSETS: [&str; 5] = [
        "0000000000000000002a00036dc3a90000018bcfe56800",
        "0001000000000000002a00036dc3a90000018bcfe568000000018bcfe65260",
        "0002000000000000002a00036dc3a90000018bcfe56800",
        "0003000000000000002a0000000700036dc3a90000018bcfe56800",
        "0004000000000000002a00000007046dc3a90000018bcfe5680001001001\
         23456789abcdef0011223344556677",
    ];
    const OFFSET_WITHOUT_ID: &str = "0004000000000000002a00000007010000018bcfe5680000";
    const GROUPS: [&str; 5] = [
        "00000008636f6e73756d657200000005000572616e67650003632d31000000010003632d31000163000a2f\
         3132372e302e302e31000027100000000201020000000103",
        "00010008636f6e73756d657200000005000572616e67650003632d31000000010003632d31000163000a2f\
         3132372e302e302e3100007530000027100000000201020000000103",
        "00020008636f6e73756d657200000005000572616e67650003632d310000018bcfe5680000000001000363\
         2d31000163000a2f3132372e302e302e3100007530000027100000000201020000000103",
        "00030008636f6e73756d657200000005000572616e67650003632d310000018bcfe5680000000001000363\
         2d31000169000163000a2f3132372e302e302e3100007530000027100000000201020000000103",
        "000409636f6e73756d6572000000050672616e676504632d310000018bcfe568000204632d31026902630b\
         2f3132372e302e302e31000075300000271003010202030000",
    ];
    const EMPTY_GROUP: &str = "0003000000000000ffffffff0000018bcfe5680000000000";
    const THEN: Timestamp = Timestamp(1_700_000_000_000);

    fn unhex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
        text.as_bytes()
            .chunks(2)
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    fn offset() -> CommittedOffset {
        let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        CommittedOffset {
            offset: Offset(42),
            leader_epoch: LeaderEpoch(7),
            metadata: "mé".into(),
            committed: THEN,
            expires: None,
            topic_id: KafkaUuid(id),
        }
    }

    fn generation() -> Generation {
        Generation {
            protocol_type: "consumer".into(),
            generation: 5,
            protocol: Some("range".into()),
            leader: Some("c-1".into()),
            since: THEN,
            members: vec![GenerationMember {
                member: "c-1".into(),
                instance: Some("i".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                rebalance_timeout_ms: 30_000,
                session_timeout_ms: 10_000,
                subscription: Bytes::from_static(&[1, 2]),
                assignment: Bytes::from_static(&[3]),
            }],
        }
    }

    #[test]
    fn keys_are_kafkas() {
        let at = TopicPartition::new("topic", 3);
        assert_eq!(offset_tombstone("g", &at).key, unhex(KEYS[0]));
        assert_eq!(group_tombstone("g").key, unhex(KEYS[1]));
        let offset = Key::Offset {
            group: "g".into(),
            at,
        };
        assert_eq!(decode_key(&unhex(KEYS[0])), Ok(offset.clone()));
        assert_eq!(
            decode_key(&[&[0, 0], &unhex(KEYS[0])[2..]].concat()),
            Ok(offset)
        );
        assert_eq!(
            decode_key(&unhex(KEYS[1])),
            Ok(Key::Group { group: "g".into() })
        );
        let member = |key_type: u8| [&[0, key_type], &unhex(KEYS[1])[2..], b"\0\x01m"].concat();
        let consumer = Key::Consumer {
            group: "g".into(),
            key: ConsumerKey::Member("m".into()),
        };
        assert_eq!(decode_key(&member(5)), Ok(consumer));
        let share = Key::Unserved {
            kind: UnservedType::Share,
            key_type: 10,
            group: "g".into(),
        };
        assert_eq!(decode_key(&member(10)), Ok(share));
        assert_eq!(decode_key(&[0, 99, 1, 2]), Ok(Key::Other(99)));
        let truncated = DecodeError::Truncated { wanted: 2, left: 1 };
        assert_eq!(decode_key(&[0]), Err(truncated.into()));
    }

    #[test]
    fn offsets_of_every_version_are_read_and_kafkas_version_is_written() {
        for (version, bytes) in OFFSETS.iter().enumerate() {
            let mut expected = offset();
            if version < 3 {
                expected.leader_epoch = LeaderEpoch::NONE;
            }
            if version < 4 {
                expected.topic_id = TopicId::ZERO;
            }
            if version == 1 {
                expected.expires = Some(THEN.plus_millis(60_000));
            }
            assert_eq!(
                decode_offset(&unhex(bytes)),
                Ok(expected.clone()),
                "version {version}"
            );
            if version == 1 || version == 4 {
                assert_eq!(encode_offset(&expected), unhex(bytes), "version {version}");
            }
        }
        let plain = CommittedOffset {
            metadata: "".into(),
            topic_id: TopicId::ZERO,
            ..offset()
        };
        assert_eq!(encode_offset(&plain), unhex(OFFSET_WITHOUT_ID));
        assert_eq!(decode_offset(&unhex(OFFSET_WITHOUT_ID)), Ok(plain));
    }

    #[test]
    fn groups_of_every_version_are_read_and_kafkas_version_is_written() {
        for (version, bytes) in GROUPS.iter().enumerate() {
            let mut expected = generation();
            if version < 3 {
                expected.members[0].instance = None;
            }
            if version < 2 {
                expected.since = Timestamp::NONE;
            }
            if version < 1 {
                expected.members[0].rebalance_timeout_ms = -1;
            }
            assert_eq!(
                decode_generation(&unhex(bytes)),
                Ok(expected),
                "version {version}"
            );
        }
        assert_eq!(encode_generation(&generation()), unhex(GROUPS[3]));
        let empty = Generation {
            protocol_type: "".into(),
            generation: 0,
            protocol: None,
            leader: None,
            members: Vec::new(),
            ..generation()
        };
        assert_eq!(encode_generation(&empty), unhex(EMPTY_GROUP));
        assert_eq!(decode_generation(&unhex(EMPTY_GROUP)), Ok(empty));
    }

    #[test]
    fn records_cut_anywhere_and_versions_of_the_future_are_refused() {
        for bytes in OFFSETS.map(unhex) {
            for end in 0..bytes.len() {
                assert!(decode_offset(&bytes[..end]).is_err());
            }
        }
        for bytes in GROUPS.map(unhex) {
            for end in 0..bytes.len() {
                assert!(decode_generation(&bytes[..end]).is_err());
            }
        }
        let unknown = |record, version| Err(ReplayError::UnknownVersion { record, version });
        assert_eq!(decode_offset(&[0, 5]), unknown("offset commit", 5));
        assert_eq!(
            decode_generation(&[0xff, 0xff]).err(),
            Some(ReplayError::UnknownVersion {
                record: "group metadata",
                version: -1
            })
        );
    }

    fn text() -> impl Strategy<Value = Arc<str>> {
        any::<String>().prop_map(Into::into)
    }

    fn member() -> impl Strategy<Value = GenerationMember> {
        let names = (text(), option::of(text()), text(), text());
        let data = (vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..200));
        (names, any::<i32>(), any::<i32>(), data).prop_map(|(names, rebalance, session, data)| {
            GenerationMember {
                member: names.0,
                instance: names.1,
                client_id: names.2,
                client_host: names.3,
                rebalance_timeout_ms: rebalance,
                session_timeout_ms: session,
                subscription: data.0.into(),
                assignment: data.1.into(),
            }
        })
    }

    proptest! {
        #[test]
        fn offsets_survive_the_round_trip(
            offset in any::<i64>(),
            epoch in any::<i32>(),
            metadata in text(),
            committed in any::<i64>(),
            expires in option::of(0..i64::MAX),
            topic_id in any::<u128>(),
        ) {
            let mut value = CommittedOffset {
                offset: Offset(offset),
                leader_epoch: LeaderEpoch(epoch),
                metadata,
                committed: Timestamp(committed),
                expires: expires.map(Timestamp),
                topic_id: KafkaUuid(Uuid::from_u128(topic_id)),
            };
            let decoded = decode_offset(&encode_offset(&value));
            if expires.is_some() {
                value.leader_epoch = LeaderEpoch::NONE;
                value.topic_id = TopicId::ZERO;
            }
            prop_assert_eq!(decoded, Ok(value));
        }

        #[test]
        fn groups_survive_the_round_trip(
            names in (text(), option::of(text()), option::of(text())),
            generation in any::<i32>(),
            since in any::<i64>(),
            members in vec(member(), 0..5),
        ) {
            let value = Generation {
                protocol_type: names.0,
                generation,
                protocol: names.1,
                leader: names.2,
                since: Timestamp(since),
                members,
            };
            prop_assert_eq!(decode_generation(&encode_generation(&value)), Ok(value));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode_key(&bytes);
            for version in 0..=4 {
                let bytes = [&[0, version], &bytes[..]].concat();
                let _ = decode_offset(&bytes);
                let _ = decode_generation(&bytes);
            }
        }
    }
}
