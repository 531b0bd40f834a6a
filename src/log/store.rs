//! Storing batches behind the log end: the one way, for a leader that has given them their offsets and for a follower
//! that has them from its leader.
//!
//! ```text
//!   append: check producers, assign, roll --+
//!                                           +--> store: epochs, log and indexes, log end, producers, aborted
//!   follow: check order and sums, roll -----+           transactions
//! ```
//! Everything that can refuse has been asked before. What a marker costs does not grow with the number of producers.

use crate::base::{Offset, ProducerId, Timestamp};
use crate::record::control::EndTransactionMarker;
use crate::record::{BatchHeader, Records};

use super::active::ReadyBatch;
use super::partition_log::{LogError, PartitionLog};
use super::txn_index::{AbortedTransaction, Adding};
use super::validate::MOST_DECOMPRESSED;

/// What the control batches among some batches say.
pub(super) struct Markers(Vec<Option<(EndTransactionMarker, Timestamp)>>);

impl Markers {
    /// Reads them. Without control batches that costs nothing.
    pub(super) fn of(batches: &[ReadyBatch]) -> Self {
        let is_control = |batch: &ReadyBatch| batch.header.attributes.is_control();
        if !batches.iter().any(is_control) {
            return Self(Vec::new());
        }
        let says = |batch: &ReadyBatch| is_control(batch).then(|| marker(batch)).flatten();
        Self(batches.iter().map(says).collect())
    }

    /// What the batch with this number says.
    pub(super) fn get(&self, number: usize) -> Option<(EndTransactionMarker, Timestamp)> {
        self.0.get(number).copied().flatten()
    }
}

impl PartitionLog {
    /// Writes batches that follow one another and fit into the active segment, and takes note of them. Not synced.
    pub(super) fn store(
        &mut self,
        batches: &[ReadyBatch],
        markers: &Markers,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let Some(last) = batches.last() else {
            return Ok(());
        };
        let mut index = match self.abort_transactions(batches, markers) {
            true => Some(Adding::open(&self.disk, &self.active.segment.files)?),
            false => None,
        };
        for (number, batch) in batches.iter().enumerate() {
            if markers.get(number).is_some() {
                self.transactions.ending(batch.header.producer_id);
            }
            self.assign_epoch_at(batch.header.leader_epoch, batch.header.base_offset);
        }
        let mut position = self.active.segment.length;
        let entries = self.active.segment.offset_entries;
        self.active.append(&self.disk, batches, &self.config)?;
        if self.active.segment.offset_entries != entries {
            self.unsynced.note_entries();
        }
        self.log_end = last.header.next_offset();
        if self.unsynced.note_written(now) {
            self.active.segment.files.hold_log(&self.disk);
        }
        for (number, batch) in batches.iter().enumerate() {
            self.recent.push(batch.header.base_offset, position);
            position += batch.header.size() as u64;
            let aborted = self.note_producer(&batch.header, markers.get(number));
            if let (Some(aborted), Some(index)) = (aborted, &mut index) {
                index.add(&self.disk, &self.active.segment.files, aborted)?;
            }
        }
        Ok(())
    }

    /// Whether markers among these batches abort transactions with records.
    fn abort_transactions(&self, batches: &[ReadyBatch], markers: &Markers) -> bool {
        let is_data = |header: &BatchHeader| {
            header.attributes.is_transactional() && !header.attributes.is_control()
        };
        let has_records = |number: usize, id: ProducerId| {
            let known = self.producers.get(id);
            let earlier = batches.iter().take(number);
            known.is_some_and(|entry| entry.transaction_start.is_some())
                || earlier
                    .map(|batch| &batch.header)
                    .any(|header| header.producer_id == id && is_data(header))
        };
        batches.iter().enumerate().any(|(number, batch)| {
            let marker = markers.get(number);
            marker.is_some_and(|(marker, _)| !marker.committed)
                && has_records(number, batch.header.producer_id)
        })
    }

    /// Takes note of what a batch that is stored says of its producer. Returns the transaction that it aborts.
    fn note_producer(
        &mut self,
        header: &BatchHeader,
        marker: Option<(EndTransactionMarker, Timestamp)>,
    ) -> Option<AbortedTransaction> {
        let Some((ended, _)) = marker else {
            let known = self.producers.get(header.producer_id);
            let opens = header.producer_id.is_some()
                && header.attributes.is_transactional()
                && !header.attributes.is_control()
                && !known.is_some_and(|entry| entry.continues(header));
            self.producers.replay(header, None);
            if opens {
                let (id, epoch) = (header.producer_id, header.producer_epoch);
                self.transactions.opened(id, epoch);
            }
            return None;
        };
        let open = self.producers.get(header.producer_id);
        let first = open.and_then(|entry| entry.transaction_start);
        self.producers.replay(header, marker);
        self.transactions.ended(header.producer_id);
        if let Some(first) = first {
            self.ended.note(header.last_offset(), first);
        }
        let still_open = self.producers.first_open_transaction();
        AbortedTransaction::ended_by(header, &ended, first, still_open)
    }

    /// First offset of the oldest transaction that is open, or whose marker is not below `high_watermark`: till then
    /// the marker may still be lost, and the transaction end otherwise. `None` where there is none.
    pub fn first_unstable(&self, high_watermark: Offset) -> Option<Offset> {
        let open = self.producers.first_open_transaction();
        let ended = self.ended.first_above(high_watermark);
        let first = open.into_iter().chain(ended).min();
        first.map(|first| first.max(self.log_start))
    }

    /// Everything below `high_watermark` is committed.
    pub fn committed(&mut self, high_watermark: Offset) {
        self.ended.forget_below(high_watermark);
    }
}

/// The transaction marker in a control batch.
fn marker(batch: &ReadyBatch) -> Option<(EndTransactionMarker, Timestamp)> {
    let header = &batch.header;
    let codec = header.attributes.codec().ok()?;
    let records = codec.decompress(&batch.body, MOST_DECOMPRESSED).ok()?;
    header
        .producer_id
        .is_some()
        .then(|| marker_in(header, &records))?
}

/// The transaction marker in the decompressed records of a control batch.
pub(super) fn marker_in(
    header: &BatchHeader,
    records: &[u8],
) -> Option<(EndTransactionMarker, Timestamp)> {
    let record = Records::new(header, records).next()?.ok()?;
    Some((
        EndTransactionMarker::parse(&record).ok()??,
        record.timestamp,
    ))
}
