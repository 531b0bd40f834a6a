//! Members of consumer groups over a real log.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{channel, find, matching};
use crate::base::{
    Clock, ErrorCode, FixedClock, KafkaUuid, LeaderEpoch, NodeId, Offset, Timestamp,
};
use crate::config::BrokerConfig;
use crate::coordinator::held::Held;
use crate::coordinator::host::{Handle, HostParts, LogOptions};
use crate::group::{ConsumerHeartbeat, ConsumerHeartbeatReply, GroupEffect, Registry, Settings};
use crate::metadata::record::{MetadataRecord, Partition, Topic};
use crate::metadata::{Delta, Image};
use crate::partition::testing::{Broker, EPOCH};
use crate::record::Codec;

/// `a1` and `a2` have a partition each, `b` has one, too.
fn image() -> Image {
    let topics = ["a1", "a2", "b"].into_iter().zip(1_001..);
    let records = topics.flat_map(|(name, id)| {
        let topic_id = KafkaUuid(uuid::Uuid::from_u128(id));
        [
            MetadataRecord::Topic(Topic {
                name: name.to_owned(),
                topic_id,
            }),
            MetadataRecord::Partition(Partition {
                partition: 0,
                topic_id,
                replicas: vec![NodeId(1)],
                isr: vec![NodeId(1)],
                removing_replicas: Vec::new(),
                adding_replicas: Vec::new(),
                leader: NodeId(1),
                leader_recovery_state: 0,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: 0,
                directories: Vec::new(),
                eligible_leader_replicas: Vec::new(),
                last_known_elr: Vec::new(),
            }),
        ]
    });
    let records: Vec<_> = records.collect();
    let (image, _): (_, Delta) = Image::default()
        .apply(&records, Offset(9), LeaderEpoch(1))
        .expect("records that fit together");
    image
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FixedClock::new(Timestamp(1_000_000)))
}

fn host(path: &Path) -> (Broker, Handle<Registry>, UnboundedReceiver<GroupEffect>) {
    let broker = Broker::start(path, KafkaUuid::random(), &[]);
    let config = [("group.consumer.assignment.interval.ms", "0")];
    let config = Arc::new(BrokerConfig::with(&config).expect("settings"));
    let image = Arc::new(image());
    let (effects, asked) = channel();
    let handle = Handle::start(HostParts {
        replica: broker.replica(),
        epoch: EPOCH,
        clock: clock(),
        options: LogOptions {
            codec: Codec::None,
            load_bytes: 1_000,
        },
        held: Held::default(),
        make: Box::new(move || {
            let registry = Registry::new(Settings::default());
            registry.in_cluster(Arc::clone(&config), Arc::clone(&image))
        }),
        have: Arc::new(move |effect| drop(effects.send(effect))),
    });
    (broker, handle, asked)
}

fn heartbeat(epoch: i32) -> ConsumerHeartbeat {
    let joins = epoch == 0;
    ConsumerHeartbeat {
        group: "g".into(),
        member: "m".into(),
        member_epoch: epoch,
        instance: None,
        rack: None,
        rebalance_timeout_ms: if joins { 1_000 } else { -1 },
        topics: None,
        expression: joins.then(|| "a.*".into()),
        assignor: None,
        owned: joins.then(Vec::new),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        member_id_seed: 1,
        needs_member_id: true,
    }
}

async fn beat(handle: &Handle<Registry>, epoch: i32) -> ConsumerHeartbeatReply {
    let reply = handle.ask(heartbeat(epoch)).await.expect("an answer");
    assert_eq!((reply.error, &reply.message), (ErrorCode::NONE, &None));
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_the_topics_of_its_expression_once_they_are_looked_up() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle, mut asked) = host(path.path());
    let joined = beat(&handle, 0).await;
    assert_eq!(
        (joined.member_epoch, joined.assignment),
        (1, Some(Vec::new()))
    );
    let Some(GroupEffect::Resolve(expressions)) = asked.recv().await else {
        panic!("nothing is looked up");
    };
    let found = find(expressions, &clock()).await;
    assert_eq!(found.version, Offset(9));
    handle.ask(found).await.expect("an answer");
    let told = beat(&handle, 1).await;
    let topics = told.assignment.map(|topics| topics.len());
    assert_eq!((told.member_epoch, topics), (2, Some(2)));
    let quiet = beat(&handle, 2).await;
    assert_eq!((quiet.member_epoch, quiet.assignment), (2, None));
    broker.partitions.stop(1);
}

#[test]
fn an_expression_matches_whole_names() {
    let image = image();
    let matching = |expression| matching(expression, &image);
    assert_eq!(matching("a1|b"), ["a1".into(), "b".into()]);
    assert!(matching("a").is_empty());
    assert!(matching("[").is_empty());
}
