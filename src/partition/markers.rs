//! The end of a transaction in a partition.

use std::sync::Arc;

use crate::log::{AppendOrigin, TransactionCheck};
use crate::record::control::TransactionMarker;

use super::append::{AppendOptions, PendingAppend, RequiredAcks};
use super::preparation::source::Source;
use super::replica::Replica;

impl Replica {
    /// Writes the marker that ends a producer's transaction here. Await the result: then all in-sync replicas have it.
    /// When this returns, the guards that were given out to the producer before are still good for what the lane
    /// reaches before the marker, and for nothing else.
    ///
    /// A coordinator that does not know whether its marker is stored may write it again.
    #[must_use = "the acknowledgement is in the result"]
    pub fn end_transaction(self: &Arc<Self>, marker: &TransactionMarker) -> PendingAppend {
        self.append(AppendOptions {
            records: marker.batch(self.now()),
            origin: AppendOrigin::Coordinator,
            acks: RequiredAcks::All,
            source: Source::Broker,
            may_check_here: false,
            transactions: if marker.version.bumps_epoch() {
                TransactionCheck::EndsWithNewEpoch
            } else {
                TransactionCheck::Trusted
            },
            expected_epoch: None,
        })
    }
}
