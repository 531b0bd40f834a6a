//! Moving a replica to another log directory: under load, cancelled, and with a crash at every change of the disk.

use std::collections::HashMap;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use crate::base::{
    Clock, DirectoryId, FixedClock, KafkaUuid, Offset, Timestamp, TopicId, TopicPartition,
};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::{Disk, Identity, LogDirectories, LogDirectory, LogView};
use crate::metadata::Image;
use crate::partition::testing::{NODE, Started};
use crate::partition::{AlterDirectoryError, AppendFailure, Contents, Replica, WantedDirectory};
use crate::record::Batches;

use super::directories::{ANY, Home, places, start, with_topic};
use super::options;

/// A broker with two directories and one partition, which is in `a` at first.
struct Fixture {
    home: Home,
    id: TopicId,
    /// The directory of the partition that was reported to the controller.
    assigned: Arc<Mutex<DirectoryId>>,
}

/// One run of it.
struct Run {
    partitions: Started,
    relay: JoinHandle<()>,
}

impl Run {
    fn stop(self) {
        self.partitions.stop(1);
        drop(self.partitions);
        self.relay
            .join()
            .expect("the relay ends with the partitions");
    }
}

impl Fixture {
    fn new() -> Self {
        Self {
            home: Home::new(),
            id: KafkaUuid::random(),
            assigned: Arc::new(Mutex::new(ANY)),
        }
    }

    fn image(&self) -> Image {
        let assigned = *self.assigned.lock().expect("no panic");
        with_topic(&Image::default(), "orders", self.id, &[assigned]).0
    }

    fn start(&self) -> Run {
        self.run(start(self.home.open(), &self.image()))
    }

    fn start_small(&self, directories: LogDirectories) -> Option<Run> {
        let settings = [
            ("log.segment.bytes", "1048576"),
            ("log.index.interval.bytes", "200"),
            ("zurau.flush.before.ack", "true"),
            ("zurau.disk.reserve.bytes", "0"),
        ];
        let config = CurrentConfig::new(Arc::new(
            BrokerConfig::with(&settings).expect("a configuration"),
        ));
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
        let contents = Contents::read(&directories);
        let started = crate::partition::start(
            config,
            directories,
            contents,
            clock,
            &self.image(),
            Arc::new(crate::partition::Unwatched),
        );
        Some(self.run(started.ok()?.into()))
    }

    /// With a thread that acts as the controller.
    fn run(&self, partitions: Started) -> Run {
        let mut told = partitions.assignments().expect("the first to ask");
        let assigned = Arc::clone(&self.assigned);
        let relay = std::thread::Builder::new().name("relay".to_owned());
        let relay = relay.spawn(move || {
            while let Some(assignment) = told.blocking_recv() {
                *assigned.lock().expect("no panic") = assignment.directory;
                assignment.answered(true);
            }
        });
        let relay = relay.expect("a thread");
        Run { partitions, relay }
    }

    fn replica(&self, run: &Run) -> Arc<Replica> {
        run.partitions.find(self.id, 0).expect("hosted")
    }

    async fn alter(&self, run: &Run, to: &str) -> Result<(), AlterDirectoryError> {
        let wanted = self.wanted(to);
        run.partitions
            .alter_directories(vec![wanted])
            .await
            .remove(0)
    }

    fn wanted(&self, to: &str) -> WantedDirectory {
        WantedDirectory {
            topic_partition: TopicPartition::new("orders", 0),
            topic_id: Some(self.id),
            path: self.home.path(to).display().to_string().into(),
        }
    }
}

/// Waits until no move is in progress.
async fn all_moved(run: &Run) {
    let partitions = run.partitions.clone();
    let waited = tokio::task::spawn_blocking(move || {
        for moving in partitions.moves().all() {
            moving.wait_for_end();
        }
    });
    waited.await.expect("no panic");
}

/// The number of each record.
fn numbers(view: &LogView) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut next = view.log_start();
    while let Some(slice) = view
        .locate(next, view.log_end(), 1 << 20, true)
        .expect("readable")
    {
        for batch in Batches::new(slice.read().expect("readable")) {
            let batch = batch.expect("a batch");
            batch.check_crc().expect("as it was written");
            let bytes = batch.record_bytes(1 << 20).expect("small");
            for record in batch.records(&bytes) {
                let value = record.expect("a record").value.expect("a value");
                numbers.push(u64::from_be_bytes(*value.first_chunk().expect("a number")));
            }
            next = batch.header.next_offset();
        }
    }
    numbers
}

