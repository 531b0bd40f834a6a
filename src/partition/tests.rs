//! Hosting over a real directory: append, wait, read, delete, fail, stop and start again.

mod directories;
mod hanging;
mod leading;
mod moves;
mod preparing;
mod ranges;
mod starting;
mod strays;
mod transactions;
mod turns;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::base::{ErrorCode, KafkaUuid, LeaderEpoch, Offset, Timestamp};
use crate::log::{AppendError, AppendOrigin, TransactionCheck};
use crate::metadata::ConfigResourceType;
use crate::metadata::record::{Config, MetadataRecord, RemoveTopic};
use crate::record::{BatchBuilder, BatchOptions, Batches};

use super::fetch::{
    FetchLimits, FetchedPart, FetchedRecords, Finder, PartitionKey, ReadFailure, TopicKey,
    WantedPartition,
};
use super::sessions::{Changes, FetchSessions, SessionLimits, SessionRequest};
use super::testing::{Broker, EPOCH, change};
use super::{
    AppendFailure, AppendOptions, DeleteFailure, EpochMismatch, NotHosted, Replica, RequiredAcks,
    Source,
};

fn batch(text: &[u8]) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    batch.push(Timestamp(1_000), None, Some(text), &[]);
    batch.finish()
}

fn options(text: &[u8]) -> AppendOptions {
    AppendOptions {
        records: batch(text),
        origin: AppendOrigin::Client,
        acks: RequiredAcks::Leader,
        source: Source::Broker,
        may_check_here: false,
        transactions: TransactionCheck::Trusted,
        expected_epoch: None,
    }
}

/// A partition and the fetch parameters for it.
#[derive(Clone, Debug)]
struct Part {
    replica: Arc<Replica>,
    wanted: WantedPartition,
}

fn part(replica: &Arc<Replica>, from: i64) -> Part {
    Part {
        replica: Arc::clone(replica),
        wanted: WantedPartition {
            from: Offset(from),
            max_bytes: 1 << 20,
            current_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        },
    }
}

