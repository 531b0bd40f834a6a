//! The public interface of the group coordinators, whose machines use `__consumer_offsets` as their log.

mod commit;
mod machine;
mod topic;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::base::{Clock, Completion};
use crate::cluster::{Cluster, ImageListener};
use crate::config::BrokerConfig;
use crate::group::{ExpireOffsets, GroupAsk, Registry};
use crate::metadata::{Delta, Image};
use crate::partition::Partitions;

use super::error::CoordinatorError;
use super::hosts::{Hosts, Kind, Surroundings, WeakHosts};

pub use commit::{Committing, NotCommitted};
pub use topic::offsets_topic;

/// The group coordinators of this broker. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Groups {
    hosts: Hosts<Registry>,
    /// How long a write may take (`offsets.commit.timeout.ms`).
    write_timeout: Duration,
    expiry: Arc<Expiry>,
}

/// The task that removes expired offsets; it ends with the last of the coordinators' handles.
struct Expiry(AbortHandle);

impl Drop for Expiry {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups")
            .field("hosted", &self.hosts.count())
            .finish_non_exhaustive()
    }
}

impl Groups {
    /// Starts the hosts for the partitions that this broker leads in the current image. Does not wait until anything
    /// is loaded: until then, requests are answered "loading".
    ///
    /// For later images the caller lets the cluster [listen](Cluster::listen), after `partitions` has heard of them.
    /// A partition that is still being opened gets its host with the first request that concerns it.
    pub fn start(
        partitions: Partitions,
        cluster: Cluster,
        config: Arc<BrokerConfig>,
        clock: Arc<dyn Clock>,
        runtime: runtime::Handle,
    ) -> Self {
        let settings = config.groups();
        let kind = Kind {
            topic: topic::CONSUMER_OFFSETS_TOPIC,
            log: machine::log_options(&config),
            make: |config, _| Registry::new(machine::settings(config)),
            have: Arc::new(|_, effect| machine::no_effect(effect)),
        };
        let surroundings = Surroundings {
            partitions,
            cluster,
            config,
            clock,
            runtime: runtime.clone(),
        };
        let hosts = Hosts::start(surroundings, kind);
        let expire = expire_offsets(hosts.downgrade(), settings.offsets_retention_check_interval);
        let expiry = Arc::new(Expiry(runtime.spawn(expire).abort_handle()));
        Self {
            hosts,
            write_timeout: settings.commit_timeout,
            expiry,
        }
    }

    /// Ends all hosts: pending and later requests are answered "not the coordinator".
    pub fn stop(&self) {
        self.expiry.0.abort();
        self.hosts.stop();
    }

    /// The partition of `__consumer_offsets` that holds `group`, if it is hosted here.
    ///
    /// # Errors
    /// When the topic does not exist, or another broker leads the partition.
    pub fn coordinator_partition(&self, group: &str) -> Result<i32, CoordinatorError> {
        self.hosts.coordinator_partition(group)
    }

    /// The same, without starting new hosts.
    ///
    /// # Errors
    /// When the topic does not exist, or the partition is not hosted here.
    pub fn hosted_partition(&self, group: &str) -> Result<i32, CoordinatorError> {
        self.hosts.hosted_partition(group)
    }

    /// Creates `__consumer_offsets` unless it exists. When this returns it is in the image, and its partitions are there
    /// unless a disk hangs.
    ///
    /// # Errors
    /// When the controller refuses, or cannot decide.
    pub async fn ensure_topic(&self) -> Result<(), CoordinatorError> {
        self.hosts.ensure_topic().await
    }

    /// Sends a request to the group's coordinator. The place in its order is fixed when this returns.
    ///
    /// A write that is not durable within `offsets.commit.timeout.ms` may still become durable. A join waits for
    /// other members, without a timeout.
    pub fn ask<A: GroupAsk>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<A> {
        let until = (!A::WAITS_FOR_MEMBERS).then(|| Instant::now() + self.write_timeout);
        let reply = self.hosts.ask(&ask.group(), ask);
        async move {
            match until {
                None => reply.await,
                Some(until) => tokio::time::timeout_at(until, reply)
                    .await
                    .unwrap_or(Err(CoordinatorError::NotAvailable)),
            }
        }
    }

    /// Reads many groups: `look` is called for each group, with its index in `groups`. The answers come in the same
    /// order, when everything that was decided before is durable.
    ///
    /// A coordinator reads a few groups at a time and serves other requests in between.
    pub async fn read_all<T, L>(
        &self,
        groups: &[Arc<str>],
        look: L,
    ) -> Vec<Result<T, CoordinatorError>>
    where
        T: Send + 'static,
        L: Fn(&Registry, usize) -> T + Clone + Send + 'static,
    {
        self.hosts.read_all(groups, look).await
    }

    /// Reads from each coordinator here, in the order of their partitions. If one cannot answer, the others still do.
    pub fn read_each<T: Send + 'static, L: Fn(&Registry) -> T + Clone + Send + 'static>(
        &self,
        look: L,
    ) -> impl Future<Output = Vec<Result<T, CoordinatorError>>> + Send + use<T, L> {
        self.hosts.read_each(look)
    }
}

impl ImageListener for Groups {
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        self.hosts.image_published(image, delta);
    }
}

/// Removes expired offsets periodically, until the coordinators are gone.
async fn expire_offsets(hosts: WeakHosts<Registry>, period: Duration) {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(hosts) = hosts.upgrade() else {
            return;
        };
        hosts.ask_each(&ExpireOffsets);
    }
}
