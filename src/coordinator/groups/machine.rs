//! The group registry as a hosted machine, and the settings for it and its log.

use std::ops::Range;
use std::sync::Arc;

use crate::base::{Bounds, Offset, Replayed, Timestamp, Token, Transaction, TransactionEnd};
use crate::config::BrokerConfig;
use crate::coordinator::host::LogOptions;
use crate::coordinator::machine::{Decides, Machine, Subject};
use crate::group::{
    CommitInTransaction, CommitOffsetsReply, GroupAsk, GroupEffect, GroupNews, Outcome, Registry,
    ReplayError, Settings, TimerKey,
};
use crate::metadata::{ConfigResource, ConfigResourceType, Delta, Image};
use crate::record::Codec;

impl<A: GroupAsk> Decides<A> for Registry {
    fn subject(ask: &A) -> Subject {
        Subject {
            operation: A::NAME,
            key: ask.group(),
        }
    }

    fn decide(&mut self, token: Token<A::Reply>, ask: A, now: Timestamp) -> Outcome {
        Self::decide(self, token, ask, now)
    }
}

impl Decides<CommitInTransaction> for Registry {
    fn subject(ask: &CommitInTransaction) -> Subject {
        Subject {
            operation: "TxnOffsetCommit",
            key: Arc::clone(&ask.commit.group),
        }
    }

    fn decide(
        &mut self,
        token: Token<CommitOffsetsReply>,
        ask: CommitInTransaction,
        now: Timestamp,
    ) -> Outcome {
        self.decide_in_transaction(token, ask, now)
    }
}

impl Machine for Registry {
    type TimerKey = TimerKey;
    type Effect = GroupEffect;
    type News = Arc<GroupNews>;
    type ReplayError = ReplayError;

    const TOO_LARGE_CURE: &'static str = "raise max.message.bytes of __consumer_offsets, or have fewer partitions, topics or members in one group";

    fn subject_of_timer(key: &TimerKey) -> Subject {
        Subject {
            operation: key.name(),
            key: key.group(),
        }
    }

    fn within(&mut self, bounds: Bounds) {
        Self::within(self, bounds);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }

    fn timer_fired(&mut self, key: TimerKey, now: Timestamp) -> Outcome {
        Self::timer_fired(self, key, now)
    }

    fn not_written(&mut self, now: Timestamp) -> Outcome {
        Self::not_written(self, now)
    }

    fn replay(&mut self, record: &Replayed<'_>, now: Timestamp) -> Result<(), ReplayError> {
        Self::replay(self, record, now)
    }

    fn settled(&mut self, under: Transaction, places: &Range<Offset>, is_written: bool) {
        Self::settled(self, under.producer, places, is_written);
    }

    fn transaction_ended(&mut self, end: &TransactionEnd, _now: Timestamp) {
        Self::transaction_ended(self, end);
    }

    fn loaded(&mut self, now: Timestamp) -> Outcome {
        Outcome {
            timers: Self::loaded(self, now),
            ..Outcome::default()
        }
    }

    fn news_of(image: &Arc<Image>, delta: &Delta) -> Option<Self::News> {
        let has_topics =
            !delta.created_or_changed_topics.is_empty() || !delta.deleted_topics.is_empty();
        let concerns = |resource: &ConfigResource| {
            matches!(
                resource.resource_type,
                ConfigResourceType::GROUP | ConfigResourceType::BROKER
            )
        };
        let has_settings = delta.changed_other_configs.iter().any(concerns);
        // Racks of brokers count in the hash of a group's topics.
        (has_topics || has_settings || !delta.changed_brokers.is_empty()).then(|| {
            Arc::new(GroupNews {
                image: Arc::clone(image),
                changed: delta.created_or_changed_topics.clone(),
                deleted: delta.deleted_topics.clone(),
                has_settings,
            })
        })
    }

    fn hear(&mut self, news: Self::News, now: Timestamp) -> Outcome {
        Self::hear(self, &news, now)
    }
}

/// A machine that knows the cluster as it is now.
pub(super) fn make(config: &Arc<BrokerConfig>, image: &Arc<Image>) -> Registry {
    Registry::new(settings(config)).in_cluster(Arc::clone(config), Arc::clone(image))
}

/// The settings for their log.
pub(super) fn log_options(config: &BrokerConfig) -> LogOptions {
    let config = config.groups();
    LogOptions {
        codec: Codec::from_id(config.topic_codec).unwrap_or_default(),
        load_bytes: config.load_bytes,
    }
}

/// The settings for groups, for the machine.
pub(super) fn settings(config: &BrokerConfig) -> Settings {
    let config = config.groups();
    Settings {
        min_session_timeout_ms: config.min_session_timeout_ms,
        max_session_timeout_ms: config.max_session_timeout_ms,
        initial_rebalance_delay_ms: config.initial_rebalance_delay_ms,
        max_size: config.max_size,
        offset_metadata_max_bytes: config.offset_metadata_max_bytes,
        offsets_retention_ms: config.offsets_retention_ms,
        members_max_bytes: config.members_max_bytes,
    }
}

#[cfg(test)]
mod tests;
