//! Sessions over partitions that exist and over partitions that do not.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::base::{ErrorCode, KafkaUuid, LeaderEpoch, Offset, Timestamp};
use crate::log::{AppendOrigin, TransactionCheck};
use crate::metadata::record::{MetadataRecord, RemoveTopic};
use crate::partition::fetch::TopicKey;
use crate::partition::testing::{Broker, change};
use crate::partition::{AppendOptions, Replica, RequiredAcks, Source};
use crate::record::{BatchBuilder, BatchOptions};

use super::table::REPLACEABLE_AFTER_MS;
use super::*;

const ROOM: SessionLimits = SessionLimits {
    slots: 10,
    bytes: 1 << 20,
};

/// Finds no partition.
struct Nothing;

impl Finder for Nothing {
    fn find(&self, _: &PartitionKey, _: bool) -> Result<Arc<Replica>, ErrorCode> {
        Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

/// Finds the same partition for all keys except the deleted ones, and records the keys.
#[derive(Default)]
struct Everywhere {
    replica: Option<Arc<Replica>>,
    asked: Mutex<Vec<i32>>,
}

impl Everywhere {
    fn asked(&self) -> Vec<i32> {
        std::mem::take(&mut *self.asked.lock().expect("no panic"))
    }
}

impl Finder for Everywhere {
    fn find(&self, key: &PartitionKey, _: bool) -> Result<Arc<Replica>, ErrorCode> {
        self.asked.lock().expect("no panic").push(key.1);
        self.replica
            .clone()
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

fn at(from: i64) -> WantedPartition {
    WantedPartition {
        from: Offset(from),
        max_bytes: 1 << 20,
        current_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
    }
}

fn key(partition: i32) -> PartitionKey {
    (TopicKey::Name("topic".into()), partition)
}

fn wanted(all: &[(i32, i64)]) -> Changes {
    let wanted = all.iter();
    Changes {
        wanted: wanted
            .map(|(number, from)| (key(*number), at(*from)))
            .collect(),
        forgotten: Vec::new(),
    }
}

fn request(id: i32, epoch: i32) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        by_topic_id: false,
    }
}

fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn limits(min_bytes: u64, wait: Duration) -> FetchLimits {
    FetchLimits {
        min_bytes,
        max_bytes: 1 << 20,
        deadline: Instant::now() + wait,
    }
}

const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(60);

/// The rows that are sent in an answer, with the bytes of their records.
fn sent(fetch: &mut Fetch, rows: &[FetchedRow]) -> Vec<(i32, usize)> {
    let mut sent = Vec::new();
    for row in rows {
        let reported = match &row.result {
            Ok(read) => Reported {
                high_watermark: read.positions.high_watermark,
                log_start: read.positions.log_start,
                is_known: true,
                is_news: !read.records.is_empty(),
            },
            Err(_) => Reported {
                high_watermark: Offset(-1),
                log_start: Offset(-1),
                is_known: false,
                is_news: true,
            },
        };
        if fetch.tell(row.id, &reported) {
            let bytes = row.result.as_ref().map_or(0, |read| read.records.len());
            sent.push((row.key.1, bytes));
        }
    }
    sent
}

fn numbers(rows: &[FetchedRow]) -> Vec<i32> {
    rows.iter().map(|row| row.key.1).collect()
}

fn told(high_watermark: i64, is_news: bool) -> Reported {
    Reported {
        high_watermark: Offset(high_watermark),
        log_start: Offset(0),
        is_known: true,
        is_news,
    }
}

async fn append(replica: &Arc<Replica>) -> usize {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    batch.push(Timestamp(1_000), None, Some(b"value"), &[]);
    let records: Bytes = batch.finish();
    let size = records.len();
    let appended = replica.append(AppendOptions {
        records,
        origin: AppendOrigin::Client,
        acks: RequiredAcks::Leader,
        source: Source::Broker,
        may_check_here: false,
        transactions: TransactionCheck::Trusted,
        expected_epoch: None,
    });
    appended.await.expect("an append");
    size
}

#[tokio::test]
async fn an_incremental_fetch_says_only_what_is_new() {
    let sessions = FetchSessions::new(ROOM);
    let connection = sessions.connection(address(1));
    let begun = connection.begin(request(0, 0), wanted(&[(0, 0), (1, 0)]), Timestamp(0));
    let mut full = begun.await.expect("a session");
    let id = full.session_id();
    assert_ne!(id, 0);
    let rows = full.run(&Nothing, limits(0, AT_ONCE), false).await;
    assert_eq!(numbers(&rows), [0, 1]);
    assert!(full.tell(rows[0].id, &told(5, true)));
    assert!(full.tell(rows[1].id, &told(0, false)));
    drop(full);

    let begun = connection.begin(request(id, 1), wanted(&[(0, 5)]), Timestamp(0));
    let mut next = begun.await.expect("a session");
    let rows = next.run(&Nothing, limits(0, AT_ONCE), false).await;
    assert_eq!(numbers(&rows), [1, 0], "what was answered goes to the end");
    assert!(next.tell(rows[0].id, &told(3, false)));
    assert!(!next.tell(rows[1].id, &told(5, false)));
}

#[tokio::test]
async fn a_session_is_closed_forgotten_or_refused() {
    let sessions = FetchSessions::new(SessionLimits { slots: 1, ..ROOM });
    let connection = sessions.connection(address(1));
    let now = Timestamp(0);
    let begun = connection.begin(request(0, 0), wanted(&[(0, 0)]), now);
    let id = begun.await.expect("a session").session_id();
    let other = sessions.connection(address(1));
    let second = other.begin(request(0, 0), wanted(&[(0, 0)]), now).await;
    let second = second.expect("a fetch").session_id();
    assert_eq!(second, 0, "no slot is free and none may be taken yet");
    let error = async |epoch| {
        let begun = connection.begin(request(id, epoch), Changes::default(), now);
        begun.await.err()
    };
    assert_eq!(error(9).await, Some(SessionError::InvalidEpoch));
    let by_id = SessionRequest {
        by_topic_id: true,
        ..request(id, 1)
    };
    let begun = connection.begin(by_id, Changes::default(), now).await;
    assert_eq!(begun.err(), Some(SessionError::TopicKeyChanged));
    let nothing = Changes {
        wanted: Vec::new(),
        forgotten: vec![key(0)],
    };
    let emptied = connection.begin(request(id, 1), nothing, now).await;
    assert_eq!(emptied.expect("a fetch").session_id(), 0);
    assert_eq!(error(2).await, Some(SessionError::NotFound));
}

#[tokio::test]
async fn a_partition_that_is_named_twice_is_fetched_once() {
    let sessions = FetchSessions::new(ROOM);
    let connection = sessions.connection(address(1));
    let twice = wanted(&[(0, 1), (1, 2), (0, 3)]);
    let begun = connection.begin(request(0, -1), twice, Timestamp(0));
    let mut fetch = begun.await.expect("a fetch");
    let rows = fetch.run(&Nothing, limits(1, LONG), false).await;
    assert_eq!(numbers(&rows), [0, 1]);
}

#[tokio::test]
async fn an_idle_session_gives_way() {
    let sessions = FetchSessions::new(SessionLimits { slots: 1, ..ROOM });
    let [first, second] = [(); 2].map(|()| sessions.connection(address(1)));
    let begun = first.begin(request(0, 0), wanted(&[(0, 0)]), Timestamp(0));
    let id = begun.await.expect("a session").session_id();
    let later = Timestamp(REPLACEABLE_AFTER_MS);
    let begun = second.begin(request(0, 0), wanted(&[(1, 0)]), later).await;
    assert_ne!(begun.expect("a session").session_id(), 0);
    let begun = first.begin(request(id, 1), Changes::default(), later).await;
    assert_eq!(begun.err(), Some(SessionError::NotFound));
}

#[tokio::test]
async fn a_session_ends_with_its_connection() {
    let sessions = FetchSessions::new(ROOM);
    let [first, second] = [(); 2].map(|()| sessions.connection(address(1)));
    let begun = first.begin(request(0, 0), wanted(&[(0, 0)]), Timestamp(0));
    let id = begun.await.expect("a session").session_id();
    let begun = second.begin(request(id, 1), Changes::default(), Timestamp(0));
    assert!(begun.await.is_ok(), "anyone who knows it may use it");
    drop(first);
    let begun = second.begin(request(id, 2), Changes::default(), Timestamp(0));
    assert_eq!(begun.await.err(), Some(SessionError::NotFound));
}

#[tokio::test]
async fn nobody_has_all_sessions() {
    let sessions = FetchSessions::new(ROOM);
    let mut greedy = Vec::new();
    let make = async |connection: &ConnectionSessions| {
        let begun = connection.begin(request(0, 0), wanted(&[(0, 0)]), Timestamp(0));
        begun.await.expect("a fetch").session_id()
    };
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let connection = sessions.connection(address(1));
        ids.insert(make(&connection).await);
        greedy.push(connection);
    }
    assert_eq!(ids.len(), 11, "ten, and 0 for none");
    // Others get their share, and not more than that.
    let honest: Vec<_> = (0..10).map(|_| sessions.connection(address(2))).collect();
    let mut made = 0;
    for connection in &honest {
        made += usize::from(make(connection).await != 0);
    }
    assert_eq!(made, 5);
    // One connection alone never has many.
    let sessions = FetchSessions::new(ROOM);
    let alone = sessions.connection(address(1));
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(make(&alone).await);
    }
    let mut alive = 0;
    for id in ids {
        let begun = alone.begin(request(id, 1), Changes::default(), Timestamp(0));
        alive += usize::from(begun.await.is_ok());
    }
    assert_eq!(alive, 4);
}

