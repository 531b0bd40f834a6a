//! The table of producers and its entries.

use std::collections::BTreeMap;

use crate::base::{Offset, ProducerEpoch, ProducerId, SharedMap, Timestamp};
use crate::record::BatchHeader;
use crate::record::batch::NO_SEQUENCE;
use crate::record::control::EndTransactionMarker;

/// Batches remembered per producer: as many as an idempotent client may have in flight.
const BATCHES_KEPT: usize = 5;

/// Kafka's "no coordinator has ended a transaction yet".
pub(crate) const NO_COORDINATOR_EPOCH: i32 = -1;

/// The part of a batch that is needed to find duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchTrace {
    /// Sequence of the last record.
    pub(crate) last_sequence: i32,
    /// Offset of the last record.
    pub(crate) last_offset: Offset,
    /// Distance from the first to the last offset, and so to the last sequence.
    pub(crate) offset_delta: i32,
    /// The batch's max timestamp.
    pub(crate) timestamp: Timestamp,
}

impl BatchTrace {
    const EMPTY: Self = Self {
        last_sequence: NO_SEQUENCE,
        last_offset: Offset::NONE,
        offset_delta: 0,
        timestamp: Timestamp::NONE,
    };

    /// Sequence of the first record; sequences wrap from 2^31-1 to 0.
    fn first_sequence(&self) -> i32 {
        match self.last_sequence.checked_sub(self.offset_delta) {
            Some(first) if first >= 0 => first,
            _ => {
                let wrapped =
                    i64::from(self.last_sequence) - i64::from(self.offset_delta) + (1 << 31);
                i32::try_from(wrapped).unwrap_or(NO_SEQUENCE)
            }
        }
    }

    /// Offset of the first record.
    pub(crate) fn first_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

/// The state of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    /// The newest epoch seen.
    pub(crate) epoch: ProducerEpoch,
    /// The newest coordinator that ended a transaction of this producer.
    pub(crate) coordinator_epoch: i32,
    /// Timestamp of the last batch or marker.
    pub(crate) last_timestamp: Timestamp,
    /// First offset of the open transaction.
    pub(crate) transaction_start: Option<Offset>,
    /// The last batches of this epoch, oldest first; the first `count` are set.
    pub(super) batches: [BatchTrace; BATCHES_KEPT],
    pub(super) count: u8,
}

impl ProducerEntry {
    /// An unknown producer.
    pub(crate) const UNKNOWN: Self = Self {
        epoch: ProducerEpoch::NONE,
        coordinator_epoch: NO_COORDINATOR_EPOCH,
        last_timestamp: Timestamp::NONE,
        transaction_start: None,
        batches: [BatchTrace::EMPTY; BATCHES_KEPT],
        count: 0,
    };

    /// The remembered batches, oldest first.
    pub(crate) fn batches(&self) -> &[BatchTrace] {
        self.batches
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }

    /// Sequence of the last record, or [`NO_SEQUENCE`].
    pub(crate) fn last_sequence(&self) -> i32 {
        self.batches()
            .last()
            .map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The remembered batch with exactly the epoch and sequences of `header`.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchTrace> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches()
            .iter()
            .copied()
            .find(|batch| batch.first_sequence() == first && batch.last_sequence == last)
    }

    /// Whether the open transaction is the one of this batch. With a newer epoch it may be over already.
    pub(crate) fn continues(&self, header: &BatchHeader) -> bool {
        self.transaction_start.is_some() && self.epoch == header.producer_epoch
    }

