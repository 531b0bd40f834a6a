//! For tests of this room and of those above: one partition of one topic, hosted over a real directory.

use std::path::Path;
use std::sync::Arc;

use crate::base::{
    Clock, Completion, LeaderEpoch, ManualClock, NodeId, Offset, Timestamp, TopicId,
};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::{Identity, LogDirectories, LogDirectory};
use crate::metadata::record::{MetadataRecord, Partition, Topic};
use crate::metadata::{Delta, Image};

use super::{Contents, Partitions, Replica, Unwatched};

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
    /// Follows a change of the image to its end.
    pub(crate) fn apply(&self, image: &Image, delta: &Delta) {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let (all_brokers, this_broker) = image.broker_changes(NODE);
        self.shared.config.follow(all_brokers, this_broker);
        self.follow(image, delta, &Completion::new(move || drop(done)));
        is_done.recv().expect_err("nothing is sent");
    }
}

/// Hosted partitions, the image that places them here, and the id of the topic.
pub(crate) struct Broker {
    pub(crate) partitions: Partitions,
    pub(crate) image: Image,
    pub(crate) id: TopicId,
}

impl Broker {
    pub(crate) fn start(path: &Path, id: TopicId, overrides: &[(&str, &str)]) -> Self {
        Self::start_with(
            path,
            id,
            overrides,
            Arc::new(ManualClock::new(Timestamp(1_000))),
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

    /// With so many of the two replicas in sync.
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
        let partitions = Partitions::start(config, directories, contents, clock, &image, watch)
            .expect("partitions");
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