#[tokio::test]
async fn sessions_are_bounded_in_bytes() {
    let sessions = FetchSessions::new(ROOM);
    let [one, other] = [1, 2].map(|last| sessions.connection(address(last)));
    let named = |name: String, count: i32| Changes {
        wanted: (0..count)
            .map(|number| ((TopicKey::Name(format!("{name}{number}").into()), 0), at(0)))
            .collect(),
        forgotten: Vec::new(),
    };
    let begin = async |connection: &ConnectionSessions, id, epoch, changes| {
        let begun = connection.begin(request(id, epoch), changes, Timestamp(0));
        begun.await.map(|fetch| fetch.session_id())
    };
    let long = "n".repeat(240);
    let too_large = begin(&one, 0, 0, named(long.clone(), 2_000)).await;
    assert_eq!(too_large, Ok(0));
    let id = begin(&one, 0, 0, named(long.clone(), 1_500)).await;
    let id = id.expect("a fetch");
    assert_ne!(id, 0);
    let honest = begin(&other, 0, 0, named("few".to_owned(), 10)).await;
    assert_ne!(honest, Ok(0));
    // One that grows beyond all bounds is gone.
    let grown = begin(&one, id, 1, named("more".to_owned(), 2_000)).await;
    assert_eq!(grown, Err(SessionError::NotFound));
    let again = begin(&one, id, 1, Changes::default()).await;
    assert_eq!(again, Err(SessionError::NotFound));
    let next = begin(&one, 0, 0, named(long, 1_500)).await;
    assert_ne!(next, Ok(0), "its bytes are free");
}

