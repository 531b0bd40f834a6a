//! The log against a list of batches, under random operations and damage.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::names::SegmentFile;
use crate::log::testing::{TestLog, config, producer_batch, read_all};
use crate::log::{AppendError, SyncJob, limit_kept_files};
use crate::record::Batches;

#[derive(Clone, Debug)]
enum Step {
    Append {
        producer: i64,
        timestamps: Vec<i64>,
        size: usize,
    },
    Resend {
        producer: i64,
        back: usize,
    },
    Flush,
    /// Takes a job, or gives one back that was taken.
    Job,
    Retention {
        older_than: i64,
    },
    RaiseLogStart {
        part: u8,
    },
    Truncate {
        part: u8,
    },
    NewEpoch,
    /// The topic's settings become others.
    Config {
        which: usize,
    },
    /// Retention by size, to this part of the log.
    Shrink {
        part: u8,
    },
    Reopen,
    Crash {
        part: u8,
        flip: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let timestamp = 900_000i64..1_000_000;
    let step = prop_oneof![
        12 => (0i64..3, prop::collection::vec(timestamp, 1..4), 0usize..200)
            .prop_map(|(producer, timestamps, size)| Step::Append { producer, timestamps, size }),
        4 => (0i64..3, 0usize..5).prop_map(|(producer, back)| Step::Resend { producer, back }),
        2 => Just(Step::Flush),
        3 => Just(Step::Job),
        1 => (0i64..100_000).prop_map(|older_than| Step::Retention { older_than }),
        1 => any::<u8>().prop_map(|part| Step::RaiseLogStart { part }),
        1 => any::<u8>().prop_map(|part| Step::Truncate { part }),
        1 => Just(Step::NewEpoch),
        1 => (0usize..4).prop_map(|which| Step::Config { which }),
        1 => any::<u8>().prop_map(|part| Step::Shrink { part }),
        1 => Just(Step::Reopen),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(part, flip)| Step::Crash { part, flip }),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Clone, Debug)]
struct Sent {
    base: i64,
    timestamps: Vec<i64>,
    bytes: Bytes,
    producer: i64,
    sequence: i32,
}

impl Sent {
    fn next(&self) -> i64 {
        self.base + self.timestamps.len() as i64
    }
}

/// What must be in the log, and what its producers must know.
#[derive(Default)]
struct Model {
    /// Every batch below the log end, also those that retention took.
    sent: Vec<Sent>,
    log_start: i64,
    end: i64,
    /// Bytes of the active segment that were synced.
    synced: u64,
    epoch: i32,
    /// Whether indexes that were written before have fewer entries than the topic asks for now.
    has_sparse_indexes: bool,
}

impl Model {
    fn cut(&mut self, end: i64) {
        self.sent.retain(|sent| sent.next() <= end);
        self.end = end;
    }

    fn last_of(&self, producer: i64) -> Option<&Sent> {
        self.last_but(producer, 0).map(|(_, sent)| sent)
    }

    /// What `producer` sent `back` batches before its last one, and how many batches ago that was.
    fn last_but(&self, producer: i64, back: usize) -> Option<(usize, &Sent)> {
        self.sent
            .iter()
            .rev()
            .enumerate()
            .filter(|(_, sent)| sent.producer == producer)
            .nth(back)
    }

    fn readable(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| sent.next() > self.log_start)
    }

    fn check(&self, test: &TestLog) {
        let view = test.log.view();
        assert_eq!(
            (view.log_start().0, view.log_end().0),
            (self.log_start, self.end)
        );
        let expected: Vec<&Sent> = self.readable().collect();
        let batches = read_all(&view, Offset(self.log_start), 500);
        assert_eq!(batches.len(), expected.len());
        for (batch, sent) in batches.iter().zip(&expected) {
            assert_eq!(
                (batch.header.base_offset.0, &batch.bytes[17..]),
                (sent.base, &sent.bytes[17..])
            );
        }
        for offset in self.log_start..self.end {
            let slice = view
                .locate(Offset(offset), Offset(self.end), 1, true)
                .unwrap()
                .unwrap();
            let batch = Batches::new(slice.read().unwrap()).next().unwrap().unwrap();
            assert!(batch.header.base_offset.0 <= offset && offset <= batch.header.last_offset().0);
            assert_eq!(slice.length, batch.bytes.len());
        }
        let records = || {
            expected.iter().flat_map(|sent| {
                let offsets = sent.base..;
                offsets
                    .zip(sent.timestamps.iter().copied())
                    .filter(|(offset, _)| *offset >= self.log_start)
            })
        };
        for timestamp in (899_990..1_000_010).step_by(9_973) {
            let first = records().find(|(_, time)| *time >= timestamp);
            let found = view
                .offset_for_timestamp(Timestamp(timestamp), Offset(self.end), i32::MAX)
                .unwrap();
            assert_eq!(
                found.map(|(offset, time, _)| (offset.0, time.0)),
                first,
                "at {timestamp}"
            );
        }
        let newest = records().max_by_key(|(offset, time)| (*time, -*offset));
        let found = view.offset_of_max_timestamp(i32::MAX).unwrap();
        assert_eq!(found.map(|(offset, time, _)| (offset.0, time.0)), newest);
        self.check_bytes(test);
        let mut producers = BTreeMap::new();
        for sent in &self.sent {
            producers.insert(
                sent.producer,
                (
                    sent.sequence + sent.timestamps.len() as i32 - 1,
                    sent.next() - 1,
                ),
            );
        }
        let known: BTreeMap<i64, (i32, i64)> = test
            .log
            .producers
            .iter()
            .map(|(id, entry)| {
                (
                    id.0,
                    (
                        entry.last_sequence(),
                        entry.batches().last().unwrap().last_offset.0,
                    ),
                )
            })
            .collect();
        assert_eq!(known, producers);
    }
}

