//! The transaction registry as a hosted machine, and the settings for it and its log.

use std::sync::Arc;

use crate::base::{Bounds, Replayed, Timestamp, Token, TransactionVersion};
use crate::config::BrokerConfig;
use crate::coordinator::host::LogOptions;
use crate::coordinator::machine::{Decides, Decision, Machine, Subject};
use crate::metadata::features::TRANSACTION_VERSION;
use crate::metadata::{Delta, Image};
use crate::record::Codec;
use crate::txn::{Outcome, Registry, ReplayError, Settings, TimerKey, TransactionAsk};

use super::carrier::Effect;

impl<A: TransactionAsk> Decides<A> for Registry {
    fn subject(ask: &A) -> Subject {
        Subject {
            operation: A::NAME,
            key: ask.transactional_id(),
        }
    }

    fn decide(&mut self, token: Token<A::Reply>, ask: A, now: Timestamp) -> Decision<Self> {
        hosted(Self::decide(self, token, ask, now))
    }

    fn too_large() -> Option<A::Reply> {
        A::too_large()
    }
}

impl Machine for Registry {
    type TimerKey = TimerKey;
    type Effect = Effect;
    /// The finalized level of `transaction.version`.
    type News = TransactionVersion;
    type ReplayError = ReplayError;

    const TOO_LARGE_CURE: &'static str = "raise max.message.bytes of __transaction_state, or have fewer partitions in one transaction";

    fn subject_of_timer(key: &TimerKey) -> Subject {
        Subject {
            operation: key.name(),
            key: key.transactional_id(),
        }
    }

    fn within(&mut self, bounds: Bounds) {
        Self::within(self, bounds);
    }

    fn held(&self) -> usize {
        Self::held(self)
    }

    fn timer_fired(&mut self, key: TimerKey, now: Timestamp) -> Decision<Self> {
        hosted(Self::timer_fired(self, key, now))
    }

    fn news_of(image: &Arc<Image>, delta: &Delta) -> Option<TransactionVersion> {
        let has_changed = delta
            .changed_features
            .iter()
            .any(|name| name == TRANSACTION_VERSION);
        has_changed.then(|| version_in(image))
    }

    fn hear(&mut self, version: TransactionVersion, _now: Timestamp) -> Decision<Self> {
        self.set_version(version);
        Decision::<Self>::default()
    }

    fn not_written(&mut self, now: Timestamp) -> Decision<Self> {
        hosted(Self::not_written(self, now))
    }

    fn replay(&mut self, record: &Replayed<'_>, _now: Timestamp) -> Result<(), ReplayError> {
        Self::replay(self, record)
    }

    fn loaded(&mut self, now: Timestamp) -> Decision<Self> {
        let mut decision = hosted(Self::loaded(self, now));
        // An earlier life that ended in a panic has not said so.
        decision.effects.insert(0, Effect::Void);
        decision
    }

    fn unloaded(&mut self) -> Decision<Self> {
        Decision::<Self> {
            effects: vec![Effect::Void],
            ..Decision::<Self>::default()
        }
    }
}

fn hosted(outcome: Outcome) -> Decision<Registry> {
    Decision::<Registry> {
        records: outcome.records,
        transaction: outcome.transaction,
        replies: outcome.replies,
        timers: outcome.timers,
        effects: outcome.effects.into_iter().map(Effect::Write).collect(),
    }
}

/// The level of `transaction.version` that is finalized.
pub(super) fn version_in(image: &Image) -> TransactionVersion {
    let level = image.features().get(TRANSACTION_VERSION);
    TransactionVersion(level.copied().unwrap_or(0))
}

/// The settings for their log. Its batches are never compressed, as in Kafka.
pub(super) fn log_options(config: &BrokerConfig) -> LogOptions {
    LogOptions {
        codec: Codec::None,
        load_bytes: config.transactions().load_bytes,
    }
}

/// The settings for transactions, for the machine.
pub(super) fn settings(config: &BrokerConfig) -> Settings {
    let config = config.transactions();
    Settings {
        max_timeout_ms: config.max_timeout_ms,
        id_expiration_ms: config.id_expiration_ms.into(),
        max_bytes: config.ids_max_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_machine_and_others_reach_it() {
        assert_eq!(settings(&BrokerConfig::default()), Settings::default());
        let key = "zurau.transactional.ids.max.bytes";
        let config = BrokerConfig::with(&[(key, "1000000")]).expect("a configuration");
        assert_eq!(settings(&config).max_bytes, 1_000_000);
    }
}
