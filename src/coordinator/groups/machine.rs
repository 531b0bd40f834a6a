//! The group registry as a hosted machine, and the settings for it and its log.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use crate::base::{Bounds, Offset, Replayed, Timestamp, Token, Transaction, TransactionEnd};
use crate::config::BrokerConfig;
use crate::coordinator::host::LogOptions;
use crate::coordinator::machine::{Decides, Machine, Subject};
use crate::group::{
    CommitInTransaction, CommitOffsetsReply, DeletedTopic, GroupAsk, Outcome, Registry,
    ReplayError, Settings, TimerKey,
};
use crate::metadata::{Delta, Image, TopicImage};
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
    type Effect = Infallible;
    /// The deleted topics.
    type News = Arc<[DeletedTopic]>;
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

    fn news_of(_image: &Arc<Image>, delta: &Delta) -> Option<Self::News> {
        let deleted = |topic: &Arc<TopicImage>| DeletedTopic {
            name: Arc::clone(&topic.name),
            id: topic.id,
        };
        let deleted: Arc<[_]> = delta.deleted_topics.iter().map(deleted).collect();
        Some(deleted).filter(|deleted| !deleted.is_empty())
    }

    fn hear(&mut self, deleted: Self::News, now: Timestamp) -> Outcome {
        self.topics_deleted(deleted, now)
    }
}

/// Groups have none.
pub(super) fn no_effect(effect: Infallible) {
    match effect {}
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
