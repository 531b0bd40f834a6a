//! Both ends of a log: whether it reaches what the checkpoints know of, and begins where the leader epochs do.

use crate::base::{LeaderEpoch, Offset};

use super::Recovery;
use crate::log::epochs::LeaderEpochs;
use crate::log::loss::LossKind;
use crate::log::names::SegmentFile;
use crate::log::partition_log::LogError;
use crate::log::rebuild::Tail;
use crate::log::segment::Segment;

impl Recovery {
    /// Everything below was in the log for certain: it was synced, or it was acknowledged.
    pub(super) fn known_end(&self) -> Offset {
        let options = &self.options;
        options.recovery_point.max(options.high_watermark)
    }

    /// No offset below was not given to somebody.
    pub(super) fn goes_on_at(&self, set_aside: &[(Offset, Offset)]) -> Offset {
        let ends = set_aside.iter().map(|(_, end)| *end);
        ends.fold(self.known_end(), Offset::max)
    }

    /// A log start that lies above everything that was ever written is not believed: what is there would be removed.
    /// Where nobody knows what was acknowledged, as in a copy that is under way, it is.
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
            "log-start-offset-checkpoint says that {} begins at offset {log_start}, and nothing was ever written above {end}; remove its line from that file, and correct the number of lines, while the broker is stopped",
            self.directory.display()
        )))
    }

    /// Closes a last segment that ends too early, so that the log goes on at the offset at which it should. Whether it
    /// was so.
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

    /// Tells of segments that should stand before the first one. Whoever removes segments lets the leader epochs begin
    /// where the next one does; where that was broken off, the names of the removed ones say so.
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

    /// The leader epochs as the batches have them, where their file says nothing.
    pub(super) fn epochs_of<'s>(
        segments: impl Iterator<Item = &'s Segment>,
    ) -> Result<LeaderEpochs, LogError> {
        let mut epochs = LeaderEpochs::default();
        for segment in segments {
            segment.for_each_header(|header| {
                let latest = epochs.latest().unwrap_or(LeaderEpoch::NONE);
                if header.leader_epoch > latest {
                    epochs.assign(header.leader_epoch, header.base_offset);
                }
            })?;
        }
        Ok(epochs)
    }
}
