//! `__consumer_offsets`, with the settings for its creation on first use.

use crate::config::BrokerConfig;
use crate::controller::NewTopic;
use crate::controller::names::CONSUMER_OFFSETS;
use crate::coordinator::internal_topic::{InternalTopic, compacted};
use crate::metadata::Image;

pub(super) const CONSUMER_OFFSETS_TOPIC: InternalTopic = InternalTopic {
    name: CONSUMER_OFFSETS,
    create: offsets_topic,
};

/// The topic, with the settings for its creation.
pub fn offsets_topic(config: &BrokerConfig, image: &Image) -> NewTopic {
    let config = config.groups();
    compacted(
        CONSUMER_OFFSETS,
        config.topic_partitions,
        config.topic_replication_factor,
        config.topic_segment_bytes,
        image,
    )
}

#[cfg(test)]
mod tests {
    use super::offsets_topic;
    use crate::config::BrokerConfig;
    use crate::metadata::Image;

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
        let set = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert!(topic.configs.contains(&set("cleanup.policy", "compact")));
        assert!(topic.configs.contains(&set("segment.bytes", "104857600")));
    }
}