#[tokio::test]
async fn what_is_quiet_is_not_looked_at() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let everywhere = Everywhere {
        replica: Some(Arc::clone(&replica)),
        ..Everywhere::default()
    };
    let size = append(&replica).await;
    let sessions = FetchSessions::new(ROOM);
    let connection = sessions.connection(address(1));
    // 0 and 1 are at the end; of 2 there is something to read, which stays so.
    let mut epoch = 0;
    let mut id = 0;
    let mut poll = async |changes: Changes, limits: FetchLimits| {
        let begun = connection.begin(request(id, epoch), changes, Timestamp(0));
        let mut fetch = begun.await.expect("a session");
        (id, epoch) = (fetch.session_id(), epoch + 1);
        let rows = fetch.run(&everywhere, limits, false).await;
        sent(&mut fetch, &rows)
    };
    let first = poll(wanted(&[(0, 1), (1, 1), (2, 0)]), limits(1, LONG)).await;
    assert_eq!(first, [(0, 0), (1, 0), (2, size)]);
    assert_eq!(everywhere.asked(), [0, 1, 2]);
    let again = poll(Changes::default(), limits(1, LONG)).await;
    assert_eq!(again, [(2, size)], "the client has not moved on");
    assert_eq!(everywhere.asked(), [2]);
    let moved = poll(wanted(&[(2, 1)]), limits(1, AT_ONCE)).await;
    assert_eq!((moved, everywhere.asked()), (vec![], vec![2]));
    let quiet = poll(Changes::default(), limits(1, AT_ONCE)).await;
    assert_eq!((quiet, everywhere.asked()), (vec![], vec![]));

    // All news are sent, in the order of the session, although the client does not advance in partition 1.
    append(&replica).await;
    let news = poll(Changes::default(), limits(1, LONG)).await;
    assert_eq!(news, [(0, size), (1, size), (2, size)]);
    let moved = poll(wanted(&[(0, 2), (2, 2)]), limits(1, LONG)).await;
    assert_eq!(moved, [(1, size)]);
    let moved = poll(wanted(&[(1, 2)]), limits(1, AT_ONCE)).await;
    assert_eq!(moved, []);
    everywhere.asked();

    // News during the wait wake it and are sent, even if it waits for more.
    let more = poll(Changes::default(), limits(3 * size as u64, LONG));
    let (news, _) = tokio::join!(more, append(&replica));
    assert_eq!(news.iter().filter(|(_, bytes)| *bytes == size).count(), 3);
    assert!(everywhere.asked().is_empty(), "they were found before");

    // A deleted partition is looked up again.
    poll(wanted(&[(0, 3), (1, 3), (2, 3)]), limits(1, AT_ONCE)).await;
    let removed = MetadataRecord::RemoveTopic(RemoveTopic {
        topic_id: broker.id,
    });
    let (image, delta) = change(&broker.image, &[removed]);
    broker.partitions.apply(&image, &delta);
    everywhere.asked();
    poll(Changes::default(), limits(1, LONG)).await;
    assert_eq!(everywhere.asked().len(), 3);
    broker.partitions.stop(1);
}

