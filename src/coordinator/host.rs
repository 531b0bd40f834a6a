//! Runs one machine on one partition of an internal topic.
//!
//! States: *loading* (requests are refused as "load in progress") -> [`active`](super::active) -> (an append failed,
//! or the machine panicked) -> *loading* again. If the log cannot be read or written any more, the state is
//! *refusing*. The task ends when it is told to, or when the last sender of its mailbox is dropped.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinError;

use crate::base::{Ask, Clock, LeaderEpoch, Offset};
use crate::log::TransactionCheck;
use crate::partition::Replica;
use crate::record::Codec;
use crate::record::control::TransactionMarker;

use super::active::{Active, End};
use super::asking::{Question, Release, question};
use super::error::CoordinatorError;
use super::held::Held;
use super::load::{LoadError, load};
use super::machine::{Decides, Machine};
use super::markers::{MarkerAnswer, MarkerError};

pub(super) enum Message<M: Machine> {
    /// A request, and how the log checks the transaction to which its records belong.
    Ask(Box<dyn Question<M>>, TransactionCheck),
    /// A change of the cluster's metadata.
    News(M::News),
    /// Ends a transaction.
    Marker(TransactionMarker, MarkerAnswer),
    /// Reads the machine; the returned closure sends the answer, when that is allowed.
    Read(Look<M>),
    /// Ends the host after all earlier messages.
    Stop,
}

/// Reads a machine, or gets the error.
pub(super) type Look<M> = Box<dyn FnOnce(Result<&M, CoordinatorError>) -> Release + Send>;

/// How a machine's log is written and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogOptions {
    /// How record batches are compressed.
    pub(super) codec: Codec,
    /// How many bytes are read at a time when loading.
    pub(super) load_bytes: usize,
}

/// The sending side of a hosted machine's mailbox.
pub(super) struct Handle<M: Machine> {
    mailbox: mpsc::UnboundedSender<Message<M>>,
}

impl<M: Machine> Handle<M> {
    /// Starts hosting.
    pub(super) fn start(parts: HostParts<M>) -> Self {
        let (sender, messages) = mpsc::unbounded_channel();
        let mailbox = Mailbox {
            messages,
            unheard: Vec::new(),
        };
        let host = Host {
            parts,
            mailbox: Mutex::new(mailbox),
        };
        tokio::spawn(run_over_panics(Arc::new(host)));
        Self { mailbox: sender }
    }

    /// Sends a request to the machine. Its place in the machine's order is fixed when this returns.
    pub(super) fn ask<A: Ask>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<M, A>
    where
        M: Decides<A>,
    {
        self.ask_checked(ask, TransactionCheck::Trusted)
    }

    /// The same for a request whose records belong to an open transaction. The log may refuse them.
    pub(super) fn ask_checked<A: Ask>(
        &self,
        ask: A,
        check: TransactionCheck,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<M, A>
    where
        M: Decides<A>,
    {
        let (answer, reply) = oneshot::channel();
        // If the host has ended, the mailbox drops the message and with it the reply channel.
        let message = Message::Ask(question(ask, answer), check);
        drop(self.mailbox.send(message));
        async move { reply.await.unwrap_or(Err(CoordinatorError::NotCoordinator)) }
    }

    /// Reads the machine's state; answered when everything that was decided before is durable.
    pub(super) fn read<T: Send + 'static, L: FnOnce(&M) -> T + Send + 'static>(
        &self,
        look: L,
    ) -> impl Future<Output = Result<T, CoordinatorError>> + Send + use<M, T, L> {
        let (answer, reply) = oneshot::channel();
        let read = move |machine: Result<&M, CoordinatorError>| -> Release {
            let seen = machine.map(look);
            Box::new(move |committed| drop(answer.send(committed.and(seen))))
        };
        drop(self.mailbox.send(Message::Read(Box::new(read))));
        async move { reply.await.unwrap_or(Err(CoordinatorError::NotCoordinator)) }
    }

    /// Passes a metadata change to the machine, now or when it is loaded.
    pub(super) fn tell(&self, news: M::News) {
        drop(self.mailbox.send(Message::News(news)));
    }

    /// Writes a marker; answered when the machine has been told.
    pub(super) fn end_transaction(
        &self,
        marker: TransactionMarker,
    ) -> impl Future<Output = Result<(), MarkerError>> + Send + use<M> {
        let (answer, told) = oneshot::channel();
        drop(self.mailbox.send(Message::Marker(marker, answer)));
        let gone = MarkerError::Coordinator(CoordinatorError::NotCoordinator);
        async move { told.await.unwrap_or(Err(gone)) }
    }

    /// Ends the host. Earlier requests are answered when they are durable; requests that wait for other members, and
    /// all later ones, are answered "not the coordinator".
    pub(super) fn stop(&self) {
        drop(self.mailbox.send(Message::Stop));
    }
}

/// What a host is made of.
pub(super) struct HostParts<M: Machine> {
    pub(super) replica: Arc<Replica>,
    pub(super) epoch: LeaderEpoch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: LogOptions,
    /// What all machines of this kind hold.
    pub(super) held: Held,
    /// Creates an empty machine to load into.
    pub(super) make: Box<dyn Fn() -> M + Send + Sync>,
    /// Carries out an effect. Called on the host's task, in the order of the decisions: must not block.
    pub(super) have: Arc<dyn Fn(M::Effect) + Send + Sync>,
}

pub(super) struct Host<M: Machine> {
    pub(super) parts: HostParts<M>,
    /// Held by the one task that runs the host; it survives a run that panics.
    mailbox: Mutex<Mailbox<M>>,
}

/// Messages to the host, and metadata changes that no machine has received yet.
pub(super) struct Mailbox<M: Machine> {
    pub(super) messages: mpsc::UnboundedReceiver<Message<M>>,
    unheard: Vec<M::News>,
}

impl<M: Machine> Mailbox<M> {
    /// Refuses the next message, or keeps it if it is a metadata change; `false` when the host ends.
    async fn refuse_next(&mut self, error: CoordinatorError) -> bool {
        match self.messages.recv().await {
            None | Some(Message::Stop) => return false,
            Some(Message::News(news)) => self.unheard.push(news),
            Some(message) => refuse(message, error),
        }
        true
    }
}

/// A panic is a bug in the machine's code: pending requests fail, and everyone else continues with the state in the
/// log. The log is loaded again at the next request, so a machine that panics whenever it is loaded uses no processor
/// time and does not fill our own log.
async fn run_over_panics<M: Machine>(host: Arc<Host<M>>) {
    while let Err(stopped) = tokio::spawn(Arc::clone(&host).run()).await {
        if !stopped.is_panic() {
            return;
        }
        crate::base::limited!(
            error,
            "coordinator has panicked: its state is loaded again at the next request",
            partition = %host.parts.replica.topic_partition()
        );
        let mut mailbox = host.mailbox.lock().await;
        loop {
            match mailbox.messages.recv().await {
                None | Some(Message::Stop) => return,
                // This needs no machine.
                Some(Message::News(news)) => mailbox.unheard.push(news),
                Some(message) => {
                    refuse(message, CoordinatorError::Loading);
                    break;
                }
            }
        }
    }
}

impl<M: Machine> Host<M> {
    async fn run(self: Arc<Self>) {
        let mut mailbox = self.mailbox.lock().await;
        loop {
            let loaded = match self.load(&mut mailbox).await {
                Loading::Done(loaded) => loaded,
                Loading::Stopped => return,
                // Not as if it were somewhere else: then a list of groups would omit these groups silently.
                Loading::Failed => {
                    return refuse_for_good(&mut mailbox, CoordinatorError::NotAvailable).await;
                }
            };
            let unheard = std::mem::take(&mut mailbox.unheard);
            let active = Active::new(loaded, &self, unheard);
            match active.run(&mut mailbox).await {
                End::Stopped => return,
                End::AppendFailed if self.parts.replica.is_offline() => {
                    return refuse_for_good(&mut mailbox, CoordinatorError::NotCoordinator).await;
                }
                End::AppendFailed => {}
            }
        }
    }

