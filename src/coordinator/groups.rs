//! The public interface of the group coordinators, whose machines use `__consumer_offsets` as their log.

mod commit;
mod lookup;
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
    tasks: Arc<Tasks>,
}

/// What runs beside the coordinators; it ends with the last of their handles.
struct Tasks {
    /// Removes expired offsets.
    expiry: AbortHandle,
    /// Looks up regular expressions.
    lookup: AbortHandle,
}

impl Tasks {
    fn stop(&self) {
        self.expiry.abort();
        self.lookup.abort();
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop();
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
        let (effects, asked) = lookup::channel();
        let kind = Kind {
            topic: topic::CONSUMER_OFFSETS_TOPIC,
            log: machine::log_options(&config),
            make: machine::make,
            have: Arc::new(move |_, effect| drop(effects.send(effect))),
        };
        let surroundings = Surroundings {
            partitions,
            cluster,
            config,
            clock: Arc::clone(&clock),
            runtime: runtime.clone(),
        };
        let hosts = Hosts::start(surroundings, kind);
        let expire = expire_offsets(hosts.downgrade(), settings.offsets_retention_check_interval);
        let look_up = lookup::run(asked, hosts.downgrade(), clock);
        let tasks = Tasks {
            expiry: runtime.spawn(expire).abort_handle(),
            lookup: runtime.spawn(look_up).abort_handle(),
        };
        Self {
            hosts,
            write_timeout: settings.commit_timeout,
            tasks: Arc::new(tasks),
        }
    }

    /// Ends all hosts: pending and later requests are answered "not the coordinator".
    pub fn stop(&self) {
        self.tasks.stop();
        self.hosts.stop();
    }

    /// What they have in common with the coordinators of other kinds.
    pub const fn hosts(&self) -> &Hosts<Registry> {
        &self.hosts
    }

    /// Sends a request to the group's coordinator. The place in its order is fixed when this returns. A commit in a
    /// transaction is not one of these: it goes through [`Self::commit_in_transaction`], which verifies.
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
