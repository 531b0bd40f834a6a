//! Topics that are created because a client has requested them.
//!
//! Kafka answers such a request at once and creates the topic in the background, and clients ask again until it
//! exists. Here the controller is in the same process: the request waits for its decision, and the client finds the
//! topic at the first attempt.

use std::collections::HashMap;

use crate::base::{ErrorCode, limited};
use crate::config::BrokerConfig;
use crate::controller::{CreateTopics, NewTopic, is_internal, names};
use crate::coordinator::{offsets_topic, transactions_topic};
use crate::metadata::Image;

use super::ask;
use super::route::Call;

/// Whether a topic of this name is created when it is requested.
pub(super) fn is_creatable(name: &str) -> bool {
    let is_served = [names::CONSUMER_OFFSETS, names::TRANSACTION_STATE].contains(&name);
    // If the logs of coordinators do not exist, they would be created with the wrong number of partitions, and nobody
    // can change that later.
    names::validate(name).is_ok() && (is_served || !is_internal(name))
}

/// Creates the topics that do not exist. Returns the names that were refused, with the reasons; all other topics are
/// in the image when this returns, whoever has created them.
pub(super) async fn create(
    call: &Call,
    image: &Image,
    names: impl Iterator<Item = &str>,
) -> HashMap<String, ErrorCode> {
    let config = &call.broker.config;
    let topics: Vec<NewTopic> = names.map(|name| new_topic(name, image, config)).collect();
    if topics.is_empty() {
        return HashMap::new();
    }
    let asked: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let command = CreateTopics {
        topics,
        validate_only: false,
    };
    match ask::controller(call, command, config.request_timeout_ms).await {
        Ok(rows) => rows
            .into_iter()
            .filter_map(|(name, result)| {
                let refusal = result.err()?;
                if refusal.code == ErrorCode::TOPIC_ALREADY_EXISTS {
                    // Another client has created it before: that is fine.
                    return None;
                }
                // Clients only learn that it does not exist, and wait for it.
                limited!(
                    warn,
                    "a topic that a client asked for cannot be created: change the defaults for new topics, or create it by hand",
                    topic = %name,
                    error = %refusal
                );
                // The name itself is valid: the topic just does not exist.
                let code = match refusal.code {
                    ErrorCode::INVALID_TOPIC_EXCEPTION => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    code => code,
                };
                Some((name, code))
            })
            .collect(),
        // Whatever prevents the controller from deciding, clients must try again.
        Err(_) => asked.into_iter().map(|name| (name, ErrorCode::LEADER_NOT_AVAILABLE)).collect(),
    }
}

/// The topic of this name with default settings.
fn new_topic(name: &str, image: &Image, config: &BrokerConfig) -> NewTopic {
    match name {
        names::CONSUMER_OFFSETS => offsets_topic(config, image),
        names::TRANSACTION_STATE => transactions_topic(config, image),
        _ => NewTopic::named(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::{is_creatable, new_topic};
    use crate::config::BrokerConfig;

    #[test]
    fn only_what_somebody_serves_comes_into_being() {
        for name in [
            "orders",
            "__consumer_offsets",
            "__transaction_state",
            "__mine",
        ] {
            assert!(is_creatable(name), "{name}");
        }
        for name in ["", "a b", "__share_group_state", "__cluster_metadata"] {
            assert!(!is_creatable(name), "{name}");
        }
    }

    #[test]
    fn the_topics_of_coordinators_are_compacted_and_have_no_more_replicas_than_there_are_brokers() {
        let config = BrokerConfig::default();
        let topic = new_topic("__consumer_offsets", &fixture::image(), &config);
        assert_eq!((topic.partitions, topic.replication_factor), (50, 2));
        assert!(
            topic
                .configs
                .contains(&("cleanup.policy".to_owned(), Some("compact".to_owned())))
        );
        let topic = new_topic("orders", &fixture::image(), &config);
        assert_eq!((topic.partitions, topic.replication_factor), (-1, -1));
        assert!(topic.configs.is_empty());
    }
}
