//! What a transaction of others needs of the machines here: requests that write in it, and its end.

use std::future::Future;
use std::sync::Arc;

use crate::base::{Ask, Timestamp};
use crate::coordinator::error::CoordinatorError;
use crate::coordinator::machine::{Decides, Machine};
use crate::coordinator::markers::MarkerError;
use crate::log::TransactionCheck;
use crate::partition::Replica;
use crate::record::control::TransactionMarker;

use super::Hosts;

impl<M: Machine> Hosts<M> {
    /// The time.
    pub(in super::super) fn now(&self) -> Timestamp {
        self.inner.surroundings.clock.now()
    }

    /// The replica of the partition that holds `key`, if it is hosted here.
    ///
    /// # Errors
    /// When the topic does not exist, or another broker leads the partition.
    pub(in super::super) fn replica_of(&self, key: &str) -> Result<Arc<Replica>, CoordinatorError> {
        let partition = self.coordinator_partition(key)?;
        let topic = self.hosted().topic;
        let (topic, _) = topic.ok_or(CoordinatorError::NotAvailable)?;
        let found = self.inner.surroundings.partitions.find(topic, partition);
        found.map_err(|_| CoordinatorError::NotCoordinator)
    }

    /// Writes a marker to this partition. Its place in the order is fixed when this returns. Answered when the machine
    /// has been told.
    pub(in super::super) fn end_transaction(
        &self,
        partition: i32,
        marker: TransactionMarker,
    ) -> impl Future<Output = Result<(), MarkerError>> + Send + use<M> {
        let told = self.with_host(
            |hosted| hosted.at(partition),
            |_, handle| handle.end_transaction(marker),
        );
        async move { told.map_err(MarkerError::Coordinator)?.await }
    }

    /// Sends a request whose records belong to an open transaction, which the log checks.
    pub(in super::super) fn ask_checked<A: Ask>(
        &self,
        key: &str,
        ask: A,
        check: TransactionCheck,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<M, A>
    where
        M: Decides<A>,
    {
        let asked = self.with_host_of(key, |_, handle| handle.ask_checked(ask, check));
        async move { asked?.await }
    }
}
