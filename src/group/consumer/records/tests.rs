//! The bytes of Kafka 4.4.0's own record classes, both ways.

use super::*;
use crate::base::KafkaUuid;

const GROUP_KEY: &str = "0003000167";
const GROUP_VALUE: &str = "0000000000050100080102030405060708";
const GROUP_VALUE_WITHOUT_HASH: &str = "00000000000500";
const MEMBER_KEY: &str = "000500016700016d";
const MEMBER_VALUE: &str = "0000000002630b2f3132372e302e302e31030261026201000075300001000100";
const CLASSIC_MEMBER_VALUE: &str = "00000269027202630b2f3132372e302e302e310104612e2a000075300672616e67650100110100002710020672616e67650301020000";
const MEMBER_VALUE_WITHOUT_TAG: &str = "0000000001010101ffffffff0000";
const TARGET_EPOCH_VALUE: &str = "0000000000070100080000018bcfe56800";
const TARGET_EPOCH_VALUE_WITHOUT_TIME: &str = "00000000000700";
const TARGET_MEMBER_VALUE: &str = "0000020123456789abcdef00112233445566770300000001000000030000";
const CURRENT_VALUE: &str = "0000000000070000000601020123456789abcdef0011223344556677030000000100000003010009030000000400000007021123456789abcdef00112233445566770200000000010005020000000200";
const EXPRESSION_KEY: &str = "00100001670003612e2a";
const EXPRESSION_VALUE: &str = "0000030261036162000000000000000c0000018bcfe5680000";
const THEN: Timestamp = Timestamp(1_700_000_000_000);

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

fn record(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: unhex(key),
        value: Some(unhex(value)),
    }
}

fn decode_key(bytes: &[u8]) -> (Arc<str>, ConsumerKey) {
    let mut reader = Reader::new(bytes);
    let key_type = reader.int16().unwrap();
    assert!(ConsumerKey::is_type(key_type));
    ConsumerKey::read(key_type, &mut reader).unwrap()
}

fn topic(first: u128) -> TopicId {
    let rest = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
    KafkaUuid(uuid::Uuid::from_u128((first << 124) | rest))
}

fn member() -> Member {
    Member {
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        subscription: Subscription {
            names: Names::new(["b".into(), "a".into()]),
            expression: None,
        },
        rebalance_timeout_ms: 30_000,
        ..Member::new("m".into())
    }
}

fn classic_member() -> Member {
    Member {
        instance: Some("i".into()),
        rack: Some("r".into()),
        subscription: Subscription {
            names: Names::default(),
            expression: Some("a.*".into()),
        },
        assignor: Some("range".into()),
        classic: Some(ClassicMember {
            session_timeout_ms: 10_000,
            protocols: Arc::new([Protocol {
                name: "range".into(),
                metadata: Bytes::from_static(&[1, 2]),
            }]),
        }),
        ..member()
    }
}

#[test]
fn groups_have_kafkas_bytes() {
    let with_hash = group_metadata("g", 5, 0x0102_0304_0506_0708);
    assert_eq!(with_hash, record(GROUP_KEY, GROUP_VALUE));
    assert_eq!(
        group_metadata("g", 5, 0),
        record(GROUP_KEY, GROUP_VALUE_WITHOUT_HASH)
    );
    assert_eq!(
        decode_group(&unhex(GROUP_VALUE)),
        Ok((5, 0x0102_0304_0506_0708))
    );
    assert_eq!(decode_group(&unhex(GROUP_VALUE_WITHOUT_HASH)), Ok((5, 0)));
    assert_eq!(
        decode_key(&unhex(GROUP_KEY)),
        ("g".into(), ConsumerKey::Group)
    );
}

#[test]
fn members_have_kafkas_bytes() {
    for (member, bytes) in [
        (member(), MEMBER_VALUE),
        (classic_member(), CLASSIC_MEMBER_VALUE),
    ] {
        assert_eq!(member_metadata("g", &member), record(MEMBER_KEY, bytes));
        assert_eq!(decode_member("m".into(), &unhex(bytes)), Ok(member));
    }
    let without_tag = decode_member("m".into(), &unhex(MEMBER_VALUE_WITHOUT_TAG)).unwrap();
    assert!(without_tag.is_classic(), "as Kafka reads it");
    assert_eq!(
        member_metadata("g", &without_tag),
        record(MEMBER_KEY, MEMBER_VALUE_WITHOUT_TAG)
    );
}

