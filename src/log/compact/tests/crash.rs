//! The log dies at every single change that compactions make to the disk, and once more at every change of
//! the recovery from that. Whoever reads it then finds of each key what was written last.

use std::collections::HashMap;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::*;
use crate::base::{LeaderEpoch, ProducerEpoch, ProducerId, TopicPartition};
use crate::log::checkpoint;
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::{directory, file_names, open, quick_disk, read_all};
use crate::log::{AppendOrigin, Disk};
use crate::record::{BatchBuilder, BatchOptions, Codec};

const NOW: Timestamp = Timestamp(1_000_000);

/// Lets so many changes happen; the next one fails, or is torn if it is a write. Remembers what every file
/// held when it was synced.
#[derive(Debug)]
struct Mortal {
    left: AtomicUsize,
    tear: Option<usize>,
    synced: Mutex<HashMap<u64, Vec<u8>>>,
}

impl Mortal {
    fn after(changes: usize, tear: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(changes),
            tear,
            synced: Mutex::default(),
        })
    }

    fn disk(self: &Arc<Self>) -> Disk {
        Disk::with_probe(self.clone())
    }

    /// Takes the power away: every file, or every third, has what it had when it was synced.
    fn lose_power(&self, replica: &Path, turn: Option<u64>) {
        let synced = self.synced.lock().unwrap();
        for entry in std::fs::read_dir(replica).into_iter().flatten() {
            let path = entry.unwrap().path();
            let inode = path.metadata().unwrap().ino();
            if turn.is_none_or(|turn| inode % 3 == turn) {
                std::fs::write(&path, synced.get(&inode).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }
}

impl Probe for Mortal {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let alive = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        match (alive, operation, self.tear) {
            (true, Operation::Sync(file), _) => {
                let metadata = file.metadata().unwrap();
                let mut content = vec![0; metadata.len() as usize];
                file.read_exact_at(&mut content, 0).unwrap();
                self.synced.lock().unwrap().insert(metadata.ino(), content);
                Verdict::Pretend
            }
            (true, ..) => Verdict::Pretend,
            (false, Operation::Write { .. }, Some(kept)) => Verdict::Tear(kept),
            (false, ..) => Verdict::Fail,
        }
    }
}

/// The record at `offset`, in a batch of its own: a few keys, some tombstones, in any codec.
fn sent(offset: i64) -> Seen {
    let key = vec![b'k', (offset * 7 % 5) as u8];
    Seen {
        offset,
        timestamp: 900_000 + offset,
        value: (offset % 4 != 3).then(|| vec![offset as u8; 20 + (offset * 13 % 40) as usize]),
        key: Some(key),
        headers: vec![(b"h".to_vec(), Some(vec![offset as u8]))],
    }
}

fn batch(offset: i64) -> Bytes {
    let Seen {
        timestamp,
        key,
        value,
        ..
    } = sent(offset);
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: Codec::from_id((offset % 5) as i16).unwrap(),
        producer_id: ProducerId(offset % 2),
        producer_epoch: ProducerEpoch(0),
        base_sequence: (offset / 2) as i32,
        ..BatchOptions::default()
    });
    let header = [offset as u8];
    let headers = [crate::record::Header {
        key: b"h",
        value: Some(&header),
    }];
    builder.push(
        Timestamp(timestamp),
        key.as_deref(),
        value.as_deref(),
        &headers,
    );
    builder.finish()
}

/// What is known to be on disk whatever happens next.
#[derive(Default)]
struct Durable {
    end: Offset,
    /// What a checkpoint may say: the log is trusted below, with its indexes.
    point: Offset,
    clean: Option<Offset>,
}

const BATCHES: i64 = 24;