#[tokio::test]
async fn a_change_of_isolation_looks_at_everything() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path(), KafkaUuid::random(), &[]);
    let everywhere = Everywhere {
        replica: Some(broker.replica()),
        ..Everywhere::default()
    };
    let sessions = FetchSessions::new(ROOM);
    let connection = sessions.connection(address(1));
    let mut id = 0;
    for (epoch, read_committed, asked) in [
        (0, false, vec![0, 1]),
        (1, false, vec![]),
        (2, true, vec![0, 1]),
        (3, true, vec![]),
    ] {
        let changes = if epoch == 0 {
            wanted(&[(0, 0), (1, 0)])
        } else {
            Changes::default()
        };
        let begun = connection.begin(request(id, epoch), changes, Timestamp(0));
        let mut fetch = begun.await.expect("a session");
        id = fetch.session_id();
        let run = fetch.run(&everywhere, limits(1, AT_ONCE), read_committed);
        run.await;
        assert_eq!(everywhere.asked(), asked);
    }
    broker.partitions.stop(1);
}

#[tokio::test]
async fn a_poll_that_is_given_up_loses_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(directory.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let everywhere = Everywhere {
        replica: Some(Arc::clone(&replica)),
        ..Everywhere::default()
    };
    let sessions = FetchSessions::new(ROOM);
    let connection = sessions.connection(address(1));
    let begun = connection.begin(request(0, 0), wanted(&[(0, 0), (1, 0)]), Timestamp(0));
    let mut fetch = begun.await.expect("a session");
    let id = fetch.session_id();
    fetch.run(&everywhere, limits(1, AT_ONCE), false).await;
    drop(fetch);

    let begun = connection.begin(request(id, 1), Changes::default(), Timestamp(0));
    let mut fetch = begun.await.expect("a session");
    let given_up = fetch.run(&everywhere, limits(1 << 20, LONG), false);
    let mut given_up = Box::pin(given_up);
    assert!(is_pending(&mut given_up));
    append(&replica).await;
    // woken, and cancelled while it waits for more
    assert!(is_pending(&mut given_up));
    drop(given_up);
    drop(fetch);

    let begun = connection.begin(request(id, 2), Changes::default(), Timestamp(0));
    let mut fetch = begun.await.expect("a session");
    let rows = fetch.run(&everywhere, limits(1, LONG), false).await;
    assert_eq!(numbers(&rows), [0, 1]);
    broker.partitions.stop(1);
}

/// Polls once; returns whether it is still pending.
fn is_pending<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_pending()
}