impl Model {
    /// What `bytes_between` estimates is off by no more than an index entry and a batch at either end.
    fn check_bytes(&self, test: &TestLog) {
        let view = test.log.view();
        let widest = 2 * (MOST_INTERVAL + MOST_BATCH);
        for part in 0..4 {
            let from = self.log_start + (self.end - self.log_start) * part / 4;
            let upper = self.end - (self.end - from) * part / 5;
            let between = |sent: &&Sent| sent.next() > from && sent.base < upper;
            let exact: usize = self
                .sent
                .iter()
                .filter(between)
                .map(|sent| sent.bytes.len())
                .sum();
            let estimate = view.bytes_between(Offset(from), Offset(upper));
            assert!(
                estimate.abs_diff(exact as u64) <= widest,
                "{estimate} bytes from {from} to {upper}, in truth {exact}"
            );
        }
        let first = test.log.first_segment_base();
        if self.log_start == first.0 {
            assert_eq!(view.bytes_between(first, Offset(self.end)), view.size());
        }
        assert_eq!(view.bytes_between(Offset(self.end), Offset(self.end)), 0);
    }
}

/// The largest `index.interval.bytes` and the largest batch.
const MOST_INTERVAL: u64 = 150;
const MOST_BATCH: u64 = 750;

/// Segments that are full soon, or soon too old; more index entries, or fewer.
fn config_of(which: usize) -> TopicConfig {
    let mut config = config();
    config.segment_bytes = 1000;
    config.index_interval_bytes = 150;
    config.retention_ms = 1;
    match which {
        0 => {}
        1 => config.segment_ms = 20_000,
        2 => config.segment_bytes = 3000,
        _ => config.index_interval_bytes = 0,
    }
    config
}

/// Where the child of [`few_files_stay_open`] finds how many files may stay open.
const KEPT_FILES: &str = "ZURAU_MODEL_KEPT_FILES";