fn workload(directory: &Path, disk: &Disk, durable: &mut Durable) -> Result<(), Trouble> {
    let mut config = small_segments();
    config.segment_bytes = 400;
    config.file_delete_delay_ms = 0;
    let zero = Offset::ZERO;
    let (mut log, _) = open(directory, &config, true, zero, zero, NOW, disk)?;
    let mut next = 0;
    let mut append_to = |log: &mut PartitionLog, end: i64| {
        while next < end {
            log.append_as_leader(&batch(next), LeaderEpoch(0), AppendOrigin::Client, NOW)
                .map_err(|error| Trouble::Job(CompactionError::Io(std::io::Error::other(error))))?;
            next += 1;
        }
        Ok::<(), Trouble>(())
    };
    append_to(&mut log, 10)?;
    durable.end = log.flush()?;
    durable.point = log.recovery_point();
    let limits = CompactionLimits {
        map_bytes: 24 * 3,
        ..LIMITS
    };
    if let Some(cleaned) = compact(&mut log, durable.clean, NOW, limits)? {
        durable.clean = Some(cleaned.to);
    }
    append_to(&mut log, 18)?;
    if let Some(cleaned) = compact(&mut log, durable.clean, NOW, LIMITS)? {
        durable.clean = Some(cleaned.to);
    }
    log.delete_expired_files(NOW)?;
    durable.end = log.flush()?;
    durable.point = log.recovery_point();
    append_to(&mut log, BATCHES)?;
    durable.end = log.flush()?;
    durable.point = log.recovery_point();
    // the horizon of the first tombstones has passed
    let later = NOW.plus_millis(2 * DELETE_RETENTION_MS);
    if let Some(cleaned) = compact(&mut log, durable.clean, later, LIMITS)? {
        durable.clean = Some(cleaned.to);
    }
    durable.end = log.close()?;
    durable.point = durable.end;
    Ok(())
}

fn reopen(directory: &Path, recovery_point: Offset, disk: &Disk) -> Result<PartitionLog, LogError> {
    let mut config = small_segments();
    config.segment_bytes = 400;
    let (log, _) = open(
        directory,
        &config,
        false,
        recovery_point,
        Offset::ZERO,
        NOW,
        disk,
    )?;
    Ok(log)
}

fn check(directory: &Path, mut log: PartitionLog, durable: &Durable, what: &str) {
    assert!(log.log_end() >= durable.end, "{what}: {}", log.log_end());
    let names = file_names(&directory.join("topic-0"));
    if names.iter().any(|name| name.ends_with(".set-aside")) {
        check_behind_set_aside(log, durable, what);
        return;
    }
    let check = |log: &PartitionLog| {
        let found = seen(log);
        for record in &found {
            assert_eq!(record, &sent(record.offset), "{what}");
        }
        let written: Vec<Seen> = (0..log.log_end().0).map(sent).collect();
        assert_eq!(table(&found), table(&written), "{what}");
        assert!(found.is_sorted(), "{what}");
    };
    check(&log);
    let is_leftover = |name: &&String| [".swap", ".cleaned"].iter().any(|end| name.ends_with(end));
    assert_eq!(names.iter().find(is_leftover), None, "{what}");
    // the producers go on where the log ends
    let end = log.log_end();
    let append = |log: &mut PartitionLog, offset: i64| {
        log.append_as_leader(&batch(offset), LeaderEpoch(1), AppendOrigin::Client, NOW)
            .unwrap()
    };
    if end > Offset(2) {
        assert!(append(&mut log, end.0 - 1).duplicate, "{what}");
    }
    let info = append(&mut log, end.0);
    assert_eq!((info.first_offset, info.duplicate), (end, false), "{what}");
    // and the next compaction comes to its end
    log.flush().unwrap();
    let later = NOW.plus_millis(10 * DELETE_RETENTION_MS);
    compact(&mut log, durable.clean, later, LIMITS).unwrap();
    check(&log);
    let again = log.close().unwrap();
    let log = reopen(directory, again, &quick_disk()).unwrap();
    assert_eq!(log.log_end(), end.next(), "{what}");
    check(&log);
}

