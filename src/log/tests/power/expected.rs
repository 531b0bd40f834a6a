//! What must be found after a loss of power, and what may be.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, ProducerId, Timestamp};
use crate::config::TopicConfig;
use crate::log::epochs::LeaderEpochs;
use crate::log::producer::ProducerTable;
use crate::log::store::marker_in;
use crate::log::validate::MOST_DECOMPRESSED;
use crate::log::{AbortedTransaction, PartitionLog};
use crate::record::control::EndTransactionMarker;
use crate::record::{BatchHeader, Batches, Record, Records};

/// A batch as it is in the log.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) header: BatchHeader,
    /// As they were sent: the first bytes are another story.
    pub(super) bytes: Bytes,
    /// Of each record.
    pub(super) timestamps: Vec<Timestamp>,
    /// Of each record, key and value.
    pub(super) records: Vec<(Bytes, Bytes)>,
    marker: Option<(EndTransactionMarker, Timestamp)>,
}

pub(super) fn key_and_value(record: &Record<'_>) -> (Bytes, Bytes) {
    let bytes = |part: Option<&[u8]>| Bytes::copy_from_slice(part.unwrap_or_default());
    (bytes(record.key), bytes(record.value))
}

impl Stored {
    pub(super) fn new(bytes: &Bytes, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let batch = Batches::new(bytes.clone()).next().unwrap().unwrap();
        let records = batch.record_bytes(MOST_DECOMPRESSED).unwrap();
        let header = BatchHeader {
            base_offset,
            leader_epoch,
            ..batch.header
        };
        Self {
            header,
            bytes: bytes.clone(),
            timestamps: Records::new(&header, &records)
                .map(|record| record.unwrap().timestamp)
                .collect(),
            records: Records::new(&header, &records)
                .map(|record| key_and_value(&record.unwrap()))
                .collect(),
            marker: if header.attributes.is_control() {
                marker_in(&header, &records)
            } else {
                None
            },
        }
    }
}

/// A log as it may be found, or any part of it from its start on.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The first offset that was ever to be there.
    pub(super) start: Offset,
    pub(super) batches: Vec<Stored>,
    epochs: LeaderEpochs,
    /// The change of the disk with which it began.
    began: usize,
}

impl History {
    fn end(&self) -> Offset {
        self.batches
            .last()
            .map_or(self.start, |stored| stored.header.next_offset())
    }

    /// Whether a log may end here.
    pub(super) fn has_boundary(&self, offset: Offset) -> bool {
        offset == self.start
            || self
                .batches
                .iter()
                .any(|stored| stored.header.next_offset() == offset)
    }

    /// The leader epochs of a log with these bounds.
    pub(super) fn epochs(&self, log_start: Offset, log_end: Offset) -> LeaderEpochs {
        let mut epochs = self.epochs.clone();
        epochs.truncate_from_end(log_end);
        epochs.truncate_from_start(log_start);
        epochs
    }

    /// The producers of a log that ends there.
    pub(super) fn producers(&self, log_end: Offset) -> ProducerTable {
        let mut table = ProducerTable::empty_at(self.start);
        for stored in self
            .batches
            .iter()
            .filter(|stored| stored.header.base_offset < log_end)
        {
            table.replay(&stored.header, stored.marker);
        }
        table
    }
}

impl History {
    /// The transactions that were aborted in a log that ends there.
    pub(super) fn aborted(&self, log_end: Offset) -> Vec<AbortedTransaction> {
        let mut table = ProducerTable::empty_at(self.start);
        let mut aborted = Vec::new();
        for stored in &self.batches {
            let (id, last) = (stored.header.producer_id, stored.header.last_offset());
            if last >= log_end {
                break;
            }
            let first = table.get(id).and_then(|entry| entry.transaction_start);
            table.replay(&stored.header, stored.marker);
            if let (Some((marker, _)), Some(first)) = (stored.marker, first)
                && !marker.committed
            {
                aborted.push(AbortedTransaction {
                    producer: id,
                    first,
                    last,
                    last_stable: table
                        .first_open_transaction()
                        .unwrap_or_else(|| last.next()),
                });
            }
        }
        aborted
    }
}