fn run(steps: Vec<Step>) {
    if let Ok(limit) = std::env::var(KEPT_FILES) {
        limit_kept_files(limit.parse().unwrap());
    }
    let config = config_of(0);
    let mut test = TestLog::new(config);
    let mut model = Model::default();
    let mut job: Option<SyncJob> = None;
    for step in steps {
        match step {
            Step::Append {
                producer,
                timestamps,
                size,
            } => {
                let last = model.last_of(producer);
                let sequence = last.map_or(0, |sent| sent.sequence + sent.timestamps.len() as i32);
                let bytes = producer_batch(producer, 0, sequence, &timestamps, &vec![b'v'; size]);
                let segments = test.log.segment_count();
                let info = test
                    .log
                    .append_as_leader(
                        &bytes,
                        LeaderEpoch(model.epoch),
                        crate::log::AppendOrigin::Client,
                        test.now,
                    )
                    .unwrap();
                assert_eq!((info.first_offset.0, info.duplicate), (model.end, false));
                if test.log.segment_count() != segments {
                    model.synced = 0;
                }
                model.end = info.last_offset.0 + 1;
                model.sent.push(Sent {
                    base: info.first_offset.0,
                    timestamps,
                    bytes,
                    producer,
                    sequence,
                });
                continue;
            }
            Step::Resend { producer, back } => {
                if let Some((ago, sent)) = model.last_but(producer, back) {
                    // the tail that is read at a start reaches eight segments back, if they are there
                    let certain =
                        back == 0 || (ago < 8 && sent.base >= test.log.first_segment_base().0);
                    match test.append(&sent.bytes) {
                        Ok(info) => {
                            assert_eq!((info.first_offset.0, info.duplicate), (sent.base, true));
                        }
                        Err(error) => {
                            assert!(!certain, "{back} before the last: {error}");
                            assert!(matches!(error, AppendError::OutOfOrderSequence { .. }));
                        }
                    }
                }
                continue;
            }
            Step::Job => {
                let before = test.log.recovery_point();
                if let Some(job) = job.take() {
                    let result = job.run();
                    let after = test.log.synced(job, result).unwrap();
                    assert!(before <= after && after <= test.log.log_end());
                } else {
                    job = test.log.sync_job(test.now);
                }
                assert!(!test.log.disk.is_offline());
                continue;
            }
            Step::Flush => {
                assert_eq!(test.log.flush().unwrap(), Offset(model.end));
                model.synced = test.log.active.segment.length;
            }
            Step::Retention { older_than } => {
                let segments = test.log.segment_count();
                let active = test.log.active.segment.base();
                let removed = test
                    .log
                    .apply_retention(test.log.log_end(), Timestamp(900_000 + older_than))
                    .unwrap();
                assert!(test.log.segment_count() + removed <= segments + 1);
                test.log
                    .delete_expired_files(Timestamp(900_000 + older_than))
                    .unwrap();
                model.log_start = model.log_start.max(test.log.first_segment_base().0);
                if removed > 0 || test.log.active.segment.base() != active {
                    model.synced = test.log.active.segment.length;
                }
            }
            Step::Config { which } => {
                let interval = test.config.index_interval_bytes;
                test.config = config_of(which);
                model.has_sparse_indexes |= test.config.index_interval_bytes < interval;
                test.log.set_config(Arc::new(test.config.clone()));
            }
            Step::Shrink { part } => {
                let size = test.log.size();
                let below_start = model.log_start > test.log.first_segment_base().0;
                let mut config = test.config.clone();
                config.retention_ms = -1;
                config.retention_bytes = (size * u64::from(part) / 255) as i64;
                test.log.set_config(Arc::new(config.clone()));
                let first = Timestamp(900_000);
                let active = test.log.active.segment.base();
                test.log.apply_retention(test.log.log_end(), first).unwrap();
                // no more than asked for, but for what is below the log start, and as much as whole segments allow
                let left = test.log.size();
                let may_stay = config.retention_bytes as u64;
                assert!(below_start || left >= size.min(may_stay));
                let view = test.log.view();
                let next = view.sealed.first().map_or(0, |segment| segment.length);
                assert!(next == 0 || left - next < may_stay);
                test.log.set_config(Arc::new(test.config.clone()));
                model.log_start = model.log_start.max(test.log.first_segment_base().0);
                if test.log.first_segment_base().0 > 0 || test.log.active.segment.base() != active {
                    test.log.flush().unwrap();
                    model.synced = test.log.active.segment.length;
                }
            }
            Step::RaiseLogStart { part } => {
                let to = model.log_start + (model.end - model.log_start) * i64::from(part) / 255;
                test.log
                    .raise_log_start(Offset(to), Offset(model.end))
                    .unwrap();
                model.log_start = to;
            }
            Step::Truncate { part } => {
                let first = test.log.first_segment_base().0;
                let to = first + (model.end - first) * i64::from(part) / 255;
                test.log.truncate(Offset(to)).unwrap();
                let boundary = model
                    .sent
                    .iter()
                    .find(|sent| sent.next() > to)
                    .map_or(model.end, |sent| sent.base);
                model.cut(boundary);
                model.log_start = model.log_start.min(to);
                // the truncation itself is only as durable as what comes after it
                model.synced = 0;
                test.log.flush().unwrap();
                model.synced = test.log.active.segment.length;
                if boundary < model.log_start {
                    return;
                }
            }
            Step::NewEpoch => {
                model.epoch += 1;
                test.log.assign_epoch(LeaderEpoch(model.epoch));
                assert_eq!(
                    test.log.view().latest_epoch(),
                    Some(LeaderEpoch(model.epoch))
                );
            }
            Step::Reopen => {
                job = None;
                test = test.reopen();
                // a segment whose index should have entries by now is read
                let is_read = std::mem::take(&mut model.has_sparse_indexes);
                assert!(is_read || test.report.bytes_scanned == 0);
                model.synced = test.log.active.segment.length;
            }
            Step::Crash { part, flip } => {
                job = None;
                let segment = &test.log.active.segment;
                let (base, length) = (segment.base(), segment.length);
                let kept = model.synced + (length - model.synced) * u64::from(part) / 255;
                test = test.crash(|path| {
                    let path = SegmentFile::Log.path(path, base);
                    let mut bytes = std::fs::read(&path).unwrap();
                    if flip {
                        bytes[kept as usize..]
                            .iter_mut()
                            .for_each(|byte| *byte ^= 0x5a);
                    } else {
                        bytes.truncate(kept as usize);
                    }
                    std::fs::write(&path, bytes).unwrap();
                });
                let mut position = 0;
                let mut end = base.0;
                for sent in model.sent.iter().filter(|sent| sent.base >= base.0) {
                    position += sent.bytes.len() as u64;
                    if position > kept {
                        break;
                    }
                    end = sent.next();
                }
                if end < model.log_start {
                    // the log start is beyond what is left: everything starts anew there
                    assert_eq!(test.log.log_end().0, model.log_start);
                    return;
                }
                model.cut(end);
            }
        }
        model.check(&test);
    }
    model.check(&test);
    model.check(&test.reopen());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_a_list_of_batches(steps in steps()) {
        run(steps);
    }
}

/// The limit is one of the process, so this one gets a process of its own.
#[test]
fn few_files_stay_open() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "log::tests::model::the_log_is_a_list_of_batches"])
        .env(KEPT_FILES, "2")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
