//! One compaction of one log. It may run on any thread.

use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::active::index_interval;
use crate::log::disk::Disk;
use crate::log::names::SegmentFile;
use crate::log::producer::ProducerPicture;
use crate::log::segment::Segment;
use crate::log::txn_index;
use crate::record::Records;

use super::exchange::{CleanedFiles, Group};
use super::filter::{Filter, Outcome, control_type, unpack};
use super::groups::next_group;
use super::map::OffsetMap;
use super::read::{SegmentBatches, WholeBatch};
use super::transactions::Transactions;
use super::write::{CleanedSegment, CleanedWriter, keep_time};
use super::{CompactionError, CompactionLimits, Pace};

/// What a compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionStats {
    /// Keys in the map.
    pub keys: usize,
    /// The map was full before the whole dirty section was read.
    pub map_was_full: bool,
    /// Bytes of the segments before and after.
    pub bytes: (u64, u64),
    /// Records in them.
    pub records: (u64, u64),
    /// Records without a key, which were dropped.
    pub invalid_records: u64,
}

/// A running compaction. [`Self::map_keys`] comes first, then one group after the other.
#[derive(Debug)]
pub struct CompactionJob {
    pub(super) disk: Disk,
    pub(super) config: Arc<TopicConfig>,
    pub(super) limits: CompactionLimits,
    /// From the first one to the end of the range.
    pub(super) segments: Vec<Segment>,
    /// The base offsets of all segments, whose indexes may list aborted transactions.
    pub(super) bases: Vec<Offset>,
    pub(super) first_dirty: Offset,
    /// The base of the first segment that must not be cleaned.
    pub(super) end: Offset,
    pub(super) producers: ProducerPicture,
    pub(super) history: u64,
    pub(super) now: Timestamp,
    pub(super) map: OffsetMap,
    pub(super) transactions: Transactions,
    /// How many segments are done.
    pub(super) done: usize,
    pub(super) stats: CompactionStats,
}

impl CompactionJob {
    /// Reads the dirty section into the map until the map is full.
    pub fn map_keys(&mut self, pace: &dyn Pace) -> Result<(), CompactionError> {
        pace.moved(0)?;
        let mut aborted = Vec::new();
        if let Some(first) = self.segments.first() {
            for base in &self.bases {
                let path = first.files.path(SegmentFile::TransactionIndex);
                let path =
                    SegmentFile::TransactionIndex.path(path.parent().unwrap_or(&path), *base);
                aborted.extend(txn_index::read_all(&path)?);
            }
        }
        self.transactions = Transactions::new(aborted);
        let mut transactions = self.transactions.clone();
        self.map.reach(self.first_dirty.plus(-1));
        let first = self
            .segments
            .partition_point(|segment| segment.end <= self.first_dirty);
        let dirty: Vec<Segment> = self.segments.get(first..).unwrap_or_default().to_vec();
        for segment in &dirty {
            if !self.map_segment(segment, &mut transactions, pace)? {
                self.stats.map_was_full = true;
                break;
            }
            // if the last batches were removed, nothing is missing
            self.map.reach(segment.end.plus(-1));
        }
        self.stats.keys = self.map.len();
        let to = self.cleaned_to();
        self.segments.retain(|segment| segment.base() < to);
        Ok(())
    }

    /// False when the map is full.
    fn map_segment(
        &mut self,
        segment: &Segment,
        transactions: &mut Transactions,
        pace: &dyn Pace,
    ) -> Result<bool, CompactionError> {
        let mut batches =
            SegmentBatches::open(segment, self.first_dirty, self.limits.io_bytes, pace)?;
        while let Some(batch) = batches.next()? {
            if batch.header.attributes.is_control() {
                transactions.marker(&batch.header, control_type(&batch)?);
            } else if !transactions.is_aborted(&batch.header) && !self.map_batch(&batch)? {
                return Ok(false);
            }
            self.map.reach(batch.header.last_offset());
        }
        Ok(true)
    }

    fn map_batch(&mut self, batch: &WholeBatch<'_>) -> Result<bool, CompactionError> {
        let Some(bytes) = unpack(batch)? else {
            return Ok(true);
        };
        let is_first = self.map.len() == 0;
        let most = batch.most_record(&self.config);
        for record in Records::new(&batch.header, &bytes).with_records_up_to(most) {
            let record = record.map_err(|error| batch.bad_record(error))?;
            let Some(key) = record.key.filter(|_| record.offset >= self.first_dirty) else {
                continue;
            };
            if !self.map.put(key, record.offset) {
                return Ok(false);
            }
            // A batch has its keys in the map whole or counts as not mapped, unless that would mean to
            // come no further: the next compaction then begins in its middle.
            if is_first {
                self.map.reach(record.offset);
            }
        }
        Ok(true)
    }

    /// Everything below is clean once all groups are done.
    pub fn cleaned_to(&self) -> Offset {
        self.map.latest().next().min(self.end)
    }

    /// The segments to rewrite next, if any are left.
    pub fn next_group(&self) -> Option<Group> {
        let rest = self.segments.get(self.done..).unwrap_or_default();
        let count = next_group(rest, &self.config);
        (count > 0).then(|| Group {
            originals: rest.get(..count).unwrap_or_default().to_vec(),
            history: self.history,
        })
    }

    /// Rewrites the segments for which the log has created `files`.
    pub fn clean(
        &mut self,
        files: CleanedFiles,
        pace: &dyn Pace,
    ) -> Result<CleanedSegment, CompactionError> {
        let filter = Filter {
            map: &self.map,
            producers: &self.producers,
            config: &self.config,
            now: self.now,
            horizon: self.now.plus_millis(self.config.delete_retention_ms),
            round_end: self.end,
        };
        let mut writer = CleanedWriter::new(
            &self.disk,
            pace,
            &files,
            index_interval(&self.config),
            self.limits.io_bytes,
        );
        let mut aborted = Vec::new();
        let originals = &files.group.originals;
        let mut is_same = originals.len() == 1;
        for segment in originals {
            let io_bytes = self.limits.io_bytes;
            let mut batches = SegmentBatches::open(segment, Offset::ZERO, io_bytes, pace)?;
            while let Some(batch) = batches.next()? {
                let filtered = filter.apply(&batch, &mut self.transactions)?;
                is_same &= filtered.outcome == Outcome::Copied;
                match &filtered.outcome {
                    Outcome::Dropped => {}
                    Outcome::Copied => writer.append(&batch.header, batch.bytes)?,
                    Outcome::Rewritten(header, bytes) => writer.append(header, bytes)?,
                }
                aborted.extend(filtered.aborts);
                self.stats.records.0 += filtered.records.0;
                self.stats.records.1 += filtered.records.1;
                self.stats.invalid_records += filtered.invalid;
            }
            self.stats.bytes.0 += segment.length;
        }
        let written = writer.finish()?;
        keep_time(&self.disk, &files.log, originals)?;
        self.done += originals.len();
        let cleaned = CleanedSegment::new(files, &written, aborted, is_same);
        self.stats.bytes.1 += cleaned.length();
        Ok(cleaned)
    }

    /// The figures so far.
    pub const fn stats(&self) -> CompactionStats {
        self.stats
    }
}