/// Finds the parts by their numbers.
impl Finder for Vec<Part> {
    fn find(&self, key: &PartitionKey, _: bool) -> Result<Arc<Replica>, ErrorCode> {
        let part = usize::try_from(key.1).ok().and_then(|at| self.get(at));
        part.map(|part| Arc::clone(&part.replica))
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

/// A fetch without a session.
async fn fetch(parts: &[Part], limits: FetchLimits) -> Vec<Result<FetchedPart, ReadFailure>> {
    let sessions = FetchSessions::new(SessionLimits { slots: 0, bytes: 0 });
    let connection = sessions.connection([127, 0, 0, 1].into());
    let request = SessionRequest {
        id: 0,
        epoch: -1,
        by_topic_id: false,
    };
    let topic = TopicKey::Name("orders".into());
    let wanted = (0..).zip(parts);
    let changes = Changes {
        wanted: wanted
            .map(|(number, part)| ((topic.clone(), number), part.wanted))
            .collect(),
        forgotten: Vec::new(),
    };
    let begun = connection.begin(request, changes, Timestamp(0)).await;
    let mut fetch = begun.expect("a fetch");
    let rows = fetch.run(&parts.to_vec(), limits, false).await;
    rows.into_iter().map(|row| row.result).collect()
}

fn limits(wait: Duration) -> FetchLimits {
    FetchLimits {
        min_bytes: 1,
        max_bytes: 1 << 20,
        deadline: Instant::now() + wait,
    }
}

fn bytes_of(records: FetchedRecords) -> Bytes {
    match records {
        FetchedRecords::InMemory(bytes) => bytes,
        FetchedRecords::InFile(slice) => slice.read().expect("readable"),
    }
}

#[tokio::test]
async fn what_was_appended_in_order_is_read_in_order_and_survives_a_restart() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let broker = Broker::start(path.path(), id, &[]);
    let replica = broker.replica();
    let pending: Vec<_> = (0..50_u8)
        .map(|number| replica.append(options(&[number])))
        .collect();
    for (offset, append) in (0..).zip(pending) {
        let appended = append.await.expect("an append");
        assert_eq!(
            (appended.info.first_offset, appended.leader_epoch),
            (Offset(offset), EPOCH)
        );
    }
    broker.partitions.stop(17);
    drop(broker);

    let broker = Broker::start(path.path(), id, &[]);
    let read = fetch(&[part(&broker.replica(), 20)], limits(Duration::ZERO)).await;
    let records = read
        .into_iter()
        .next()
        .expect("an answer")
        .expect("records")
        .records;
    let offsets: Vec<_> = Batches::new(bytes_of(records))
        .map(|batch| batch.expect("a batch").header.base_offset.0)
        .collect();
    assert_eq!(offsets, (20..50).collect::<Vec<_>>());
    broker.partitions.stop(18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_fetch_is_woken_by_an_append() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(path.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let parts = [part(&replica, 0)];
    let waiting = tokio::spawn(async move { fetch(&parts, limits(Duration::from_secs(60))).await });
    replica.append(options(b"news")).await.expect("an append");
    let answer = tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("woken")
        .expect("no panic");
    let fetched = answer
        .into_iter()
        .next()
        .expect("an answer")
        .expect("records");
    assert_eq!(fetched.positions.high_watermark, Offset(1));
    assert!(!fetched.records.is_empty());
    broker.partitions.stop(1);
}

#[tokio::test]
async fn nothing_is_not_waited_for() {
    let nothing = fetch(&[], limits(Duration::from_secs(60)));
    let answer = tokio::time::timeout(Duration::from_secs(30), nothing).await;
    assert!(answer.expect("an answer at once").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_topic_and_with_the_broker() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(path.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let wait = |replica: &Arc<Replica>| {
        let parts = [part(replica, 0)];
        tokio::spawn(async move { fetch(&parts, limits(Duration::from_secs(60))).await })
    };

    let waiting = wait(&replica);
    broker.partitions.end_waits();
    let answer = waiting.await.expect("no panic");
    assert!(
        answer[0]
            .as_ref()
            .is_ok_and(|fetched| fetched.records.is_empty())
    );

    let removed = [MetadataRecord::RemoveTopic(RemoveTopic {
        topic_id: broker.id,
    })];
    let (image, delta) = change(&broker.image, &removed);
    broker.partitions.apply(&image, &delta);
    assert_eq!(
        broker.partitions.find(broker.id, 0).err(),
        Some(NotHosted::Unknown)
    );
    let answer = wait(&replica).await.expect("no panic");
    assert!(matches!(
        answer[0],
        Err(ReadFailure::Epoch(EpochMismatch::NotLeader))
    ));
    assert!(matches!(
        replica.append(options(b"late")).await,
        Err(AppendFailure::NotLeader)
    ));
    broker.partitions.stop(1);
    let left: Vec<_> = std::fs::read_dir(path.path())
        .expect("readable")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.starts_with("orders"))
        .collect();
    assert!(
        matches!(left.as_slice(), [name] if name.ends_with("-delete")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_clients_and_not_coordinators() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let reserve = i64::MAX.to_string();
    let broker = Broker::start(
        path.path(),
        KafkaUuid::random(),
        &[("zurau.disk.reserve.bytes", &reserve)],
    );
    let replica = broker.replica();
    assert!(matches!(
        replica.append(options(b"no")).await,
        Err(AppendFailure::DiskNearlyFull)
    ));
    let commit = AppendOptions {
        origin: AppendOrigin::Coordinator,
        ..options(b"yes")
    };
    assert_eq!(
        replica
            .append(commit)
            .await
            .expect("an append")
            .info
            .first_offset,
        Offset(0)
    );
    broker.partitions.stop(1);
}

#[tokio::test]
async fn a_directory_that_failed_refuses_everything_and_leaves_no_marker() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(path.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    replica.directory().fail(&"a test");
    assert!(matches!(
        replica.append(options(b"no")).await,
        Err(AppendFailure::Storage)
    ));
    let answer = fetch(&[part(&replica, 0)], limits(Duration::ZERO)).await;
    assert!(matches!(answer[0], Err(ReadFailure::Storage(_))));
    broker.partitions.stop(1);
    assert!(!path.path().join(".kafka_cleanshutdown").exists());
}

#[tokio::test]
async fn too_few_replicas_in_sync_refuse_acks_of_all_only() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(
        path.path(),
        KafkaUuid::random(),
        &[("min.insync.replicas", "3")],
    );
    let replica = broker.replica();
    let all = AppendOptions {
        acks: RequiredAcks::All,
        ..options(b"no")
    };
    // `min.insync.replicas` is three, but there are two replicas: two are enough.
    let refused = replica.append(all).await;
    assert!(
        matches!(
            refused,
            Err(AppendFailure::NotEnoughReplicas {
                in_sync: 1,
                needed: 2
            })
        ),
        "{refused:?}"
    );
    replica.append(options(b"yes")).await.expect("an append");
    let fenced = AppendOptions {
        expected_epoch: Some(LeaderEpoch(3)),
        ..options(b"no")
    };
    assert!(matches!(
        replica.append(fenced).await,
        Err(AppendFailure::NotLeader)
    ));
    broker.partitions.stop(1);
}

/// A copy of what is on the disk now: what a kill would leave.
fn as_a_kill_leaves_it(path: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).expect("readable") {
            let entry = entry.expect("an entry");
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                std::fs::create_dir(&to).expect("a directory");
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).expect("a copy");
            }
        }
    }
    let copied = tempfile::tempdir().expect("a temporary directory");
    copy(path, copied.path());
    copied
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_records_are_gone_for_everyone_and_stay_gone_after_a_kill() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let broker = Broker::start(path.path(), id, &[]);
    let replica = broker.replica();
    for number in 0..10 {
        let appended = replica.append(options(&[number])).await;
        appended.expect("an append");
    }
    let delete = async |before| {
        let wanted = vec![(broker.replica(), Offset(before))];
        broker.partitions.delete_records(wanted).await.remove(0)
    };
    let many = FetchLimits {
        min_bytes: 1 << 19,
        ..limits(Duration::from_secs(60))
    };
    let parts = [part(&replica, 2)];
    let waiting = tokio::spawn(async move { fetch(&parts, many).await });

    assert_eq!(delete(4).await, Ok(Offset(4)));
    let answer = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    let answer = answer.expect("woken").expect("no panic");
    assert!(matches!(answer[0], Err(ReadFailure::OutOfRange { .. })));
    assert_eq!(delete(3).await, Ok(Offset(4)), "a start never goes back");
    for before in [-2, 11] {
        let refused = Err(DeleteFailure::OutOfRange(Offset(before)));
        assert_eq!(delete(before).await, refused);
    }
    let published = replica.published();
    assert_eq!(published.positions.log_start, Offset(4));
    assert_eq!(published.view.epoch_at(Offset(4)), Some(EPOCH));

    let killed = as_a_kill_leaves_it(path.path());
    let after = Broker::start(killed.path(), id, &[]);
    let positions = after.replica().published().positions;
    assert_eq!(
        (positions.log_start, positions.log_end),
        (Offset(4), Offset(10))
    );
    after.partitions.stop(1);

    assert_eq!(delete(-1).await, Ok(Offset(10)));
    let killed = as_a_kill_leaves_it(path.path());
    let after = Broker::start(killed.path(), id, &[]);
    let positions = after.replica().published().positions;
    assert_eq!(
        (positions.log_start, positions.log_end),
        (Offset(10), Offset(10))
    );
    after.partitions.stop(1);
    replica.directory().fail(&"a test");
    assert_eq!(delete(-1).await, Err(DeleteFailure::Storage));
    broker.partitions.stop(1);
}

#[tokio::test]
async fn a_compacted_topic_keeps_its_records() {
    let path = tempfile::tempdir().expect("a temporary directory");
    for (policy, answer) in [
        ("compact", Err(DeleteFailure::Policy)),
        ("compact,delete", Ok(Offset(1))),
    ] {
        let directory = path.path().join(policy);
        let settings = [("log.cleanup.policy", policy)];
        let broker = Broker::start(&directory, KafkaUuid::random(), &settings);
        let replica = broker.replica();
        let mut keyed = BatchBuilder::new(BatchOptions::default());
        keyed.push(Timestamp(1_000), Some(b"key"), Some(b"one"), &[]);
        let append = AppendOptions {
            records: keyed.finish(),
            ..options(b"")
        };
        replica.append(append).await.expect("an append");
        let wanted = vec![(replica, Offset(-1))];
        let deleted = broker.partitions.delete_records(wanted).await;
        assert_eq!(deleted, [answer], "{policy}");
        broker.partitions.stop(1);
    }
}

fn config(resource_type: ConfigResourceType, name: &str, key: &str, value: &str) -> MetadataRecord {
    MetadataRecord::Config(Config {
        resource_type: resource_type.0,
        resource_name: name.to_owned(),
        name: key.to_owned(),
        value: Some(value.to_owned()),
    })
}

#[tokio::test]
async fn settings_of_topics_and_of_brokers_take_effect_at_once() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(path.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let (topic, all) = (ConfigResourceType::TOPIC, ConfigResourceType::BROKER);
    let mut image = broker.image.clone();
    let mut largest = |record: MetadataRecord| {
        let (next, delta) = change(&image, &[record]);
        broker.partitions.apply(&next, &delta);
        image = next;
        replica.config().max_message_bytes
    };
    assert_eq!(largest(config(all, "", "message.max.bytes", "70")), 70);
    assert_eq!(largest(config(all, "2", "message.max.bytes", "80")), 70);
    assert_eq!(largest(config(all, "1", "message.max.bytes", "90")), 90);
    assert_eq!(largest(config(all, "1", "message.max.bytes", "no")), 70);
    let appended = replica.append(options(b"seventy-one bytes and more in the whole batch"));
    assert!(matches!(
        appended.await,
        Err(AppendFailure::Refused(AppendError::MessageTooLarge { .. }))
    ));
    let own = config(topic, "orders", "max.message.bytes", "1000");
    assert_eq!(largest(own), 1_000);
    let appended = replica.append(options(b"seventy-one bytes and more in the whole batch"));
    appended.await.expect("an append");
    broker.partitions.stop(1);
}
