//! `__consumer_offsets`: how the topic is made, and which of its partitions a group belongs to.

use crate::config::BrokerConfig;
use crate::controller::NewTopic;
use crate::controller::names::CONSUMER_OFFSETS;
use crate::metadata::Image;

/// The smallest `segment.bytes` of a topic, whatever `offsets.topic.segment.bytes` says.
const SMALLEST_SEGMENT: i32 = 1 << 20;

/// The topic as it is made when it is first needed.
pub fn offsets_topic(config: &BrokerConfig, image: &Image) -> NewTopic {
    let set = |key: &str, value: String| (key.to_owned(), Some(value));
    NewTopic {
        partitions: config.offsets_topic_num_partitions,
        // Kafka waits without a word until there are as many brokers as are asked for.
        replication_factor: config
            .offsets_topic_replication_factor
            .min(active_brokers(image)),
        configs: vec![
            set("cleanup.policy", "compact".to_owned()),
            set("compression.type", "producer".to_owned()),
            set(
                "segment.bytes",
                // A topic cannot have less, and without this one no group could ever be served.
                config
                    .offsets_topic_segment_bytes
                    .max(SMALLEST_SEGMENT)
                    .to_string(),
            ),
        ],
        ..NewTopic::named(CONSUMER_OFFSETS)
    }
}

/// How many replicas a partition could have now; at least one, since the answer to none is the
/// controller's.
fn active_brokers(image: &Image) -> i16 {
    let count = image.brokers().filter(|broker| broker.is_active()).count();
    i16::try_from(count).unwrap_or(i16::MAX).max(1)
}

/// The partition of `__consumer_offsets` that holds `group`, if there are `count` of them (at least
/// one). It is Kafka's choice, so that each finds its groups in a topic that the other has written.
pub fn partition_of(group: &str, count: i32) -> i32 {
    // The one number without a counterpart becomes 0. This is not the clearing of the sign bit by
    // which producers choose partitions.
    let hash = match java_hash(group) {
        i32::MIN => 0,
        hash => hash.abs(),
    };
    if count > 0 { hash % count } else { 0 }
}

/// `String.hashCode` of Java, which goes over UTF-16.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::{java_hash, offsets_topic, partition_of};
    use crate::config::BrokerConfig;
    use crate::metadata::Image;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("abc"), 96_354);
        assert_eq!(java_hash("my-group"), -1_906_497_762);
        // Two units of UTF-16: 0xD834 and 0xDD1E.
        assert_eq!(java_hash("\u{1D11E}"), 0xD834 * 31 + 0xDD1E);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn groups_are_where_kafka_puts_them() {
        assert_eq!(partition_of("abc", 50), 4);
        // With the sign bit cleared this would be 36.
        assert_eq!(partition_of("my-group", 50), 12);
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("my-group", 1), 0);
    }

    #[test]
    fn the_topic_can_be_made_whatever_its_segments_should_be() {
        let config = BrokerConfig {
            offsets_topic_segment_bytes: 100,
            ..BrokerConfig::default()
        };
        let topic = offsets_topic(&config, &Image::default());
        let smallest = ("segment.bytes".to_owned(), Some("1048576".to_owned()));
        assert!(topic.configs.contains(&smallest));
    }

    #[test]
    fn the_topic_is_compacted_and_has_no_more_replicas_than_there_are_brokers() {
        let topic = offsets_topic(&BrokerConfig::default(), &Image::default());
        assert_eq!(
            (
                topic.name.as_str(),
                topic.partitions,
                topic.replication_factor
            ),
            ("__consumer_offsets", 50, 1)
        );
        assert!(
            topic
                .configs
                .contains(&("cleanup.policy".to_owned(), Some("compact".to_owned())))
        );
        assert!(
            topic
                .configs
                .contains(&("segment.bytes".to_owned(), Some("104857600".to_owned())))
        );
    }
}
