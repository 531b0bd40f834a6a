use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::schema::DecodeError;

// Written by Kafka 4.4.0's own record classes.
const KEY: &str = "0000000374c3a4";
const EMPTY: [&str; 2] = [
    "00000000000000000fa100070000ea6000ffffffff0000018bcfe56801ffffffffffffffff",
    "00010000000000000fa100070000ea6000000000018bcfe56801ffffffffffffffff0100080000000000000fa1",
];
const ONGOING: [&str; 2] = [
    "00000000000000000fa100070000ea60010000000200016100000001000000020005746f706963000000020000\
     0000000000010000018bcfe568010000018bcfe56800",
    "00010000000000000fa100070000ea600103026102000000020006746f706963030000000000000001000000018\
     bcfe568010000018bcfe568000200080000000000000fa102020002",
];
const COMPLETE: [&str; 2] = [
    "00000000000000000fa100070000ea6004000000000000018bcfe568010000018bcfe56800",
    "00010000000000000fa100070000ea6004010000018bcfe568010000018bcfe5680000",
];
const PREPARED: &str = "00010000000000000fa17fff0000ea600203026102000000020006746f7069630300000000\
     00000001000000018bcfe568010000018bcfe568000400080000000000000fa1010800000000000013880202000203020003";
const THEN: Timestamp = Timestamp(1_700_000_000_000);
const LEVELS: [TransactionVersion; 2] = [TransactionVersion::V0, TransactionVersion::V2];

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    text.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn value(state: StateName) -> Value {
    Value {
        ids: ProducerIdAndEpoch::new(ProducerId(4_001), ProducerEpoch(7)),
        previous: ProducerId::NONE,
        next: ProducerId::NONE,
        next_epoch: ProducerEpoch::NONE,
        timeout_ms: 60_000,
        state,
        partitions: Partitions::default(),
        updated: THEN.plus_millis(1),
        started: THEN,
        client_version: TransactionVersion::V0,
    }
}

fn partitions() -> Partitions {
    let topics = [("topic".into(), vec![1, 0]), ("a".into(), vec![2])];
    topics.into_iter().collect()
}

