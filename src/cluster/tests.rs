//! The controller over a real log: what was decided is there after a restart.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{Clock, Completion, KafkaUuid, LeaderEpoch, ManualClock, NodeId, Timestamp};
use crate::config::BrokerConfig;
use crate::controller::{self, CreateTopics, NewTopic, RegisterBroker, UnfenceBroker};
use crate::log::{Identity, LogDirectory};
use crate::metadata::{Delta, Image};

use super::{Cluster, Controller, ImageListener, start};

const NODE: NodeId = NodeId(1);

fn open(path: &std::path::Path) -> (Cluster, Controller, LogDirectory) {
    open_with(path, BrokerConfig::default())
}

fn open_with(path: &std::path::Path, config: BrokerConfig) -> (Cluster, Controller, LogDirectory) {
    let identity = Identity {
        node_id: NODE,
        cluster_id: None,
    };
    let directory = LogDirectory::open(path, &identity).expect("a log directory");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(1_000)));
    let config = Arc::new(config);
    let cluster_id = directory.meta().cluster_id.clone();
    let (cluster, controller) =
        start(config, &directory, &cluster_id, clock).expect("a controller");
    (cluster, controller, directory)
}

async fn come_up(cluster: &Cluster, directory: &LogDirectory) {
    let registration = RegisterBroker {
        broker_id: NODE,
        incarnation_id: KafkaUuid::random(),
        endpoints: Vec::new(),
        features: controller::features::supported(),
        rack: None,
        log_directories: vec![directory.directory_id()],
    };
    let registered = cluster.submit(registration).await;
    let broker_epoch = registered.expect("a decision").expect("a registration");
    let unfence = UnfenceBroker {
        broker_id: NODE,
        broker_epoch,
    };
    assert_eq!(cluster.submit(unfence).await, Ok(Ok(())));
}

/// Remembers the names of topics that it was told of.
#[derive(Default)]
struct Topics(Mutex<Vec<String>>);

impl ImageListener for Topics {
    fn image_published(&self, _image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        let names = delta
            .created_or_changed_topics
            .iter()
            .map(|topic| topic.name.to_string());
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(names);
    }
}

#[tokio::test]
async fn what_was_decided_is_published_before_the_answer_and_there_after_a_restart() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (cluster, controller, directory) = open(path.path());
    come_up(&cluster, &directory).await;
    let topics = Arc::new(Topics::default());
    cluster.listen(Arc::<Topics>::clone(&topics)).await;
    let create = CreateTopics {
        topics: vec![NewTopic::named("orders")],
        validate_only: false,
    };
    let created = cluster.submit(create).await.expect("a decision");
    assert!(created[0].1.is_ok(), "{created:?}");
    assert_eq!(
        *topics.0.lock().unwrap_or_else(PoisonError::into_inner),
        ["orders"]
    );
    let before = cluster.image();
    let first = cluster.next_producer_id().await.expect("a producer id");
    controller.stop();
    drop(directory);

    let (cluster, controller, directory) = open(path.path());
    come_up(&cluster, &directory).await;
    let after = cluster.image();
    let epoch = |image: &Image| {
        image
            .topic("orders")
            .map(|topic| topic.partitions[0].leader_epoch)
    };
    assert_eq!(
        after.topic("orders").map(|topic| topic.id),
        before.topic("orders").map(|topic| topic.id)
    );
    assert!(
        epoch(&after) > epoch(&before),
        "a new life of the broker is a new leadership"
    );
    assert!(after.epoch() > before.epoch() && before.epoch() > LeaderEpoch(0));
    let second = cluster.next_producer_id().await.expect("a producer id");
    assert!(
        second > first,
        "what was left of the block is not given out again"
    );
    controller.stop();
}

#[tokio::test]
async fn what_earlier_starts_have_written_counts_towards_the_next_snapshot() {
    const MOST: usize = 4096;
    let path = tempfile::tempdir().expect("a temporary directory");
    let metadata = path.path().join("__cluster_metadata-0");
    let size = || {
        let log = metadata.join("00000000000000000000.log");
        std::fs::metadata(log).map_or(0, |log| log.len())
    };
    let has_snapshot = || {
        let files = std::fs::read_dir(&metadata).into_iter().flatten();
        let mut names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        names.any(|name| name.ends_with(".checkpoint"))
    };
    let most = MOST.to_string();
    let settings = [("metadata.log.max.record.bytes.between.snapshots", &*most)];
    let mut first = 0;
    while !has_snapshot() {
        let config = BrokerConfig::with(&settings).expect("a configuration");
        let (cluster, controller, directory) = open_with(path.path(), config);
        come_up(&cluster, &directory).await;
        controller.stop();
        drop(directory);
        first = if first == 0 { size() } else { first };
        assert!(
            size() < 3 * MOST as u64,
            "no snapshot after {} bytes",
            size()
        );
    }
    assert!(
        first < MOST as u64 / 2,
        "{first} bytes of one start say nothing"
    );
    let (cluster, controller, _directory) = open(path.path());
    assert!(cluster.image().broker(NODE).is_some());
    controller.stop();
}
