//! Builds the producer state of a log from its snapshots and batches.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::{Offset, Timestamp};
use crate::log::disk::Disk;
use crate::log::names::SegmentFile;
use crate::log::partition_log::LogError;
use crate::log::scan::{HeaderWalk, Located, read_batch};
use crate::log::segment::Segment;
use crate::log::store::marker_in;
use crate::log::txn_index::{self, AbortedTransaction};
use crate::log::validate::MOST_DECOMPRESSED;

use super::ended::EndedTransactions;
use super::history;
use super::snapshot;
use super::state::ProducerTable;

/// The input of loading.
pub(crate) struct ProducerLoader<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) directory: &'a Path,
    /// All segments, the active one last.
    pub(crate) segments: &'a [Segment],
    /// Snapshots on disk; bad ones are removed.
    pub(crate) snapshots: &'a mut BTreeSet<Offset>,
    /// Snapshots that were written here and have to be synced.
    pub(crate) written: Vec<Offset>,
    /// Markers from here on may not be committed.
    pub(crate) high_watermark: Offset,
    /// What these markers have ended.
    pub(crate) ended: EndedTransactions,
    pub(crate) now: Timestamp,
    pub(crate) expiration_ms: i64,
    /// The topic's `index.interval.bytes`.
    pub(crate) index_interval: u64,
}

impl ProducerLoader<'_> {
    /// The producer state at `log_end`. New snapshots are taken at the base of each replayed segment and at the
    /// end, as rolling does.
    ///
    /// Batches below the log start offset count as long as they exist: deleting records does not change what their
    /// producers have sent.
    pub(crate) fn load(&mut self, log_end: Offset) -> Result<ProducerTable, LogError> {
        let first_base = self.segments.first().map_or(log_end, Segment::base);
        let mut table = self
            .newest_snapshot(self.latest_start(first_base, log_end))?
            .unwrap_or_else(|| ProducerTable::empty_at(first_base));
        table.expire(self.now, self.expiration_ms);
        history::restore(&mut table, self.segments, self.index_interval)?;
        if table.end() >= log_end {
            return Ok(table);
        }
        let segments = self.segments;
        let first = segments.partition_point(|segment| segment.end <= table.end());
        for (number, segment) in segments.iter().enumerate().skip(first) {
            table.advance_end(segment.base().max(table.end()));
            if number > first {
                self.take_snapshot(&table)?;
            }
            self.replay(segment, table.end(), &mut table)?;
        }
        table.advance_end(log_end);
        self.take_snapshot(&table)?;
        Ok(table)
    }

    /// The highest snapshot to begin with. It is below all markers that may not be committed, if there is such a one: what
    /// they have ended is only known from the state before them.
    fn latest_start(&self, first_base: Offset, log_end: Offset) -> Offset {
        let watermark = self.high_watermark;
        // Without a checkpoint nothing is known, and nothing is readable.
        let is_known = Offset::ZERO < watermark && watermark < log_end;
        let has_snapshot = self.snapshots.range(..=watermark).next().is_some();
        if is_known && (has_snapshot || first_base == Offset::ZERO) {
            watermark
        } else {
            log_end
        }
    }

    fn newest_snapshot(&mut self, log_end: Offset) -> Result<Option<ProducerTable>, LogError> {
        while let Some(offset) = self.snapshots.range(..=log_end).next_back().copied() {
            let path = SegmentFile::ProducerSnapshot.path(self.directory, offset);
            match snapshot::read(&path, offset)? {
                Ok(table) => return Ok(Some(table)),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "removing a producer snapshot that cannot be read");
                    self.snapshots.remove(&offset);
                    self.disk.remove(&path)?;
                }
            }
        }
        Ok(None)
    }

    fn take_snapshot(&mut self, table: &ProducerTable) -> Result<(), LogError> {
        if self.snapshots.insert(table.end()) {
            let file = self
                .disk
                .create(&SegmentFile::ProducerSnapshot.path(self.directory, table.end()))?;
            self.disk
                .write_at(&file, &snapshot::encode(&table.picture()), 0)?;
            self.written.push(table.end());
        }
        Ok(())
    }
}

impl ProducerLoader<'_> {
    /// Applies the batches of a segment from `from` on, and makes sure that its index has the transactions that
    /// they abort.
    fn replay(
        &mut self,
        segment: &Segment,
        from: Offset,
        table: &mut ProducerTable,
    ) -> Result<(), LogError> {
        let log = segment.files.log()?;
        let mut walk = HeaderWalk::new(&log, segment.walk_start(from), segment.length);
        let mut expected = segment.base()..segment.end;
        while let Some(located) = walk.next_behind_damage(&expected)? {
            expected.start = located.header.next_offset();
            if located.header.last_offset() < from {
                continue;
            }
            let header = &located.header;
            let is_marker = header.attributes.is_control() && header.producer_id.is_some();
            let marker = if is_marker {
                read_marker(&log, &located).unwrap_or_else(|error| {
                    // the marker is lost, and the scrub reports it
                    tracing::warn!(log = %segment.files.path(SegmentFile::Log).display(), position = located.position, %error, "ignoring a transaction marker that cannot be read");
                    None
                })
            } else {
                None
            };
            let open = table.get(header.producer_id);
            let first = open.and_then(|entry| entry.transaction_start);
            table.replay(header, marker);
            let (Some((marker, _)), Some(first)) = (marker, first) else {
                continue;
            };
            if header.last_offset() >= self.high_watermark {
                self.ended.note(header.last_offset(), first);
            }
            let still_open = table.first_open_transaction();
            if let Some(aborted) =
                AbortedTransaction::ended_by(header, &marker, Some(first), still_open)
            {
                txn_index::add(self.disk, &segment.files, aborted)?;
            }
        }
        Ok(())
    }
}

fn read_marker(
    log: &std::fs::File,
    located: &Located,
) -> Result<Option<(crate::record::control::EndTransactionMarker, Timestamp)>, LogError> {
    let batch = read_batch(log, located)?;
    let records = batch
        .record_bytes(MOST_DECOMPRESSED)
        .map_err(|error| LogError::Corrupt(error.to_string()))?;
    Ok(marker_in(&located.header, &records))
}
