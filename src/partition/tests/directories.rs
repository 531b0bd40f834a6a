//! Several log directories: where replicas go, one directory failing, one missing at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::{
    Clock, DirectoryId, FixedClock, KafkaUuid, LeaderEpoch, Offset, Timestamp, TopicId,
};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::directory;
use crate::log::{Disk, Identity, LogDirectories, LogDirectory};
use crate::metadata::record::{MetadataRecord, Partition, RemoveTopic, Topic};
use crate::metadata::{Delta, Image};
use crate::partition::testing::{NODE, Started, change};
use crate::partition::{AppendFailure, Contents, NotHosted, Partitions};

use super::options;

/// Directories `a` and `b` of one broker.
pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(directory())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn open(&self) -> LogDirectories {
        let paths = ["a", "b"].map(|name| self.path(name));
        LogDirectories::open(&paths, &paths[0], NODE, None).expect("log directories")
    }

    /// The same with a test disk under `b`.
    pub(super) fn open_probed(&self, probe: Arc<dyn Probe>) -> LogDirectories {
        let identity = Identity {
            node_id: NODE,
            cluster_id: None,
        };
        let mut directories = LogDirectories::from(
            LogDirectory::open(&self.path("a"), &identity).expect("a log directory"),
        );
        let cluster_id = Some(directories.metadata().meta().cluster_id.clone());
        let identity = Identity {
            cluster_id,
            ..identity
        };
        let probed = LogDirectory::open_on(&self.path("b"), &identity, Disk::with_probe(probe));
        directories.online.push(probed.expect("a log directory"));
        directories
    }

    pub(super) fn start(&self, image: &Image) -> Started {
        start(self.open(), image)
    }

    pub(super) fn replicas(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).expect("readable");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub(super) fn has_marker(&self, name: &str) -> bool {
        self.path(name).join(".kafka_cleanshutdown").exists()
    }
}

pub(super) fn start(directories: LogDirectories, image: &Image) -> Started {
    let config = CurrentConfig::new(Arc::new(BrokerConfig::default()));
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
    let contents = Contents::read(&directories);
    crate::partition::start(
        config,
        directories,
        contents,
        clock,
        image,
        Arc::new(crate::partition::Unwatched),
    )
    .expect("partitions")
    .into()
}

/// A topic whose partitions are in these directories.
pub(super) fn with_topic(
    image: &Image,
    name: &str,
    id: TopicId,
    directories: &[DirectoryId],
) -> (Image, Delta) {
    let topic = MetadataRecord::Topic(Topic {
        name: name.to_owned(),
        topic_id: id,
    });
    let partitions = (0..).zip(directories).map(|(partition, directory)| {
        MetadataRecord::Partition(Partition {
            partition,
            topic_id: id,
            isr: vec![NODE],
            replicas: vec![NODE],
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader: NODE,
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            directories: vec![*directory],
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        })
    });
    let records: Vec<_> = std::iter::once(topic).chain(partitions).collect();
    change(image, &records)
}

pub(super) const ANY: DirectoryId = DirectoryId::UNASSIGNED_DIRECTORY;

/// The directory of each partition, read from the directories.
pub(super) fn places(partitions: &Partitions) -> BTreeMap<String, PathBuf> {
    let all = partitions.all();
    let places = all.iter().map(|replica| {
        let name = replica.topic_partition().to_string();
        (name, replica.directory().path().to_owned())
    });
    places.collect()
}

#[test]
fn a_new_replica_goes_where_there_are_fewest_and_the_controller_is_told() {
    let home = Home::new();
    let directories = home.open();
    let second = directories.online[1].directory_id();
    let (image, _) = with_topic(&Image::default(), "first", KafkaUuid::random(), &[second]);
    let partitions = start(directories, &image);
    let id = KafkaUuid::random();
    let (image, delta) = with_topic(&image, "then", id, &[ANY, ANY, ANY, second]);
    partitions.apply(&image, &delta);
    assert_eq!(home.replicas("a"), ["then-0", "then-1"]);
    assert_eq!(home.replicas("b"), ["first-0", "then-2", "then-3"]);
    let mut told = partitions.assignments().expect("the first to ask");
    let mut told: Vec<_> = std::iter::from_fn(|| told.try_recv().ok())
        .map(|assignment| {
            assert_eq!(assignment.topic_id, id);
            (assignment.partition, assignment.directory == second)
        })
        .collect();
    // new replicas are created several at a time
    told.sort_unstable();
    assert_eq!(told, [(0, false), (1, false), (2, true)]);
    partitions.stop(1);
    assert!(home.has_marker("a") && home.has_marker("b"));
    // Existing replicas stay in their directory, whatever the image says.
    let partitions = home.start(&image);
    let found = places(&partitions);
    assert_eq!(found.len(), 5);
    assert_eq!(found["then-2"], home.path("b"));
    partitions.stop(2);
}

/// Allows every change until it is told to fail.
#[derive(Debug, Default)]
struct Switch(AtomicBool);

impl Probe for Switch {
    fn before(&self, _: &Operation<'_>) -> Verdict {
        match self.0.load(Ordering::SeqCst) {
            true => Verdict::Fail,
            false => Verdict::Go,
        }
    }
}