/// What holds from a change of the disk on.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    /// Every batch below is there.
    durable: Offset,
    /// The log starts no lower, and no higher.
    least_start: Offset,
    start: Offset,
}

/// All histories, the newest last, and what was acknowledged when.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    histories: Vec<History>,
    marks: Vec<Mark>,
    /// The log start that is durable.
    pub(super) least_start: Offset,
    /// Records that compaction has dropped.
    pub(super) dropped: u64,
    /// The topic's settings.
    pub(super) config: TopicConfig,
}

/// What must hold at one point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) durable: Offset,
    pub(super) least_start: Offset,
    pub(super) most_start: Offset,
}

impl Expected {
    pub(super) fn new(config: TopicConfig) -> Self {
        Self {
            histories: vec![History::default()],
            marks: Vec::new(),
            least_start: Offset(0),
            dropped: 0,
            config,
        }
    }

    fn newest(&mut self) -> &mut History {
        self.histories.last_mut().unwrap()
    }

    pub(super) fn end(&self) -> Offset {
        self.histories.last().unwrap().end()
    }

    pub(super) fn next_sequence(&self, producer: ProducerId) -> i32 {
        let table = self.histories.last().unwrap().producers(Offset(i64::MAX));
        table
            .get(producer)
            .map_or(0, |entry| entry.last_sequence() + 1)
    }

    pub(super) fn append(&mut self, stored: Stored) {
        let (epoch, base_offset) = (stored.header.leader_epoch, stored.header.base_offset);
        let newest = self.newest();
        newest.epochs.assign(epoch, base_offset);
        newest.batches.push(stored);
    }

    pub(super) fn assign(&mut self, epoch: LeaderEpoch) {
        let end = self.end();
        self.newest().epochs.assign(epoch, end);
    }

    /// The log is about to be cut; `at` is the next change of the disk.
    pub(super) fn truncate(&mut self, to: Offset, at: usize) {
        let mut history = self.histories.last().unwrap().clone();
        history
            .batches
            .retain(|stored| stored.header.next_offset() <= to);
        history.began = at;
        let end = history.end();
        history.epochs.truncate_from_end(end);
        self.histories.push(history);
        self.give_up(end, Offset(0), at);
    }

    /// The log is about to start anew.
    pub(super) fn start_anew(&mut self, start: Offset, at: usize) {
        self.histories.push(History {
            start,
            began: at,
            ..History::default()
        });
        self.give_up(Offset(0), start, at);
    }

    /// What is above `end` is not promised any more, and the log may start as high as `start`.
    fn give_up(&mut self, end: Offset, start: Offset, at: usize) {
        if let Some(last) = self.marks.last().copied() {
            self.marks.push(Mark {
                at,
                durable: last.durable.min(end),
                // a log that ends within the batch that it starts in starts with it
                least_start: last.least_start.min(end.max(start)),
                start: last.start.max(start),
            });
        }
    }

    /// A step is done.
    pub(super) fn mark(&mut self, at: usize, log: &PartitionLog) {
        assert_eq!(log.log_end(), self.end());
        let start = self.newest().start;
        self.marks.push(Mark {
            at,
            // a log that started anew is nowhere until something of it is synced
            durable: Some(log.flushed())
                .filter(|flushed| *flushed > start)
                .unwrap_or_default(),
            least_start: self.least_start,
            start: log.log_start(),
        });
    }

    /// What holds when the power is lost before the change `at`.
    pub(super) fn bounds(&self, at: usize) -> Bounds {
        let done = self.marks.partition_point(|mark| mark.at <= at);
        let last = done.checked_sub(1).map(|last| self.marks[last]);
        // of the step that goes on
        let begun = &self.marks[..self.marks.len().min(done + 1)];
        Bounds {
            durable: last.map_or(Offset(0), |mark| mark.durable),
            least_start: last.map_or(Offset(0), |mark| mark.least_start),
            most_start: begun
                .iter()
                .map(|mark| mark.start)
                .max()
                .unwrap_or_default(),
        }
    }

    /// Logs of which a part may be found, the likeliest first.
    pub(super) fn histories(&self, at: usize) -> impl Iterator<Item = &History> {
        self.histories
            .iter()
            .rev()
            .filter(move |history| history.began <= at)
    }
}
