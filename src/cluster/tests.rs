//! The controller over a real log: decisions survive a restart.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{
    Clock, Completion, FixedClock, LeaderEpoch, NodeId, Offset, Timestamp, TopicId, lock,
};
use crate::config::BrokerConfig;
use crate::controller::{
    AlterConfigs, AlteredResource, ConfigChange, CreatePartitions, CreateTopics, DeleteTopics,
    NewPartitions, NewTopic, TopicReference,
};
use crate::log::testing::HangingDisk;
use crate::log::{Disk, Identity, LogDirectory};
use crate::metadata::{ConfigResource, ConfigResourceType, Delta, Image};

use super::{Cluster, ClusterError, Controller, ImageListener, Lifecycle, Registration, start};

const NODE: NodeId = NodeId(1);

const IDENTITY: Identity = Identity {
    node_id: NODE,
    cluster_id: None,
};

fn open(path: &std::path::Path) -> (Cluster, Controller, LogDirectory) {
    open_with(path, BrokerConfig::default())
}

fn open_with(path: &std::path::Path, config: BrokerConfig) -> (Cluster, Controller, LogDirectory) {
    start_in(
        LogDirectory::open(path, &IDENTITY).expect("a log directory"),
        config,
    )
}

fn start_in(directory: LogDirectory, config: BrokerConfig) -> (Cluster, Controller, LogDirectory) {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
    let config = Arc::new(config);
    let cluster_id = directory.meta().cluster_id.clone();
    let (cluster, controller) =
        start(config, &directory, &cluster_id, clock).expect("a controller");
    (cluster, controller, directory)
}

async fn come_up(cluster: &Cluster, directory: &LogDirectory) {
    let registration = Registration {
        broker_id: NODE,
        endpoints: Vec::new(),
        rack: None,
        log_directories: vec![directory.directory_id()],
    };
    let registered = Lifecycle::register(cluster, registration).await;
    let lifecycle = registered.expect("a registration");
    lifecycle.unfence().await.expect("a leader");
}

fn creation(name: &str) -> CreateTopics {
    CreateTopics {
        topics: vec![NewTopic::named(name)],
        validate_only: false,
    }
}

fn broker_setting(key: &str, value: &str) -> AlterConfigs {
    let resource = ConfigResource {
        resource_type: ConfigResourceType::BROKER,
        name: String::new(),
    };
    let change = ConfigChange::Replace(vec![(key.to_owned(), value.to_owned())]);
    AlterConfigs {
        resources: vec![AlteredResource { resource, change }],
        validate_only: false,
    }
}

/// Records the names of created topics.
#[derive(Default)]
struct Topics(Mutex<Vec<String>>);

impl ImageListener for Topics {
    fn image_published(&self, _image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        let names = delta
            .created_or_changed_topics
            .iter()
            .map(|topic| topic.name.to_string());
        lock(&self.0).extend(names);
    }
}

#[tokio::test]
async fn what_was_decided_is_published_before_the_answer_and_there_after_a_restart() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (cluster, controller, directory) = open(path.path());
    come_up(&cluster, &directory).await;
    let topics = Arc::new(Topics::default());
    cluster.listen(Arc::<Topics>::clone(&topics)).await;
    let created = cluster
        .submit(creation("orders"))
        .await
        .expect("a decision");
    assert!(created[0].1.is_ok(), "{created:?}");
    assert_eq!(*lock(&topics.0), ["orders"]);
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

/// Blocks the listener's caller for a change, until it is released.
struct Stalled {
    told: Mutex<Vec<Offset>>,
    until: Mutex<Receiver<()>>,
}

impl Stalled {
    fn new() -> (Arc<Self>, Sender<()>) {
        let (release, until) = channel();
        let stalled = Self {
            told: Mutex::default(),
            until: Mutex::new(until),
        };
        (Arc::new(stalled), release)
    }
}

impl ImageListener for Stalled {
    fn image_published(&self, image: &Arc<Image>, _delta: &Delta, _answer: &Completion) {
        let mut told = self.told.lock().expect("no panic");
        told.push(image.offset());
        let is_change = told.len() > 1;
        drop(told);
        if is_change {
            // Ends when the other side is dropped.
            let _: Result<(), _> = self.until.lock().expect("no panic").recv();
        }
    }
}