/// A record with this number, of about a kilobyte.
fn numbered(number: u64) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(1000, b'.');
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_under_load_loses_nothing_and_readers_read_on() {
    let fixture = Fixture::new();
    let run = fixture.start();
    let replica = fixture.replica(&run);
    for number in 0..2000 {
        replica
            .append(options(&numbered(number)))
            .await
            .expect("an append");
    }
    let before = replica.published();
    let is_done = Arc::new(AtomicBool::new(false));
    let producer = {
        let (replica, is_done) = (Arc::clone(&replica), Arc::clone(&is_done));
        tokio::spawn(async move {
            let mut number = 2000;
            while !is_done.load(Ordering::SeqCst) {
                replica
                    .append(options(&numbered(number)))
                    .await
                    .expect("an append");
                number += 1;
            }
            number
        })
    };
    for (to, from) in [("b", "a"), ("a", "b"), ("b", "a")] {
        assert_eq!(fixture.alter(&run, to).await, Ok(()));
        assert_eq!(fixture.alter(&run, to).await, Ok(()), "asked for twice");
        all_moved(&run).await;
        assert_eq!(replica.directory().path(), fixture.home.path(to));
        let left = fixture.home.replicas(from);
        assert!(
            left.iter().all(|name| name.ends_with("-delete")),
            "{left:?}"
        );
    }
    is_done.store(true, Ordering::SeqCst);
    let count = producer.await.expect("no panic");
    let all: Vec<_> = (0..count).collect();
    assert_eq!(numbers(&replica.published().view), all);
    assert_eq!(numbers(&before.view), all[..2000], "an old view");
    assert!(!replica.is_moving());
    run.stop();

    let run = fixture.start();
    assert_eq!(places(&run.partitions)["orders-0"], fixture.home.path("b"));
    assert_eq!(numbers(&fixture.replica(&run).published().view), all);
    run.stop();
}

/// Blocks large writes until it is opened.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().expect("no panic") = true;
        self.opened.notify_all();
    }
}

