//! A loaded machine at work: what it decides is replayed into it and appended, in order; replies leave
//! when what they depend on is committed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::base::{Bounds, Clock, KeyValue, LeaderEpoch, Outcome, Pending, TimerChange, Timestamp};
use crate::log::AppendOrigin;
use crate::partition::{
    AppendFailure, AppendOptions, Appended, PendingAppend, Replica, RequiredAcks, Source,
};
use crate::record::Codec;

use super::asking::{Parked, Waiting};
use super::batches::batches;
use super::error::CoordinatorError;
use super::failures;
use super::held::Share;
use super::host::{Host, Message};
use super::machine::{Machine, Subject};
use super::timers::Timers;

/// Why a machine is not at work any more.
pub(super) enum End {
    /// It was told to stop, or nobody can ask any more.
    Stopped,
    /// It is ahead of its log.
    AppendFailed,
}

/// A loaded machine at work.
pub(super) struct Active<M: Machine> {
    machine: M,
    replica: Arc<Replica>,
    epoch: LeaderEpoch,
    clock: Arc<dyn Clock>,
    codec: Codec,
    /// What the machine holds in memory, as all machines are counted.
    held: Share,
    timers: Timers<M::TimerKey>,
    /// Who waits for the machine, by the number of the request.
    waiting: HashMap<u64, Box<dyn Waiting>>,
    /// Who has asked for the decision that is carried out: most are answered by it.
    asking: Option<(u64, Box<dyn Waiting>)>,
    next_number: u64,
    /// Appends under way, oldest first, with what they are about, and how many there have been.
    appends: VecDeque<(Subject, PendingAppend)>,
    appended: u64,
    committed: u64,
    /// Answers held back until so many appends are committed.
    parked: Pending<u64, Parked>,
}

impl<M: Machine> Active<M> {
    pub(super) fn new(mut machine: M, host: &Host<M>) -> Self {
        let mut timers = Timers::default();
        for change in machine.loaded(host.clock.now()) {
            timers.change(change, Instant::now());
        }
        let mut held = host.held.share();
        held.set(machine.held());
        Self {
            machine,
            held,
            replica: Arc::clone(&host.replica),
            epoch: host.epoch,
            clock: Arc::clone(&host.clock),
            codec: host.options.codec,
            timers,
            waiting: HashMap::new(),
            asking: None,
            next_number: 0,
            appends: VecDeque::new(),
            appended: 0,
            committed: 0,
            parked: Pending::default(),
        }
    }

