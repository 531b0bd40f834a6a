//! `__transaction_state`, with the settings for its creation on first use.

use crate::config::BrokerConfig;
use crate::controller::NewTopic;
use crate::controller::names::TRANSACTION_STATE;
use crate::coordinator::internal_topic::{InternalTopic, compacted};
use crate::metadata::Image;

pub(super) const TRANSACTION_STATE_TOPIC: InternalTopic = InternalTopic {
    name: TRANSACTION_STATE,
    create: transactions_topic,
};

/// The topic, with the settings for its creation.
pub fn transactions_topic(config: &BrokerConfig, image: &Image) -> NewTopic {
    let config = config.transactions();
    let mut topic = compacted(
        TRANSACTION_STATE,
        config.topic_partitions,
        config.topic_replication_factor,
        config.topic_segment_bytes,
        image,
    );
    // More than there are replicas would refuse every write.
    let in_sync = config.topic_min_isr.min(topic.replication_factor.into());
    let set = |key: &str, value: String| (key.to_owned(), Some(value));
    topic.configs.retain(|(key, _)| key != "compression.type");
    topic.configs.extend([
        set("compression.type", "uncompressed".to_owned()),
        set("min.insync.replicas", in_sync.to_string()),
        set("unclean.leader.election.enable", "false".to_owned()),
    ]);
    topic
}

#[cfg(test)]
mod tests {
    use super::transactions_topic;
    use crate::config::BrokerConfig;
    use crate::metadata::Image;

    #[test]
    fn the_topic_is_as_kafka_makes_it_for_so_many_brokers() {
        let topic = transactions_topic(&BrokerConfig::default(), &Image::default());
        assert_eq!(
            (
                topic.name.as_str(),
                topic.partitions,
                topic.replication_factor
            ),
            ("__transaction_state", 50, 1)
        );
        let mut configs: Vec<_> = topic
            .configs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref().unwrap_or_default()))
            .collect();
        configs.sort_unstable();
        assert_eq!(
            configs,
            [
                ("cleanup.policy", "compact"),
                ("compression.type", "uncompressed"),
                ("min.insync.replicas", "1"),
                ("segment.bytes", "104857600"),
                ("unclean.leader.election.enable", "false"),
            ]
        );
    }
}
