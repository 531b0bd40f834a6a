//! What one publication changed.

use std::sync::Arc;

use crate::base::NodeId;

use super::configs::{ConfigResource, ConfigResourceType};
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
