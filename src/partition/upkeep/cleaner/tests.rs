//! The cleaner over a hosted partition.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::base::{KafkaUuid, Offset, Timestamp, TopicId};
use crate::log::checkpoint::read_offsets;
use crate::log::compact::CHECKPOINT;
use crate::log::{AppendOrigin, TransactionCheck};
use crate::metadata::ConfigResourceType;
use crate::metadata::record::{Config, MetadataRecord, RemoveTopic};
use crate::partition::testing::{Broker, change};
use crate::partition::{AppendOptions, RequiredAcks, Source};
use crate::record::{BatchBuilder, BatchOptions};

const ID: TopicId = KafkaUuid(uuid::Uuid::from_u128(77));

/// Segments of 1 MiB, the minimum of a broker.
const COMPACTED: &[(&str, &str)] = &[
    ("log.cleanup.policy", "compact"),
    ("log.segment.bytes", "1048576"),
    ("log.cleaner.backoff.ms", "5"),
    ("log.cleaner.threads", "2"),
];

fn append(broker: &Broker, count: u8) {
    append_values(broker, count, |n| vec![n; 200_000]);
}

fn append_incompressible(broker: &Broker, count: u8) {
    append_values(broker, count, |n| {
        let mut state = u32::from(n);
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        });
        noise.take(200_000).collect()
    });
}

fn append_values(broker: &Broker, count: u8, value: impl Fn(u8) -> Vec<u8>) {
    for n in 0..count {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let value = value(n);
        builder.push(Timestamp(1_000), Some(&[n % 3]), Some(&value), &[]);
        let pending = broker.replica().append(AppendOptions {
            records: builder.finish(),
            acks: RequiredAcks::Leader,
            source: Source::Broker,
            may_check_here: false,
            origin: AppendOrigin::Client,
            transactions: TransactionCheck::Trusted,
            expected_epoch: None,
        });
        drop(pending);
    }
}

/// Checks repeatedly, since there is no signal for the end of a cleaning.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    let (_kept, never) = std::sync::mpsc::channel::<()>();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        let _ = never.recv_timeout(Duration::from_millis(2));
    }
}

fn clean_to(path: &Path) -> Option<Offset> {
    let offsets = read_offsets(&path.join(CHECKPOINT)).unwrap().unwrap();
    offsets.values().next().copied()
}

#[test]
fn a_log_is_compacted_and_its_checkpoint_written_and_removed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), ID, COMPACTED);
    append(&broker, 32);
    // five batches make a segment: of 32 batches 30 can be cleaned
    eventually("the log is cleaned", || {
        clean_to(directory.path()) == Some(Offset(30))
    });
    let replica = broker.replica();
    eventually("what is left is published", || {
        replica.published().view.size() < 2_000_000
    });
    assert_eq!(replica.published().positions.log_end, Offset(32));

    // the checkpoint survives a restart
    broker.partitions.stop(0);
    drop(broker);
    let broker = Broker::start(directory.path(), ID, COMPACTED);
    assert_eq!(clean_to(directory.path()), Some(Offset(30)));
    append(&broker, 10);
    eventually("it goes on where it was", || {
        clean_to(directory.path()) > Some(Offset(30))
    });

    let gone = MetadataRecord::RemoveTopic(RemoveTopic { topic_id: ID });
    let (image, delta) = change(&broker.image, &[gone]);
    broker.partitions.apply(&image, &delta);
    eventually("the checkpoint forgets the deleted topic", || {
        clean_to(directory.path()).is_none()
    });
    broker.partitions.stop(0);
}

fn set(broker: &mut Broker, key: &str, value: &str) {
    let record = MetadataRecord::Config(Config {
        resource_type: ConfigResourceType::BROKER.0,
        resource_name: String::new(),
        name: key.to_owned(),
        value: Some(value.to_owned()),
    });
    let (image, delta) = change(&broker.image, &[record]);
    broker.partitions.apply(&image, &delta);
    broker.image = image;
}

#[test]
fn a_slow_compaction_goes_on_at_once_when_the_rate_is_raised() {
    let directory = tempfile::tempdir().unwrap();
    let slow = [
        COMPACTED,
        &[("log.cleaner.io.max.bytes.per.second", "1000")],
    ]
    .concat();
    let mut broker = Broker::start(directory.path(), ID, &slow);
    append(&broker, 32);
    let replica = broker.replica();
    eventually("closed segments are synced", || {
        replica.published().recovery_point >= Offset(30)
    });
    // at the rate before it would take hours
    set(
        &mut broker,
        "log.cleaner.io.max.bytes.per.second",
        "1000000000",
    );
    eventually("the log is cleaned", || {
        clean_to(directory.path()) == Some(Offset(30))
    });
    broker.partitions.stop(0);
}

#[test]
fn threads_come_and_go_with_the_setting_and_without_any_nothing_is_cleaned() {
    let directory = tempfile::tempdir().unwrap();
    let none = [COMPACTED, &[("log.cleaner.threads", "0")]].concat();
    let mut broker = Broker::start(directory.path(), ID, &none);
    append(&broker, 32);
    let running = |broker: &Broker| broker.partitions.cleaner().running();
    assert_eq!(running(&broker), 0);
    set(&mut broker, "log.cleaner.threads", "3");
    assert_eq!(running(&broker), 3);
    eventually("the log is cleaned", || {
        clean_to(directory.path()) == Some(Offset(30))
    });
    set(&mut broker, "log.cleaner.threads", "1");
    eventually("two threads have ended", || running(&broker) == 1);
    set(&mut broker, "log.cleaner.threads", "2");
    assert_eq!(running(&broker), 2);
    broker.partitions.stop(0);
}

#[test]
fn a_stop_does_not_wait_for_a_slow_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let slow = [
        COMPACTED,
        &[("log.cleaner.io.max.bytes.per.second", "1000")],
    ]
    .concat();
    let broker = Broker::start(directory.path(), ID, &slow);
    append(&broker, 32);
    let replica = broker.replica();
    eventually("closed segments are synced", || {
        replica.published().recovery_point >= Offset(30)
    });
    // at that rate it would take hours
    let began = Instant::now();
    broker.partitions.stop(0);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(clean_to(directory.path()), None);
    let replica = directory.path().join("orders-0");
    let entries = std::fs::read_dir(replica).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.ends_with(".cleaned")));
}

#[test]
fn a_log_with_records_that_are_too_large_by_now_is_compacted_once_they_are_allowed_again() {
    let directory = tempfile::tempdir().unwrap();
    let small = [
        COMPACTED,
        &[
            ("max.decompressed.message.bytes", "1000"),
            // not compressed when they are appended, and so accepted
            ("compression.type", "lz4"),
        ],
    ]
    .concat();
    let mut broker = Broker::start(directory.path(), ID, &small);
    append_incompressible(&broker, 32);
    let is_set_aside = |broker: &Broker| {
        let cleaner = broker.partitions.cleaner();
        !cleaner.shared.state().uncleanable.is_empty()
    };
    eventually("it is set aside", || is_set_aside(&broker));
    set(&mut broker, "max.decompressed.message.bytes", "1000000");
    eventually("the log is cleaned", || {
        clean_to(directory.path()) == Some(Offset(30))
    });
    assert!(!is_set_aside(&broker));
    broker.partitions.stop(0);
}
