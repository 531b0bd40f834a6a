//! Pass 4 of opening: reads the parts of segments that are not trusted and makes their indexes match; checks for the
//! trusted parts that each segment reaches the next one.

use std::ops::Range;
use std::sync::Arc;

use crate::base::Offset;
use crate::record::BatchHeader;

use super::{Contents, Recovery};
use crate::log::active::index_interval;
use crate::log::catalogue::Found;
use crate::log::compact::CompactionTrace;
use crate::log::disk::is_out_of_descriptors;
use crate::log::loss::{Loss, LossKind};
use crate::log::names::SegmentFile;
use crate::log::partition_log::LogError;
use crate::log::rebuild::{BadTail, Damage, Expected, Rebuilt, rebuild};
use crate::log::segment::{Segment, SegmentFiles};
use crate::log::txn_index;

/// A segment, with the facts that decide whether it reaches the next one.
struct Looked {
    /// It ends where its last batch ends.
    segment: Segment,
    bad_tail: Option<BadTail>,
    trace: CompactionTrace,
}

impl Recovery {
    /// Pass 4. The segments that are left, each but the last ending where the next one begins.
    pub(super) fn scan(&mut self, contents: &mut Contents<'_>) -> Result<Vec<Segment>, LogError> {
        let found = contents.found;
        let first_unsynced = self.first_unsynced(found);
        if let Some(first) = found.get(first_unsynced) {
            // later snapshots may include batches that are lost
            let trusted = self.options.recovery_point.max(first.base);
            self.remove_snapshots(contents.snapshots.split_off(&trusted.next()))?;
        }
        let mut segments = Vec::with_capacity(found.len());
        for (number, at) in found.iter().enumerate() {
            let later = found.get(number + 1..).unwrap_or_default();
            let next = later.first().map(|next| next.base);
            let is_unsynced = number >= first_unsynced;
            let looked = match next {
                _ if is_unsynced => self.scan_segment(at, next, contents)?,
                Some(next) if at.indexes_are_plausible() => self.reach(at, next, contents)?,
                None if at.indexes_are_plausible() => {
                    // its tail is loaded next, and an error there is found then
                    segments.push(at.load(&self.directory, Offset(i64::MAX)));
                    break;
                }
                _ => self.rebuild_indexes(at, next, contents)?,
            };
            let mut segment = looked.segment.clone();
            let tail_holds_whole = looked.bad_tail.as_ref().is_some_and(|bad| bad.holds_whole);
            let is_lost = tail_holds_whole
                || next.is_some_and(|next| {
                    is_unsynced && self.is_lost_behind(&looked, next, contents)
                });
            if is_lost {
                self.set_aside(&looked.segment, looked.bad_tail.as_ref(), later, contents)?;
                segments.push(segment);
                break;
            }
            if let Some(next) = next {
                self.note_gap(&looked, next, contents)?;
                segment.end = next;
            }
            if is_unsynced && let Some(bad) = &looked.bad_tail {
                self.truncate_incomplete(&looked.segment, bad)?;
            }
            segments.push(segment);
        }
        Ok(segments)
    }

    /// The first segment that is scanned.
    fn first_unsynced(&self, found: &[Found]) -> usize {
        if self.options.clean_shutdown {
            return found.len();
        }
        // The segment that the recovery point passed last, and all after it. If the recovery point is at its very end, it
        // was closed after that, and got its last index entry and its length then.
        let below = found.partition_point(|segment| segment.base < self.options.recovery_point);
        below.saturating_sub(1)
    }

