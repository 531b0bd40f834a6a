//! What a start and a stop do to a log that nobody has written to: nothing.

use std::sync::{Arc, Mutex};

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::{config, directory, open, producer_batch};
use crate::log::{AppendOrigin, Disk, PartitionLog};

const NOW: Timestamp = Timestamp(1_000_000);

/// Notes every change, and lets it happen; syncs take no time.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Probe for Notes {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        self.0.lock().unwrap().push(format!("{operation:?}"));
        Verdict::Pretend
    }
}

/// One replica over several starts.
struct Replica {
    directory: tempfile::TempDir,
    notes: Arc<Notes>,
    /// A new one with each start.
    disk: Disk,
}

impl Replica {
    fn new() -> Self {
        let (directory, notes) = (directory(), Arc::<Notes>::default());
        let disk = Disk::with_probe(notes.clone());
        Self {
            directory,
            notes,
            disk,
        }
    }

    fn open(&mut self, clean: bool, recovery_point: Offset) -> PartitionLog {
        self.disk = Disk::with_probe(self.notes.clone());
        let path = self.directory.path();
        let start = Offset::ZERO;
        let (log, _) = open(
            path,
            &config(),
            clean,
            recovery_point,
            start,
            NOW,
            &self.disk,
        )
        .unwrap();
        log
    }

    /// The changes since this was asked the last time.
    fn changes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.0.lock().unwrap())
    }

    fn stored_epochs(&self) -> Option<String> {
        let path = self
            .directory
            .path()
            .join("topic-0/leader-epoch-checkpoint");
        std::fs::read_to_string(path).ok()
    }
}

fn append(log: &mut PartitionLog, sequence: i32, epoch: i32) {
    let records = producer_batch(1, 0, sequence, &[900_000], b"value");
    log.append_as_leader(&records, LeaderEpoch(epoch), AppendOrigin::Client, NOW)
        .unwrap();
}

#[test]
fn a_new_log_that_nobody_writes_to_is_made_and_that_is_all() {
    let mut replica = Replica::new();
    let mut log = replica.open(false, Offset::ZERO);
    assert!(!replica.changes().is_empty());
    log.assign_epoch(LeaderEpoch(0));
    assert!(!log.needs_closing());
    log.close().unwrap();
    for epoch in 1..4 {
        let mut log = replica.open(true, Offset::ZERO);
        log.assign_epoch(LeaderEpoch(2 * epoch));
        log.assign_epoch(LeaderEpoch(2 * epoch + 1));
        assert_eq!(log.view().latest_epoch(), Some(LeaderEpoch(2 * epoch + 1)));
        log.close().unwrap();
    }
    assert_eq!(replica.changes(), [""; 0]);
}

#[test]
fn after_a_clean_stop_nothing_is_written_until_somebody_writes() {
    let mut replica = Replica::new();
    let mut log = replica.open(false, Offset::ZERO);
    append(&mut log, 0, 3);
    assert!(log.needs_closing());
    log.close().unwrap();
    assert_eq!(replica.stored_epochs().unwrap(), "0\n1\n3 0\n");
    replica.changes();
    for epoch in [4, 6] {
        let mut log = replica.open(true, Offset(1));
        log.assign_epoch(LeaderEpoch(epoch));
        let view = log.view();
        // what clients are told
        assert_eq!(view.latest_epoch(), Some(LeaderEpoch(epoch)));
        let end = view.end_of_epoch(LeaderEpoch(3));
        assert_eq!(end, Some((LeaderEpoch(3), Offset(1))));
        log.close().unwrap();
        assert_eq!(replica.changes(), [""; 0], "epoch {epoch}");
    }
    let mut log = replica.open(true, Offset(1));
    log.assign_epoch(LeaderEpoch(8));
    append(&mut log, 1, 8);
    log.close().unwrap();
    assert_eq!(replica.stored_epochs().unwrap(), "0\n2\n3 0\n8 1\n");
}

#[test]
fn after_a_kill_nothing_is_written_and_one_sync_of_everything_is_enough() {
    let mut replica = Replica::new();
    let mut log = replica.open(false, Offset::ZERO);
    append(&mut log, 0, 3);
    log.close().unwrap();
    for is_synced in [true, false] {
        replica.changes();
        let mut log = replica.open(false, Offset(1));
        log.assign_epoch(LeaderEpoch(5));
        assert_eq!(replica.changes(), [""; 0]);
        assert!(
            log.needs_closing(),
            "what the kill has left may not be on the disk"
        );
        if is_synced {
            replica.disk.note_all_found_is_synced();
            assert!(!log.needs_closing());
        }
        log.close().unwrap();
        assert_eq!(replica.changes().is_empty(), is_synced);
    }
}

#[test]
fn the_recovery_point_waits_for_the_leader_epochs() {
    let mut replica = Replica::new();
    let mut log = replica.open(false, Offset::ZERO);
    append(&mut log, 0, 3);
    let job = log.sync_job(NOW.plus_millis(15_000)).unwrap();
    job.run().unwrap();
    // a leader epoch that begins while the job runs
    log.assign_epoch(LeaderEpoch(4));
    append(&mut log, 1, 4);
    assert_eq!(replica.stored_epochs().unwrap(), "0\n1\n3 0\n");
    let reached = log.synced(job, Ok(())).unwrap();
    assert!(reached <= Offset(1));
    let job = log.sync_job(NOW.plus_millis(40_000)).unwrap();
    job.run().unwrap();
    assert_eq!(log.synced(job, Ok(())).unwrap(), Offset(2));
    assert_eq!(replica.stored_epochs().unwrap(), "0\n2\n3 0\n4 1\n");
}

#[test]
fn a_job_that_comes_after_the_replica_was_renamed_writes_nothing() {
    let mut replica = Replica::new();
    let mut log = replica.open(false, Offset::ZERO);
    append(&mut log, 0, 3);
    let job = log.sync_job(NOW.plus_millis(15_000)).unwrap();
    log.mark_deleted().unwrap();
    assert!(job.run().is_err(), "its files have another name");
    assert!(!replica.disk.is_offline());
}
