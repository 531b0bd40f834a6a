//! The cost of a start and a stop depends on the changes, not on the number of partitions.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::base::{Clock, FixedClock, LeaderEpoch, NodeId, Offset, Timestamp, TopicId};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::directory;
use crate::log::{Disk, Identity, LogDirectories, LogDirectory};
use crate::metadata::Image;
use crate::metadata::record::{MetadataRecord, Partition, PartitionChange, Topic};
use crate::partition::testing::{NODE, Started, change};
use crate::partition::{Contents, Partitions, Unwatched};

use super::directories::Home;
use super::options;

const ID: TopicId = TopicId::METADATA_TOPIC;

/// Records every change, and allows it; syncs take no time.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Probe for Notes {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let what = match operation {
            Operation::Write { file, .. } | Operation::Sync(file) => path_of(file),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(what);
        Verdict::Pretend
    }
}

fn path_of(file: &std::fs::File) -> String {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    format!("{:?}", std::fs::read_link(link).unwrap())
}

/// A topic with this many partitions, all led by this broker in this epoch.
fn image(partitions: i32, epoch: i32) -> Image {
    let topic = MetadataRecord::Topic(Topic {
        name: "orders".to_owned(),
        topic_id: ID,
    });
    let partition = |partition| {
        MetadataRecord::Partition(Partition {
            partition,
            topic_id: ID,
            isr: vec![NODE],
            replicas: vec![NODE],
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader: NODE,
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: 0,
            directories: Vec::new(),
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        })
    };
    let records: Vec<_> = std::iter::once(topic)
        .chain((0..partitions).map(partition))
        .collect();
    change(&Image::default(), &records).0
}

fn start(directories: LogDirectories, image: &Image) -> Started {
    let config = CurrentConfig::new(Arc::new(BrokerConfig::with(&[]).expect("a configuration")));
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
    let contents = Contents::read(&directories);
    let watch = Arc::new(Unwatched);
    crate::partition::start(config, directories, contents, clock, image, watch)
        .expect("partitions")
        .into()
}

fn open(path: &Path, notes: &Arc<Notes>) -> LogDirectories {
    let identity = Identity {
        node_id: NODE,
        cluster_id: None,
    };
    let disk = Disk::with_probe(notes.clone());
    let directory = LogDirectory::open_on(path, &identity, disk);
    directory.expect("a log directory").into()
}

/// Leads all partitions in the next epoch, like a broker that is unfenced.
fn lead_anew(partitions: &Partitions, image: &Image, count: i32) {
    let led = |partition| {
        MetadataRecord::PartitionChange(PartitionChange {
            leader: Some(NodeId(1)),
            ..PartitionChange::none(ID, partition)
        })
    };
    let records: Vec<_> = (0..count).map(led).collect();
    let (image, delta) = change(image, &records);
    partitions.apply(&image, &delta);
}

/// The changes that a start and a stop make with this many untouched partitions, after a clean stop and after a kill.
fn changes_of(count: i32) -> [Vec<String>; 2] {
    let (root, notes) = (directory(), Arc::<Notes>::default());
    start(open(root.path(), &notes), &image(count, 0)).stop(1);
    [false, true].map(|is_killed| {
        if is_killed {
            std::fs::remove_file(root.path().join(".kafka_cleanshutdown")).expect("a clean stop");
        }
        notes.take();
        let image = image(count, 1 + i32::from(is_killed));
        let directories = open(root.path(), &notes);
        let partitions = start(directories, &image);
        lead_anew(&partitions, &image, count);
        if is_killed {
            // with the logs as they were found, what a stop must do depends on the file system
            let changes = notes.take();
            partitions.stop(2);
            return changes;
        }
        partitions.stop(2);
        notes.take()
    })
}

#[test]
fn a_start_and_a_stop_write_nothing_for_partitions_that_nobody_has_touched() {
    let (few, many) = (changes_of(3), changes_of(40));
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few.len(), many.len(), "{many:?}");
        assert!(
            !many.iter().any(|change| change.contains("orders-")),
            "{many:?}"
        );
    }
}

/// Blocks every sync of a log, and reports when the directory has its marker.
#[derive(Debug)]
struct Hanging {
    begun: Mutex<Sender<()>>,
    may_go_on: Mutex<Receiver<()>>,
}

impl Probe for Hanging {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        if let Operation::Sync(file) = operation
            && path_of(file).contains(".log")
        {
            self.begun.lock().unwrap().send(()).expect("the test waits");
            // nobody sends: it ends with the test's end of the channel
            let _ = self.may_go_on.lock().unwrap().recv();
        }
        Verdict::Pretend
    }
}

#[tokio::test]
async fn a_directory_that_hangs_does_not_hold_up_the_stop_of_the_others() {
    let home = Home::new();
    let ((begun, has_begun), (go_on, may_go_on)) = (channel(), channel());
    let probe = Arc::new(Hanging {
        begun: Mutex::new(begun),
        may_go_on: Mutex::new(may_go_on),
    });
    let image = image(2, 0);
    let partitions = start(home.open_probed(probe), &image);
    assert_eq!([home.replicas("a").len(), home.replicas("b").len()], [1, 1]);
    for number in 0..2 {
        let replica = partitions.find(ID, number).expect("hosted");
        let appended = replica.append(options(b"value")).await;
        assert_eq!(appended.expect("appended").info.first_offset, Offset(0));
    }
    let stopping = std::thread::Builder::new().name("stopping".to_owned());
    let stop = stopping
        .spawn(move || partitions.stop(1))
        .expect("a thread");
    has_begun.recv().expect("the sync in b begins");
    // a's lock is given back when it has all that it gets
    let lock = std::fs::File::open(home.path("a").join(".lock")).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert_eq!(["a", "b"].map(|name| home.has_marker(name)), [true, false]);
    drop(go_on);
    stop.join().expect("the stop ends");
    assert!(home.has_marker("b"), "in the end it has answered");
}
