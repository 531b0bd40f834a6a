//! Answers that refer to files, and the changes of those files before the answer is sent.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{bytes_of, change, config, fetch, limits, options, part};
use crate::base::{KafkaUuid, Offset, Timestamp};
use crate::log::{AppendOrigin, TransactionCheck};
use crate::metadata::ConfigResourceType;
use crate::partition::fetch::{FetchLimits, FetchedRecords, MOST_IN_MEMORY};
use crate::partition::testing::Broker;
use crate::partition::{AppendOptions, Replica, RequiredAcks, Source};
use crate::record::{BatchBuilder, BatchOptions, Batches};

/// Segments of 1 MiB, the minimum of a broker, whose files are removed at once on deletion.
const SETTINGS: &[(&str, &str)] = &[
    ("log.segment.bytes", "1048576"),
    ("log.segment.delete.delay.ms", "0"),
    ("log.cleaner.backoff.ms", "5"),
];

/// Appends batches of two records with 100 KB.
async fn append(replica: &Arc<Replica>, count: u8) {
    for n in 0..count {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for value in [vec![n; 50_000], vec![n ^ 255; 50_000]] {
            builder.push(Timestamp(1_000), Some(&[n % 3]), Some(&value), &[]);
        }
        let pending = replica.append(AppendOptions {
            records: builder.finish(),
            acks: RequiredAcks::Leader,
            origin: AppendOrigin::Client,
            source: Source::Broker,
            may_check_here: false,
            transactions: TransactionCheck::Trusted,
            expected_epoch: None,
        });
        pending.await.expect("an append");
    }
}

/// The contents of the partition's segments.
fn on_disk(directory: &Path) -> Bytes {
    let entries = std::fs::read_dir(directory.join("orders-0")).expect("readable");
    let mut logs: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    logs.sort();
    let mut all = BytesMut::new();
    for log in logs {
        all.extend_from_slice(&std::fs::read(log).expect("a log"));
    }
    all.freeze()
}

/// Answers to consecutive fetches from `from` to the end of the log, unread.
async fn answers(replica: &Arc<Replica>, from: i64) -> Vec<FetchedRecords> {
    let mut all = Vec::new();
    let mut next = Offset(from);
    while next < replica.published().positions.log_end {
        let mut part = part(replica, next.0);
        part.wanted.max_bytes = 350_000;
        let limits = limits(Duration::ZERO);
        let answer = fetch(&[part], limits).await.remove(0).expect("an answer");
        let FetchedRecords::InFile(slice) = &answer.records else {
            panic!("{} bytes in memory", answer.records.len());
        };
        next = slice.end;
        all.push(answer.records);
    }
    all
}

fn together(answers: Vec<FetchedRecords>) -> Bytes {
    let mut all = BytesMut::new();
    for answer in answers {
        all.extend_from_slice(&bytes_of(answer));
    }
    all.freeze()
}

fn has_deleted_files(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory.join("orders-0")).expect("readable");
    let mut names = entries.map(|entry| entry.expect("an entry").file_name());
    names.any(|name| name.to_string_lossy().ends_with(".deleted"))
}

/// Runs retention, and waits for it.
async fn retain(replica: &Arc<Replica>) {
    replica.operate(|hosted| {
        hosted.apply_retention(Timestamp(2_000));
    });
    replica.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stay_what_they_are_while_their_files_go() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path(), KafkaUuid::random(), SETTINGS);
    let replica = broker.replica();
    append(&replica, 35).await;
    let before = on_disk(directory.path());
    let middle_of_second = vec![(Arc::clone(&replica), Offset(3))];
    broker.partitions.delete_records(middle_of_second).await;
    let second = Batches::new(before.clone()).nth(1);
    let second = second.expect("a batch").expect("a good one");
    let first_size = second.header.size();

    let whole = answers(&replica, 3).await;
    assert!(whole.len() > 10, "{} answers", whole.len());
    let never_read = answers(&replica, 3).await;

    // compaction replaces these files with others
    let policy = config(
        ConfigResourceType::TOPIC,
        "orders",
        "cleanup.policy",
        "compact,delete",
    );
    let (image, delta) = change(&broker.image, &[policy]);
    broker.partitions.apply(&image, &delta);
    // Files change places one after the other. At last three batches are left of the closed segments, one for each
    // key, and five of the active one.
    let left = 8 * first_size as u64;
    while replica.published().view.size() > left {
        tokio::task::yield_now().await;
    }
    retain(&replica).await;
    assert!(!has_deleted_files(directory.path()));
    assert_eq!(together(whole), before.slice(first_size..));

    // retention removes files
    let compacted = on_disk(directory.path());
    let whole = answers(&replica, 3).await;
    let all_but_one = vec![(Arc::clone(&replica), Offset(69))];
    broker.partitions.delete_records(all_but_one).await;
    retain(&replica).await;
    assert!(on_disk(directory.path()).len() < compacted.len());
    assert_eq!(together(whole), compacted);
    drop(never_read);
    broker.partitions.stop(1);
}

#[tokio::test]
async fn an_answer_holds_little_in_memory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let value = [7; 20_000];
    for _ in 0..10 {
        replica.append(options(&value)).await.expect("an append");
    }
    let parts: Vec<_> = (0..300)
        .map(|number| {
            let mut part = part(&replica, number % 10);
            part.wanted.max_bytes = 21_000;
            part
        })
        .collect();
    let limits = FetchLimits {
        max_bytes: usize::MAX,
        ..limits(Duration::ZERO)
    };
    let (mut in_memory, mut ranges, mut nothing) = (0, 0, 0);
    for answer in fetch(&parts, limits).await {
        match answer.expect("an answer").records {
            records if records.is_empty() => nothing += 1,
            FetchedRecords::InMemory(bytes) => in_memory += bytes.len(),
            FetchedRecords::InFile(_) => ranges += 1,
        }
    }
    assert!((100_000..=MOST_IN_MEMORY).contains(&in_memory));
    assert_eq!(ranges, 256);
    assert!(nothing > 0);
    broker.partitions.stop(1);
}
