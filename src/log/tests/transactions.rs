//! Random interleavings of what producers send, of the answers of their coordinator, of markers and restarts: no
//! transaction stays open that nobody ends, and readers of committed records see what a simple model says.

use proptest::prelude::*;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TransactionVersion};
use crate::log::testing::{TestLog, batch_of, config};
use crate::log::{
    AbortedTransaction, AppendInfo, AppendOrigin, Guard, RecordSet, Standing, TransactionCheck,
    TransactionalBatch,
};
use crate::record::BatchOptions;
use crate::record::control::{EndTransactionMarker, TransactionMarker};

const PRODUCERS: u8 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// The coordinator adds the partition to the producer's transaction.
    Add(u8),
    /// A batch of the producer comes in. The coordinator is asked, if that is needed, and answers later.
    Send(u8),
    /// The answer for one of these batches comes in, and the batch is appended if it may be.
    Answer(u8),
    /// The coordinator ends the producer's transaction.
    End(u8, bool),
    /// The coordinator has been restarted, and writes its last marker again.
    Repeat(u8),
    /// Replicas have followed, so far.
    Replicated(u8),
    Reopen,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let producer = 0..PRODUCERS;
    let step = prop_oneof![
        6 => producer.clone().prop_map(Step::Add),
        10 => producer.clone().prop_map(Step::Send),
        10 => any::<u8>().prop_map(Step::Answer),
        6 => (producer.clone(), any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
        2 => producer.prop_map(Step::Repeat),
        4 => any::<u8>().prop_map(Step::Replicated),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..80)
}

/// A producer and what its coordinator knows of it.
#[derive(Clone, Copy, Debug, Default)]
struct Producer {
    epoch: i16,
    next_sequence: i32,
    /// Whether a transaction is open, and the partition is in it.
    is_in: bool,
    last_marker: Option<TransactionMarker>,
    /// The first offset of its transaction in the log.
    first: Option<Offset>,
}

/// A batch that waits for the coordinator's answer.
#[derive(Clone, Copy, Debug)]
struct Sent {
    producer: u8,
    epoch: i16,
    sequence: i32,
    standing: Standing,
    is_confirmed: bool,
}

struct World {
    log: TestLog,
    new_epochs: bool,
    producers: [Producer; PRODUCERS as usize],
    sent: Vec<Sent>,
    aborted: Vec<AbortedTransaction>,
    /// First offset and marker of all that have ended.
    ended: Vec<(Offset, Offset)>,
    high_watermark: Offset,
    last_stable: Offset,
}

impl World {
    fn new(new_epochs: bool) -> Self {
        let mut config = config();
        // A few batches.
        config.segment_bytes = 500;
        Self {
            log: TestLog::new(config),
            new_epochs,
            producers: [Producer::default(); PRODUCERS as usize],
            sent: Vec::new(),
            aborted: Vec::new(),
            ended: Vec::new(),
            high_watermark: Offset(0),
            last_stable: Offset(0),
        }
    }

    fn take(mut self, step: &Step) -> Self {
        match *step {
            Step::Add(producer) => self.of(producer).is_in = true,
            Step::Send(producer) => self.send(producer),
            Step::Answer(which) => self.answer(which),
            Step::End(producer, committed) => self.end(producer, committed),
            Step::Repeat(producer) => self.repeat(producer),
            Step::Replicated(part) => {
                let behind = self.log.log.log_end().since(self.high_watermark);
                self.replicated(self.high_watermark.plus(behind * i64::from(part) / 255));
            }
            Step::Reopen => self = self.restart(TestLog::reopen),
            Step::Crash => self = self.restart(|log| log.crash(|_| ())),
        }
        self
    }

    fn of(&mut self, producer: u8) -> &mut Producer {
        &mut self.producers[usize::from(producer)]
    }

    fn send(&mut self, number: u8) {
        let new_epochs = self.new_epochs;
        let producer = self.of(number);
        let (epoch, sequence) = (producer.epoch, producer.next_sequence);
        producer.next_sequence += 2;
        let is_confirmed = producer.is_in;
        let batch = TransactionalBatch {
            producer: ProducerId(number.into()),
            epoch: ProducerEpoch(epoch),
            sequence,
            new_epochs,
        };
        let standing = self.log.log.transactions().begin(&batch, self.log.now);
        self.sent.push(Sent {
            producer: number,
            epoch,
            sequence,
            standing,
            is_confirmed,
        });
    }

    fn answer(&mut self, which: u8) {
        if self.sent.is_empty() {
            return;
        }
        let sent = self.sent.remove(usize::from(which) % self.sent.len());
        let confirmed = |guard: Guard| TransactionCheck::MayBegin(guard);
        let (id, epoch) = (ProducerId(sent.producer.into()), ProducerEpoch(sent.epoch));
        let table = self.log.log.transactions();
        let check = match sent.standing {
            Standing::Open => TransactionCheck::MustBeOpen,
            Standing::Verified(guard) => confirmed(guard),
            Standing::Unverified(guard) if sent.is_confirmed => {
                table.verified(id, epoch, guard);
                confirmed(guard)
            }
            Standing::Unverified(guard) => {
                table.refused(id, epoch, guard);
                return;
            }
            Standing::Fenced | Standing::Full => return,
        };
        let options = BatchOptions {
            producer_id: id,
            producer_epoch: epoch,
            base_sequence: sent.sequence,
            transactional: true,
            ..BatchOptions::default()
        };
        let records = batch_of(options, &[900_000, 900_000], b"value");
        let appended = self.append(records, AppendOrigin::Client, check);
        if let Some(appended) = appended.filter(|appended| !appended.duplicate) {
            let producer = self.of(sent.producer);
            assert!(producer.is_in, "nobody ends what {sent:?} has begun");
            producer.first.get_or_insert(appended.first_offset);
        }
    }

