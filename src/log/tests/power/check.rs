//! Whether what a start finds is what the workload left.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{LeaderEpoch, Offset, ProducerId, Timestamp};
use crate::log::active::{IndexMarks, index_interval};
use crate::log::producer::ProducerTable;
use crate::log::producer::state::ProducerEntry;
use crate::log::scan::HeaderWalk;
use crate::log::testing::{producer_batch, read_all};
use crate::log::validate::MOST_DECOMPRESSED;
use crate::log::{AppendOrigin, Disk, LogView, PartitionLog, RecoveryReport, names::SegmentFile};
use crate::log::{offset_index::OffsetEntry, time_index::TimeEntry};
use crate::record::{Batch, Batches, Records};

use super::expected::{Bounds, Expected, History, Stored, key_and_value};
use super::workload::{self, NOW};

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// Starts with what is below `root`, after the power was lost before change `at`, and looks at everything. With
/// `go_on` the log is then written to, stopped cleanly, and looked at again.
pub(super) fn check(
    root: &Path,
    disk: Disk,
    expected: &Expected,
    at: usize,
    go_on: bool,
) -> Result<(), String> {
    let (directory, log, report) = workload::open(root, disk, &expected.config)?;
    let bounds = expected.bounds(at);
    let mut first_error = None;
    let mut found = None;
    for history in expected.histories(at) {
        match compare(&log, &report, history, &bounds) {
            Ok(()) => {
                found = Some(history);
                break;
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    let Some(history) = found else {
        return Err(first_error.unwrap_or_default());
    };
    check_indexes(&log)?;
    if !go_on {
        return Ok(());
    }
    let mut history = history.clone();
    let content_end = content_end(&log, &report);
    history
        .batches
        .retain(|stored| stored.header.next_offset() <= content_end);
    let known = log.producers.clone();
    let mut log = log;
    append_more(&mut log, &mut history, &known)?;
    let (log_start, log_end) = (log.log_start(), log.log_end());
    workload::stop(&directory, log);
    drop(directory);
    let (directory, log, report) = workload::open(root, super::quick_disk(), &expected.config)?;
    ensure!(
        report.bytes_scanned == 0 && report.indexes_rebuilt == 0,
        "after a clean stop: {report:?}"
    );
    let after = (log.log_start(), log.log_end());
    ensure!(
        after == (log_start, log_end),
        "after a clean stop: {after:?}"
    );
    let batches = expected_batches(&history, log_start, log_end);
    check_records(&log, &batches).map_err(|error| format!("after a clean stop: {error}"))?;
    check_aborted(&log.view(), &history, log_end)
        .map_err(|error| format!("after a clean stop: {error}"))?;
    check_indexes(&log).map_err(|error| format!("after a clean stop: {error}"))?;
    // left as after a clean stop, for others to look at
    workload::stop(&directory, log);
    Ok(())
}

/// Where what is left of the log ends. It goes on at a higher offset where something was set aside.
fn content_end(log: &PartitionLog, report: &RecoveryReport) -> Offset {
    if report.losses.is_empty() {
        return log.log_end();
    }
    let batches = read_all(&log.view(), log.log_start(), 3000);
    let last = batches.last().map(|batch| batch.header.next_offset());
    last.unwrap_or_else(|| log.log_start())
}

fn expected_batches(history: &History, log_start: Offset, log_end: Offset) -> Vec<&Stored> {
    let is_there = |stored: &&Stored| {
        stored.header.next_offset() > log_start && stored.header.next_offset() <= log_end
    };
    history.batches.iter().filter(is_there).collect()
}

fn compare(
    log: &PartitionLog,
    report: &RecoveryReport,
    history: &History,
    bounds: &Bounds,
) -> Result<(), String> {
    let (log_start, log_end) = (log.log_start(), log.log_end());
    ensure!(
        log_start <= log_end,
        "the log starts at {log_start} and ends at {log_end}"
    );
    ensure!(
        log.recovery_point() <= log_end,
        "the recovery point is {}",
        log.recovery_point()
    );
    let content_end = content_end(log, report);
    ensure!(
        content_end >= bounds.durable,
        "the log ends at {content_end} below {}",
        bounds.durable
    );
    ensure!(
        bounds.least_start <= log_start && log_start <= bounds.most_start,
        "the log starts at {log_start}, not within {} and {}",
        bounds.least_start,
        bounds.most_start
    );
    // What was left ended below the log start, or was about to be given up. A second start finds nothing at all.
    let is_empty = log_start == log_end && log.first_segment_base() == log_start;
    let is_anew = is_empty
        && (report.segments_deleted > 0
            || log_start == bounds.most_start
            || !history.has_boundary(content_end));
    ensure!(
        is_anew || history.has_boundary(content_end),
        "the log ends at {content_end}, where no batch ends"
    );
    let batches = expected_batches(history, log_start, content_end);
    check_records(log, &batches)?;
    check_aborted(&log.view(), history, content_end)?;
    let (epochs, found) = (history.epochs(log_start, content_end), &*log.epochs);
    // of an empty log nothing need be known
    let is_known = *found == epochs || (log_start == log_end && found.entries().is_empty());
    ensure!(
        is_anew || is_known,
        "leader epochs are {found:?}, not {epochs:?}"
    );
    if !is_anew {
        check_producers(&log.producers, &history.producers(content_end))?;
    }
    Ok(())
}

fn check_records(log: &PartitionLog, expected: &[&Stored]) -> Result<(), String> {
    if log.config().cleanup_policy.compact {
        check_compacted(&log.view(), expected)
    } else {
        check_content(&log.view(), expected)
    }
}

/// Every record is one that was written, and the newest of each key is there.
fn check_compacted(view: &LogView, expected: &[&Stored]) -> Result<(), String> {
    let mut written = BTreeMap::new();
    for stored in expected {
        let base = stored.header.base_offset;
        let offsets = (0..).map(|n| base.plus(n));
        written.extend(offsets.zip(stored.records.iter().cloned()));
    }
    let mut newest = BTreeMap::new();
    for (offset, (key, _)) in &written {
        newest.insert(key.clone(), *offset);
    }
    let mut before = None;
    for batch in read_all(view, view.log_start(), 3000) {
        let records = batch
            .record_bytes(MOST_DECOMPRESSED)
            .map_err(|error| error.to_string())?;
        for record in Records::new(&batch.header, &records) {
            let record = record.map_err(|error| error.to_string())?;
            let offset = record.offset;
            ensure!(before < Some(offset), "{offset} comes after {before:?}");
            before = Some(offset);
            let same = written.get(&offset) == Some(&key_and_value(&record));
            ensure!(same, "another record at {offset}");
            newest.retain(|_, of_key| *of_key != offset);
        }
    }
    ensure!(
        newest.is_empty(),
        "the newest of its key is lost: {newest:?}"
    );
    Ok(())
}

fn is_same(found: &Batch, stored: &Stored) -> bool {
    // the first bytes are the offset, the length and the leader epoch
    let (header, expected) = (&found.header, &stored.header);
    header.base_offset == expected.base_offset
        && header.leader_epoch == expected.leader_epoch
        && found.bytes[17..] == stored.bytes[17..]
}

fn check_content(view: &LogView, expected: &[&Stored]) -> Result<(), String> {
    let (log_start, log_end) = (view.log_start(), view.log_end());
    let found = read_all(view, log_start, 3000);
    let offsets = |batch: &Batch| batch.header.base_offset.0;
    ensure!(
        found.len() == expected.len(),
        "{} batches where {} should be: {:?}",
        found.len(),
        expected.len(),
        found.iter().map(offsets).collect::<Vec<_>>()
    );
    for (found, stored) in found.iter().zip(expected) {
        ensure!(
            is_same(found, stored),
            "another batch at {}",
            stored.header.base_offset
        );
        for offset in stored.header.base_offset.0.max(log_start.0)..=stored.header.last_offset().0 {
            let slice = view
                .locate(Offset(offset), log_end, 1, true)
                .map_err(|error| error.to_string())?;
            let bytes = slice
                .ok_or("nothing located")?
                .read()
                .map_err(|error| error.to_string())?;
            let located = Batches::new(bytes)
                .next()
                .ok_or("an empty slice")?
                .map_err(|error| error.to_string())?;
            ensure!(
                is_same(&located, stored),
                "a lookup of {offset} finds {}",
                located.header.base_offset
            );
        }
    }
    check_times(view, expected)
}

/// What a reader of committed records is told to leave out.
fn check_aborted(view: &LogView, history: &History, end: Offset) -> Result<(), String> {
    let log_start = view.log_start();
    let mut expected = history.aborted(end);
    expected.retain(|aborted| aborted.last >= log_start);
    let found = view
        .aborted_transactions(log_start, end)
        .map_err(|error| error.to_string())?;
    ensure!(
        found == expected,
        "aborted transactions are {found:?}, not {expected:?}"
    );
    Ok(())
}

/// Lookups by time against a list of all records.
fn check_times(view: &LogView, expected: &[&Stored]) -> Result<(), String> {
    let records: Vec<(Offset, Timestamp)> = expected
        .iter()
        .flat_map(|stored| {
            let base = stored.header.base_offset;
            let offsets = (0..).map(move |n| base.plus(n));
            offsets.zip(stored.timestamps.iter().copied())
        })
        .filter(|(offset, _)| *offset >= view.log_start())
        .collect();
    let mut wanted: Vec<Timestamp> = records.iter().step_by(3).map(|(_, time)| *time).collect();
    wanted.extend([Timestamp(0), Timestamp(i64::MAX)]);
    for timestamp in wanted {
        let first = records.iter().copied().find(|(_, time)| *time >= timestamp);
        let found = view
            .offset_for_timestamp(timestamp, view.log_end(), i32::MAX)
            .map_err(|error| error.to_string())?;
        let found = found.map(|(offset, time, _)| (offset, time));
        ensure!(
            found == first,
            "a lookup of {timestamp:?} finds {found:?}, not {first:?}"
        );
    }
    Ok(())
}

fn check_producers(found: &ProducerTable, expected: &ProducerTable) -> Result<(), String> {
    let mut ids: Vec<ProducerId> = found
        .iter()
        .chain(expected.iter())
        .map(|(id, _)| id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (found, expected) = (found.get(id), expected.get(id));
        let same = match (found, expected) {
            (Some(found), Some(expected)) => is_same_producer(found, expected),
            _ => false,
        };
        ensure!(same, "producer {id} is {found:?}, not {expected:?}");
    }
    Ok(())
}

fn is_same_producer(found: &ProducerEntry, expected: &ProducerEntry) -> bool {
    let rest = |entry: &ProducerEntry| {
        (
            entry.epoch,
            entry.coordinator_epoch,
            entry.last_timestamp,
            entry.transaction_start,
        )
    };
    let history = |entry: &ProducerEntry| -> Vec<(i32, Offset, i32)> {
        let place = |batch: &crate::log::producer::state::BatchTrace| {
            (batch.last_sequence, batch.last_offset, batch.offset_delta)
        };
        entry.batches().iter().map(place).collect()
    };
    // those before the newest one are looked for in a bounded part of the log
    let (found_history, expected_history) = (history(found), history(expected));
    rest(found) == rest(expected)
        && expected_history.ends_with(&found_history)
        && found_history.is_empty() == expected_history.is_empty()
}

/// The index files against those that the log would get.
fn check_indexes(log: &PartitionLog) -> Result<(), String> {
    let view = log.view();
    let segments = view.sealed.iter().chain(std::iter::once(&view.active));
    for segment in segments {
        let (base, is_active) = (segment.base(), segment.base() == view.active.base());
        let path = |kind: SegmentFile| kind.path(log.directory(), base);
        let file =
            std::fs::File::open(path(SegmentFile::Log)).map_err(|error| error.to_string())?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let is_cut = length == segment.length || (is_active && log.config().preallocate);
        ensure!(
            is_cut,
            "segment {base} has {length} bytes, not {}",
            segment.length
        );
        let mut walk = HeaderWalk::new(&file, 0, segment.length);
        let (mut marks, mut offsets, mut times) = (IndexMarks::EMPTY, Vec::new(), Vec::new());
        let mut largest = Vec::new();
        while let Some(located) = walk.next_good().map_err(|error| error.to_string())? {
            if let Some((entry, time)) = marks.note(
                located.position,
                &located.header,
                index_interval(log.config()),
            ) {
                offsets.push(entry);
                times.extend(time);
            }
            largest.push(marks.largest);
        }
        let last = marks.time_entry();
        let found: Vec<OffsetEntry> = entries(
            &path(SegmentFile::OffsetIndex),
            |bytes| OffsetEntry::decode(bytes, base),
            8,
        )?;
        ensure!(
            found == offsets,
            "offset index of {base} has {found:?}, not {offsets:?}"
        );
        ensure!(
            found.len() == segment.offset_entries as usize,
            "{} offset entries count",
            segment.offset_entries
        );
        let found: Vec<TimeEntry> = entries(
            &path(SegmentFile::TimeIndex),
            |bytes| TimeEntry::decode(bytes, base),
            12,
        )?;
        ensure!(
            found.len() == segment.time_entries as usize,
            "{} time entries count",
            segment.time_entries
        );
        // a segment that was loaded or stopped once in its life has an entry for the end that it had then
        let has_all = times
            .iter()
            .chain(last.iter().filter(|_| !is_active))
            .all(|entry| found.contains(entry));
        let all_true = found.iter().all(|entry| largest.contains(entry));
        let grow = found
            .windows(2)
            .all(|pair| pair[0].timestamp < pair[1].timestamp && pair[0].offset <= pair[1].offset);
        ensure!(
            has_all && all_true && grow,
            "time index of {base} has {found:?}, not {times:?} and {last:?}"
        );
    }
    Ok(())
}

fn entries<T>(
    path: &Path,
    decode: impl Fn(&[u8]) -> Option<T>,
    size: usize,
) -> Result<Vec<T>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    ensure!(
        bytes.len().is_multiple_of(size),
        "{} has {} bytes",
        path.display(),
        bytes.len()
    );
    let decoded: Option<Vec<T>> = bytes.chunks(size).map(decode).collect();
    decoded.ok_or_else(|| format!("{} cannot be read", path.display()))
}

/// What a client and the next leader do after the start.
fn append_more(
    log: &mut PartitionLog,
    history: &mut History,
    known: &ProducerTable,
) -> Result<(), String> {
    let epoch = LeaderEpoch(log.view().latest_epoch().map_or(0, |epoch| epoch.0 + 1));
    // the last batch of a producer that is still there is known
    let last = history.batches.iter().rev().find(|stored| {
        stored.header.producer_id.is_some() && !stored.header.attributes.is_control()
    });
    if let Some(stored) = last.filter(|stored| known.get(stored.header.producer_id).is_some()) {
        let info = log
            .append_as_leader(&stored.bytes, epoch, AppendOrigin::Client, NOW)
            .map_err(|error| format!("a repetition: {error}"))?;
        ensure!(
            info.duplicate && info.first_offset == stored.header.base_offset,
            "a repetition of {} was stored at {}",
            stored.header.base_offset,
            info.first_offset
        );
    }
    for producer in [1, 2, 50] {
        let next = known
            .get(ProducerId(producer))
            .map_or(0, |entry| entry.last_sequence() + 1);
        let bytes = producer_batch(
            producer,
            0,
            next,
            &[990_000, 980_000],
            &[producer as u8; 900],
        );
        let at = log.log_end();
        let info = log
            .append_as_leader(&bytes, epoch, AppendOrigin::Client, NOW)
            .map_err(|error| format!("going on: {error}"))?;
        ensure!(
            !info.duplicate && info.first_offset == at,
            "going on at {at}: {info:?}"
        );
        history.batches.push(Stored::new(&bytes, at, epoch));
    }
    Ok(())
}
