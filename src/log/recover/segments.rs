//! Pass 4 of opening: what is not trusted of the segments is read, cut at the first bad batch, and brought in
//! line with its indexes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Offset, TopicPartition};
use crate::record::BatchHeader;

use super::Recovery;
use crate::log::catalogue::Found;
use crate::log::compact::CompactionTrace;
use crate::log::epochs::LeaderEpochs;
use crate::log::names::SegmentFile;
use crate::log::partition_log::LogError;
use crate::log::rebuild::{Rebuilt, rebuild};
use crate::log::segment::{Segment, SegmentFiles};
use crate::log::txn_index;

/// What reading one segment needs of the log around it.
struct Place<'a> {
    topic_partition: &'a TopicPartition,
    /// Where the next segment begins, if there is one.
    next: Option<Offset>,
    epochs: &'a mut LeaderEpochs,
    /// Only there to be used again.
    buffer: &'a mut Vec<u8>,
}

impl Place<'_> {
    /// No offset of the segment is at or above this one.
    fn end(&self) -> Offset {
        self.next.unwrap_or(Offset(i64::MAX))
    }
}

impl Recovery {
    /// Pass 4.
    pub(super) fn scan(
        &mut self,
        topic_partition: &TopicPartition,
        found: &[Found],
        snapshots: &mut BTreeSet<Offset>,
        epochs: &mut LeaderEpochs,
    ) -> Result<Vec<Segment>, LogError> {
        let first_unsynced = self.first_unsynced(found);
        if let Some(first) = found.get(first_unsynced) {
            // later snapshots may speak of batches that are lost
            let trusted = self.options.recovery_point.max(first.base);
            self.remove_snapshots(snapshots.split_off(&trusted.next()))?;
        }
        let mut buffer = Vec::new();
        let mut segments = Vec::with_capacity(found.len());
        for (number, segment) in found.iter().enumerate() {
            let next = found.get(number + 1).map(|next| next.base);
            let is_unsynced = number >= first_unsynced;
            if !is_unsynced && segment.indexes_are_plausible() {
                let end = next.unwrap_or(Offset(i64::MAX));
                segments.push(segment.load(&self.directory, end));
                continue;
            }
            let mut place = Place {
                topic_partition,
                next,
                epochs,
                buffer: &mut buffer,
            };
            let (segment, tail_is_lost) = if is_unsynced {
                self.scan_segment(segment, &mut place)?
            } else {
                (self.rebuild_indexes(segment, &mut place)?, false)
            };
            segments.push(segment);
            if tail_is_lost {
                self.delete_from(found.get(number + 1..).unwrap_or_default(), snapshots)?;
                break;
            }
        }
        Ok(segments)
    }

    /// The first segment that is scanned.
    fn first_unsynced(&self, found: &[Found]) -> usize {
        if self.options.clean_shutdown {
            return found.len();
        }
        // The segment that the recovery point passed last, and all behind it. One that it has passed just to
        // the end was closed after that, and got its last index entry and its length then.
        let below = found.partition_point(|segment| segment.base < self.options.recovery_point);
        below.saturating_sub(1)
    }

    /// A segment that needs no scan, but whose indexes are missing or malformed.
    fn rebuild_indexes(
        &mut self,
        found: &Found,
        place: &mut Place<'_>,
    ) -> Result<Segment, LogError> {
        tracing::warn!(directory = %self.directory.display(), base = %found.base, "rebuilding indexes");
        self.report.indexes_rebuilt += 1;
        let rebuilt = self.read_segment(found, found.base, place, |_| {})?;
        Ok(Segment {
            end: place.end(),
            ..rebuilt.segment
        })
    }

    /// A segment that is not trusted, and whether records behind what is left of it are lost.
    fn scan_segment(
        &mut self,
        found: &Found,
        place: &mut Place<'_>,
    ) -> Result<(Segment, bool), LogError> {
        let recovery_point = self.options.recovery_point;
        // where only a part of it is read, that begins anywhere
        let is_whole = recovery_point <= found.base;
        let mut trace = CompactionTrace::new(is_whole.then_some(found.base));
        let Rebuilt {
            segment, scanned, ..
        } = self.read_segment(found, recovery_point, place, |header| trace.note(header))?;
        // entries for what is not trusted are made anew when the producers are replayed
        let trusted = segment.end.min(recovery_point.max(found.base));
        if found.has_transaction_index {
            txn_index::truncate(&self.options.disk, &segment.files, trusted)?;
        }
        self.report.segments_scanned += usize::from(scanned > 0);
        // A file can lose its tail at a batch boundary while the next one keeps its name. What we have
        // compacted shows such a gap only below the recovery point: see the module's doc. Kafka compacts
        // above it as well, and leaves traces.
        let has_gap = place.next.is_some_and(|next| {
            segment.end < next
                && next > recovery_point
                && !trace.is_compacted(&self.directory, place.topic_partition, next)
        });
        let tail_is_lost = segment.length < found.length || has_gap;
        let end = place.end();
        Ok((Segment { end, ..segment }, tail_is_lost))
    }

    /// Reads what is not trusted of a segment; `note` is told of every batch.
    fn read_segment(
        &mut self,
        found: &Found,
        trusted_below: Offset,
        place: &mut Place<'_>,
        mut note: impl FnMut(&BatchHeader),
    ) -> Result<Rebuilt, LogError> {
        let files = SegmentFiles::new(Arc::clone(&self.directory), found.base, false);
        if found.is_empty() {
            return Ok(Rebuilt::empty(files));
        }
        let epochs = &mut *place.epochs;
        let rebuilt = rebuild(
            &self.options.disk,
            files,
            found.length,
            trusted_below,
            &self.options.config,
            place.buffer,
            &mut |header| {
                note(header);
                let latest = epochs.latest();
                if latest.is_none_or(|latest| header.leader_epoch > latest) {
                    epochs.assign(header.leader_epoch, header.base_offset);
                }
            },
        )?;
        if rebuilt.changed || rebuilt.segment.end > self.options.recovery_point {
            self.unsynced.push(Arc::clone(&rebuilt.segment.files));
        }
        self.report.bytes_scanned += rebuilt.scanned;
        self.report.bytes_truncated += found.length.saturating_sub(rebuilt.segment.length);
        Ok(rebuilt)
    }

    fn delete_from(
        &mut self,
        found: &[Found],
        snapshots: &mut BTreeSet<Offset>,
    ) -> Result<(), LogError> {
        for segment in found.iter().rev() {
            for kind in SegmentFile::OF_SEGMENT {
                self.options
                    .disk
                    .remove(&kind.path(&self.directory, segment.base))?;
            }
            if snapshots.remove(&segment.base) {
                self.options
                    .disk
                    .remove(&SegmentFile::ProducerSnapshot.path(&self.directory, segment.base))?;
            }
            self.report.segments_deleted += 1;
            self.report.bytes_truncated += segment.length;
        }
        Ok(())
    }
}