/// Each value in both versions, and what version 0 leaves of it.
fn values() -> [(Value, [&'static str; 2]); 3] {
    let empty = Value {
        previous: ProducerId(4_001),
        started: Timestamp::NONE,
        ..value(StateName::Empty)
    };
    let ongoing = Value {
        previous: ProducerId(4_001),
        partitions: partitions(),
        client_version: TransactionVersion::V2,
        ..value(StateName::Ongoing)
    };
    [
        (empty, EMPTY),
        (ongoing, ONGOING),
        (value(StateName::CompleteCommit), COMPLETE),
    ]
}

fn old(value: Value) -> Value {
    Value {
        previous: ProducerId::NONE,
        next: ProducerId::NONE,
        next_epoch: ProducerEpoch::NONE,
        client_version: TransactionVersion::V0,
        ..value
    }
}

#[test]
fn keys_are_kafkas() {
    assert_eq!(tombstone("tä").key, unhex(KEY));
    assert_eq!(tombstone("tä").value, None);
    assert_eq!(decode_key(&unhex(KEY)), Ok("tä".into()));
}

#[test]
fn values_are_kafkas() {
    for (value, bytes) in values() {
        for (level, bytes) in LEVELS.into_iter().zip(bytes) {
            let record = record("tä", &value, level);
            assert_eq!(record.key, unhex(KEY));
            assert_eq!(record.value, Some(unhex(bytes)), "{value:?}");
        }
        assert_eq!(decode_value(&unhex(bytes[1])), Ok(value.clone()));
        assert_eq!(decode_value(&unhex(bytes[0])), Ok(old(value)));
    }
}

#[test]
fn every_tagged_field_is_kept() {
    let prepared = Value {
        ids: ProducerIdAndEpoch::new(ProducerId(4_001), ProducerEpoch(i16::MAX)),
        previous: ProducerId(4_001),
        next: ProducerId(5_000),
        next_epoch: ProducerEpoch(3),
        partitions: partitions(),
        client_version: TransactionVersion::V2,
        ..value(StateName::PrepareCommit)
    };
    assert_eq!(
        encode_value(&prepared, TransactionVersion::V2),
        unhex(PREPARED)
    );
    assert_eq!(decode_value(&unhex(PREPARED)), Ok(prepared));
}

#[test]
fn a_flexible_value_needs_level_one() {
    let [(empty, _), ..] = values();
    let version_at = |level| encode_value(&empty, TransactionVersion(level))[..2].to_vec();
    assert_eq!(version_at(0), [0, 0]);
    assert_eq!(version_at(1), [0, 1]);
    assert_eq!(version_at(2), [0, 1]);
}

#[test]
fn unknown_versions_and_states_are_told_from_broken_bytes() {
    let unknown = |part, version| Err(ReplayError::UnknownVersion { part, version });
    let with_version = |bytes: &str, version| [&[0, version], &unhex(bytes)[2..]].concat();
    assert_eq!(
        decode_key(&with_version(KEY, 1)),
        unknown("key", 1).map(|()| "".into())
    );
    assert_eq!(
        decode_value(&with_version(EMPTY[1], 2)),
        unknown("value", 2).map(|()| value(StateName::Empty))
    );
    for state in [6, 7, 8, 255] {
        let mut bytes = unhex(COMPLETE[1]);
        bytes[16] = state;
        assert_eq!(decode_value(&bytes), Err(ReplayError::State(state as i8)));
    }
    let bytes = unhex(ONGOING[1]);
    for end in 0..bytes.len() {
        let decoded = decode_value(&bytes[..end]);
        assert!(matches!(decoded, Err(ReplayError::Encoding(_))), "{end}");
    }
    assert_eq!(
        decode_key(&[0, 0, 255, 255]),
        Err(ReplayError::Encoding(DecodeError::Null))
    );
}

#[test]
fn an_empty_one_has_no_partitions_whatever_the_record_says() {
    let mut bytes = unhex(ONGOING[1]);
    bytes[16] = 0;
    let value = decode_value(&bytes).unwrap();
    assert!(value.partitions.is_empty());
    let mut bytes = unhex(EMPTY[1]);
    bytes[16] = 5;
    let value = decode_value(&bytes).unwrap();
    assert!(value.partitions.is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_no_larger_than_counted(
        id in "\\PC{0,40}",
        numbers in (any::<i64>(), any::<i64>(), any::<i64>(), any::<i16>(), any::<i32>()),
        state in 0_usize..6,
        topics in vec(("[a-z]{1,30}", vec(any::<i32>(), 1..40)), 0..6),
        level in 0_i16..3,
    ) {
        let (producer, previous, next, epoch, timeout_ms) = numbers;
        let mut value = Value {
            ids: ProducerIdAndEpoch::new(ProducerId(producer), ProducerEpoch(epoch)),
            previous: ProducerId(previous),
            next: ProducerId(next),
            next_epoch: ProducerEpoch(epoch),
            timeout_ms,
            client_version: TransactionVersion(epoch),
            ..value(StateName::ALL[state])
        };
        if value.state != StateName::Empty {
            let topics = topics.into_iter().map(|(topic, numbers)| (topic.into(), numbers));
            value.partitions = topics.collect();
        }
        let record = record(&id, &value, TransactionVersion(level));
        let bytes = record.value.unwrap();
        // 32: more than the lengths and numbers of a record in a batch.
        let size = record.key.len() + bytes.len() + 32;
        prop_assert!(size <= RECORD_OVERHEAD + id.len() + value.partitions.record_bytes());
        let expected = if level == 0 { old(value) } else { value };
        prop_assert_eq!(decode_value(&bytes).unwrap(), expected);
        prop_assert_eq!(&*decode_key(&record.key).unwrap(), &id);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), version in 0_u8..2) {
        let _ = decode_key(&bytes);
        let _ = decode_value(&bytes);
        let _ = decode_value(&[&[0, version], &*bytes].concat());
    }
}
