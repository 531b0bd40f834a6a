//! The changes of one publication.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::NodeId;

use super::configs::{ConfigResource, ConfigResourceType};
use super::image::Image;
use super::topics::TopicImage;

/// The difference between two successive images, for code that acts on changes. It names the changed objects; their
/// new state is in the new image. Within one publication a topic may have been deleted and created again: then it is
/// in both lists, under two ids.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// Topics that are new, or have new or changed partitions, ordered by id.
    pub created_or_changed_topics: Vec<Arc<TopicImage>>,
    /// Deleted topics, with their last state.
    pub deleted_topics: Vec<Arc<TopicImage>>,
    /// Topics whose dynamic configuration was set, changed or removed, ordered by name. A deleted topic with
    /// configuration is among them.
    pub changed_configs: Vec<String>,
    /// The same for all other resources.
    pub changed_other_configs: Vec<ConfigResource>,
    /// Brokers that were registered, changed or unregistered.
    pub changed_brokers: Vec<NodeId>,
    /// Features whose finalized level was set.
    pub changed_features: Vec<String>,
}

impl Delta {
    /// The difference to `new`, whatever came in between: for a listener that has seen `old` and joins later.
    pub fn between(old: &Image, new: &Image) -> Self {
        let is_new = |topic: &&Arc<TopicImage>| {
            let before = old.topic_by_id(topic.id);
            before.is_none_or(|before| !Arc::ptr_eq(before, topic) && before != *topic)
        };
        let is_gone = |topic: &&Arc<TopicImage>| new.topic_by_id(topic.id).is_none();
        let mut created_or_changed_topics: Vec<_> = new.topics().filter(is_new).cloned().collect();
        created_or_changed_topics.sort_by_key(|topic| topic.id);
        let configs = |image: &Image| {
            let named = image.all_configs().map(|(resource_type, name, values)| {
                let name = name.to_owned();
                let resource = ConfigResource {
                    resource_type,
                    name,
                };
                (resource, values.clone())
            });
            named.collect::<BTreeMap<_, _>>()
        };
        let (topics, others): (Vec<_>, Vec<_>) = changed_keys(&configs(old), &configs(new))
            .into_iter()
            .partition(|resource| resource.resource_type == ConfigResourceType::TOPIC);
        Self {
            created_or_changed_topics,
            deleted_topics: old.topics().filter(is_gone).cloned().collect(),
            changed_configs: topics.into_iter().map(|resource| resource.name).collect(),
            changed_other_configs: others,
            changed_brokers: changed_keys(&old.brokers, &new.brokers),
            changed_features: changed_keys(&old.features, &new.features),
        }
    }

    /// Whether the settings of this broker may have changed.
    pub fn changes_settings_of(&self, broker: NodeId) -> bool {
        let own = broker.0.to_string();
        self.changed_other_configs.iter().any(|changed| {
            changed.resource_type == ConfigResourceType::BROKER
                && (changed.name == ConfigResource::ALL_BROKERS || changed.name == own)
        })
    }

    /// Whether there is no change to act on.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let Self {
            created_or_changed_topics,
            deleted_topics,
            changed_configs,
            changed_other_configs,
            changed_brokers,
            changed_features,
        } = self;
        created_or_changed_topics.is_empty()
            && deleted_topics.is_empty()
            && changed_configs.is_empty()
            && changed_other_configs.is_empty()
            && changed_brokers.is_empty()
            && changed_features.is_empty()
    }
}

/// The keys whose values differ.
fn changed_keys<K: Ord + Clone, V: PartialEq>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> Vec<K> {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(key) != new.get(key))
        .cloned()
        .collect()
}