#[tokio::test]
async fn one_directory_fails_and_the_other_serves() {
    let home = Home::new();
    let switch = Arc::new(Switch::default());
    let id = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", id, &[ANY, ANY]);
    let partitions = start(home.open_probed(switch.clone()), &image);
    assert_eq!(places(&partitions)["topic-1"], home.path("b"));
    let [good, bad] = [0, 1].map(|number| partitions.find(id, number).expect("hosted"));
    for replica in [&good, &bad] {
        replica.append(options(b"before")).await.expect("an append");
    }
    switch.0.store(true, Ordering::SeqCst);
    assert!(matches!(
        bad.append(options(b"lost")).await,
        Err(AppendFailure::Storage)
    ));
    assert!(bad.is_offline() && !good.is_offline());
    good.append(options(b"after")).await.expect("an append");
    let later = KafkaUuid::random();
    let (image, delta) = with_topic(&image, "later", later, &[ANY, ANY]);
    partitions.apply(&image, &delta);
    assert_eq!(home.replicas("a"), ["later-0", "later-1", "topic-0"]);
    // The image says that it is in the failed directory: it is not created in the other one.
    let lost = KafkaUuid::random();
    let (image, delta) = with_topic(&image, "lost", lost, &[bad.directory().id()]);
    partitions.apply(&image, &delta);
    assert_eq!(partitions.find(lost, 0).err(), Some(NotHosted::Unreadable));
    partitions.stop(1);
    assert!(home.has_marker("a") && !home.has_marker("b"));
    drop((partitions, good, bad));

    let partitions = home.start(&image);
    let end = |number| {
        let replica = partitions.find(id, number).expect("hosted");
        replica.published().positions.log_end
    };
    assert_eq!((end(0), end(1)), (Offset(2), Offset(1)));
    partitions.stop(2);
}

#[test]
fn what_may_be_in_a_directory_that_is_missing_is_not_made_anew() {
    let home = Home::new();
    let id = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", id, &[ANY, ANY]);
    let partitions = home.start(&image);
    let ids: Vec<_> = (0..2)
        .map(|number| {
            partitions
                .find(id, number)
                .expect("hosted")
                .directory()
                .id()
        })
        .collect();
    partitions.stop(1);
    drop(partitions);
    // The image after the controller has recorded it.
    let (image, _) = with_topic(&Image::default(), "topic", id, &ids);

    std::fs::rename(home.path("b"), home.path("away")).expect("moved away");
    std::fs::write(home.path("b"), "in the way").expect("writable");
    let partitions = home.start(&image);
    assert_eq!(partitions.unusable_directories(), [home.path("b")]);
    assert!(partitions.find(id, 0).is_ok());
    assert_eq!(partitions.find(id, 1).err(), Some(NotHosted::Unreadable));
    assert_eq!(home.replicas("a"), ["topic-0"]);
    let later = KafkaUuid::random();
    let (image, delta) = with_topic(&image, "later", later, &[ANY]);
    partitions.apply(&image, &delta);
    assert!(partitions.find(later, 0).is_ok(), "new topics are taken");
    partitions.stop(2);
    drop(partitions);

    std::fs::remove_file(home.path("b")).expect("gone");
    std::fs::rename(home.path("away"), home.path("b")).expect("back");
    let partitions = home.start(&image);
    assert!(partitions.find(id, 1).is_ok());
    partitions.stop(3);
}

#[test]
fn of_two_replicas_of_one_partition_the_one_that_the_image_names_counts() {
    for named in ["a", "b"] {
        let home = Home::new();
        let id = KafkaUuid::random();
        let (image, _) = with_topic(&Image::default(), "topic", id, &[ANY]);
        let partitions = home.start(&image);
        partitions.stop(1);
        drop(partitions);
        copy(&home.path("a/topic-0"), &home.path("b/topic-0"));
        let directories = home.open();
        let at = usize::from(named == "b");
        let (image, _) = with_topic(
            &Image::default(),
            "topic",
            id,
            &[directories.online[at].directory_id()],
        );
        let partitions = start(directories, &image);
        assert_eq!(places(&partitions)["topic-0"], home.path(named));
        partitions.stop(2);
        let other = if named == "a" { "b" } else { "a" };
        let left = home.replicas(other);
        assert!(
            matches!(left.as_slice(), [name] if name.ends_with("-stray")),
            "{left:?}"
        );
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

/// Has no file descriptor for renames while the flag is set.
#[derive(Debug, Default)]
struct NoDescriptors(AtomicBool);

impl Probe for NoDescriptors {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        match operation {
            Operation::Rename { .. } if self.0.load(Ordering::SeqCst) => Verdict::OutOfDescriptors,
            _ => Verdict::Go,
        }
    }
}

#[test]
fn a_deletion_without_descriptors_is_finished_later() {
    let home = Home::new();
    let probe = Arc::new(NoDescriptors::default());
    let directories = home.open_probed(probe.clone());
    let second = directories.online[1].directory_id();
    let (before, _) = with_topic(&Image::default(), "topic", KafkaUuid::random(), &[second]);
    let partitions = start(directories, &before);
    probe.0.store(true, Ordering::SeqCst);
    let id = before.topic("topic").expect("the topic").id;
    let removed = RemoveTopic { topic_id: id };
    let (image, delta) = change(&before, &[MetadataRecord::RemoveTopic(removed)]);
    partitions.apply(&image, &delta);
    assert_eq!(home.replicas("b"), ["topic-0"]);
    assert!(
        partitions
            .directories()
            .all(|directory| !directory.is_offline())
    );
    // A topic of the same name waits for that, and is then created.
    let again = KafkaUuid::random();
    let (image, delta) = with_topic(&image, "topic", again, &[second]);
    partitions.apply(&image, &delta);
    assert_eq!(partitions.find(again, 0).err(), Some(NotHosted::Unreadable));
    probe.0.store(false, Ordering::SeqCst);
    for directory in partitions.directories() {
        partitions.open_again(directory);
    }
    assert!(partitions.find(again, 0).is_ok());
    let left = home.replicas("b");
    assert!(
        matches!(left.as_slice(), [plain, gone] if plain == "topic-0" && gone.ends_with("-delete")),
        "{left:?}"
    );
    partitions.stop(1);
    assert!(home.has_marker("b"));
}