    /// Works until it is told to stop or an append has failed.
    pub(super) async fn run(mut self, messages: &mut mpsc::UnboundedReceiver<Message<M>>) -> End {
        loop {
            let next_timer = self.timers.next_due();
            tokio::select! {
                // Acknowledgements first: they free replies, and a failure must stop new decisions.
                biased;
                Some(result) = oldest(&mut self.appends) => {
                    if !self.settle(&result) {
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
    fn settle(&mut self, result: &Result<Appended, AppendFailure>) -> bool {
        let append = self.appends.pop_front();
        match (result, append) {
            (Ok(_), _) => {
                self.committed += 1;
                self.release();
                true
            }
            (Err(failure), append) => {
                if let Some((subject, _)) = append {
                    let partition = self.replica.topic_partition();
                    failures::tell(partition, &subject, failure, M::TOO_LARGE_CURE);
                }
                self.give_up(failures::of_append(failure));
                false
            }
        }
    }

    /// Sees through what is under way, then tells those who wait for others that nothing will come.
    async fn finish(mut self) -> End {
        while let Some(result) = oldest(&mut self.appends).await {
            self.settle(&result);
        }
        for (_, waiting) in self.waiting.drain() {
            waiting.fail(CoordinatorError::NotCoordinator);
        }
        End::Stopped
    }

    fn handle(&mut self, message: Message<M>) {
        match message {
            Message::Ask(question) => {
                let number = self.next_number;
                self.next_number += 1;
                let subject = question.subject();
                self.machine.within(self.bounds());
                let (outcome, waiting) = question.put(number, &mut self.machine, self.clock.now());
                self.asking = Some((number, waiting));
                self.carry_out(subject, outcome);
                self.waiting.extend(self.asking.take());
                self.held.set(self.machine.held());
            }
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
            self.machine.within(self.bounds());
            let outcome = self.machine.timer_fired(key, self.clock.now());
            self.carry_out(subject, outcome);
            self.held.set(self.machine.held());
        }
        self.release();
    }

    fn carry_out(&mut self, subject: Subject, outcome: Outcome<M::TimerKey>) {
        let now = self.clock.now();
        if !outcome.records.is_empty() {
            let limit = self.largest_batch();
            let batches = batches(&outcome.records, limit, self.codec, now);
            let largest = batches.iter().map(Bytes::len).max().unwrap_or(0);
            if largest > limit {
                let partition = self.replica.topic_partition();
                failures::tell_too_large(partition, &subject, (largest, limit), M::TOO_LARGE_CURE);
                return self.refuse(subject, outcome);
            }
            self.replay(&outcome.records, now);
            self.append(&subject, batches);
        }
        self.change_timers(outcome.timers);
        for reply in outcome.replies {
            if let Some(waiting) = self.take_waiting(reply.number()) {
                let parked = Parked::Reply(waiting, reply);
                self.parked.admit(self.appended, parked);
            }
        }
    }

    /// Who waits for the answer to the request of this number.
    fn take_waiting(&mut self, number: u64) -> Option<Box<dyn Waiting>> {
        match self.asking.take_if(|(asking, _)| *asking == number) {
            Some((_, waiting)) => Some(waiting),
            None => self.waiting.remove(&number),
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            // What a batch comes to when it is compressed is not known before it is made.
            largest_batch: match self.codec {
                Codec::None => self.largest_batch(),
                _ => usize::MAX,
            },
            held_elsewhere: self.held.others(),
            machines: self.held.machines(),
        }
    }

    /// The largest record batch that the log takes.
    fn largest_batch(&self) -> usize {
        let config = self.replica.config();
        usize::try_from(config.max_message_bytes.min(config.segment_bytes)).unwrap_or(0)
    }

    fn replay(&mut self, records: &[KeyValue], now: Timestamp) {
        for record in records {
            if let Err(error) = self
                .machine
                .replay(&record.key, record.value.as_deref(), now)
            {
                // Its own record, encoded a moment ago: a fault of the machine, not of the disk.
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

    /// Drops a decision that the log would not take, and has the machine decide on what follows.
    fn refuse(&mut self, subject: Subject, outcome: Outcome<M::TimerKey>) {
        // What is not logged has been decided on already.
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
        self.carry_out(subject, next);
    }

    fn append(&mut self, subject: &Subject, batches: Vec<Bytes>) {
        for records in batches {
            self.appended += 1;
            let append = self.replica.append(AppendOptions {
                records,
                origin: AppendOrigin::Coordinator,
                acks: RequiredAcks::All,
                source: Source::Broker,
                is_one_of_few: false,
                expected_epoch: Some(self.epoch),
            });
            self.appends.push_back((subject.clone(), append));
        }
    }

    fn release(&mut self) {
        for parked in self.parked.release(self.committed) {
            parked.release();
        }
    }

    /// An append failed: the machine is ahead of the log. Everyone who waits is told.
    fn give_up(&mut self, error: CoordinatorError) {
        for parked in self.parked.abandon() {
            parked.fail(error);
        }
        for (_, waiting) in self.waiting.drain() {
            waiting.fail(error);
        }
    }
}

/// The result of the oldest append; `None` (which switches the branch off) when there is none.
async fn oldest(
    appends: &mut VecDeque<(Subject, PendingAppend)>,
) -> Option<Result<Appended, AppendFailure>> {
    match appends.front_mut() {
        Some((_, append)) => Some(append.await),
        None => None,
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