    /// The end of a segment that needs no scan, from its indexes and its last batches. If these contradict each other, it is
    /// read completely.
    fn reach(
        &mut self,
        found: &Found,
        next: Offset,
        contents: &mut Contents<'_>,
    ) -> Result<Looked, LogError> {
        let segment = found.load(&self.directory, next);
        let end = match segment.end_of_content(index_interval(&self.options.config)) {
            Ok(end) => end.filter(|end| *end <= next),
            Err(error) if is_out_of_descriptors(&error) => return Err(error.into()),
            Err(error) => {
                // the rest of the log is still good, and readers of this segment get the same error
                tracing::error!(directory = %self.directory.display(), base = %found.base, %error, "a segment cannot be read: its records are not served");
                Some(next)
            }
        };
        let Some(end) = end else {
            return self.rebuild_indexes(found, Some(next), contents);
        };
        Ok(Looked {
            segment: Segment { end, ..segment },
            bad_tail: None,
            trace: CompactionTrace::new(None),
        })
    }

    /// A segment that needs no scan, but whose indexes are missing or malformed or do not match it.
    fn rebuild_indexes(
        &mut self,
        found: &Found,
        next: Option<Offset>,
        contents: &mut Contents<'_>,
    ) -> Result<Looked, LogError> {
        tracing::warn!(directory = %self.directory.display(), base = %found.base, "rebuilding indexes");
        self.report.indexes_rebuilt += 1;
        let expected = Expected {
            trusted_below: found.base,
            ..Expected::all_below(next.unwrap_or(Offset(i64::MAX)))
        };
        self.read_segment(found, &expected, contents)
    }

    /// A segment that is not trusted.
    fn scan_segment(
        &mut self,
        found: &Found,
        next: Option<Offset>,
        contents: &mut Contents<'_>,
    ) -> Result<Looked, LogError> {
        let recovery_point = self.options.recovery_point;
        let expected = Expected {
            trusted_below: recovery_point,
            kept_below: self.known_end(),
            end: next.unwrap_or(Offset(i64::MAX)),
        };
        let before = self.report.bytes_scanned;
        let looked = self.read_segment(found, &expected, contents)?;
        // entries for untrusted data are rebuilt when the producers are replayed
        let trusted = looked.segment.end.min(recovery_point.max(found.base));
        if found.has_transaction_index {
            txn_index::truncate(&self.options.disk, &looked.segment.files, trusted)?;
        }
        self.report.segments_scanned += usize::from(self.report.bytes_scanned > before);
        Ok(looked)
    }

    /// Reads the untrusted part of a segment.
    fn read_segment(
        &mut self,
        found: &Found,
        expected: &Expected,
        contents: &mut Contents<'_>,
    ) -> Result<Looked, LogError> {
        let files = SegmentFiles::new(Arc::clone(&self.directory), found.base, false);
        // a part of it may begin anywhere
        let is_whole = expected.trusted_below <= found.base;
        let mut trace = CompactionTrace::new(is_whole.then_some(found.base));
        if found.is_empty() {
            return Ok(Looked {
                segment: Rebuilt::empty(files).segment,
                bad_tail: None,
                trace,
            });
        }
        let epochs = &mut contents.epochs;
        let Rebuilt {
            segment,
            scanned,
            changed,
            damages,
            bad_tail,
            ..
        } = rebuild(
            &self.options.disk,
            files,
            found.length,
            expected,
            &self.options.config,
            &mut contents.buffer,
            &mut |header: &BatchHeader| {
                trace.note(header);
                let latest = epochs.latest();
                if latest.is_none_or(|latest| header.leader_epoch > latest) {
                    epochs.assign(header.leader_epoch, header.base_offset);
                }
            },
        )?;
        if !damages.is_empty() {
            // the gaps are of another kind
            trace = CompactionTrace::new(None);
        }
        self.note_damages(&segment, damages);
        if changed || segment.end > self.options.recovery_point {
            self.unsynced.push(Arc::clone(&segment.files));
        }
        self.report.bytes_scanned += scanned;
        Ok(Looked {
            segment,
            bad_tail,
            trace,
        })
    }