// The clock is paused: what is waited for in vain is over at once.
#[tokio::test(start_paused = true)]
async fn a_listener_that_stalls_holds_up_no_decision_and_no_image() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (cluster, controller, directory) = open(path.path());
    come_up(&cluster, &directory).await;
    let (stalled, release) = Stalled::new();
    let behind = Arc::new(Known::default());
    cluster.listen(Arc::<Stalled>::clone(&stalled)).await;
    cluster.listen(Arc::<Known>::clone(&behind)).await;
    let mut published = vec![cluster.image().offset()];

    for name in ["a", "b"] {
        let created = cluster.submit(creation(name)).await.expect("a decision");
        assert!(created[0].1.is_ok(), "{created:?}");
        assert!(cluster.image().topic(name).is_some());
        published.push(cluster.image().offset());
    }
    let altered = cluster.submit(broker_setting("message.max.bytes", "77777"));
    assert_eq!(altered.await, Ok(vec![Ok(())]));
    let settings = Arc::clone(&cluster.config().now().settings);
    assert_eq!(settings.value("message.max.bytes"), Some("77777"));
    published.push(cluster.image().offset());
    // Half of the time is left for that.
    tokio::time::resume();
    let limited = cluster.submit_within(creation("c"), Duration::from_secs(2));
    let created = limited.await.expect("a decision, and in time");
    assert!(created[0].1.is_ok(), "{created:?}");
    published.push(cluster.image().offset());
    assert!(behind.topics().is_empty());

    drop(release);
    controller.stop();
    assert_eq!(*stalled.told.lock().expect("no panic"), published);
    assert_eq!(behind.topics(), topics_of(&cluster.image()));
}

/// Knows topics only from deltas: the number of partitions.
#[derive(Default)]
struct Known(Mutex<BTreeMap<TopicId, usize>>);

impl Known {
    fn topics(&self) -> BTreeMap<TopicId, usize> {
        self.0.lock().expect("no panic").clone()
    }
}

impl ImageListener for Known {
    fn image_published(&self, _image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        let mut topics = self.0.lock().expect("no panic");
        for topic in &delta.deleted_topics {
            topics.remove(&topic.id).expect("what is deleted was known");
        }
        for topic in &delta.created_or_changed_topics {
            topics.insert(topic.id, topic.partitions.len());
        }
    }
}

fn topics_of(image: &Image) -> BTreeMap<TopicId, usize> {
    let topics = image.topics();
    topics
        .map(|topic| (topic.id, topic.partitions.len()))
        .collect()
}

#[tokio::test]
async fn a_listener_knows_everything_whenever_it_joins() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (cluster, controller, directory) = open(path.path());
    let mut listeners = Vec::new();
    let mut join = async || {
        let from_nothing = Arc::new(Known::default());
        cluster.listen(Arc::<Known>::clone(&from_nothing)).await;
        let image = cluster.image();
        let from_image = Arc::new(Known(Mutex::new(topics_of(&image))));
        // What happens in between is not lost.
        let _ = cluster
            .submit(creation(&format!("between-{}", listeners.len())))
            .await;
        cluster
            .listen_from(image, Arc::<Known>::clone(&from_image))
            .await;
        for listener in [&from_nothing, &from_image] {
            assert_eq!(listener.topics(), topics_of(&cluster.image()));
        }
        listeners.extend([from_nothing, from_image]);
    };
    join().await;
    come_up(&cluster, &directory).await;
    for name in ["a", "b", "c"] {
        let created = cluster.submit(creation(name)).await.expect("a decision");
        assert!(created[0].1.is_ok(), "{created:?}");
        join().await;
    }
    let more = NewPartitions {
        name: "b".to_owned(),
        count: 7,
        assignments: None,
    };
    let more = CreatePartitions {
        topics: vec![more],
        validate_only: false,
    };
    let extended = cluster.submit(more).await.expect("a decision");
    assert_eq!(extended, [("b".to_owned(), Ok(()))]);
    let topics = vec![TopicReference::Name("a".to_owned())];
    let deleted = cluster.submit(DeleteTopics { topics }).await;
    assert!(deleted.expect("a decision")[0].result.is_ok());
    join().await;
    controller.stop();
    let topics = topics_of(&cluster.image());
    assert!(
        topics.len() >= 5 && topics.values().any(|count| *count == 7),
        "{topics:?}"
    );
    for listener in listeners {
        assert_eq!(listener.topics(), topics);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_limited_time_hears_that_it_is_up_and_the_command_is_carried_out() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let disk = Arc::new(HangingDisk::default());
    let directory = LogDirectory::open_on(path.path(), &IDENTITY, Disk::with_probe(disk.clone()));
    let directory = directory.expect("a log directory");
    let (cluster, controller, directory) = start_in(directory, BrokerConfig::default());
    come_up(&cluster, &directory).await;
    disk.set(true);
    let late = cluster.submit_within(creation("late"), Duration::from_secs(1));
    assert_eq!(late.await, Err(ClusterError::TimedOut));
    assert!(cluster.image().topic("late").is_none());
    disk.set(false);
    // Decided after it.
    let again = cluster.submit(creation("late")).await.expect("a decision");
    assert!(again[0].1.is_err(), "{again:?}");
    assert!(cluster.image().topic("late").is_some());
    controller.stop();
}
