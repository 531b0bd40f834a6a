//! The public interface of the transaction coordinators, whose machines use `__transaction_state` as their log.
//!
//! A machine cannot make producer ids: a request that needs one is answered so, gets an id from the cluster, and is
//! asked again. What a machine has decided about the end of a transaction is carried out by the [`carrier`], through the
//! door of [`Markers`]. A request that meets a transaction on its way out waits for that a little ([`super::endings`]).

mod carrier;
mod machine;
mod markers;
mod own_partitions;
mod topic;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::base::{Clock, Completion, ProducerId};
use crate::cluster::{Cluster, ImageListener};
use crate::config::BrokerConfig;
use crate::metadata::{Delta, Image};
use crate::partition::Partitions;
use crate::txn::{
    AddPartitions, EndReply, EndTransaction, ExpireTransactionalIds, InitProducer, InitReply,
    MarkersReply, MarkersWritten, ProducerIdAndEpoch, Registry, TransactionAsk, TxnError,
    VerifyPartitions,
};

use super::endings::Endings;
use super::enlist::{Enlist, Enlisted, Enlists, NotEnlisted};
use super::error::CoordinatorError;
use super::hosts::{Hosts, Kind, Surroundings, WeakHosts};

use carrier::{Carrier, Message};

pub use markers::Markers;
#[cfg(test)]
pub use markers::{NotMarked, Writing};
pub use own_partitions::OwnPartitions;
pub use topic::transactions_topic;

/// The transaction coordinators of this broker. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Transactions {
    hosts: Hosts<Registry>,
    cluster: Cluster,
    /// How long a write may take.
    write_timeout: Duration,
    carrier: mpsc::UnboundedSender<Message>,
    endings: Endings,
    tasks: Arc<Tasks>,
}

/// The tasks beside the hosts; they end with the last of the coordinators' handles.
struct Tasks {
    expiry: AbortHandle,
    carrier: AbortHandle,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.expiry.abort();
        self.carrier.abort();
    }
}

impl std::fmt::Debug for Transactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transactions")
            .field("hosted", &self.hosts.count())
            .finish_non_exhaustive()
    }
}

/// Why a request about a transaction is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The coordinator did not decide, or its decision may not be durable.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// The coordinator refuses.
    #[error(transparent)]
    Refused(#[from] TxnError),
}

impl Transactions {
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
        markers: Arc<dyn Markers>,
    ) -> Self {
        let settings = config.transactions();
        let (carrier, messages) = mpsc::unbounded_channel();
        let effects = carrier.clone();
        let kind = Kind {
            topic: topic::TRANSACTION_STATE_TOPIC,
            log: machine::log_options(&config),
            make: |config, image| {
                Registry::new(machine::settings(config), machine::version_in(image))
            },
            have: Arc::new(move |origin, effect| {
                drop(effects.send(Message::Effect(origin, effect)));
            }),
        };
        let surroundings = Surroundings {
            partitions,
            cluster: cluster.clone(),
            config,
            clock,
            runtime: runtime.clone(),
        };
        let hosts = Hosts::start(surroundings, kind);
        let endings = Endings::default();
        let tell = tell(hosts.downgrade(), cluster.clone(), endings.clone());
        let carry = Carrier::new(markers, tell).run(messages);
        let expire = expire_ids(hosts.downgrade(), settings.expired_ids_check_interval);
        let tasks = Tasks {
            expiry: runtime.spawn(expire).abort_handle(),
            carrier: runtime.spawn(carry).abort_handle(),
        };
        Self {
            hosts,
            cluster,
            write_timeout: settings.write_timeout,
            carrier,
            endings,
            tasks: Arc::new(tasks),
        }
    }

    /// Ends all hosts: pending and later requests are answered "not the coordinator". Markers that are being written
    /// are written by the coordinators' next start.
    pub fn stop(&self) {
        self.tasks.expiry.abort();
        self.hosts.stop();
        self.tasks.carrier.abort();
    }

    /// What they have in common with the coordinators of other kinds.
    pub const fn hosts(&self) -> &Hosts<Registry> {
        &self.hosts
    }

    /// Gives the producer of a transactional id its id and epoch.
    ///
    /// # Errors
    /// Why it has none.
    pub async fn init_producer(
        &self,
        mut ask: InitProducer,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        loop {
            match self.ask(ask.clone()).await?? {
                InitReply::Assigned(ids) => return Ok(ids),
                InitReply::NeedsProducerId => ask.fresh = Some(self.fresh(ask.fresh).await?),
            }
        }
    }

    /// Ends a transaction. Returns the producer's id and epoch from now on.
    ///
    /// # Errors
    /// Why it is not ended.
    pub async fn end(
        &self,
        mut ask: EndTransaction,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        loop {
            match self.ask(ask.clone()).await?? {
                EndReply::Ended(ids) => return Ok(ids),
                EndReply::NeedsProducerId => ask.fresh = Some(self.fresh(ask.fresh).await?),
            }
        }
    }

    /// Adds partitions to a transaction, which begins with the first of them.
    ///
    /// # Errors
    /// Why none is added.
    pub async fn add_partitions(&self, ask: AddPartitions) -> Result<(), TransactionError> {
        Ok(self.ask_over(ask).await??)
    }

    /// Whether each of the partitions is in the open transaction.
    ///
    /// # Errors
    /// When that cannot be said of any.
    pub async fn verify(&self, ask: VerifyPartitions) -> Result<Vec<bool>, TransactionError> {
        Ok(self.ask(ask).await??)
    }

    /// Sends a request to the coordinator of its transactional id. The place in its order is fixed when this returns.
    fn ask<A: TransactionAsk>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<A> {
        let until = Instant::now() + self.write_timeout;
        let id = ask.transactional_id();
        // Kafka takes a topic that does not exist for one that another broker has.
        let is_hosted = self.hosts.coordinator_partition(&id).is_ok();
        let reply = is_hosted.then(|| self.hosts.ask(&id, ask));
        async move {
            let Some(reply) = reply else {
                return Err(CoordinatorError::NotCoordinator);
            };
            tokio::time::timeout_at(until, reply)
                .await
                .unwrap_or(Err(CoordinatorError::NotAvailable))
        }
    }

    /// The same for a request that may meet the end of the last transaction: it waits for that, for a limited time.
    fn ask_over<A, T>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<Result<T, TxnError>, CoordinatorError>> + Send + use<A, T>
    where
        A: TransactionAsk<Reply = Result<T, TxnError>> + Clone + Sync,
        T: Send + 'static,
    {
        let first = self.ask(ask.clone());
        let coordinators = self.clone();
        async move {
            let id = ask.transactional_id();
            let again = || coordinators.ask(ask.clone());
            let is_early =
                |answer: &Result<_, _>| matches!(answer, Ok(Err(TxnError::ConcurrentTransactions)));
            let first = first.await;
            let endings = &coordinators.endings;
            endings.ask_over(&id, first, again, is_early).await
        }
    }

    /// A new producer id, unless the last one was not enough: then the machine is wrong, and clients ask again later.
    async fn fresh(&self, last: Option<ProducerId>) -> Result<ProducerId, CoordinatorError> {
        match last {
            Some(_) => Err(CoordinatorError::NotAvailable),
            None => fresh_id(&self.cluster).await,
        }
    }
}

