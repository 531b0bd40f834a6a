//! What groups hear of the cluster's metadata.

use std::sync::Arc;

use super::asks::DeletedTopic;
use super::registry::{Outcome, Registry, Turn};
use crate::base::Timestamp;
use crate::metadata::{Image, TopicImage};

/// A change of the cluster's metadata.
#[derive(Debug)]
pub struct GroupNews {
    /// The metadata now.
    pub image: Arc<Image>,
    /// Topics that are new, or have new or changed partitions.
    pub changed: Vec<Arc<TopicImage>>,
    /// Topics that were deleted.
    pub deleted: Vec<Arc<TopicImage>>,
    /// Whether settings of groups or brokers have changed.
    pub has_settings: bool,
}

impl Registry {
    /// The cluster's metadata has changed. Consumer groups look at their topics with their next heartbeat. The offsets
    /// of deleted topics are meaningless: begins to remove them.
    pub fn hear(&mut self, news: &GroupNews, now: Timestamp) -> Outcome {
        self.world.hear(news, self.consumers.iter());
        let settings = self.settings;
        let mut turn = Turn::new(&settings, now);
        if !news.deleted.is_empty() {
            let deleted = news.deleted.iter().map(|topic| DeletedTopic {
                name: Arc::clone(&topic.name),
                id: topic.id,
            });
            self.forget_topics(deleted.collect(), &mut turn);
        }
        self.end(turn)
    }
}
