//! A loaded machine that serves requests: its decisions are replayed into it and appended, in order. Replies are sent
//! when everything that they depend on is committed.

mod transactions;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::base::{
    Bounds, Clock, KeyValue, LeaderEpoch, Offset, Pending, Replayed, TimerChange, Timestamp,
    Transaction,
};
use crate::log::{AppendOrigin, TransactionCheck};
use crate::partition::{AppendFailure, AppendOptions, Appended, Replica, RequiredAcks, Source};
use crate::record::Codec;

use super::asking::{Parked, Waiting};
use super::batches::batches;
use super::error::CoordinatorError;
use super::failures;
use super::held::Share;
use super::host::{Host, Loaded, Mailbox, Message};
use super::machine::{Decision, Machine, Subject};
use super::timers::Timers;
use super::writes::{Tentative, Write, Written};

/// Why a machine has stopped serving.
pub(super) enum End {
    /// It was told to stop, or all senders are gone.
    Stopped,
    /// Its state is ahead of its log.
    AppendFailed,
}

/// A loaded machine that serves requests.
pub(super) struct Active<M: Machine> {
    machine: M,
    replica: Arc<Replica>,
    epoch: LeaderEpoch,
    clock: Arc<dyn Clock>,
    codec: Codec,
    /// The machine's share of the memory that is counted over all machines.
    held: Share,
    timers: Timers<M::TimerKey>,
    /// The pending requests, by their number.
    waiting: HashMap<u64, Box<dyn Waiting>>,
    /// The requester of the present decision: most decisions answer it.
    asking: Option<(u64, Box<dyn Waiting>)>,
    next_number: u64,
    /// The next record's place in the order of the log.
    next_place: Offset,
    /// Writes in progress, oldest first, and how many there have been.
    writes: VecDeque<Write<M::Effect>>,
    appended: u64,
    committed: u64,
    /// Replies and effects, held back until this many writes are committed.
    parked: Pending<u64, Parked<M::Effect>>,
    /// Passes an effect on to those who carry it out.
    have: Arc<dyn Fn(M::Effect) + Send + Sync>,
}

impl<M: Machine> Active<M> {
    pub(super) fn new(loaded: Loaded<M>, host: &Host<M>, news: Vec<M::News>) -> Self {
        let Loaded { machine, end } = loaded;
        let mut active = Self {
            machine,
            held: host.parts.held.share(),
            replica: Arc::clone(&host.parts.replica),
            epoch: host.parts.epoch,
            clock: Arc::clone(&host.parts.clock),
            codec: host.parts.options.codec,
            timers: Timers::default(),
            waiting: HashMap::new(),
            asking: None,
            next_number: 0,
            next_place: end,
            writes: VecDeque::new(),
            appended: 0,
            committed: 0,
            parked: Pending::default(),
            have: Arc::clone(&host.parts.have),
        };
        active.decide(Subject::all("end of loading"), M::loaded);
        for news in news {
            active.hear(news);
        }
        active.release();
        active
    }

    /// Serves until it is told to stop or an append has failed.
    pub(super) async fn run(mut self, mailbox: &mut Mailbox<M>) -> End {
        loop {
            let next_timer = self.timers.next_due();
            tokio::select! {
                // Acknowledgements first: they free replies, and a failure must stop new decisions.
                biased;
                Some(result) = oldest(&mut self.writes) => {
                    if !self.settle(result) {
                        // Records that were appended behind it may still be written, and must then be loaded.
                        while oldest(&mut self.writes).await.is_some() {
                            self.writes.pop_front();
                        }
                        return End::AppendFailed;
                    }
                }
                message = mailbox.messages.recv() => match message {
                    None | Some(Message::Stop) => return self.finish().await,
                    Some(message) => self.handle(message),
                },
                () = sleep_until(next_timer) => self.fire_timers(),
            }
        }
    }

