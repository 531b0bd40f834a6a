//! Internal topics: their settings, and the partition of a key.

use crate::base::java_hash;
use crate::config::BrokerConfig;
use crate::controller::NewTopic;
use crate::metadata::Image;

/// The minimum `segment.bytes` of a topic, which also applies to the broker's settings for an internal topic.
const SMALLEST_SEGMENT: i32 = 1 << 20;

/// An internal topic whose partitions are the logs of machines.
#[derive(Clone, Copy, Debug)]
pub(super) struct InternalTopic {
    /// Its name.
    pub(super) name: &'static str,
    /// The topic with the settings for its creation.
    pub(super) create: fn(&BrokerConfig, &Image) -> NewTopic,
}

/// A compacted topic of this name with no more replicas than there are brokers.
pub(super) fn compacted(
    name: &str,
    partitions: i32,
    replication_factor: i16,
    segment_bytes: i32,
    image: &Image,
) -> NewTopic {
    let set = |key: &str, value: String| (key.to_owned(), Some(value));
    // A topic cannot have smaller segments, and without this topic no coordinator could serve.
    let segment_bytes = segment_bytes.max(SMALLEST_SEGMENT);
    NewTopic {
        partitions,
        // Kafka waits silently until there are enough brokers.
        replication_factor: replication_factor.min(active_brokers(image)),
        configs: vec![
            set("cleanup.policy", "compact".to_owned()),
            set("compression.type", "producer".to_owned()),
            set("segment.bytes", segment_bytes.to_string()),
        ],
        ..NewTopic::named(name)
    }
}

/// How many replicas a partition could have now; at least one, since the controller answers when there are no
/// brokers.
fn active_brokers(image: &Image) -> i16 {
    let count = image.brokers().filter(|broker| broker.is_active()).count();
    i16::try_from(count).unwrap_or(i16::MAX).max(1)
}

/// The partition of an internal topic that holds `key` (a group id, a transactional id), if there are `count` of them
/// (at least one). It is Kafka's choice, so Zurau finds the keys in a topic that Kafka has written, and vice versa.
pub(super) fn partition_of(key: &str, count: i32) -> i32 {
    // The one number without a positive counterpart becomes 0. Producers choose partitions differently: they clear
    // the sign bit.
    let hash = match java_hash(key) {
        i32::MIN => 0,
        hash => hash.abs(),
    };
    if count > 0 { hash % count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{compacted, partition_of};
    use crate::metadata::Image;

    #[test]
    fn keys_are_where_kafka_puts_them() {
        assert_eq!(partition_of("abc", 50), 4);
        // With the sign bit cleared this would be 36.
        assert_eq!(partition_of("my-group", 50), 12);
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("my-group", 1), 0);
    }

    #[test]
    fn the_topic_can_be_made_whatever_its_segments_should_be() {
        let topic = compacted("__topic", 1, 1, 100, &Image::default());
        let smallest = ("segment.bytes".to_owned(), Some("1048576".to_owned()));
        assert!(topic.configs.contains(&smallest));
    }
}
