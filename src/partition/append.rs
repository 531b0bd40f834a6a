//! An append from the caller's side: its parameters and its result.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::base::{LeaderEpoch, Offset};
use crate::log::{AppendError, AppendInfo, AppendOrigin, TransactionCheck};

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

/// What to append, and how.
#[derive(Clone, Debug)]
pub struct AppendOptions {
    /// The record set as it came: whole batches.
    pub records: Bytes,
    /// Whether a client or the broker itself appends.
    pub origin: AppendOrigin,
    /// Whose confirmation the append waits for.
    pub acks: RequiredAcks,
    /// Where the append comes from. Appends of one source keep their order.
    pub source: Source,
    /// Whether the caller appends so little at a time that it can spend some 50 microseconds on each append.
    pub may_check_here: bool,
    /// How its transactions are checked.
    pub transactions: TransactionCheck,
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

impl Appended {
    /// Behind its last record: where the watermark must be for all replicas to have it.
    pub(super) const fn end(&self) -> Offset {
        self.info.last_offset.next()
    }
}

/// Why an append that is in the leader's log was not confirmed. It may be kept or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAppend {
    /// The other replicas did not replicate it within the client's timeout.
    TimedOut,
    /// All in-sync replicas have it, but there are now too few of them.
    NotEnoughReplicas,
    /// Another broker leads the partition now.
    NotLeader,
    /// The log directory has failed.
    Storage,
}

/// Why an append did not happen (or, for [`AppendFailure::Storage`], may not be durable).
#[derive(Debug, thiserror::Error)]
pub enum AppendFailure {
    /// This broker does not lead the partition, or not in the expected epoch.
    #[error("not the leader of the partition")]
    NotLeader,
    /// There are fewer in-sync replicas than `min.insync.replicas`.
    #[error("{in_sync} replicas in sync, {needed} needed")]
    NotEnoughReplicas {
        /// The number of in-sync replicas now.
        in_sync: usize,
        /// The topic's `min.insync.replicas`.
        needed: usize,
    },
    /// Free space is below `zurau.disk.reserve.bytes`; nothing was stored. This error is temporary.
    #[error("disk nearly full: produce requests are refused until space is free again")]
    DiskNearlyFull,
    /// The log refused it; nothing was stored.
    #[error(transparent)]
    Refused(AppendError),
    /// The log directory is offline.
    #[error("the log directory is offline")]
    Storage,
    /// It is in the leader's log, and was not confirmed.
    #[error("appended, but not confirmed: {1:?}")]
    AfterAppend(Appended, AfterAppend),
    /// It waited so long to be checked or compressed that its client has given up; nothing was stored.
    #[error(
        "the batch waited {0} s to be checked or compressed, since this broker is overloaded: send less, or compress with the topic's compression.type"
    )]
    TimedOut(i64),
    /// The partition was deleted or the broker stops.
    #[error("the partition is gone")]
    Gone,
}

/// The messages that the caller of an append gets.
#[derive(Debug)]
pub(super) enum Answer {
    /// The result.
    Final(Result<Appended, AppendFailure>),
    /// The append is written, and waits for other replicas.
    Waits(Appended, oneshot::Receiver<Result<Appended, AppendFailure>>),
}

/// Where the result of an append goes, and what it waits for.
#[derive(Debug)]
pub(super) struct AppendReply {
    pub(super) acks: RequiredAcks,
    answer: oneshot::Sender<Answer>,
}

impl AppendReply {
    /// The two ends.
    pub(super) fn channel(acks: RequiredAcks) -> (Self, PendingAppend) {
        let (answer, received) = oneshot::channel();
        let pending = PendingAppend {
            state: State::Queued(received),
            timeout: None,
        };
        (Self { acks, answer }, pending)
    }

    /// Whether the receiver is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    /// Sends the result.
    pub(super) fn send(self, result: Result<Appended, AppendFailure>) {
        // A client that has gone away does not wait for its acknowledgement.
        drop(self.answer.send(Answer::Final(result)));
    }

    /// Reports that the append is written and waits for other replicas. Returns the sender for its result.
    pub(super) fn wait(
        self,
        appended: Appended,
    ) -> oneshot::Sender<Result<Appended, AppendFailure>> {
        let (reply, result) = oneshot::channel();
        drop(self.answer.send(Answer::Waits(appended, result)));
        reply
    }
}

/// An append whose place in the partition's order is fixed. Await it for the acknowledgement; dropping it does not
/// undo the append. There is one exception: if a client's append is dropped before its costly preparation has begun,
/// it is not made. Nor are the appends that the same connection has sent after it to the partition.
#[derive(Debug)]
pub struct PendingAppend {
    state: State,
    /// How long to wait for other replicas.
    timeout: Option<Duration>,
}

#[derive(Debug)]
enum State {
    Refused(Option<AppendFailure>),
    Queued(oneshot::Receiver<Answer>),
    /// The append is written. The timer is on the heap, so that the append may be moved.
    Waiting {
        appended: Appended,
        result: oneshot::Receiver<Result<Appended, AppendFailure>>,
        timer: Option<Pin<Box<Sleep>>>,
    },
}

impl PendingAppend {
    pub(super) const fn refused(failure: AppendFailure) -> Self {
        Self {
            state: State::Refused(Some(failure)),
            timeout: None,
        }
    }

    /// Waits for other replicas for at most `timeout`, counted from the moment when the leader has written the
    /// append. The leader's own time is not counted, as in Kafka.
    #[must_use]
    pub const fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Future for PendingAppend {
    type Output = Result<Appended, AppendFailure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = || Err(AppendFailure::Gone);
        loop {
            match &mut self.state {
                State::Refused(failure) => {
                    return Poll::Ready(Err(failure.take().unwrap_or(AppendFailure::Gone)));
                }
                State::Queued(answer) => match Pin::new(answer).poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(gone()),
                    Poll::Ready(Ok(Answer::Final(result))) => return Poll::Ready(result),
                    Poll::Ready(Ok(Answer::Waits(appended, result))) => {
                        let timer = |timeout| Box::pin(sleep_until(Instant::now() + timeout));
                        let timer = self.timeout.map(timer);
                        self.state = State::Waiting {
                            appended,
                            result,
                            timer,
                        };
                    }
                },
                State::Waiting {
                    appended,
                    result,
                    timer,
                } => {
                    if let Poll::Ready(result) = Pin::new(result).poll(context) {
                        return Poll::Ready(result.unwrap_or_else(|_| gone()));
                    }
                    let timer = timer.as_mut().map(|timer| timer.as_mut().poll(context));
                    let is_late = timer.is_some_and(|timer| timer.is_ready());
                    return if is_late {
                        let appended = *appended;
                        Poll::Ready(Err(AppendFailure::AfterAppend(
                            appended,
                            AfterAppend::TimedOut,
                        )))
                    } else {
                        Poll::Pending
                    };
                }
            }
        }
    }
}
