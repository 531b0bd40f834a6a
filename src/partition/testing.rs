//! For tests of this room and of those above: one partition of one topic, hosted over a real directory.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::base::{Clock, Completion, FixedClock, LeaderEpoch, NodeId, Offset, Timestamp, TopicId};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::{Identity, LogDirectories, LogDirectory};
use crate::metadata::record::{MetadataRecord, Partition, Topic};
use crate::metadata::{Delta, Image};

use super::{Assignment, Contents, Hosting, Partitions, Replica, Unwatched, start};

pub(crate) const NODE: NodeId = NodeId(1);
pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(4);

fn topic(id: TopicId, in_sync: usize) -> [MetadataRecord; 2] {
    let replicas = vec![NODE, NodeId(2)];
    let topic = Topic {
        name: "orders".to_owned(),
        topic_id: id,
    };
    let partition = Partition {
        partition: 0,
        topic_id: id,
        isr: replicas[..in_sync].to_vec(),
        replicas,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: NODE,
        leader_recovery_state: 0,
        leader_epoch: EPOCH,
        partition_epoch: 0,
        directories: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
    };
    [
        MetadataRecord::Topic(topic),
        MetadataRecord::Partition(partition),
    ]
}

pub(crate) fn change(image: &Image, records: &[MetadataRecord]) -> (Image, Delta) {
    let offset = Offset(image.offset().0 + 1);
    image
        .apply(records, offset, LeaderEpoch(1))
        .expect("records that fit together")
}

impl Partitions {
    /// Follows a change of the image and waits until it is done.
    pub(crate) fn apply(&self, image: &Image, delta: &Delta) {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let (all_brokers, this_broker) = image.broker_changes(NODE);
        self.environment().config().follow(all_brokers, this_broker);
        self.follow(image, delta, &Completion::new(move || drop(done)));
        is_done.recv().expect_err("nothing is sent");
    }
}

/// Hosted partitions with their threads.
#[derive(Debug)]
pub(crate) struct Started {
    partitions: Partitions,
    hosting: Mutex<Option<Hosting>>,
}

impl From<(Partitions, Hosting)> for Started {
    fn from((partitions, hosting): (Partitions, Hosting)) -> Self {
        Self {
            partitions,
            hosting: Mutex::new(Some(hosting)),
        }
    }
}

impl std::ops::Deref for Started {
    type Target = Partitions;

    fn deref(&self) -> &Partitions {
        &self.partitions
    }
}

impl Started {
    pub(crate) fn assignments(&self) -> Option<UnboundedReceiver<Assignment>> {
        let mut hosting = self.hosting.lock().expect("no panic");
        hosting.as_mut()?.take_assignments()
    }

    /// Stops without a deadline. To be called once.
    pub(crate) fn stop(&self, broker_epoch: i64) {
        const FAR: Duration = Duration::from_secs(24 * 60 * 60);
        self.stop_by(broker_epoch, Instant::now() + FAR);
    }

    pub(crate) fn stop_by(&self, broker_epoch: i64, deadline: Instant) {
        let hosting = self.hosting.lock().expect("no panic").take();
        let hosting = hosting.expect("it runs");
        hosting.stop_by(broker_epoch, deadline);
    }
}

/// Hosted partitions, the image that places them here, and the id of the topic.
pub(crate) struct Broker {
    pub(crate) partitions: Started,
    pub(crate) image: Image,
    pub(crate) id: TopicId,
}

impl Broker {
    pub(crate) fn start(path: &Path, id: TopicId, overrides: &[(&str, &str)]) -> Self {
        Self::start_with(
            path,
            id,
            overrides,
            Arc::new(FixedClock::new(Timestamp(1_000))),
        )
    }

    pub(crate) fn start_with(
        path: &Path,
        id: TopicId,
        overrides: &[(&str, &str)],
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::start_in_sync_with(path, id, overrides, clock, 1)
    }

    /// With this many of the two replicas in sync.
    pub(crate) fn start_in_sync_with(
        path: &Path,
        id: TopicId,
        overrides: &[(&str, &str)],
        clock: Arc<dyn Clock>,
        in_sync: usize,
    ) -> Self {
        let identity = Identity {
            node_id: NODE,
            cluster_id: None,
        };
        let directories = LogDirectory::open(path, &identity).expect("a log directory");
        let directories = LogDirectories::from(directories);
        let contents = Contents::read(&directories);
        let config = BrokerConfig::with(overrides).expect("a configuration");
        let config = CurrentConfig::new(Arc::new(config));
        let (image, _) = change(&Image::default(), &topic(id, in_sync));
        let watch = Arc::new(Unwatched);
        let partitions = start(config, directories, contents, clock, &image, watch)
            .expect("partitions")
            .into();
        Self {
            partitions,
            image,
            id,
        }
    }

    pub(crate) fn replica(&self) -> Arc<Replica> {
        self.partitions
            .find(self.id, 0)
            .expect("a hosted partition")
    }
}
