//! The door to the partitions whose transactions end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::base::TopicPartition;
use crate::record::control::TransactionMarker;

/// A marker that is being written.
pub type Writing = Pin<Box<dyn Future<Output = Result<(), NotMarked>> + Send>>;

/// Writes markers to partitions, wherever their leaders are.
pub trait Markers: Send + Sync + 'static {
    /// Writes a marker to a partition. Its place there is fixed when this returns, so a marker that is written again
    /// never comes after records of a later transaction.
    fn write(&self, partition: &TopicPartition, marker: &TransactionMarker) -> Writing;
}

/// Why a partition has no marker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMarked {
    /// The partition does not exist any more: it needs no marker.
    #[error("the partition does not exist any more")]
    Gone,
    /// It cannot be written now.
    #[error("{0}")]
    NotNow(String),
    /// Its log does not accept the marker, now or later: someone with a newer epoch has ended the transaction.
    #[error("{0}")]
    Refused(String),
}

impl NotMarked {
    /// Not now, for this reason.
    pub fn not_now(reason: &dyn fmt::Display) -> Self {
        Self::NotNow(reason.to_string())
    }
}