    /// Handles the result of the oldest write. Returns whether the machine can go on.
    fn settle(&mut self, result: Result<Appended, AppendFailure>) -> bool {
        let Some(Write { subject, kind, .. }) = self.writes.pop_front() else {
            return true;
        };
        match result {
            Ok(_) => {
                self.committed += 1;
                self.written(kind);
                self.release();
                true
            }
            Err(failure) if kind.is_refused(&failure) => {
                self.committed += 1;
                self.take_back(&kind);
                kind.fail(failure);
                self.release();
                true
            }
            Err(failure) => {
                let partition = self.replica.topic_partition();
                failures::tell(partition, &subject, &failure, M::TOO_LARGE_CURE);
                self.give_up(failures::of_append(&failure));
                kind.fail(failure);
                false
            }
        }
    }

    /// Waits for the writes in progress, then fails the requests that wait for other members.
    async fn finish(mut self) -> End {
        while let Some(result) = oldest(&mut self.writes).await {
            if !self.settle(result) {
                self.writes.clear();
                return End::Stopped;
            }
        }
        self.unload(CoordinatorError::NotCoordinator);
        End::Stopped
    }

    fn handle(&mut self, message: Message<M>) {
        match message {
            Message::Ask(question, check) => {
                let number = self.next_number;
                self.next_number += 1;
                let subject = question.subject();
                self.machine.within(self.bounds());
                let (decision, waiting) = question.put(number, &mut self.machine, self.clock.now());
                self.asking = Some((number, waiting));
                self.carry_out(subject, decision, check);
                self.waiting.extend(self.asking.take());
                self.held.set(self.machine.held());
            }
            Message::News(news) => self.hear(news),
            Message::Marker(marker, answer) => self.mark(&marker, answer),
            Message::Read(read) => {
                let release = read(Ok(&self.machine));
                self.parked.admit(self.appended, Parked::Seen(release));
            }
            Message::Stop => {}
        }
        self.release();
    }

    fn fire_timers(&mut self) {
        while let Some(key) = self.timers.take_due(Instant::now()) {
            let subject = M::subject_of_timer(&key);
            self.decide(subject, |machine, now| machine.timer_fired(key, now));
        }
        self.release();
    }

    fn hear(&mut self, news: M::News) {
        let subject = Subject::all("change of metadata");
        self.decide(subject, |machine, now| machine.hear(news, now));
    }

    /// Lets the machine make a decision that nobody has requested.
    fn decide(&mut self, subject: Subject, decide: impl FnOnce(&mut M, Timestamp) -> Decision<M>) {
        self.machine.within(self.bounds());
        let decision = decide(&mut self.machine, self.clock.now());
        self.carry_out(subject, decision, TransactionCheck::Trusted);
        self.held.set(self.machine.held());
    }

    /// The place of one more record in the order of the log.
    fn take_place(&mut self) -> Offset {
        let place = self.next_place;
        self.next_place = place.next();
        place
    }

    fn carry_out(&mut self, subject: Subject, outcome: Decision<M>, check: TransactionCheck) {
        let now = self.clock.now();
        let mut in_transaction = None;
        if !outcome.records.is_empty() {
            let limit = self.largest_batch();
            let batches = batches(
                &outcome.records,
                limit,
                self.codec,
                outcome.transaction,
                now,
            );
            let largest = batches.iter().map(Bytes::len).max().unwrap_or(0);
            if largest > limit {
                let partition = self.replica.topic_partition();
                failures::tell_too_large(partition, &subject, (largest, limit), M::TOO_LARGE_CURE);
                return self.refuse(subject, outcome);
            }
            let first = self.next_place;
            self.replay(&outcome.records, outcome.transaction, now);
            for batch in batches {
                self.append(subject.clone(), batch, check, Written::Records);
            }
            let places = first..self.next_place;
            in_transaction = outcome.transaction.map(|under| (under, places));
        }
        self.change_timers(outcome.timers);
        let mut parked = Vec::new();
        for reply in outcome.replies {
            if let Some(waiting) = self.take_waiting(reply.number()) {
                parked.push(Parked::Reply(waiting, reply));
            }
        }
        if !outcome.effects.is_empty() {
            parked.push(Parked::Effects(outcome.effects));
        }
        match (in_transaction, self.writes.back_mut()) {
            (Some((under, places)), Some(write)) => {
                write.kind = Written::InTransaction(Tentative {
                    under,
                    places,
                    parked,
                });
            }
            _ => parked
                .into_iter()
                .for_each(|one| self.parked.admit(self.appended, one)),
        }
    }

