//! The effective configuration. It is replaced as a whole when a setting changes, and read without a lock.
//!
//! A room that keeps a [`CurrentConfig`] reads a setting there each time that it uses it, and so follows changes. The
//! configuration at the start is not available here, so that no room uses outdated values by mistake.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::broker::BrokerConfig;
use super::dynamic::Changes;

/// The broker's configuration as it is now. Cheap to clone; all clones follow the same changes.
#[derive(Clone, Debug)]
pub struct CurrentConfig {
    started_with: Arc<BrokerConfig>,
    now: Arc<ArcSwap<BrokerConfig>>,
}

impl CurrentConfig {
    /// The configuration of a broker that was started with this, before any change.
    pub fn new(started_with: Arc<BrokerConfig>) -> Self {
        let now = Arc::new(ArcSwap::new(Arc::clone(&started_with)));
        Self { started_with, now }
    }

    /// The effective configuration.
    pub fn now(&self) -> Arc<BrokerConfig> {
        self.now.load_full()
    }

    /// Replaces all changes: those for all brokers and those for this one.
    pub fn follow(&self, all_brokers: &Changes, this_broker: &Changes) {
        let in_force = self.started_with.in_force(all_brokers, this_broker);
        self.now.store(Arc::new(in_force.into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_follow_what_is_set_and_unset() {
        let started_with = BrokerConfig::with(&[("max.connections", "5")]).unwrap();
        let current = CurrentConfig::new(Arc::new(started_with));
        let clone = current.clone();
        let set = |count: &str| Changes::from([("max.connections".to_owned(), count.to_owned())]);
        let none = Changes::new();
        current.follow(&set("6"), &none);
        assert_eq!(clone.now().max_connections, 6);
        current.follow(&set("6"), &set("7"));
        assert_eq!(clone.now().max_connections, 7);
        clone.follow(&none, &none);
        assert_eq!(current.now().max_connections, 5);
    }
}
