//! Starting a new segment, and the state that is kept beside the segments: leader epochs, log start offset, producer
//! snapshots. Rolling costs the same however many producers there are: the next job writes their snapshot
//! ([`super::sync_job`]).

use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;

use super::active::ActiveSegment;
use super::epochs::LeaderEpochs;
use super::names::SegmentFile;
use super::partition_log::{LogError, PartitionLog};
use super::producer::UnsyncedSnapshot;

/// A series of pseudo-random numbers from one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// How much earlier than `segment.ms` the next segment rolls.
    pub(crate) fn next_ms(&mut self, config: &TopicConfig) -> i64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let most = config.segment_jitter_ms.min(config.segment_ms);
        i64::try_from(mixed >> 1)
            .unwrap_or(0)
            .checked_rem(most)
            .unwrap_or(0)
            .max(0)
    }
}

impl PartitionLog {
    /// Seals the active segment and starts one at `base`, the log end. If there is no descriptor left for
    /// that, the log continues as before.
    pub(super) fn roll(&mut self, base: Offset, now: Timestamp) -> Result<(), LogError> {
        // a second attempt repeats this without effect
        self.active.finish(&self.disk)?;
        let jitter_ms = self.jitter.next_ms(&self.config);
        let next = ActiveSegment::create(
            &self.disk,
            &self.directory,
            base,
            &self.config,
            now,
            jitter_ms,
        )?;
        self.unsynced.note_names();
        self.take_producer_snapshot();
        let before = std::mem::replace(&mut self.active, next);
        let sealed = before.segment.sealed(base);
        self.sealed_bytes = self.sealed_bytes.saturating_add(sealed.length);
        self.unsynced.segments.push(Arc::clone(&sealed.files));
        // the new one is empty
        self.unsynced.begin_segment();
        self.remove_midway_snapshot(base)?;
        Arc::make_mut(&mut self.sealed).push(sealed);
        self.recent.clear();
        Ok(())
    }

    /// Takes a snapshot of the producers at the log end, unless there is one. The next job writes it. Returns its
    /// offset if it is new.
    pub(super) fn take_producer_snapshot(&mut self) -> Option<Offset> {
        let end = self.producers.end();
        if !self.snapshots.insert(end) {
            return None;
        }
        let taken = UnsyncedSnapshot::taken(self.producers.picture());
        self.unsynced.snapshots.push(taken);
        Some(end)
    }

    /// Removes the snapshot that was taken in the middle of a segment, if there is one and it is below
    /// `newer`, the offset of another.
    pub(super) fn remove_midway_snapshot(&mut self, newer: Offset) -> Result<(), LogError> {
        match self.midway_snapshot.take() {
            Some(offset) if offset < newer => self.remove_producer_snapshot(offset),
            _ => Ok(()),
        }
    }

    /// Removes a snapshot that is not at the base of a segment.
    fn remove_producer_snapshot(&mut self, offset: Offset) -> Result<(), LogError> {
        self.snapshots.remove(&offset);
        if !self.unsynced.forget_snapshot(offset) {
            return Ok(());
        }
        let path = SegmentFile::ProducerSnapshot.path(&self.directory, offset);
        Ok(self.disk.remove(&path)?)
    }

    /// Notes a leader epoch that begins at `start`; the file is written later ([`super::epochs_file`]).
    pub(super) fn assign_epoch_at(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.epochs.is_news(epoch, start) {
            let mut epochs = self.all_epochs.clone();
            if epochs.assign(epoch, start) {
                self.set_epochs(epochs);
            }
        }
    }

    /// Changes the leader epochs, and writes them if `change` says so: for changes that recovery could not find in
    /// the batches.
    pub(super) fn change_epochs(
        &mut self,
        change: impl FnOnce(&mut LeaderEpochs) -> bool,
    ) -> Result<(), LogError> {
        let mut epochs = self.all_epochs.clone();
        if change(&mut epochs) {
            self.set_epochs(epochs);
            self.store_epochs()?;
            self.sync_names()?;
        }
        Ok(())
    }

    fn set_epochs(&mut self, epochs: LeaderEpochs) {
        if let Some(from) = self.all_epochs.first_difference(&epochs) {
            self.unsynced.note_epochs(from);
        }
        self.all_epochs = epochs;
        self.show_epochs();
    }

    /// Writes the leader epoch file; its name has yet to be synced.
    pub(super) fn store_epochs(&mut self) -> Result<(), LogError> {
        self.epochs_file.put(
            &self.disk,
            &self.directory,
            self.unsynced.epochs_version(),
            &self.all_epochs,
        )?;
        self.unsynced.epochs_stored();
        self.unsynced.note_names();
        Ok(())
    }

    /// Raises the log start offset to `to`, if that is higher. It is durable once it is in the log start
    /// checkpoint or the segments are deleted, so the epochs below stay in their file until then.
    pub(super) fn set_log_start(&mut self, to: Offset) {
        if to > self.log_start {
            self.log_start = to;
            self.show_epochs();
        }
    }

    /// The epochs that readers know, after a change of all that there are or of the log start.
    pub(super) fn show_epochs(&mut self) {
        let mut epochs = self.all_epochs.clone();
        epochs.truncate_from_start(self.log_start);
        self.epochs = Arc::new(epochs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::config;

    #[test]
    fn jitter_stays_below_both_limits() {
        let mut jitter = Jitter::new(7);
        let mut config = config();
        assert_eq!(jitter.next_ms(&config), 0, "no jitter is the default");
        config.segment_jitter_ms = 1000;
        config.segment_ms = 50;
        let values: Vec<i64> = (0..100).map(|_| jitter.next_ms(&config)).collect();
        assert!(values.iter().all(|value| (0..50).contains(value)));
        assert!(values.iter().any(|value| *value != values[0]));
    }
}
