//! Both ends of a log: whether it reaches the offsets in the checkpoints, and begins where the leader epochs do.

use std::collections::BTreeSet;

use crate::base::Offset;

use super::Recovery;
use crate::log::epochs::LeaderEpochs;
use crate::log::loss::LossKind;
use crate::log::names::SegmentFile;
use crate::log::partition_log::LogError;
use crate::log::rebuild::Tail;
use crate::log::segment::Segment;

impl Recovery {
    /// Everything below was certainly in the log: it was synced or acknowledged.
    pub(super) fn known_end(&self) -> Offset {
        let options = &self.options;
        options.recovery_point.max(options.high_watermark)
    }

    /// Every offset below may have been used.
    pub(super) fn goes_on_at(&self, set_aside: &[(Offset, Offset)]) -> Offset {
        let ends = set_aside.iter().map(|(_, end)| *end);
        ends.fold(self.known_end(), Offset::max)
    }

    /// Refuses a log start offset above everything that was ever written, since all records would be removed. It is
    /// accepted if nobody knows what was acknowledged, as in a copy that is not finished.
    pub(super) fn refuse_impossible_start(
        &self,
        tail: Option<&Tail>,
        goes_on_at: Offset,
    ) -> Result<(), LogError> {
        let log_start = self.options.log_start;
        let Some(tail) = tail else { return Ok(()) };
        let end = tail.active.segment.end.max(goes_on_at);
        if end >= log_start || self.options.high_watermark == Offset::ZERO {
            return Ok(());
        }
        Err(LogError::Corrupt(format!(
            "log-start-offset-checkpoint says that {} begins at offset {log_start}, but nothing was ever written above {end}; stop the broker, remove that line from the file, and correct its number of lines",
            self.directory.display()
        )))
    }

    /// Closes a last segment that ends too early, so that the log continues at the right offset. Returns whether it did.
    pub(super) fn close_short(
        &mut self,
        tail: &mut Option<Tail>,
        segments: &mut Vec<Segment>,
        without_log: &[Offset],
        (goes_on_at, first_epoch): (Offset, Option<Offset>),
    ) -> Result<bool, LogError> {
        let known = self.known_end();
        let is_without_log = |first: Offset| without_log.iter().find(|base| **base >= first);
        let Some(short) = tail.take_if(|tail| tail.active.segment.end < goes_on_at) else {
            if tail.is_none() && goes_on_at > self.options.log_start {
                let first = first_epoch.unwrap_or_default().max(self.options.log_start);
                let log = SegmentFile::Log.path(&self.directory, first);
                self.lose(first..known, log, LossKind::Missing);
            }
            return Ok(false);
        };
        let Tail {
            mut active,
            bad_tail,
            ..
        } = short;
        active.finish(&self.options.disk)?;
        let segment = active.segment.sealed(goes_on_at);
        let first = active.segment.end.max(self.options.log_start);
        let kind = match bad_tail {
            Some(bad) => LossKind::Damaged {
                position: bad.position,
                reason: bad.reason,
            },
            None => LossKind::Missing,
        };
        let log = match is_without_log(first) {
            Some(base) => SegmentFile::Log.path(&self.directory, *base),
            None => segment.files.path(SegmentFile::Log),
        };
        self.lose(first..known, log, kind);
        self.unsynced.push(segment.files.clone());
        segments.push(segment);
        Ok(true)
    }

    /// Reports missing segments before the first one. When segments are removed, the leader epochs are changed to begin
    /// where the next one does; if that was interrupted, the names of the removed ones show it.
    pub(super) fn note_missing_front(
        &mut self,
        first_epoch: Option<Offset>,
        first_base: Offset,
        deleted: &[Offset],
    ) {
        let Some(first) = first_epoch.map(|first| first.max(self.options.log_start)) else {
            return;
        };
        if deleted.iter().all(|base| *base >= first_base) {
            let log = SegmentFile::Log.path(&self.directory, first);
            self.lose(first..first_base, log, LossKind::Missing);
        }
    }

    /// The first offset that was certainly in the log.
    pub(super) fn first_known(&self, found_epochs: Option<&LeaderEpochs>) -> Option<Offset> {
        // Removing segments writes the epochs. So a file without any belongs to a log that still has its first segment.
        let is_uncut = found_epochs.is_some()
            && self.options.recovery_point == Offset::ZERO
            && self.known_end() > Offset::ZERO;
        let first = found_epochs.and_then(LeaderEpochs::first_offset);
        first.or_else(|| is_uncut.then_some(Offset::ZERO))
    }

    /// Pass 5: if the log ends below its start offset and nothing was ever written above it, starts with an empty log.
    pub(super) fn start_anew_behind_the_end(
        &mut self,
        tail: &mut Option<Tail>,
        segments: &mut Vec<Segment>,
        snapshots: &mut BTreeSet<Offset>,
        goes_on_at: Offset,
    ) -> Result<bool, LogError> {
        let log_start = self.options.log_start;
        let ends_below = |tail: &mut Tail| tail.active.segment.end < log_start;
        let Some(ended) = tail.take_if(|tail| ends_below(tail) && goes_on_at < log_start) else {
            return Ok(false);
        };
        segments.push(ended.active.segment);
        self.start_anew(segments, snapshots)?;
        Ok(true)
    }

    /// Removes everything.
    fn start_anew(
        &mut self,
        segments: &mut Vec<Segment>,
        snapshots: &mut BTreeSet<Offset>,
    ) -> Result<(), LogError> {
        tracing::warn!(
            directory = %self.directory.display(), log_start = %self.options.log_start,
            "the log ends before its start offset: starting with an empty log"
        );
        // before the segments: after a crash, a start without segments would trust them
        self.remove_snapshots(std::mem::take(snapshots))?;
        for segment in segments.drain(..).rev() {
            for kind in SegmentFile::OF_SEGMENT {
                self.options.disk.remove(&segment.files.path(kind))?;
            }
            self.report.segments_deleted += 1;
        }
        self.unsynced.clear();
        Ok(())
    }
}
