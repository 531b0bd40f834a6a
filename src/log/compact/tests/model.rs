//! Compaction under random appends, transactions, restarts and crashes agrees with a model of Kafka's rule
//! that knows records and batches, and no bytes.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::base::{LeaderEpoch, ProducerEpoch, ProducerId};
use crate::config::topic::TimestampType;
use crate::log::AppendOrigin;
use crate::log::names::SegmentFile;
use crate::record::control::{ControlPlace, EndTransactionMarker};
use crate::record::{BatchBuilder, BatchOptions, Codec, Header};

#[derive(Clone, Debug)]
struct NewRecord {
    key: Option<u8>,
    value: Option<u8>,
    headers: u8,
    age: i64,
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        records: Vec<NewRecord>,
        codec: u8,
        producer: Option<u8>,
    },
    /// Of producer 10 or 11.
    Transactional {
        producer: u8,
        records: Vec<NewRecord>,
    },
    End {
        producer: u8,
        committed: bool,
    },
    Compact {
        later: i64,
        keys: u64,
    },
    RaiseLogStart {
        part: u8,
    },
    Reopen,
    Crash,
    Flush,
}

fn records() -> impl Strategy<Value = Vec<NewRecord>> {
    let key = prop_oneof![20 => (0u8..6).prop_map(Some), 1 => Just(None)];
    let value = prop_oneof![3 => (1u8..60).prop_map(Some), 1 => Just(None)];
    let record = (key, value, 0u8..4, 0i64..5000);
    let record = record.prop_map(|(key, value, headers, age)| NewRecord {
        key,
        value,
        headers,
        age,
    });
    prop::collection::vec(record, 1..5)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let producer = prop_oneof![Just(None), (0u8..2).prop_map(Some)];
    let transactional = 10u8..12;
    let step = prop_oneof![
        12 => (records(), 0u8..5, producer)
            .prop_map(|(records, codec, producer)| Step::Append { records, codec, producer }),
        4 => (transactional.clone(), records())
            .prop_map(|(producer, records)| Step::Transactional { producer, records }),
        4 => (transactional, any::<bool>())
            .prop_map(|(producer, committed)| Step::End { producer, committed }),
        5 => (0i64..1500, prop_oneof![1u64..4, Just(100)])
            .prop_map(|(later, keys)| Step::Compact { later, keys }),
        1 => any::<u8>().prop_map(|part| Step::RaiseLogStart { part }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        3 => Just(Step::Flush),
    ];
    prop::collection::vec(step, 1..80)
}

#[derive(Clone, Debug)]
struct ModelBatch {
    base: i64,
    last: i64,
    records: Vec<Seen>,
    horizon: Option<i64>,
    transaction: Option<usize>,
}

#[derive(Default)]
struct Model {
    batches: Vec<ModelBatch>,
    end: i64,
    clean: Option<Offset>,
    /// Transactions so far, and whether they were aborted.
    aborted: Vec<bool>,
    /// The open transaction of a producer, with its first offset.
    open: HashMap<u8, (usize, i64)>,
    sequences: HashMap<u8, i32>,
}

impl Model {
    /// Kafka's rule for one compaction of the segments below `rewritten`. The keys of `dirty` are known, as
    /// many as `most`; those below `clean` all of them.
    fn compact(&mut self, dirty: Range<i64>, most: u64, clean: i64, rewritten: i64, now: i64) {
        let is_aborted = |batch: &ModelBatch| batch.transaction.is_some_and(|at| self.aborted[at]);
        let mut newest: HashMap<Vec<u8>, i64> = HashMap::new();
        let held = self.batches.iter().filter(|batch| !is_aborted(batch));
        for record in held.flat_map(|batch| &batch.records) {
            let Some(key) = record
                .key
                .clone()
                .filter(|_| dirty.contains(&record.offset))
            else {
                continue;
            };
            if newest.len() as u64 == most && !newest.contains_key(&key) {
                break;
            }
            newest.insert(key, record.offset);
        }
        let aborted: Vec<bool> = self.batches.iter().map(is_aborted).collect();
        for (batch, aborted) in self.batches.iter_mut().zip(aborted) {
            if batch.base >= rewritten {
                break;
            }
            let has_passed = batch.horizon.is_some_and(|horizon| horizon <= now);
            batch.records.retain(|record| {
                if aborted {
                    return false;
                }
                if record.offset >= clean {
                    return true;
                }
                let Some(key) = &record.key else {
                    return false;
                };
                newest
                    .get(key)
                    .is_none_or(|newest| *newest <= record.offset)
                    && !(record.value.is_none() && has_passed)
            });
            if batch.records.iter().any(|record| record.value.is_none()) {
                batch.horizon.get_or_insert(now + DELETE_RETENTION_MS);
            }
        }
    }

    fn seen(&self, log_start: i64) -> Vec<Seen> {
        let readable = self.batches.iter().filter(|batch| batch.last >= log_start);
        readable.flat_map(|batch| batch.records.clone()).collect()
    }
}

struct World {
    test: TestLog,
    model: Model,
}

impl World {
    fn append(&mut self, records: &[NewRecord], codec: u8, producer: Option<u8>) {
        let transactional = producer.is_some_and(|producer| producer >= 10);
        let sequence = producer.map(|producer| *self.model.sequences.entry(producer).or_insert(0));
        let options = BatchOptions {
            codec: Codec::from_id(i16::from(codec)).unwrap(),
            producer_id: producer.map_or(ProducerId::NONE, |id| ProducerId(i64::from(id))),
            producer_epoch: producer.map_or(ProducerEpoch::NONE, |_| ProducerEpoch(0)),
            base_sequence: sequence.unwrap_or(-1),
            transactional,
            ..BatchOptions::default()
        };
        let now = self.test.now;
        let by_broker = self.test.config.message_timestamp_type == TimestampType::LogAppendTime;
        let base = self.model.end;
        let mut builder = BatchBuilder::new(options);
        let mut model = Vec::new();
        for (n, record) in records.iter().enumerate() {
            let key = record.key.map(|key| vec![b'k', key]);
            let value = record.value.map(|size| vec![b'v'; usize::from(size)]);
            let headers: Vec<(Vec<u8>, Option<Vec<u8>>)> = (0..record.headers)
                .map(|n| (b"same".to_vec(), (n != 1).then(|| vec![n; 3])))
                .collect();
            let borrowed: Vec<Header<'_>> = headers
                .iter()
                .map(|(key, value)| Header {
                    key,
                    value: value.as_deref(),
                })
                .collect();
            let timestamp = now.plus_millis(-record.age);
            builder.push(timestamp, key.as_deref(), value.as_deref(), &borrowed);
            model.push(Seen {
                offset: base + n as i64,
                timestamp: if by_broker { now.0 } else { timestamp.0 },
                key,
                value,
                headers,
            });
        }
        // a log may hold what was written before it was compacted: records without keys
        let config = self.test.log.config().clone();
        let mut plain = (*config).clone();
        plain.cleanup_policy.compact = false;
        self.test.log.set_config(plain.into());
        let origin = if transactional {
            AppendOrigin::Coordinator
        } else {
            AppendOrigin::Client
        };
        let info = self
            .test
            .log
            .append_as_leader(&builder.finish(), LeaderEpoch(0), origin, now)
            .unwrap();
        self.test.log.set_config(config);
        assert_eq!(info.first_offset.0, base);
        let transaction = producer.filter(|_| transactional).map(|producer| {
            let next = self.model.aborted.len();
            let (at, _) = *self.model.open.entry(producer).or_insert((next, base));
            if at == next {
                self.model.aborted.push(false);
            }
            at
        });
        self.model.end = info.last_offset.0 + 1;
        self.model.batches.push(ModelBatch {
            base,
            last: info.last_offset.0,
            records: model,
            horizon: None,
            transaction,
        });
        if let Some(producer) = producer {
            *self.model.sequences.entry(producer).or_default() += records.len() as i32;
        }
    }

    fn end_transaction(&mut self, producer: u8, committed: bool) {
        let Some((at, _)) = self.model.open.remove(&producer) else {
            return;
        };
        self.model.aborted[at] = !committed;
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 0,
        };
        let now = self.test.now;
        let place = ControlPlace {
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch(0),
            timestamp: now,
        };
        let id = ProducerId(i64::from(producer));
        let batch = marker.batch(place, id, ProducerEpoch(0));
        let log = &mut self.test.log;
        let info = log
            .append_as_leader(&batch, LeaderEpoch(0), AppendOrigin::Coordinator, now)
            .unwrap();
        assert_eq!(info.first_offset.0, self.model.end);
        self.model.end += 1;
    }

    fn compact(&mut self, later: i64, keys: u64) {
        self.test.now = self.test.now.plus_millis(later);
        let now = self.test.now;
        let log = &mut self.test.log;
        let limits = CompactionLimits {
            map_bytes: 24 * keys,
            map_load_factor: 1.0,
            io_bytes: 300,
        };
        let before = cleanable(log, self.model.clean, now);
        let bounds: Vec<(i64, i64)> = log
            .sealed
            .iter()
            .map(|segment| (segment.base().0, segment.end.0))
            .collect();
        let Some(cleaned) = compact(log, self.model.clean, now, limits).unwrap() else {
            return;
        };
        assert!(cleaned.to > before.first_dirty && cleaned.to <= cleaned.end);
        assert!(cleaned.end <= before.end);
        assert_eq!(cleaned.to < cleaned.end, cleaned.stats.map_was_full);
        let rewritten = bounds
            .iter()
            .filter(|(base, _)| *base < cleaned.to.0)
            .map(|(_, end)| *end)
            .max();
        self.model.compact(
            before.first_dirty.0..cleaned.end.0,
            keys,
            cleaned.to.0,
            rewritten.unwrap_or(0),
            now.0,
        );
        self.model.clean = Some(cleaned.to);
        // the last offset of the cleaned range is still told by a batch
        if !cleaned.stats.map_was_full {
            let last = log.sealed.iter().rfind(|segment| segment.end <= cleaned.to);
            let last = last.expect("a segment was cleaned");
            let bytes = std::fs::read(last.files.path(SegmentFile::Log)).unwrap();
            let ends: Vec<i64> = crate::record::Batches::new(bytes.into())
                .map(|batch| batch.unwrap().header.next_offset().0)
                .collect();
            assert_eq!(ends.last(), Some(&last.end.0));
        }
    }

    fn check(&self) {
        let log = &self.test.log;
        assert_eq!(log.log_end().0, self.model.end);
        assert_eq!(seen(log), self.model.seen(log.log_start().0));
        check_lookups(&self.test);
        let files = self.test.files();
        let leftover = |name: &&String| name.ends_with(".cleaned") || name.ends_with(".swap");
        assert_eq!(files.iter().find(leftover), None);
        let sizes = log.sealed.iter().map(|segment| segment.length);
        assert_eq!(log.size(), sizes.sum::<u64>() + log.active.segment.length);
    }

    /// The producers that the batches alone tell of are those that are known.
    fn check_producers(self) -> Self {
        let Self { test, model } = self;
        let told = |log: &PartitionLog| {
            let mut told: Vec<_> = log
                .producers
                .iter()
                .map(|(id, entry)| {
                    let last = entry.batches().last().map(|batch| batch.last_offset);
                    (id, entry.last_sequence(), last, entry.transaction_start)
                })
                .collect();
            told.sort_by_key(|(id, ..)| *id);
            told
        };
        let before = told(&test.log);
        let first = test.log.first_segment_base();
        let test = test.crash(|path| {
            for entry in std::fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|kind| kind == "snapshot") {
                    std::fs::remove_file(path).unwrap();
                }
            }
        });
        if first == Offset::ZERO {
            assert_eq!(told(&test.log), before);
        }
        Self { test, model }
    }
}