    fn append(
        &mut self,
        records: bytes::Bytes,
        origin: AppendOrigin,
        transactions: TransactionCheck,
    ) -> Option<AppendInfo> {
        let set = RecordSet {
            records,
            origin,
            epoch: LeaderEpoch(0),
            transactions,
        };
        let log = &mut self.log.log;
        let prepared = set.prepare(&log.topic_partition, log.config(), self.log.now);
        log.append(prepared.unwrap(), self.log.now).ok()
    }

    fn end(&mut self, number: u8, committed: bool) {
        let new_epochs = self.new_epochs;
        let producer = self.of(number);
        if !producer.is_in {
            return;
        }
        if new_epochs {
            producer.epoch += 1;
            producer.next_sequence = 0;
        }
        let marker = TransactionMarker {
            producer: ProducerId(number.into()),
            epoch: ProducerEpoch(producer.epoch),
            end: EndTransactionMarker {
                committed,
                coordinator_epoch: 0,
            },
            version: TransactionVersion(if new_epochs { 2 } else { 0 }),
        };
        let id = ProducerId(number.into());
        if !new_epochs && let Some(known) = self.log.log.producers().get(id) {
            // The client sends again what was not stored.
            self.of(number).next_sequence = known.last_sequence() + 1;
        }
        let producer = self.of(number);
        producer.is_in = false;
        producer.last_marker = Some(marker);
        let marked = self
            .mark(&marker)
            .expect("the marker of an open transaction");
        if let Some(first) = self.of(number).first.take() {
            self.ended.push((first, marked));
            if !committed {
                let open = self.producers.iter().filter_map(|producer| producer.first);
                let next = open.min().unwrap_or_else(|| marked.next());
                self.aborted.push(AbortedTransaction {
                    producer: marker.producer,
                    first,
                    last: marked,
                    last_stable: next,
                });
            }
        }
    }

    /// The coordinator does not begin another transaction before its markers are written, so none is open.
    fn repeat(&mut self, number: u8) {
        let producer = self.of(number);
        if let Some(marker) = producer.last_marker.filter(|_| !producer.is_in) {
            self.mark(&marker).expect("a repeated marker");
        }
    }

    fn mark(&mut self, marker: &TransactionMarker) -> Option<Offset> {
        let check = if self.new_epochs {
            TransactionCheck::EndsWithNewEpoch
        } else {
            TransactionCheck::Trusted
        };
        let records = marker.batch(self.log.now);
        let appended = self.append(records, AppendOrigin::Coordinator, check)?;
        Some(appended.first_offset)
    }

    fn replicated(&mut self, high_watermark: Offset) {
        self.high_watermark = high_watermark;
        self.log.log.committed(high_watermark);
    }

    /// What is confirmed before a restart is of no use after it.
    fn restart(mut self, restart: impl FnOnce(TestLog) -> TestLog) -> Self {
        let end = self.log.log.log_end();
        self.replicated(end);
        let log = restart(self.log);
        Self { log, ..self }
    }

    fn check(&mut self) {
        let log = &self.log.log;
        let open = self.producers.iter().filter_map(|producer| producer.first);
        let ended = self.ended.iter();
        let unstable = ended
            .filter(|(_, marker)| *marker >= self.high_watermark)
            .map(|(first, _)| *first);
        let expected = open.chain(unstable).min();
        assert_eq!(log.first_unstable(self.high_watermark), expected);
        let last_stable =
            expected.map_or(self.high_watermark, |first| first.min(self.high_watermark));
        assert!(last_stable >= self.last_stable, "it has gone back");
        self.last_stable = last_stable;
        for producer in log.producers().iter() {
            let known = &self.producers[usize::try_from(producer.0.0).unwrap()];
            assert_eq!(producer.1.transaction_start, known.first);
        }
        let view = log.view();
        let end = log.log_end().0;
        for (from, upper) in [
            (0, end),
            (end / 2, end),
            (end / 3, end / 2),
            (0, last_stable.0),
        ] {
            let overlaps =
                |aborted: &&AbortedTransaction| aborted.last.0 >= from && aborted.first.0 < upper;
            let expected: Vec<_> = self.aborted.iter().filter(overlaps).copied().collect();
            let found = view.aborted_transactions(Offset(from), Offset(upper));
            assert_eq!(found.unwrap(), expected, "from {from} to {upper}");
        }
    }
}

fn run(steps: &[Step], new_epochs: bool) {
    let mut world = World::new(new_epochs);
    for step in steps {
        world = world.take(step);
        world.check();
    }
    for producer in 0..PRODUCERS {
        world.end(producer, false);
    }
    world.check();
    // What is still on its way comes too late.
    while !world.sent.is_empty() {
        world.answer(0);
    }
    world.check();
    let end = world.log.log.log_end();
    assert_eq!(
        world.log.log.first_unstable(end.next()),
        None,
        "a transaction hangs"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_transaction_hangs(steps in steps(), new_epochs: bool) {
        run(&steps, new_epochs);
    }
}