    /// Whether the segments after this one are not part of the log, because this one has lost its tail in a crash: a
    /// crash must not leave a gap in the log. Zurau's compaction leaves such a gap only below the recovery point
    /// (see the module's page). Kafka compacts above it as well, and leaves traces.
    fn is_lost_behind(&self, looked: &Looked, next: Offset, contents: &Contents<'_>) -> bool {
        let end = looked.segment.end;
        end < next
            && next > self.known_end()
            && !contents.was_set_aside(&(end..next))
            && !looked
                .trace
                .is_compacted(&self.directory, contents.topic_partition, next)
    }

    /// Reports missing records between a segment and the next one. A compacted log has gaps by right.
    fn note_gap(
        &mut self,
        looked: &Looked,
        next: Offset,
        contents: &Contents<'_>,
    ) -> Result<(), LogError> {
        let segment = &looked.segment;
        let gap = segment.end..next;
        if gap.is_empty() || contents.was_set_aside(&gap) {
            return Ok(());
        }
        let without_log = contents.without_log_in(&gap);
        if without_log.is_none() && looked.bad_tail.is_none() {
            let may_be = self.options.config.cleanup_policy.compact;
            if may_be || self.is_compacted(looked, next, contents)? {
                return Ok(());
            }
        }
        let log = match without_log {
            Some(base) => SegmentFile::Log.path(&self.directory, base),
            None => segment.files.path(SegmentFile::Log),
        };
        let kind = match &looked.bad_tail {
            Some(bad) if without_log.is_none() => LossKind::Damaged {
                position: bad.position,
                reason: bad.reason.clone(),
            },
            _ => LossKind::Missing,
        };
        self.lose(gap, log, kind);
        Ok(())
    }

    /// Whether a segment was compacted, judged by all of it, even if it was not read yet.
    fn is_compacted(
        &self,
        looked: &Looked,
        next: Offset,
        contents: &Contents<'_>,
    ) -> Result<bool, LogError> {
        let mut trace = CompactionTrace::new(Some(looked.segment.base()));
        looked
            .segment
            .for_each_header(|header| trace.note(header))?;
        Ok(trace.is_compacted(&self.directory, contents.topic_partition, next))
    }

    pub(super) fn note_damages(&mut self, segment: &Segment, damages: Vec<Damage>) {
        for Damage {
            position,
            offsets,
            reason,
        } in damages
        {
            let log = segment.files.path(SegmentFile::Log);
            self.lose(offsets, log, LossKind::Damaged { position, reason });
        }
    }

    /// Notes a loss, once.
    pub(super) fn lose(
        &mut self,
        offsets: Range<Offset>,
        path: std::path::PathBuf,
        kind: LossKind,
    ) {
        let loss = Loss {
            first: offsets.start,
            end: offsets.end,
            path,
            kind,
        };
        if loss.first < loss.end && !self.report.losses.contains(&loss) {
            self.report.losses.push(loss);
        }
    }

    /// Truncates an incomplete batch at the end of a segment, unless it was synced: then it is damage.
    pub(super) fn truncate_incomplete(
        &mut self,
        segment: &Segment,
        bad: &BadTail,
    ) -> Result<(), LogError> {
        if segment.end < self.options.recovery_point {
            return Ok(());
        }
        let log = segment.files.log()?;
        let length = log.metadata()?.len();
        if bad.holds_other_batches {
            // not an incomplete write of this log: it is the file of another segment or log
            if segment.end < self.known_end() {
                return Ok(());
            }
            return Err(LogError::Corrupt(format!(
                "{} has batches with wrong offsets from byte {} on, as if it were the file of another segment; stop the broker and put the right file back",
                segment.files.path(SegmentFile::Log).display(),
                bad.position
            )));
        }
        tracing::warn!(
            directory = %self.directory.display(), offset = segment.end.0, base = segment.base().0,
            position = bad.position, length, reason = bad.reason,
            "truncating an incomplete batch at the end of the log"
        );
        self.options.disk.set_length(&log, bad.position)?;
        self.report.bytes_truncated += length.saturating_sub(bad.position);
        Ok(())
    }
}