impl Probe for Gate {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        if matches!(operation, Operation::Write { length: 500.., .. }) {
            let is_open = self.is_open.lock().expect("no panic");
            drop(self.opened.wait_while(is_open, |is_open| !*is_open));
        }
        Verdict::Go
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_where_it_is_takes_a_move_back() {
    let fixture = Fixture::new();
    let gate = Arc::new(Gate::default());
    let directories = fixture.home.open_probed(gate.clone());
    let run = fixture.run(start(directories, &fixture.image()));
    let replica = fixture.replica(&run);
    replica
        .append(options(&numbered(0)))
        .await
        .expect("an append");
    assert_eq!(fixture.alter(&run, "b").await, Ok(()));
    let described = run.partitions.describe_directories().await;
    let content = described[1].content.as_ref().expect("online");
    assert!(content.replicas[0].is_future && content.replicas[0].offset_lag == 1);
    let back = {
        let (partitions, wanted) = (run.partitions.clone(), fixture.wanted("a"));
        tokio::spawn(async move { partitions.alter_directories(vec![wanted]).await })
    };
    while run.partitions.moves().of(&replica).is_some() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert_eq!(back.await.expect("no panic"), [Ok(())]);
    assert_eq!(replica.directory().path(), fixture.home.path("a"));
    let left = fixture.home.replicas("b");
    assert!(
        matches!(left.as_slice(), [name] if name.ends_with("-delete")),
        "{left:?}"
    );
    assert_eq!(numbers(&replica.published().view), [0]);
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let fixture = Fixture::new();
    let run = fixture.start();
    assert_eq!(
        fixture.alter(&run, "nowhere").await,
        Err(AlterDirectoryError::NoSuchDirectory)
    );
    // A partition that does not exist yet is created in the requested directory.
    let mut early = fixture.wanted("b");
    early.topic_partition = TopicPartition::new("later", 0);
    early.topic_id = None;
    let mut long = early.clone();
    long.topic_partition = TopicPartition::new("x".repeat(240), 0);
    let refused = run.partitions.alter_directories(vec![early, long]).await;
    assert_eq!(
        refused,
        [
            Err(AlterDirectoryError::NotHosted),
            Err(AlterDirectoryError::NameTooLong)
        ]
    );
    let (image, delta) = with_topic(&fixture.image(), "later", KafkaUuid::random(), &[ANY]);
    run.partitions.apply(&image, &delta);
    assert_eq!(places(&run.partitions)["later-0"], fixture.home.path("b"));
    // With a directory offline nothing moves: a future replica may be in it.
    let second = run.partitions.directories().nth(1).expect("two");
    second.fail(&"a test");
    for to in ["a", "b"] {
        let expected = if to == "a" {
            Ok(())
        } else {
            Err(AlterDirectoryError::Offline)
        };
        assert_eq!(fixture.alter(&run, to).await, expected);
    }
    run.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_takes_its_future_replica_with_it() {
    let fixture = Fixture::new();
    let gate = Arc::new(Gate::default());
    let directories = fixture.home.open_probed(gate.clone());
    let image = fixture.image();
    let run = fixture.run(start(directories, &image));
    let replica = fixture.replica(&run);
    replica
        .append(options(&numbered(0)))
        .await
        .expect("an append");
    assert_eq!(fixture.alter(&run, "b").await, Ok(()));
    let moving = run.partitions.moves().of(&replica).expect("a move");
    let removed = crate::metadata::record::RemoveTopic {
        topic_id: fixture.id,
    };
    let removed = [crate::metadata::record::MetadataRecord::RemoveTopic(
        removed,
    )];
    let (image, delta) = crate::partition::testing::change(&image, &removed);
    run.partitions.apply(&image, &delta);
    gate.open();
    let ended = tokio::task::spawn_blocking(move || moving.wait_for_end());
    ended.await.expect("no panic");
    for name in ["a", "b"] {
        let left = fixture.home.replicas(name);
        assert!(
            matches!(left.as_slice(), [name] if name.ends_with("-delete")),
            "{left:?}"
        );
    }
    run.stop();
}

/// Allows this many changes on all disks together, then none; remembers what was synced.
#[derive(Debug)]
struct Death {
    left: AtomicUsize,
    tear: Option<usize>,
    synced: Mutex<HashMap<u64, Vec<u8>>>,
}

impl Probe for Death {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let take = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        match (before, operation, self.tear) {
            (Err(_), Operation::Write { .. }, Some(kept)) => Verdict::Tear(kept),
            (Err(_), _, _) => Verdict::Fail,
            (Ok(_), Operation::Sync(file), _) => {
                let metadata = file.metadata().expect("an open file");
                let mut content = vec![0; usize::try_from(metadata.len()).expect("small")];
                file.read_exact_at(&mut content, 0).expect("readable");
                let mut synced = self.synced.lock().expect("no panic");
                synced.insert(metadata.ino(), content);
                Verdict::Pretend
            }
            (Ok(_), _, _) => Verdict::Pretend,
        }
    }
}

impl Death {
    /// Removes the unsynced data from every segment's log, as a power loss may.
    fn strike(&self, home: &Home) {
        let synced = self.synced.lock().expect("no panic");
        for directory in ["a", "b"] {
            for replica in home.replicas(directory) {
                let replica = home.path(directory).join(replica);
                for entry in std::fs::read_dir(replica).expect("readable") {
                    let path = entry.expect("an entry").path();
                    if path.extension().is_some_and(|extension| extension == "log") {
                        let inode = path.metadata().expect("there").ino();
                        let content = synced.get(&inode).map_or(&[][..], Vec::as_slice);
                        std::fs::write(&path, content).expect("writable");
                    }
                }
            }
        }
    }
}

fn open_with(home: &Home, probe: &Arc<Death>) -> Option<LogDirectories> {
    let open = |name: &str, cluster_id| {
        let identity = Identity {
            node_id: NODE,
            cluster_id,
        };
        let disk = Disk::with_probe(probe.clone());
        LogDirectory::open_on(&home.path(name), &identity, disk).ok()
    };
    let mut directories = LogDirectories::from(open("a", None)?);
    let cluster_id = directories.metadata().meta().cluster_id.clone();
    directories.online.push(open("b", Some(cluster_id))?);
    Some(directories)
}

/// Appends and moves until something fails or all is done. Returns what was acknowledged, and whether all was done.
async fn workload(fixture: &Fixture, run: &Run, acknowledged: &mut Vec<u64>) -> bool {
    let replica = fixture.replica(run);
    let mut moved = false;
    for number in (acknowledged.len() as u64..).take(9) {
        if number % 9 == 5 && fixture.alter(run, "b").await.is_err() {
            return false;
        }
        match replica.append(options(&numbered(number))).await {
            Ok(appended) => assert_eq!(appended.info.first_offset, Offset(number as i64)),
            Err(AppendFailure::Storage) => return false,
            Err(other) => panic!("{other}"),
        }
        acknowledged.push(number);
        if number % 9 == 7 {
            all_moved(run).await;
            moved = replica.directory().path() == fixture.home.path("b");
        }
    }
    moved
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_dies_at_any_change_loses_nothing() {
    let mut points = 0;
    for (tear, power) in [(None, false), (Some(30), false), (None, true)] {
        let mut whole = false;
        let mut changes = 0;
        while !whole {
            let fixture = Fixture::new();
            // The directories exist already: only the move matters.
            fixture.start().stop();
            let probe = Arc::new(Death {
                left: AtomicUsize::new(changes),
                tear,
                synced: Mutex::default(),
            });
            let mut acknowledged = Vec::new();
            let directories = open_with(&fixture.home, &probe);
            if let Some(run) = directories.and_then(|opened| fixture.start_small(opened)) {
                // The partition itself may not have been opened.
                if run.partitions.find(fixture.id, 0).is_ok() {
                    whole = workload(&fixture, &run, &mut acknowledged).await;
                }
                run.stop();
            }
            if power && !whole {
                probe.strike(&fixture.home);
            }
            let what = format!("after {changes} changes, torn {tear:?}, power lost {power}");
            check_twice(&fixture, &acknowledged, &what).await;
            changes += 1;
        }
        points += changes;
    }
    assert!(points > 150, "only {points} points");
}

/// Starts again, lets an interrupted move finish, and starts once more.
async fn check_twice(fixture: &Fixture, acknowledged: &[u64], what: &str) {
    let mut seen = None;
    for _ in 0..2 {
        let run = fixture.start();
        let replica = fixture.replica(&run);
        let found = numbers(&replica.published().view);
        assert!(
            found.starts_with(acknowledged),
            "{what}: {found:?} of {acknowledged:?}"
        );
        assert!(found.len() <= acknowledged.len() + 1, "{what}: {found:?}");
        assert_eq!(*seen.get_or_insert(found.len()), found.len(), "{what}");
        all_moved(&run).await;
        let replica = fixture.replica(&run);
        assert_eq!(numbers(&replica.published().view), found, "{what}");
        assert_eq!(
            *fixture.assigned.lock().expect("no panic"),
            replica.directory().id(),
            "{what}"
        );
        run.stop();
        let mut left = fixture.home.replicas("a");
        left.extend(fixture.home.replicas("b"));
        left.retain(|name| !name.ends_with("-delete"));
        let plain = left.iter().filter(|name| *name == "orders-0").count();
        assert_eq!(plain, 1, "{what}: {left:?}");
        assert!(
            !left.iter().any(|name| name.ends_with("-future")),
            "{what}: {left:?}"
        );
    }
}

#[test]
fn a_copy_that_the_image_names_takes_the_place_of_a_replica_that_is_gone() {
    let fixture = Fixture::new();
    fixture.start().stop();
    let future = fixture
        .home
        .path("b/orders-0.0123456789abcdef0123456789abcdef-future");
    std::fs::rename(fixture.home.path("a/orders-0"), &future).expect("another name");
    let directories = fixture.home.open();
    *fixture.assigned.lock().expect("no panic") = directories.online[1].directory_id();
    let run = fixture.run(start(directories, &fixture.image()));
    assert_eq!(places(&run.partitions)["orders-0"], fixture.home.path("b"));
    run.stop();
    assert!(Path::new(&fixture.home.path("b/orders-0")).exists());
}