    /// Loads the machine up to the end of the log, and waits until all of that is committed: the records of a former
    /// leader may still be on their way to the replicas. Refuses requests meanwhile.
    async fn load(&self, mailbox: &mut Mailbox<M>) -> Loading<M> {
        let machine = (self.parts.make)();
        // An earlier host, or this one before it panicked, may have left appends in progress.
        self.parts.replica.settled().await;
        let positions = self.parts.replica.published().positions;
        let end = positions.log_end;
        if positions.log_start >= end {
            // Nothing to read: after the topic was created, the first attempt is answered.
            return Loading::Done(Loaded { machine, end });
        }
        let replica = Arc::clone(&self.parts.replica);
        let (now, load_bytes) = (self.parts.clock.now(), self.parts.options.load_bytes);
        let mut loading =
            tokio::task::spawn_blocking(move || load(machine, &replica, end, load_bytes, now));
        let machine = loop {
            tokio::select! {
                loaded = &mut loading => match self.judge(loaded) {
                    Some(machine) => break machine,
                    None => return Loading::Failed,
                },
                goes_on = mailbox.refuse_next(CoordinatorError::Loading) => if !goes_on {
                    return Loading::Stopped;
                },
            }
        };
        let mut committed = pin!(self.parts.replica.watermark_reaches(end));
        loop {
            tokio::select! {
                biased;
                () = &mut committed => return Loading::Done(Loaded { machine, end }),
                goes_on = mailbox.refuse_next(CoordinatorError::Loading) => if !goes_on {
                    return Loading::Stopped;
                },
            }
        }
    }

    /// The machine, if it was loaded.
    fn judge(&self, loaded: Result<Result<M, LoadError>, JoinError>) -> Option<M> {
        let error = match loaded {
            Ok(Ok(machine)) => return Some(machine),
            Ok(Err(error)) => error.to_string(),
            Err(stopped) => stopped.to_string(),
        };
        crate::base::limited!(
            error,
            "coordinator cannot be loaded: it refuses requests until the broker is started again",
            partition = %self.parts.replica.topic_partition(),
            error
        );
        None
    }
}

/// A machine that has replayed its log up to this offset.
pub(super) struct Loaded<M> {
    pub(super) machine: M,
    pub(super) end: Offset,
}

/// The result of loading.
enum Loading<M> {
    Done(Loaded<M>),
    /// Told to stop, or all senders are gone.
    Stopped,
    Failed,
}

/// The log cannot be read, or its directory is offline, until the broker is started again.
async fn refuse_for_good<M: Machine>(mailbox: &mut Mailbox<M>, error: CoordinatorError) {
    while let Some(message) = mailbox.messages.recv().await {
        if matches!(message, Message::Stop) {
            return;
        }
        refuse(message, error);
    }
}

fn refuse<M: Machine>(message: Message<M>, error: CoordinatorError) {
    match message {
        Message::Ask(question, _) => question.refuse(error),
        Message::Read(read) => read(Err(error))(Err(error)),
        Message::Marker(_, answer) => drop(answer.send(Err(MarkerError::Coordinator(error)))),
        Message::News(_) | Message::Stop => {}
    }
}

#[cfg(test)]
mod tests;
