//! Runs one machine on one partition of an internal topic.
//!
//! States: *loading* (commands are refused as "load in progress") -> *active* -> (an append failed)
//! -> *loading* again. The task ends when the last handle to its mailbox is gone.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::base::{Clock, LeaderEpoch, Outcome, Pending, TimerChange, Timestamp, Token};
use crate::log::AppendOrigin;
use crate::partition::{
    AppendFailure, AppendOptions, Appended, PendingAppend, Replica, RequiredAcks,
};

use crate::record::Codec;

use super::batches::batches;
use super::load::{LoadError, load};
use super::timers::Timers;

/// A state machine whose only memory is a partition of an internal topic.
pub trait Machine: Send + Sized + 'static {
    /// What may be asked of it.
    type Command: Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;
    /// How it names its timers.
    type TimerKey: Clone + Eq + Hash + Send + 'static;
    /// What a record that cannot be replayed looks like.
    type ReplayError: Display;

    /// Decides on a command. Changes no state that is in the log.
    fn decide(
        &mut self,
        token: Token,
        command: Self::Command,
        now: Timestamp,
    ) -> Outcome<KeyValue, Self::Reply, Self::TimerKey>;

    /// Decides on a timer that has fired.
    fn timer_fired(
        &mut self,
        key: Self::TimerKey,
        now: Timestamp,
    ) -> Outcome<KeyValue, Self::Reply, Self::TimerKey>;

    /// Applies one record: the only way for logged state to change.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn replay(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), Self::ReplayError>;

    /// Called once when everything has been replayed.
    fn loaded(&mut self, now: Timestamp) -> Vec<TimerChange<Self::TimerKey>>;
}

/// A record of an internal topic: encoded key and value, no value for a tombstone.
pub type KeyValue = crate::group::Record;

/// Why a coordinator did not decide, or its decision is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// The partition is not hosted or not led here.
    #[error("not the coordinator")]
    NotCoordinator,
    /// The state is being read from the log.
    #[error("the coordinator is loading")]
    Loading,
    /// The log cannot be written or read now.
    #[error("the coordinator cannot write its log")]
    NotAvailable,
    /// It did not become durable in the time that was given to it.
    #[error("the coordinator's log takes too long")]
    TimedOut,
    /// The record batch is larger than the internal topic takes.
    #[error("the decision is larger than a batch may be")]
    TooLarge,
}

/// How a reply reaches the one who asked.
type Answer<T> = oneshot::Sender<Result<T, CoordinatorError>>;

enum Message<M: Machine> {
    Command(M::Command, Answer<M::Reply>),
    /// Looks at the machine; what it returns gives the answer, once that may leave.
    Read(Look<M>),
    /// Ends the host after everything before this.
    Stop,
}

/// Looks at a machine, or hears why it cannot.
type Look<M> = Box<dyn FnOnce(Result<&M, CoordinatorError>) -> Release + Send>;

/// Gives an answer that was held back, or the error that took its place.
type Release = Box<dyn FnOnce(Result<(), CoordinatorError>) + Send>;

/// How a machine's log is written and read.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// How record batches are compressed.
    pub codec: Codec,
    /// Bytes that are read at a time when loading.
    pub load_bytes: usize,
}

/// The way to one hosted machine.
pub struct Handle<M: Machine> {
    mailbox: mpsc::UnboundedSender<Message<M>>,
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
        }
    }
}

impl<M: Machine> Handle<M> {
    /// Starts hosting: `make` gives an empty machine to load into.
    pub fn start(
        replica: Arc<Replica>,
        epoch: LeaderEpoch,
        clock: Arc<dyn Clock>,
        options: LogOptions,
        make: impl Fn() -> M + Send + 'static,
    ) -> Self {
        let (mailbox, messages) = mpsc::unbounded_channel();
        let host = Host {
            replica,
            epoch,
            clock,
            options,
            make: Box::new(make),
            messages,
        };
        tokio::spawn(host.run());
        Self { mailbox }
    }

    /// Asks the machine to decide. The place in the machine's order is fixed when this returns.
    pub fn command(
        &self,
        command: M::Command,
    ) -> impl Future<Output = Result<M::Reply, CoordinatorError>> + Send + use<M> {
        let (answer, reply) = oneshot::channel();
        // A mailbox whose host has ended drops the message and with it the answer.
        drop(self.mailbox.send(Message::Command(command, answer)));
        async move { reply.await.unwrap_or(Err(CoordinatorError::NotCoordinator)) }
    }

