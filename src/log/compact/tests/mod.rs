//! Compaction against a model, with crashes at every change, and case by case.

mod cases;
mod crash;
mod model;

use std::collections::BTreeMap;

use crate::base::{Offset, Timestamp};
use crate::log::testing::{TestLog, config, read_all};
use crate::log::{LogError, PartitionLog};
use crate::record::Records;

use super::*;

/// As fast as it goes, to the end.
struct Unhurried;

impl Pace for Unhurried {
    fn moved(&self, _bytes: usize) -> Result<(), Stopped> {
        Ok(())
    }
}

const DELETE_RETENTION_MS: i64 = 1000;

const LIMITS: CompactionLimits = CompactionLimits {
    map_bytes: 24 * 10_000,
    map_load_factor: 0.9,
    io_bytes: 1000,
};

/// How far the log is clean, and what was done.
#[derive(Clone, Copy, Debug)]
struct Cleaned {
    to: Offset,
    /// The end of the range that was to be cleaned.
    end: Offset,
    stats: CompactionStats,
}

/// Why [`compact`] came to no end.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Job(#[from] CompactionError),
    #[error(transparent)]
    Log(#[from] LogError),
}

fn cleanable(log: &PartitionLog, checkpoint: Option<Offset>, now: Timestamp) -> CleanableLog {
    let standing = Standing {
        checkpoint,
        last_stable: log
            .first_unstable(log.log_end())
            .unwrap_or_else(|| log.log_end()),
        recovery_point: log.recovery_point(),
        now,
    };
    CleanableLog::of(&log.view(), log.config(), &standing).unwrap()
}

/// Cleans a log from `checkpoint` as far as it goes, however dirty it is.
fn compact(
    log: &mut PartitionLog,
    checkpoint: Option<Offset>,
    now: Timestamp,
    limits: CompactionLimits,
) -> Result<Option<Cleaned>, Trouble> {
    let cleanable = cleanable(log, checkpoint, now);
    let Some(mut job) = log.compaction_job(&cleanable, limits, [5, 6], now) else {
        return Ok(None);
    };
    job.map_keys(&Unhurried)?;
    while let Some(group) = job.next_group() {
        let files = log.create_cleaned(group)?.expect("nothing has changed");
        let cleaned = job.clean(files, &Unhurried)?;
        assert!(log.compacted(cleaned)?);
    }
    Ok(Some(Cleaned {
        to: job.cleaned_to(),
        end: job.end,
        stats: job.stats(),
    }))
}

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Every record of data from the log start on.
fn seen(log: &PartitionLog) -> Vec<Seen> {
    records(log, false)
}

fn records(log: &PartitionLog, with_markers: bool) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in read_all(&log.view(), log.log_start(), 700) {
        if batch.header.attributes.is_control() && !with_markers {
            continue;
        }
        let bytes = batch.record_bytes(1_000_000).unwrap();
        for record in Records::new(&batch.header, &bytes) {
            let record = record.unwrap();
            seen.push(Seen {
                offset: record.offset.0,
                timestamp: record.timestamp.0,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers()
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            });
        }
    }
    seen
}

/// What a consumer knows in the end: of each key the last value.
fn table(seen: &[Seen]) -> BTreeMap<Vec<u8>, Seen> {
    let mut table = BTreeMap::new();
    for record in seen {
        if let Some(key) = &record.key {
            table.insert(key.clone(), record.clone());
        }
    }
    table.retain(|_, record| record.value.is_some());
    table
}

/// A compacted topic with segments of a few batches.
fn small_segments() -> crate::config::TopicConfig {
    let mut config = config();
    config.cleanup_policy.compact = true;
    config.cleanup_policy.delete = false;
    config.segment_bytes = 600;
    config.index_interval_bytes = 120;
    config.delete_retention_ms = DELETE_RETENTION_MS;
    config
}

/// Lookups of every offset and of times lead where a walk over all records leads.
fn check_lookups(test: &TestLog) {
    let log = &test.log;
    let view = log.view();
    let seen = records(log, true);
    let batches = read_all(&view, log.log_start(), 700);
    for offset in log.log_start().0..log.log_end().0 {
        let found = view
            .locate(Offset(offset), log.log_end(), 1, true)
            .unwrap()
            .map(|slice| {
                let bytes = slice.read().unwrap();
                crate::record::Batch::parse(&bytes)
                    .unwrap()
                    .header
                    .base_offset
            });
        let expected = batches
            .iter()
            .find(|batch| batch.header.last_offset().0 >= offset)
            .map(|batch| batch.header.base_offset);
        assert_eq!(found, expected, "at offset {offset}");
    }
    let times: Vec<i64> = seen.iter().map(|record| record.timestamp).collect();
    for time in times.iter().flat_map(|time| [time - 1, *time, time + 1]) {
        let found = view
            .offset_for_timestamp(Timestamp(time), log.log_end(), i32::MAX)
            .unwrap()
            .map(|(offset, at, _)| (offset.0, at.0));
        let expected = seen
            .iter()
            .filter(|record| record.offset >= log.log_start().0)
            .find(|record| record.timestamp >= time)
            .map(|record| (record.offset, record.timestamp));
        assert_eq!(found, expected, "at time {time}");
    }
}