#[test]
fn targets_have_kafkas_bytes() {
    let key = "0006000167";
    assert_eq!(target_epoch("g", 7, THEN), record(key, TARGET_EPOCH_VALUE));
    let without_time = target_epoch("g", 7, Timestamp(0));
    assert_eq!(without_time, record(key, TARGET_EPOCH_VALUE_WITHOUT_TIME));
    assert_eq!(
        decode_target_epoch(&unhex(TARGET_EPOCH_VALUE)),
        Ok((7, THEN))
    );
    assert_eq!(
        decode_target_epoch(&without_time.value.unwrap()),
        Ok((7, Timestamp(0)))
    );
    let target = Assignment::new([(topic(0), vec![3, 1])]);
    let written = target_member("g", "m", &target);
    assert_eq!(written, record("000700016700016d", TARGET_MEMBER_VALUE));
    assert_eq!(
        decode_target_member(&unhex(TARGET_MEMBER_VALUE)),
        Ok(target)
    );
}

#[test]
fn current_assignments_have_kafkas_bytes() {
    let held = |partition, since| Held { partition, since };
    let member = Member {
        epoch: 7,
        previous_epoch: 6,
        state: MemberState::UnrevokedPartitions,
        assigned: Owned::new([(topic(0), vec![held(1, 4), held(3, 7)])]),
        pending_revocation: Owned::new([(topic(1), vec![held(0, 2)])]),
        ..Member::new("m".into())
    };
    let written = current_assignment("g", &member);
    assert_eq!(written, record("000800016700016d", CURRENT_VALUE));
    assert_eq!(
        decode_current_assignment("m".into(), &unhex(CURRENT_VALUE)),
        Ok(member)
    );
}

#[test]
fn without_epochs_a_partition_was_got_at_the_members_epoch() {
    let decode = |epoch: i32, tag: &[u8]| {
        let head = [&[0, 0], &epoch.to_be_bytes()[..], &[0, 0, 0, 6, 0, 2]].concat();
        let topic = [&[7; 16], &[2, 0, 0, 0, 9][..], tag].concat();
        decode_current_assignment("m".into(), &[&head[..], &topic, &[1, 0]].concat()).unwrap()
    };
    let since = |member: Member| member.assigned.iter().next().unwrap().1.since;
    assert_eq!(since(decode(7, &[0])), 7);
    assert_eq!(since(decode(-2, &[0])), 0);
    assert_eq!(since(decode(7, &[1, 0, 1, 0])), 7, "null");
    assert_eq!(since(decode(7, &[1, 0, 1, 1])), 7, "too few");
    assert_eq!(since(decode(7, &[1, 0, 5, 2, 0, 0, 0, 4])), 4);
}

#[test]
fn expressions_have_kafkas_bytes() {
    let resolved = Resolved {
        topics: Names::new(["ab".into(), "a".into()]),
        version: 12,
        timestamp: THEN,
    };
    let written = expression("g", "a.*", &resolved);
    assert_eq!(written, record(EXPRESSION_KEY, EXPRESSION_VALUE));
    assert_eq!(decode_expression(&unhex(EXPRESSION_VALUE)), Ok(resolved));
}

#[test]
fn tombstones_have_kafkas_keys() {
    for (tombstone, bytes, key) in [
        (
            group_metadata_tombstone("g"),
            "0003000167",
            ConsumerKey::Group,
        ),
        (
            topics_read_tombstone("g"),
            "0004000167",
            ConsumerKey::TopicsRead,
        ),
        (
            member_metadata_tombstone("g", "m"),
            "000500016700016d",
            ConsumerKey::Member("m".into()),
        ),
        (
            target_epoch_tombstone("g"),
            "0006000167",
            ConsumerKey::TargetEpoch,
        ),
        (
            target_member_tombstone("g", "m"),
            "000700016700016d",
            ConsumerKey::TargetMember("m".into()),
        ),
        (
            current_assignment_tombstone("g", "m"),
            "000800016700016d",
            ConsumerKey::CurrentAssignment("m".into()),
        ),
        (
            expression_tombstone("g", "a.*"),
            EXPRESSION_KEY,
            ConsumerKey::Expression("a.*".into()),
        ),
    ] {
        assert_eq!(
            tombstone,
            KeyValue {
                key: unhex(bytes),
                value: None
            }
        );
        assert_eq!(decode_key(&tombstone.key), ("g".into(), key));
    }
}

#[test]
fn other_versions_and_broken_values_are_refused() {
    let version = Err(ReplayError::UnknownVersion {
        record: "consumer group metadata",
        version: 1,
    });
    assert_eq!(decode_group(&[0, 1, 0, 0, 0, 0, 0]), version);
    for value in [
        MEMBER_VALUE,
        CLASSIC_MEMBER_VALUE,
        CURRENT_VALUE,
        TARGET_MEMBER_VALUE,
        EXPRESSION_VALUE,
    ] {
        let value = unhex(value);
        for end in 0..value.len() {
            let part = &value[..end];
            let _ = decode_group(part);
            let _ = decode_member("m".into(), part);
            let _ = decode_target_member(part);
            let _ = decode_current_assignment("m".into(), part);
            let _ = decode_expression(part);
        }
    }
}
