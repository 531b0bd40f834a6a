//! Following the image: opens created partitions, removes deleted ones, and passes leaderships and settings to the
//! hosted partitions.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::{Completion, TopicId, TopicPartition};
use crate::config::{BrokerConfig, TopicConfig};
use crate::metadata::{Delta, Image, TopicImage};
use crate::partition::replica::Leadership;

use super::manager::Partitions;
use super::opening::ToOpen;
use super::places::Place;

impl Partitions {
    /// Applies a change of the image: creates, deletes, leads and configures. Waits for no disk: when all clones of
    /// `done` are dropped, created partitions take appends, and the directories of deleted ones are renamed.
    pub fn follow(&self, image: &Image, delta: &Delta, done: &Completion) {
        let _changing = self.changing();
        self.delete_all(&delta.deleted_topics, done);
        let mut missing = Vec::new();
        let defaults = self.shared.environment.settings();
        for topic in &delta.created_or_changed_topics {
            missing.extend(self.lead_or_list(image, &defaults, topic));
        }
        self.create(missing, done);
        if delta.changes_settings_of(self.shared.environment.node()) {
            self.follow_settings(&defaults);
            for topic in image.topics() {
                self.configure(image, &defaults, topic);
            }
        }
        for name in &delta.changed_configs {
            if let Some(topic) = image.topic(name) {
                self.configure(image, &defaults, topic);
            }
        }
    }

    /// Notifies those that do not read the settings at each use.
    fn follow_settings(&self, now: &BrokerConfig) {
        let environment = &self.shared.environment;
        let expiration = environment.producer_expiration();
        expiration.set(now.producer_id_expiration_ms);
        self.shared.moves.signal().look_again();
        self.shared.cleaner.follow_settings(&now.cleaner());
    }

    /// Updates the leadership of this topic's hosted partitions. Returns the partitions that should be hosted and are
    /// not.
    pub(super) fn lead_or_list(
        &self,
        image: &Image,
        defaults: &BrokerConfig,
        topic: &TopicImage,
    ) -> Vec<ToOpen> {
        let mut missing = Vec::new();
        let mut config = None;
        for (number, partition) in (0_i32..).zip(&topic.partitions) {
            let Some(assigned) = partition.directory_of(self.shared.environment.node()) else {
                continue;
            };
            let leadership = Leadership::from(partition);
            let Some(leadership) = self.lead_if_known(topic.id, number, leadership) else {
                continue;
            };
            let config =
                config.get_or_insert_with(|| effective_config(image, defaults, &topic.name));
            missing.push(ToOpen {
                topic_partition: TopicPartition::new(Arc::clone(&topic.name), number),
                topic_id: topic.id,
                leadership,
                config: Arc::clone(config),
                assigned,
                has_this_id: false,
            });
        }
        missing
    }

    /// Updates the leadership of a partition that has a place here. Returns the leadership if there is none.
    fn lead_if_known(
        &self,
        topic: TopicId,
        number: i32,
        leadership: Leadership,
    ) -> Option<Leadership> {
        if let Ok(replica) = self.find(topic, number) {
            replica.follow(leadership, self.shared.environment.now());
            return None;
        }
        let mut hosted = self.places().hosted_mut();
        let places = hosted.get_mut(&topic);
        match places.and_then(|places| places.get_mut(&number)) {
            None => return Some(leadership),
            Some(Place::Open(replica)) => {
                replica.follow(leadership, self.shared.environment.now());
            }
            // Used when it is open. Failed opens are retried by the housekeeper, not at every change.
            Some(Place::Opening(opening)) => opening.wanted.leadership = leadership,
            Some(Place::Unreadable(unreadable)) => unreadable.wanted.leadership = leadership,
            // Waits for the next start.
            Some(Place::Offline) => {}
        }
        None
    }

    fn configure(&self, image: &Image, defaults: &BrokerConfig, topic: &TopicImage) {
        let config = effective_config(image, defaults, &topic.name);
        let mut hosted = self.places().hosted_mut();
        let places = hosted.get_mut(&topic.id);
        for place in places.into_iter().flat_map(HashMap::values_mut) {
            let config = Arc::clone(&config);
            match place {
                Place::Offline => {}
                Place::Opening(opening) => opening.wanted.config = config,
                Place::Unreadable(unreadable) => unreadable.wanted.config = config,
                Place::Open(replica) => {
                    replica.configure(Arc::clone(&config));
                    let now = self.shared.environment.now();
                    replica.operate(move |hosted| hosted.configure(config, now));
                }
            }
        }
    }
}

fn effective_config(image: &Image, defaults: &BrokerConfig, topic: &str) -> Arc<TopicConfig> {
    let overrides = image.topic_configs(topic);
    let resolved = TopicConfig::resolve(overrides, defaults).or_else(|error| {
        // The controller checks values before it records them; one that came from another
        // release must not keep the records of the topic out of reach.
        crate::base::limited!(
            warn,
            "topic configuration ignored: using the broker's defaults",
            topic,
            %error
        );
        TopicConfig::resolve(&std::collections::BTreeMap::new(), defaults)
    });
    Arc::new(resolved.expect("the broker's own defaults were checked at the start"))
}