/// A new producer id. Without one the coordinator is, as in Kafka, like one that is still loading.
async fn fresh_id(cluster: &Cluster) -> Result<ProducerId, CoordinatorError> {
    let id = cluster.next_producer_id().await;
    id.map_err(|_| CoordinatorError::Loading)
}

impl ImageListener for Transactions {
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        self.hosts.image_published(image, delta);
        drop(self.carrier.send(Message::Changed));
    }
}

impl Enlists for Transactions {
    fn enlist(&self, enlist: Enlist) -> Pin<Box<dyn Future<Output = Enlisted> + Send>> {
        let Enlist {
            transactional_id,
            transaction,
            partitions,
            adds,
        } = enlist;
        let ids = ProducerIdAndEpoch::new(transaction.producer, transaction.epoch);
        if !adds {
            let verified = self.ask(VerifyPartitions {
                transactional_id,
                ids,
                partitions,
            });
            return Box::pin(async move {
                let verified = verified.await.map_err(NotEnlisted::Coordinator)?;
                let verified = verified.map_err(not_enlisted)?.into_iter();
                let row = |is_in: bool| is_in.then_some(()).ok_or(NotEnlisted::NotInTransaction);
                Ok(verified.map(row).collect())
            });
        }
        let count = partitions.len();
        let added = self.ask(AddPartitions {
            transactional_id,
            ids,
            partitions,
            client_version: crate::base::TransactionVersion::V2,
        });
        Box::pin(async move {
            let added = added.await.map_err(NotEnlisted::Coordinator)?;
            added.map_err(not_enlisted)?;
            Ok(vec![Ok(()); count])
        })
    }

    fn endings(&self) -> &Endings {
        &self.endings
    }
}

const fn not_enlisted(error: TxnError) -> NotEnlisted {
    match error {
        TxnError::InvalidTransactionalId => NotEnlisted::InvalidTransactionalId,
        TxnError::InvalidPidMapping | TxnError::NotFound => NotEnlisted::InvalidProducerIdMapping,
        TxnError::ProducerFenced => NotEnlisted::ProducerFenced,
        TxnError::ConcurrentTransactions => NotEnlisted::ConcurrentTransactions,
        TxnError::InvalidTxnState | TxnError::InvalidTransactionTimeout => {
            NotEnlisted::InvalidTransactionState
        }
        // The partition stays outside.
        TxnError::TooLarge => NotEnlisted::NotInTransaction,
        TxnError::NoMemory => NotEnlisted::Coordinator(CoordinatorError::NotAvailable),
    }
}

/// How the carrier tells a coordinator that all markers are written.
fn tell(hosts: WeakHosts<Registry>, cluster: Cluster, endings: Endings) -> carrier::Tell {
    Arc::new(move |written| {
        let (hosts, cluster, endings) = (hosts.upgrade(), cluster.clone(), endings.clone());
        Box::pin(async move {
            let Some(hosts) = hosts else { return true };
            let id = Arc::clone(&written.transactional_id);
            let is_told = tell_written(hosts, cluster, written).await;
            endings.note(&id);
            is_told
        })
    })
}

/// Returns whether nothing is left to do.
async fn tell_written(
    hosts: Hosts<Registry>,
    cluster: Cluster,
    mut written: MarkersWritten,
) -> bool {
    let id = Arc::clone(&written.transactional_id);
    loop {
        match hosts.ask(&id, written.clone()).await {
            Ok(MarkersReply::Done) => return true,
            // A coordinator that is loaded again asks for the markers again; then this job is void.
            Err(_) => return false,
            Ok(MarkersReply::NeedsProducerId) if written.fresh.is_some() => return false,
            Ok(MarkersReply::NeedsProducerId) => match fresh_id(&cluster).await {
                Ok(id) => written.fresh = Some(id),
                Err(_) => return false,
            },
        }
    }
}

/// Removes expired transactional ids periodically, until the coordinators are gone.
async fn expire_ids(hosts: WeakHosts<Registry>, period: Duration) {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(hosts) = hosts.upgrade() else {
            return;
        };
        hosts.ask_each(&ExpireTransactionalIds);
    }
}
