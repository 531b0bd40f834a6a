//! The configuration that is in force, published: replaced whole when a setting changes, read without a lock.
//!
//! A room that keeps a [`CurrentConfig`] asks it for a setting whenever it uses one, and so follows changes. What it
//! was started with cannot be had from here, so that nobody lives by that without knowing.

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
    /// Of a broker that was started with this, as long as nothing is set.
    pub fn new(started_with: Arc<BrokerConfig>) -> Self {
        let now = Arc::new(ArcSwap::new(Arc::clone(&started_with)));
        Self { started_with, now }
    }

    /// What is in force.
    pub fn now(&self) -> Arc<BrokerConfig> {
        self.now.load_full()
    }

    /// From now on these are all changes, for all brokers and for this one.
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