    /// The pending request with this number.
    fn take_waiting(&mut self, number: u64) -> Option<Box<dyn Waiting>> {
        match self.asking.take_if(|(asking, _)| *asking == number) {
            Some((_, waiting)) => Some(waiting),
            None => self.waiting.remove(&number),
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            // The compressed size of a batch is not known before it is made.
            largest_batch: match self.codec {
                Codec::None => self.largest_batch(),
                _ => usize::MAX,
            },
            held_elsewhere: self.held.others(),
            machines: self.held.machines(),
        }
    }

    /// The largest record batch that the log accepts.
    fn largest_batch(&self) -> usize {
        let config = self.replica.config();
        usize::try_from(config.max_message_bytes.min(config.segment_bytes)).unwrap_or(0)
    }

    fn replay(&mut self, records: &[KeyValue], under: Option<Transaction>, now: Timestamp) {
        for record in records {
            let record = Replayed {
                key: &record.key,
                value: record.value.as_deref(),
                producer: under.map(|under| under.producer),
                place: self.take_place(),
            };
            if let Err(error) = self.machine.replay(&record, now) {
                // Its own record, encoded a moment ago: this is a bug of the machine, not a disk failure.
                crate::base::limited!(
                    error,
                    "a coordinator cannot read its own record",
                    partition = %self.replica.topic_partition(),
                    %error
                );
            }
        }
    }

    fn change_timers(&mut self, changes: Vec<TimerChange<M::TimerKey>>) {
        for change in changes {
            self.timers.change(change, Instant::now());
        }
    }

    /// Drops a decision that the log would not accept, and lets the machine decide what follows.
    fn refuse(&mut self, subject: Subject, outcome: Decision<M>) {
        // Changes that are not logged have been made already.
        self.change_timers(outcome.timers);
        let next = self.machine.not_written(self.clock.now());
        for reply in outcome.replies {
            let number = reply.number();
            if next.replies.iter().any(|next| next.number() == number) {
                continue;
            }
            if let Some(waiting) = self.take_waiting(number) {
                self.parked.admit(self.appended, Parked::Refusal(waiting));
            }
        }
        self.carry_out(subject, next, TransactionCheck::Trusted);
    }

    fn append(
        &mut self,
        subject: Subject,
        records: Bytes,
        transactions: TransactionCheck,
        kind: Written<M::Effect>,
    ) {
        self.appended += 1;
        let append = self.replica.append(AppendOptions {
            records,
            origin: AppendOrigin::Coordinator,
            acks: RequiredAcks::All,
            source: Source::Broker,
            may_check_here: false,
            transactions,
            expected_epoch: Some(self.epoch),
        });
        self.writes.push_back(Write {
            subject,
            append,
            kind,
        });
    }

    fn release(&mut self) {
        for parked in self.parked.release(self.committed) {
            parked.release(&*self.have);
        }
    }

    /// An append failed: the machine is ahead of the log. All pending requests fail.
    fn give_up(&mut self, error: CoordinatorError) {
        for parked in self.parked.abandon() {
            parked.fail(error);
        }
        for write in &mut self.writes {
            std::mem::replace(&mut write.kind, Written::Records).abandon(error);
        }
        self.unload(error);
    }

    /// Tells the machine that it is dropped, and fails all pending requests.
    fn unload(&mut self, error: CoordinatorError) {
        let last = self.machine.unloaded();
        for reply in last.replies {
            if let Some(waiting) = self.take_waiting(reply.number()) {
                waiting.answer(reply);
            }
        }
        last.effects.into_iter().for_each(&*self.have);
        for (_, waiting) in self.waiting.drain() {
            waiting.fail(error);
        }
    }
}

/// The result of the oldest write; `None` (which disables the branch) when there is none.
async fn oldest<E>(writes: &mut VecDeque<Write<E>>) -> Option<Result<Appended, AppendFailure>> {
    match writes.front_mut() {
        Some(write) => Some((&mut write.append).await),
        None => None,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