    /// Starts `epoch`, and drops the batches of an older one.
    fn enter_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            (self.batches, self.count) = (Self::UNKNOWN.batches, 0);
        }
    }

    /// Adds a batch of data.
    pub(crate) fn add_batch(&mut self, header: &BatchHeader) {
        self.enter_epoch(header.producer_epoch);
        self.last_timestamp = header.max_timestamp;
        self.push(BatchTrace {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        if header.attributes.is_transactional() && self.transaction_start.is_none() {
            self.transaction_start = Some(header.base_offset);
        }
    }

    /// Adds a batch, and drops the oldest one if there are too many.
    pub(crate) fn push(&mut self, batch: BatchTrace) {
        if usize::from(self.count) == BATCHES_KEPT {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        if let Some(slot) = self.batches.get_mut(usize::from(self.count)) {
            *slot = batch;
            self.count += 1;
        }
    }

    /// Replaces the newest batch by those of `history`, if they end with it. Returns whether they do.
    pub(super) fn take_history(&mut self, history: &Self) -> bool {
        let place =
            |batch: &BatchTrace| (batch.last_sequence, batch.last_offset, batch.offset_delta);
        let newest = self.batches().last().map(place);
        let leads_here = newest.is_some() && history.batches().last().map(place) == newest;
        if leads_here {
            (self.batches, self.count) = (history.batches, history.count);
        }
        leads_here
    }

    /// Ends the open transaction.
    pub(crate) fn add_marker(
        &mut self,
        header: &BatchHeader,
        marker: &EndTransactionMarker,
        timestamp: Timestamp,
    ) {
        self.enter_epoch(header.producer_epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.transaction_start = None;
        self.last_timestamp = timestamp;
    }

    fn is_expired(&self, now: Timestamp, expiration_ms: i64) -> bool {
        self.transaction_start.is_none() && now.millis_since(self.last_timestamp) >= expiration_ms
    }
}

/// The producer state at one offset of the log. Cheap to take and to clone, however many producers there are:
/// unchanged entries are shared with the table.
#[derive(Clone, Debug)]
pub(crate) struct ProducerPicture {
    entries: SharedMap<ProducerId, ProducerEntry>,
    end: Offset,
}

impl ProducerPicture {
    /// Every batch below has been applied.
    pub(crate) const fn end(&self) -> Offset {
        self.end
    }

    /// The state of producer `id`, if it is known.
    pub(crate) fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.entries.get(&id)
    }

    /// All entries, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The first producer after `id`, or the first of all.
    pub(crate) fn after(&self, id: Option<ProducerId>) -> Option<(ProducerId, &ProducerEntry)> {
        let next = match id {
            Some(id) => self.entries.after(&id),
            None => self.entries.iter().next(),
        };
        next.map(|(id, entry)| (*id, entry))
    }

    /// How many producers are known.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of memory that this holds once nothing is shared with the table any more.
    pub(crate) const fn memory(&self) -> usize {
        self.len()
            .saturating_mul(size_of::<(ProducerId, ProducerEntry)>())
    }
}

/// All producers of a partition, and the offset up to which batches were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerTable {
    entries: SharedMap<ProducerId, ProducerEntry>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
    /// Every batch below has been applied.
    end: Offset,
}

impl ProducerTable {
    /// An empty table at `end`.
    pub(crate) fn empty_at(end: Offset) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    /// A table with these entries.
    pub(crate) fn from_entries(
        entries: impl IntoIterator<Item = (ProducerId, ProducerEntry)>,
        end: Offset,
    ) -> Self {
        let mut table = Self::empty_at(end);
        for (id, entry) in entries {
            table.publish(id, entry);
        }
        table
    }

    /// Every batch below has been applied.
    pub(crate) const fn end(&self) -> Offset {
        self.end
    }

    /// Notes that everything below `end` has been applied.
    pub(crate) fn advance_end(&mut self, end: Offset) {
        self.end = end;
    }

    /// The state of producer `id`, if it is known.
    pub(crate) fn get(&self, id: ProducerId) -> Option<&ProducerEntry> {
        #[cfg(test)]
        touched::note(1);
        self.entries.get(&id)
    }

    /// A copy of the current state.
    pub(crate) fn picture(&self) -> ProducerPicture {
        ProducerPicture {
            entries: self.entries.clone(),
            end: self.end,
        }
    }

    /// All entries, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        #[cfg(test)]
        touched::note(self.len());
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// How many producers are known.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Stores an entry.
    pub(crate) fn publish(&mut self, id: ProducerId, entry: ProducerEntry) {
        let before = self.get(id).and_then(|before| before.transaction_start);
        #[cfg(test)]
        touched::note(1);
        self.entries.insert(id, entry);
        if before != entry.transaction_start {
            if let Some(start) = before {
                self.open.remove(&start);
            }
            if let Some(start) = entry.transaction_start {
                self.open.insert(start, id);
            }
        }
    }

    /// The producers with an open transaction, with their epochs.
    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = (ProducerId, ProducerEpoch)> {
        let epoch = |id: &ProducerId| self.get(*id).map(|entry| (*id, entry.epoch));
        self.open.values().filter_map(epoch)
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open_transaction(&self) -> Option<Offset> {
        #[cfg(test)]
        touched::note(1);
        self.open.keys().next().copied()
    }

    /// Applies a batch that is already in the log, without any check. `marker` is the content of a control
    /// batch.
    pub(crate) fn replay(
        &mut self,
        header: &BatchHeader,
        marker: Option<(EndTransactionMarker, Timestamp)>,
    ) {
        if let Some(entry) = replayed(self.get(header.producer_id), header, marker) {
            self.publish(header.producer_id, entry);
        }
        self.end = header.next_offset();
    }

    /// Forgets producers that have been silent for `expiration_ms` and have no transaction open.
    pub(crate) fn expire(&mut self, now: Timestamp, expiration_ms: i64) {
        self.expire_some(None, usize::MAX, now, expiration_ms);
    }

    /// The same for `most` producers, or a few more, from `from` on. Returns where to continue, if there are more.
    pub(crate) fn expire_some(
        &mut self,
        from: Option<ProducerId>,
        most: usize,
        now: Timestamp,
        expiration_ms: i64,
    ) -> Option<ProducerId> {
        let is_kept = |_: &ProducerId, entry: &ProducerEntry| !entry.is_expired(now, expiration_ms);
        self.entries.retain_some(from.as_ref(), most, is_kept)
    }
}

/// How many entries of tables were looked at or changed on this thread.
#[cfg(test)]
pub(crate) mod touched {
    use std::cell::Cell;

    thread_local!(static TOUCHED: Cell<usize> = const { Cell::new(0) });

    pub(super) fn note(entries: usize) {
        TOUCHED.set(TOUCHED.get() + entries);
    }

    /// Since this was asked last.
    pub(crate) fn take() -> usize {
        TOUCHED.take()
    }
}

/// The state of the batch's producer after the batch, if it has a producer.
fn replayed(
    before: Option<&ProducerEntry>,
    header: &BatchHeader,
    marker: Option<(EndTransactionMarker, Timestamp)>,
) -> Option<ProducerEntry> {
    if !header.producer_id.is_some() {
        return None;
    }
    let mut entry = before.copied().unwrap_or(ProducerEntry::UNKNOWN);
    match marker {
        Some((marker, timestamp)) => entry.add_marker(header, &marker, timestamp),
        None if header.attributes.is_control() => return None,
        None => entry.add_batch(header),
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(last_sequence: i32, offset_delta: i32) -> BatchTrace {
        BatchTrace {
            last_sequence,
            last_offset: Offset(100),
            offset_delta,
            timestamp: Timestamp(0),
        }
    }

    #[test]
    fn sequences_wrap() {
        assert_eq!(trace(9, 9).first_sequence(), 0);
        assert_eq!(trace(2, 5).first_sequence(), i32::MAX - 2);
        assert_eq!(trace(i32::MAX, 0).first_sequence(), i32::MAX);
    }

    #[test]
    fn five_batches_are_kept() {
        let mut entry = ProducerEntry::UNKNOWN;
        for sequence in 0..8 {
            entry.push(trace(sequence, 0));
        }
        let kept: Vec<i32> = entry
            .batches()
            .iter()
            .map(|batch| batch.last_sequence)
            .collect();
        assert_eq!(kept, [3, 4, 5, 6, 7]);
    }

    #[test]
    fn silent_producers_expire_unless_a_transaction_is_open() {
        let mut table = ProducerTable::default();
        let entry = ProducerEntry {
            last_timestamp: Timestamp(1000),
            ..ProducerEntry::UNKNOWN
        };
        table.publish(ProducerId(1), entry);
        table.publish(
            ProducerId(2),
            ProducerEntry {
                transaction_start: Some(Offset(7)),
                ..entry
            },
        );
        table.expire(Timestamp(1999), 1000);
        assert_eq!(table.len(), 2);
        table.expire(Timestamp(2000), 1000);
        assert_eq!(table.len(), 1);
        assert_eq!(table.first_open_transaction(), Some(Offset(7)));
        table.publish(ProducerId(2), entry);
        assert_eq!(table.first_open_transaction(), None);
    }
}
