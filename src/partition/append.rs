//! An append from the caller's side: what it asks for, and what becomes of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::base::LeaderEpoch;
use crate::log::{AppendError, AppendInfo, AppendOrigin};

use super::preparation::source::Source;

/// Whose confirmation an append waits for (`acks` of a produce request).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredAcks {
    /// 0: the client does not wait.
    None,
    /// 1: the leader's log.
    Leader,
    /// -1: all in-sync replicas.
    All,
}

impl RequiredAcks {
    /// The meaning of the number on the wire; `None` for a number that Kafka refuses.
    pub const fn from_wire(acks: i16) -> Option<Self> {
        match acks {
            0 => Some(Self::None),
            1 => Some(Self::Leader),
            -1 => Some(Self::All),
            _ => None,
        }
    }
}

/// What is to be appended, and how.
#[derive(Clone, Debug)]
pub struct AppendOptions {
    /// The record set as it came: whole batches.
    pub records: Bytes,
    /// Who appends.
    pub origin: AppendOrigin,
    /// Whose confirmation is awaited.
    pub acks: RequiredAcks,
    /// From where it comes: what comes from one source keeps its order.
    pub source: Source,
    /// Whether the caller hands over so few at a time that it can spare some 50 microseconds for each of them.
    pub is_one_of_few: bool,
    /// Refuse when the partition is led in another epoch: a coordinator that was replaced must not write.
    pub expected_epoch: Option<LeaderEpoch>,
}

/// An append that is in the log, confirmed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offsets and times as the log assigned them.
    pub info: AppendInfo,
    /// The epoch of the leadership that stored it.
    pub leader_epoch: LeaderEpoch,
}

/// Why an append did not happen (or, for [`AppendFailure::Storage`], may not be durable).
#[derive(Debug, thiserror::Error)]
pub enum AppendFailure {
    /// This broker does not lead the partition, or not in the expected epoch.
    #[error("not the leader of the partition")]
    NotLeader,
    /// Fewer in-sync replicas than `min.insync.replicas` asks for.
    #[error("{in_sync} replicas in sync, {needed} needed")]
    NotEnoughReplicas {
        /// In-sync replicas now.
        in_sync: usize,
        /// What the topic asks for.
        needed: usize,
    },
    /// Free space is below `zurau.disk.reserve.bytes`; nothing was stored. Goes away by itself.
    #[error("disk nearly full: produce requests are refused until space is free again")]
    DiskNearlyFull,
    /// The log refused it; nothing was stored.
    #[error(transparent)]
    Refused(AppendError),
    /// The log directory is offline.
    #[error("the log directory is offline")]
    Storage,
    /// It has waited so long to be checked or compressed that its client has given up; nothing was stored.
    #[error(
        "the batch has waited for {0} s to be checked or compressed, since there is more to do than this broker can: send less, or compress it as the topic asks"
    )]
    TimedOut(i64),
    /// The partition was deleted or the broker stops.
    #[error("the partition is gone")]
    Gone,
}

/// An append whose place in the partition's order is fixed. Await it for the acknowledgement;
/// dropping it does not undo the append. Only one of a client whose costly preparation has not begun is then not made
/// at all, nor is what the same connection has sent after it to the partition.
#[derive(Debug)]
pub struct PendingAppend {
    state: State,
}

#[derive(Debug)]
enum State {
    Refused(Option<AppendFailure>),
    Queued(oneshot::Receiver<Result<Appended, AppendFailure>>),
}

impl PendingAppend {
    pub(super) const fn refused(failure: AppendFailure) -> Self {
        Self {
            state: State::Refused(Some(failure)),
        }
    }

    pub(super) const fn queued(reply: oneshot::Receiver<Result<Appended, AppendFailure>>) -> Self {
        Self {
            state: State::Queued(reply),
        }
    }
}

impl Future for PendingAppend {
    type Output = Result<Appended, AppendFailure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Refused(failure) => {
                Poll::Ready(Err(failure.take().unwrap_or(AppendFailure::Gone)))
            }
            State::Queued(reply) => Pin::new(reply)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(AppendFailure::Gone))),
        }
    }
}
