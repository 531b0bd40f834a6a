//! What one publication changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::NodeId;

use super::configs::{ConfigResource, ConfigResourceType};
use super::image::Image;
use super::topics::TopicImage;

/// The difference between two successive images, for those who act on change. It says what to look
/// at; how things now are is in the new image. Within one publication a topic may have been deleted
/// and created again: then it stands in both lists, under two ids.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    /// Topics that are new, or of which a partition is new or different, ordered by id.
    pub created_or_changed_topics: Vec<Arc<TopicImage>>,
    /// Topics that were in the old image and are gone, as they were.
    pub deleted_topics: Vec<Arc<TopicImage>>,
    /// Topics whose dynamic configuration was set, changed or removed, ordered by name. A deleted
    /// topic that had any is among them.
    pub changed_configs: Vec<String>,
    /// The same for everything that is not a topic.
    pub changed_other_configs: Vec<ConfigResource>,
    /// Brokers that registered, changed or are gone.
    pub changed_brokers: Vec<NodeId>,
    /// Features whose finalized level was set.
    pub changed_features: Vec<String>,
}

impl Delta {
    /// What is different in `new`, whatever came in between: for who has seen `old` and joins later.
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

    /// Whether the settings of this broker may be different now.
    pub fn changes_settings_of(&self, broker: NodeId) -> bool {
        let own = broker.0.to_string();
        self.changed_other_configs.iter().any(|changed| {
            changed.resource_type == ConfigResourceType::BROKER
                && (changed.name == ConfigResource::ALL_BROKERS || changed.name == own)
        })
    }

    /// Whether nothing that anybody could act on has changed.
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

/// The keys whose values are not the same in both.
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