    /// Reads the machine's state; answered when everything that was decided before is durable.
    pub fn read<T: Send + 'static, L: FnOnce(&M) -> T + Send + 'static>(
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
    pub fn stop(&self) {
        drop(self.mailbox.send(Message::Stop));
    }
}

struct Host<M: Machine> {
    replica: Arc<Replica>,
    epoch: LeaderEpoch,
    clock: Arc<dyn Clock>,
    options: LogOptions,
    make: Box<dyn Fn() -> M + Send>,
    messages: mpsc::UnboundedReceiver<Message<M>>,
}

impl<M: Machine> Host<M> {
    async fn run(mut self) {
        loop {
            let machine = match self.load().await {
                Loaded::Machine(machine) => machine,
                Loaded::Stopped => return,
                Loaded::Failed => return self.refuse_for_good().await,
            };
            let active = Active::new(machine, &self);
            match active.run(&mut self.messages).await {
                End::Stopped => return,
                End::AppendFailed if self.replica.directory().is_offline() => {
                    return self.refuse_for_good().await;
                }
                End::AppendFailed => {
                    tracing::warn!(partition = %self.replica.topic_partition(), "coordinator state dropped after a failed append: loading again");
                }
            }
        }
    }

    /// The log cannot be read, or its directory is offline, and that stays so until the broker is started
    /// again.
    async fn refuse_for_good(mut self) {
        while let Some(message) = self.messages.recv().await {
            if matches!(message, Message::Stop) {
                return;
            }
            refuse(message, CoordinatorError::NotAvailable);
        }
    }

