//! What decisions about consumer groups rest on beside the log: the cluster's topics, the broker's settings, and what
//! may be forgotten in a restart.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ConsumerGroup;
use crate::base::{Offset, Timestamp, TopicId};
use crate::config::{BrokerConfig, ConsumerGroupConfig, ConsumerGroupsConfig};
use crate::group::assignor::Assignor;
use crate::group::news::GroupNews;
use crate::group::topics_hash::TopicHashes;
use crate::metadata::{ConfigResourceType, Image, TopicImage};

/// How long the hash of a group's topics holds without news of them, in milliseconds.
const REFRESH_MS: i64 = i32::MAX as i64;
/// How many groups may be remembered that are not there any more.
const SPARE: usize = 64;

/// The surroundings of the consumer groups.
#[derive(Debug)]
pub(in crate::group) struct World {
    /// What the broker was started with.
    broker: Arc<BrokerConfig>,
    pub(super) config: ConsumerGroupsConfig,
    pub(super) image: Arc<Image>,
    /// The last image that has brought topics, by its offset.
    pub(super) newest_topics: Offset,
    pub(super) hashes: TopicHashes,
    soft: HashMap<Arc<str>, Soft>,
}

/// What is known of a group until the next restart.
#[derive(Clone, Copy, Debug)]
struct Soft {
    /// When the topics are to be looked at again, and the group epoch that was decided on as this was set.
    refresh: (Timestamp, i32),
    /// Whether its regular expressions are being looked up.
    is_resolving: bool,
    /// When that began last.
    asked: Timestamp,
}

impl Default for Soft {
    /// Topics may have changed while nobody looked.
    fn default() -> Self {
        Self {
            refresh: (Timestamp(i64::MIN), 0),
            is_resolving: false,
            asked: Timestamp(i64::MIN),
        }
    }
}

impl World {
    pub(in crate::group) fn new(broker: Arc<BrokerConfig>, image: Arc<Image>) -> Self {
        Self {
            config: image.config_in_force(&broker).consumer_groups(),
            broker,
            newest_topics: image.offset(),
            image,
            hashes: TopicHashes::default(),
            soft: HashMap::new(),
        }
    }

    /// The cluster has changed. What was known before the machine was made is no news.
    pub(in crate::group) fn hear<'a>(
        &mut self,
        news: &GroupNews,
        groups: impl Iterator<Item = &'a ConsumerGroup>,
    ) {
        if news.image.offset() <= self.image.offset() {
            return;
        }
        let is_new = |topic: &Arc<TopicImage>| self.image.topic_by_id(topic.id).is_none();
        if news.changed.iter().any(is_new) {
            self.newest_topics = news.image.offset();
        }
        self.image = Arc::clone(&news.image);
        if news.has_settings {
            self.config = self.image.config_in_force(&self.broker).consumer_groups();
        }
        let topics = news.changed.iter().chain(&news.deleted);
        let names: BTreeSet<&str> = topics.map(|topic| &*topic.name).collect();
        if names.is_empty() {
            return;
        }
        for name in &names {
            self.hashes.forget(name);
        }
        for group in groups.filter(|group| reads_any(group, &names)) {
            if let Some(soft) = self.soft.get_mut(group.id()) {
                soft.refresh = Soft::default().refresh;
            }
        }
    }

    /// The hash of these topics as they are now. Topics that are not there do not count.
    pub(super) fn hash<'a>(&mut self, topics: impl Iterator<Item = &'a Arc<str>>) -> i64 {
        self.hashes.of_group(topics, &self.image)
    }

    /// The assignor of this name, or the broker's default.
    pub(super) fn assignor(&self, name: Option<&str>) -> Assignor {
        let is_served = |name: &&str| self.config.assignors.iter().any(|known| known == name);
        let default = self.config.assignors.first().map(String::as_str);
        let name = name.filter(is_served).or(default);
        name.and_then(Assignor::from_name)
            .unwrap_or(Assignor::Uniform)
    }

    /// What is in force for this group.
    pub(super) fn config_of(&self, group: &str) -> ConsumerGroupConfig {
        let own = self.image.configs(ConfigResourceType::GROUP, group);
        ConsumerGroupConfig::of(own, &self.config)
    }

    /// Whether the group's topics may have changed since its epoch.
    pub(super) fn is_refresh_due(&self, group: &ConsumerGroup, now: Timestamp) -> bool {
        let soft = self.soft.get(group.id()).copied().unwrap_or_default();
        // An epoch that was not written after all: what was decided then is void.
        now >= soft.refresh.0 || group.epoch() < soft.refresh.1
    }

    /// The group's topics were looked at, and this is its epoch now.
    pub(super) fn refreshed(&mut self, group: &Arc<str>, epoch: i32, now: Timestamp) {
        self.soft_of(group).refresh = (now.plus_millis(REFRESH_MS), epoch);
    }

    pub(super) fn is_resolving(&self, group: &str) -> bool {
        self.soft.get(group).is_some_and(|soft| soft.is_resolving)
    }

    /// When the group's regular expressions were to be looked up last.
    pub(super) fn asked(&self, group: &str) -> Timestamp {
        self.soft.get(group).copied().unwrap_or_default().asked
    }

    /// The group's regular expressions are being looked up.
    pub(super) fn begin_resolving(&mut self, group: &Arc<str>, now: Timestamp) {
        let soft = self.soft_of(group);
        (soft.is_resolving, soft.asked) = (true, now);
    }

    /// They were.
    pub(super) fn end_resolving(&mut self, group: &str) {
        if let Some(soft) = self.soft.get_mut(group) {
            soft.is_resolving = false;
        }
    }

    fn soft_of(&mut self, group: &Arc<str>) -> &mut Soft {
        self.soft.entry(Arc::clone(group)).or_default()
    }

    /// Forgets groups that are gone, if there are many of them. There are `count` groups.
    pub(in crate::group) fn forget(&mut self, count: usize, is_there: impl Fn(&str) -> bool) {
        if self.soft.len() > 2 * count + SPARE {
            self.soft
                .retain(|group, soft| soft.is_resolving || is_there(group));
            self.soft.shrink_to(2 * count + SPARE);
        }
    }

    /// How many members a classic group may have.
    pub(super) fn classic_max_size(&self) -> i32 {
        self.broker.groups().max_size
    }

    /// The id of a topic that is there.
    pub(super) fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.image.topic(name).map(|topic| topic.id)
    }
}

/// Whether the group reads one of these topics.
fn reads_any(group: &ConsumerGroup, names: &BTreeSet<&str>) -> bool {
    let mut read = group.subscribed_topics();
    if read.len() < names.len() {
        read.any(|(name, _)| names.contains(&**name))
    } else {
        names.iter().any(|name| group.is_subscribed_to(name))
    }
}
