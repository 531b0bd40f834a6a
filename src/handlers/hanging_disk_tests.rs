//! A log directory whose disk hangs: clients can still change the cluster's metadata and see the changes.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::fixture::Serving;
use crate::controller::{
    AlterConfigs, AlteredResource, ConfigChange, CreateTopics, DeleteTopics, NewTopic,
    TopicReference,
};
use crate::log::Disk;
use crate::log::testing::HangingDisk;
use crate::metadata::{ConfigResource, ConfigResourceType};
use crate::wire::Reply;

/// The answer to a client that asks for the metadata of all topics.
fn metadata(serving: &Serving) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_i16(ApiKey::Metadata as i16);
    frame.put_i16(4);
    frame.put_i32(7);
    frame.put_i16(-1);
    frame.put_i32(-1);
    frame.put_u8(0);
    match serving.request(frame.freeze()) {
        Reply::Send(parts) => parts.into_body_bytes().expect("bytes").to_vec(),
        other => panic!("no answer: {other:?}"),
    }
}

fn names(metadata: &[u8], topic: &str) -> bool {
    let name = topic.as_bytes();
    metadata.windows(name.len()).any(|bytes| bytes == name)
}

#[test]
fn metadata_is_changed_and_seen_while_a_disk_hangs() {
    let disk = Arc::new(HangingDisk::default());
    let serving = Serving::with_second_directory(Disk::with_probe(disk.clone()));
    let (cluster, partitions) = (&serving.context.cluster, &serving.context.partitions);
    // What is waited for in vain is over at once.
    serving.block_on(async { tokio::time::pause() });
    disk.set(true);
    for name in ["first-while-it-hangs", "second-while-it-hangs"] {
        // As many directories, and more.
        let topics = vec![NewTopic {
            partitions: 4,
            ..NewTopic::named(name)
        }];
        let command = CreateTopics {
            topics,
            validate_only: false,
        };
        let created = serving.block_on(cluster.submit(command));
        let created = created.expect("an answer in time");
        assert!(created[0].1.is_ok(), "{created:?}");
        assert!(names(&metadata(&serving), name));
    }
    let image = cluster.image();
    let topic = image.topic("first-while-it-hangs").expect("the topic");
    let is_missing = |number: &i32| partitions.find(topic.id, *number).is_err();
    assert_ne!((0..4).filter(is_missing).count(), 0, "nothing hangs");

    let altered = |resource_type, name: &str, key: &str, value: &str| AlteredResource {
        resource: ConfigResource {
            resource_type,
            name: name.to_owned(),
        },
        change: ConfigChange::Replace(vec![(key.to_owned(), value.to_owned())]),
    };
    let resources = vec![
        altered(ConfigResourceType::TOPIC, &topic.name, "retention.ms", "77"),
        altered(ConfigResourceType::BROKER, "", "message.max.bytes", "77777"),
    ];
    let command = AlterConfigs {
        resources,
        validate_only: false,
    };
    let decided = serving.block_on(cluster.submit(command));
    assert_eq!(decided, Ok(vec![Ok(()), Ok(())]));
    let overrides = cluster.image().topic_configs(&topic.name).clone();
    assert_eq!(
        overrides.get("retention.ms").map(String::as_str),
        Some("77")
    );
    let settings = Arc::clone(&cluster.config().now().settings);
    assert_eq!(settings.value("message.max.bytes"), Some("77777"));

    let topics = vec![TopicReference::Id(topic.id)];
    let deleted = serving.block_on(cluster.submit(DeleteTopics { topics }));
    assert!(deleted.expect("an answer in time")[0].result.is_ok());
    let seen = metadata(&serving);
    assert!(!names(&seen, &topic.name) && names(&seen, "second-while-it-hangs"));
    disk.set(false);
}