fn run(steps: Vec<Step>, by_broker: bool) {
    let mut config = small_segments();
    if by_broker {
        config.message_timestamp_type = TimestampType::LogAppendTime;
    }
    let mut world = World {
        test: TestLog::new(config),
        model: Model::default(),
    };
    for step in steps {
        world.test.now = world.test.now.plus_millis(1);
        match step {
            Step::Append {
                records,
                codec,
                producer,
            } => world.append(&records, codec, producer),
            Step::Transactional { producer, records } => {
                world.append(&records, 0, Some(producer));
            }
            Step::End {
                producer,
                committed,
            } => world.end_transaction(producer, committed),
            Step::Compact { later, keys } => {
                let before = table(&committed(&world));
                world.compact(later, keys);
                assert_eq!(table(&committed(&world)), before, "nobody misses anything");
            }
            Step::RaiseLogStart { part } => {
                let log = &mut world.test.log;
                let from = log.log_start().0;
                let to = from + (log.log_end().0 - from) * i64::from(part) / 1024;
                log.raise_log_start(Offset(to), log.log_end()).unwrap();
            }
            Step::Reopen => world.test = world.test.reopen(),
            Step::Crash => world.test = world.test.crash(|_| {}),
            Step::Flush => {
                world.test.log.flush().unwrap();
            }
        }
        world.check();
    }
    world = world.check_producers();
    world.check();
    // and everything that can be cleaned is cleaned in the end
    world.test.log.flush().unwrap();
    for _ in 0..3 {
        world.compact(10_000, 1000);
        world.check();
    }
}

/// What a reader of committed records sees.
fn committed(world: &World) -> Vec<Seen> {
    let batches = &world.model.batches;
    let uncommitted: HashSet<i64> = batches
        .iter()
        .filter(|batch| {
            batch.transaction.is_some_and(|at| {
                world.model.aborted[at] || world.model.open.values().any(|(open, _)| *open == at)
            })
        })
        .flat_map(|batch| batch.base..=batch.last)
        .collect();
    let mut seen = seen(&world.test.log);
    seen.retain(|record| !uncommitted.contains(&record.offset));
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compaction_keeps_what_kafka_keeps(steps in steps(), by_broker: bool) {
        run(steps, by_broker);
    }
}