/// A crash that has reordered what was written last: what is left is what was written first, and the log goes on behind
/// all of it.
fn check_behind_set_aside(mut log: PartitionLog, durable: &Durable, what: &str) {
    let found = seen(&log);
    for record in &found {
        assert_eq!(record, &sent(record.offset), "{what}");
    }
    let batches = read_all(&log.view(), Offset::ZERO, 1000);
    let last = batches.last().map(|batch| batch.header.next_offset());
    let end = last.unwrap_or_default();
    assert!(end >= durable.end, "{what}: what is left ends at {end}");
    let written: Vec<Seen> = (0..end.0).map(sent).collect();
    assert_eq!(table(&found), table(&written), "{what}");
    let goes_on_at = log.log_end();
    let next = batch(end.0);
    let info = log.append_as_leader(&next, LeaderEpoch(1), AppendOrigin::Client, NOW);
    let info = info.unwrap();
    let wanted = (goes_on_at, false);
    assert_eq!((info.first_offset, info.duplicate), wanted, "{what}");
}

#[test]
fn dying_at_any_change_loses_nothing() {
    let mut changes = 0;
    let mut whole = false;
    while !whole {
        for tear in [None, Some(0), Some(50)] {
            let directory = directory();
            let mut durable = Durable::default();
            let mortal = Mortal::after(changes, tear);
            whole |= workload(directory.path(), &mortal.disk(), &mut durable).is_ok();
            let log = reopen(directory.path(), durable.point, &quick_disk()).unwrap();
            let what = format!("after {changes} changes, torn at {tear:?}");
            check(directory.path(), log, &durable, &what);
        }
        changes += 1;
    }
    assert!(changes > 150, "only {changes} changes");
}

#[test]
fn gaps_of_compaction_are_no_loss_though_the_recovery_point_is_lost() {
    let directory = directory();
    let mut durable = Durable::default();
    workload(directory.path(), &quick_disk(), &mut durable).unwrap();
    let offsets = checkpoint::PartitionOffsets::from([(
        TopicPartition::new("topic", 0),
        durable.clean.expect("it was cleaned"),
    )]);
    let path = directory.path().join(CHECKPOINT);
    checkpoint::write_offsets(&quick_disk(), &path, &offsets).unwrap();
    let log = reopen(directory.path(), Offset::ZERO, &quick_disk()).unwrap();
    assert_eq!(log.log_end(), Offset(BATCHES));
    check(directory.path(), log, &durable, "without a recovery point");
}

#[test]
fn dying_in_recovery_is_no_worse() {
    for changes in (20..400).step_by(13) {
        let mut recovered = false;
        let mut more = 0;
        while !recovered {
            let directory = directory();
            let mut durable = Durable::default();
            let mortal = Mortal::after(changes, Some(30));
            let _ = workload(directory.path(), &mortal.disk(), &mut durable);
            let second = Mortal::after(more, Some(5)).disk();
            recovered = reopen(directory.path(), durable.point, &second).is_ok();
            let log = reopen(directory.path(), durable.point, &quick_disk()).unwrap();
            let what = format!("after {changes} changes, and {more} more in recovery");
            check(directory.path(), log, &durable, &what);
            more += 1;
        }
    }
}

#[test]
fn losing_power_at_any_change_loses_nothing() {
    let mut changes = 0;
    let mut whole = false;
    while !whole {
        for turn in [None, Some(0), Some(1), Some(2)] {
            let directory = directory();
            let mut durable = Durable::default();
            let mortal = Mortal::after(changes, None);
            whole |= workload(directory.path(), &mortal.disk(), &mut durable).is_ok();
            mortal.lose_power(&directory.path().join("topic-0"), turn);
            let log = reopen(directory.path(), durable.point, &quick_disk()).unwrap();
            let what = format!("after {changes} changes, striking {turn:?}");
            check(directory.path(), log, &durable, &what);
        }
        changes += 1;
    }
}
