//! Runs one machine on one partition of an internal topic.
//!
//! States: *loading* (questions are refused as "load in progress") -> [`active`](super::active) -> (an
//! append failed, or the machine panicked) -> *loading* again, or, where the log cannot be read or written
//! any more, *refusing*. The task ends when it is told to, or when the last handle to its mailbox is gone.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinError;

use crate::base::{Ask, Clock, LeaderEpoch};
use crate::partition::Replica;
use crate::record::Codec;

use super::active::{Active, End};
use super::asking::{Question, Release, question};
use super::error::CoordinatorError;
use super::held::Held;
use super::load::{LoadError, load};
use super::machine::{Decides, Machine};

pub(super) enum Message<M: Machine> {
    Ask(Box<dyn Question<M>>),
    /// Looks at the machine; what it returns gives the answer, once that may leave.
    Read(Look<M>),
    /// Ends the host after everything before this.
    Stop,
}

/// Looks at a machine, or hears why it cannot.
pub(super) type Look<M> = Box<dyn FnOnce(Result<&M, CoordinatorError>) -> Release + Send>;

/// How a machine's log is written and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogOptions {
    /// How record batches are compressed.
    pub(super) codec: Codec,
    /// Bytes that are read at a time when loading.
    pub(super) load_bytes: usize,
}

/// The way to one hosted machine.
pub(super) struct Handle<M: Machine> {
    mailbox: mpsc::UnboundedSender<Message<M>>,
}

impl<M: Machine> Handle<M> {
    /// Starts hosting: `make` gives an empty machine to load into. `held` is what all machines hold.
    pub(super) fn start(
        replica: Arc<Replica>,
        epoch: LeaderEpoch,
        clock: Arc<dyn Clock>,
        options: LogOptions,
        held: Held,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let (mailbox, messages) = mpsc::unbounded_channel();
        let host = Host {
            replica,
            epoch,
            clock,
            options,
            held,
            make: Box::new(make),
            messages: Mutex::new(messages),
        };
        tokio::spawn(run_over_panics(Arc::new(host)));
        Self { mailbox }
    }

    /// Asks the machine to decide. The place in the machine's order is fixed when this returns.
    pub(super) fn ask<A: Ask>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<M, A>
    where
        M: Decides<A>,
    {
        let (answer, reply) = oneshot::channel();
        // A mailbox whose host has ended drops the message and with it the answer.
        drop(self.mailbox.send(Message::Ask(question(ask, answer))));
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

    /// Ends the host. What was asked before is answered when it is durable; who waits for others to
    /// join, and everyone who comes later, is told that this is not the coordinator.
    pub(super) fn stop(&self) {
        drop(self.mailbox.send(Message::Stop));
    }
}

pub(super) struct Host<M: Machine> {
    pub(super) replica: Arc<Replica>,
    pub(super) epoch: LeaderEpoch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: LogOptions,
    pub(super) held: Held,
    make: Box<dyn Fn() -> M + Send + Sync>,
    /// Held by the one task that runs the host; it outlives a run that panics.
    messages: Mutex<mpsc::UnboundedReceiver<Message<M>>>,
}

/// A panic is a fault in the machine's code: who asked hears nothing good, and everyone else goes on with
/// what the log says. It is read again when somebody asks next, so that a machine which panics as soon as it
/// is loaded takes no core and does not fill our own log.
async fn run_over_panics<M: Machine>(host: Arc<Host<M>>) {
    while let Err(stopped) = tokio::spawn(Arc::clone(&host).run()).await {
        if !stopped.is_panic() {
            return;
        }
        crate::base::limited!(
            error,
            "coordinator has panicked: its state is loaded again at the next request",
            partition = %host.replica.topic_partition()
        );
        match host.messages.lock().await.recv().await {
            None | Some(Message::Stop) => return,
            Some(message) => refuse(message, CoordinatorError::Loading),
        }
    }
}

impl<M: Machine> Host<M> {
    async fn run(self: Arc<Self>) {
        let mut messages = self.messages.lock().await;
        loop {
            let machine = match self.load(&mut messages).await {
                Loaded::Machine(machine) => machine,
                Loaded::Stopped => return,
                // Not as one that is somewhere else: then a list of groups would leave these out without a word.
                Loaded::Failed => {
                    return refuse_for_good(&mut messages, CoordinatorError::NotAvailable).await;
                }
            };
            let active = Active::new(machine, &self);
            match active.run(&mut messages).await {
                End::Stopped => return,
                End::AppendFailed if self.replica.is_offline() => {
                    return refuse_for_good(&mut messages, CoordinatorError::NotCoordinator).await;
                }
                End::AppendFailed => {}
            }
        }
    }

    /// Loads the machine while refusing what arrives meanwhile.
    async fn load(&self, messages: &mut mpsc::UnboundedReceiver<Message<M>>) -> Loaded<M> {
        let machine = (self.make)();
        // An earlier host, or this one before it panicked, may have left appends on their way.
        self.replica.settled().await;
        let positions = self.replica.published().positions;
        if positions.log_start >= positions.high_watermark {
            // Nothing to read: who has just had the topic created is answered at the first attempt.
            return Loaded::Machine(machine);
        }
        let replica = Arc::clone(&self.replica);
        let (now, load_bytes) = (self.clock.now(), self.options.load_bytes);
        let mut loading =
            tokio::task::spawn_blocking(move || load(machine, &replica, load_bytes, now));
        loop {
            tokio::select! {
                loaded = &mut loading => return self.judge(loaded),
                message = messages.recv() => match message {
                    None | Some(Message::Stop) => return Loaded::Stopped,
                    Some(message) => refuse(message, CoordinatorError::Loading),
                },
            }
        }
    }

    fn judge(&self, loaded: Result<Result<M, LoadError>, JoinError>) -> Loaded<M> {
        let error = match loaded {
            Ok(Ok(machine)) => return Loaded::Machine(machine),
            Ok(Err(error)) => error.to_string(),
            Err(stopped) => stopped.to_string(),
        };
        crate::base::limited!(
            error,
            "coordinator cannot be loaded: it refuses requests until the broker is started again",
            partition = %self.replica.topic_partition(),
            error
        );
        Loaded::Failed
    }
}

/// What became of loading.
enum Loaded<M> {
    Machine(M),
    /// Told to stop, or nobody can ask any more.
    Stopped,
    Failed,
}

/// The log cannot be read, or its directory is offline, and that stays so until the broker is started
/// again.
async fn refuse_for_good<M: Machine>(
    messages: &mut mpsc::UnboundedReceiver<Message<M>>,
    error: CoordinatorError,
) {
    while let Some(message) = messages.recv().await {
        if matches!(message, Message::Stop) {
            return;
        }
        refuse(message, error);
    }
}

fn refuse<M: Machine>(message: Message<M>, error: CoordinatorError) {
    match message {
        Message::Ask(question) => question.refuse(error),
        Message::Read(read) => read(Err(error))(Err(error)),
        Message::Stop => {}
    }
}

#[cfg(test)]
mod tests;