    /// Loads the machine while refusing what arrives meanwhile.
    async fn load(&mut self) -> Loaded<M> {
        let machine = (self.make)();
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
                message = self.messages.recv() => match message {
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
        tracing::error!(partition = %self.replica.topic_partition(), error, "coordinator state cannot be loaded: its groups are refused until the broker is started again");
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

fn refuse<M: Machine>(message: Message<M>, error: CoordinatorError) {
    match message {
        Message::Command(_, answer) => drop(answer.send(Err(error))),
        Message::Read(read) => read(Err(error))(Err(error)),
        Message::Stop => {}
    }
}

/// Why a machine is not at work any more.
enum End {
    /// It was told to stop, or nobody can ask any more.
    Stopped,
    /// It is ahead of its log.
    AppendFailed,
}

/// A loaded machine at work.
struct Active<M: Machine> {
    machine: M,
    replica: Arc<Replica>,
    epoch: LeaderEpoch,
    clock: Arc<dyn Clock>,
    codec: Codec,
    timers: Timers<M::TimerKey>,
    /// Who waits for the machine, by the token it was given.
    waiting: HashMap<Token, Answer<M::Reply>>,
    next_token: u64,
    /// Appends under way, oldest first, and how many there have been.
    appends: VecDeque<PendingAppend>,
    appended: u64,
    committed: u64,
    /// Answers held back until so many appends are committed.
    parked: Pending<u64, Release>,
}

impl<M: Machine> Active<M> {
    fn new(mut machine: M, host: &Host<M>) -> Self {
        let mut timers = Timers::default();
        for change in machine.loaded(host.clock.now()) {
            timers.change(change, Instant::now());
        }
        Self {
            machine,
            replica: Arc::clone(&host.replica),
            epoch: host.epoch,
            clock: Arc::clone(&host.clock),
            codec: host.options.codec,
            timers,
            waiting: HashMap::new(),
            next_token: 0,
            appends: VecDeque::new(),
            appended: 0,
            committed: 0,
            parked: Pending::default(),
        }
    }

    /// Works until it is told to stop or an append has failed.
    async fn run(mut self, messages: &mut mpsc::UnboundedReceiver<Message<M>>) -> End {
        loop {
            let next_timer = self.timers.next_due();
            tokio::select! {
                // Acknowledgements first: they free replies, and a failure must stop new decisions.
                biased;
                Some(result) = oldest(&mut self.appends) => {
                    if !self.settle(result) {
                        // What was appended behind it may yet be written, and is then to be loaded.
                        while oldest(&mut self.appends).await.is_some() {
                            self.appends.pop_front();
                        }
                        return End::AppendFailed;
                    }
                }
                message = messages.recv() => match message {
                    None | Some(Message::Stop) => return self.finish().await,
                    Some(message) => self.handle(message),
                },
                () = sleep_until(next_timer) => self.fire_timers(),
            }
        }
    }

    /// Takes note of what became of the oldest append; whether all is well.
    fn settle(&mut self, result: Result<Appended, AppendFailure>) -> bool {
        self.appends.pop_front();
        match result {
            Ok(_) => {
                self.committed += 1;
                self.release();
                true
            }
            Err(failure) => {
                self.give_up(&failure);
                false
            }
        }
    }

    /// Sees through what is under way, then tells those who wait for others that nothing will come.
    async fn finish(mut self) -> End {
        while let Some(result) = oldest(&mut self.appends).await {
            self.settle(result);
        }
        for (_, answer) in self.waiting.drain() {
            drop(answer.send(Err(CoordinatorError::NotCoordinator)));
        }
        End::Stopped
    }

    fn handle(&mut self, message: Message<M>) {
        match message {
            Message::Command(command, answer) => {
                let token = Token(self.next_token);
                self.next_token += 1;
                self.waiting.insert(token, answer);
                let outcome = self.machine.decide(token, command, self.clock.now());
                self.carry_out(outcome);
            }
            Message::Read(read) => {
                let release = read(Ok(&self.machine));
                self.parked.admit(self.appended, release);
            }
            Message::Stop => {}
        }
        self.release();
    }

    fn fire_timers(&mut self) {
        while let Some(key) = self.timers.take_due(Instant::now()) {
            let outcome = self.machine.timer_fired(key, self.clock.now());
            self.carry_out(outcome);
        }
        self.release();
    }

    fn carry_out(&mut self, outcome: Outcome<KeyValue, M::Reply, M::TimerKey>) {
        let now = self.clock.now();
        if !outcome.records.is_empty() {
            let limit = usize::try_from(self.replica.config().max_message_bytes).unwrap_or(0);
            let batches = batches(&outcome.records, limit, self.codec, now);
            if batches.iter().any(|batch| batch.len() > limit) {
                return self.refuse_too_large(outcome);
            }
            self.replay(&outcome.records, now);
            self.append(batches);
        }
        self.change_timers(outcome.timers);
        for (token, reply) in outcome.replies {
            if let Some(answer) = self.waiting.remove(&token) {
                let release = move |committed: Result<(), CoordinatorError>| {
                    drop(answer.send(committed.map(|()| reply)))
                };
                self.parked.admit(self.appended, Box::new(release));
            }
        }
    }

    fn replay(&mut self, records: &[KeyValue], now: Timestamp) {
        for record in records {
            if let Err(error) = self
                .machine
                .replay(&record.key, record.value.as_deref(), now)
            {
                // Its own record, encoded a moment ago: a fault of the machine, not of the disk.
                tracing::error!(partition = %self.replica.topic_partition(), %error, "a coordinator cannot read its own record");
            }
        }
    }

    fn change_timers(&mut self, changes: Vec<TimerChange<M::TimerKey>>) {
        for change in changes {
            self.timers.change(change, Instant::now());
        }
    }

    /// Drops a decision that the log would not take, before anything has come of it.
    fn refuse_too_large(&mut self, outcome: Outcome<KeyValue, M::Reply, M::TimerKey>) {
        // What is not logged has been decided on already.
        self.change_timers(outcome.timers);
        for (token, _) in outcome.replies {
            if let Some(answer) = self.waiting.remove(&token) {
                let release = move |committed: Result<(), CoordinatorError>| {
                    drop(answer.send(committed.and(Err(CoordinatorError::TooLarge))));
                };
                self.parked.admit(self.appended, Box::new(release));
            }
        }
    }

    fn append(&mut self, batches: Vec<Bytes>) {
        for records in batches {
            self.appended += 1;
            self.appends.push_back(self.replica.append(AppendOptions {
                records,
                origin: AppendOrigin::Coordinator,
                acks: RequiredAcks::All,
                expected_epoch: Some(self.epoch),
            }));
        }
    }

    fn release(&mut self) {
        for release in self.parked.release(self.committed) {
            release(Ok(()));
        }
    }

    /// An append failed: the machine is ahead of the log. Everyone who waits is told.
    fn give_up(&mut self, failure: &AppendFailure) {
        tracing::error!(partition = %self.replica.topic_partition(), %failure, "coordinator append failed");
        let error = match failure {
            AppendFailure::NotLeader | AppendFailure::Gone => CoordinatorError::NotCoordinator,
            _ => CoordinatorError::NotAvailable,
        };
        for release in self.parked.abandon() {
            release(Err(error));
        }
        for (_, answer) in self.waiting.drain() {
            drop(answer.send(Err(error)));
        }
    }
}

/// The result of the oldest append; `None` (which switches the branch off) when there is none.
async fn oldest(appends: &mut VecDeque<PendingAppend>) -> Option<Result<Appended, AppendFailure>> {
    match appends.front_mut() {
        Some(append) => Some(append.await),
        None => None,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
