//! Whether a producer may write a batch now: fencing, duplicates, gaps in its sequence, transactions that nobody would
//! end.

use crate::base::{ProducerEpoch, ProducerId, Timestamp};
use crate::record::BatchHeader;
use crate::record::control::EndTransactionMarker;

use super::state::{BatchTrace, ProducerEntry, ProducerTable};
use super::verification::{Guard, OpenTransactions};

/// A producer that may not write this batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProducerRefusal {
    #[error(
        "producer {producer_id} sent sequence {found} where {expected} was expected (epoch {epoch}, known epoch {known_epoch})"
    )]
    OutOfOrderSequence {
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        known_epoch: ProducerEpoch,
        expected: i32,
        found: i32,
    },
    #[error("producer {producer_id} sent epoch {epoch}, but epoch {known_epoch} was seen already")]
    InvalidProducerEpoch {
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        known_epoch: ProducerEpoch,
    },
    #[error("producer {producer_id} sent a batch outside of its open transaction")]
    InvalidTransactionState { producer_id: ProducerId },
    #[error("producer {producer_id} sent a batch that is not part of an open transaction")]
    NotInTransaction { producer_id: ProducerId },
    #[error("coordinator epoch {epoch} is older than {known_epoch} for producer {producer_id}")]
    CoordinatorFenced {
        producer_id: ProducerId,
        epoch: i32,
        known_epoch: i32,
    },
}

/// How the transactions of an append are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionCheck {
    /// A transactional batch belongs to a transaction that is open.
    MustBeOpen,
    /// It may also begin one, if this guard still holds.
    MayBegin(Guard),
    /// It may begin one: whoever appends answers for it.
    Trusted,
    /// A marker has a new epoch of its producer (transaction version 2; KIP-1228). Other markers have the epoch of the
    /// transaction's records.
    EndsWithNewEpoch,
}

/// What a check found.
pub(crate) enum ProducerCheck {
    /// The batch was written before.
    Duplicate(BatchTrace),
    /// The batch may be stored.
    Accepted,
}

/// The producers as they are, and as they will be once the batches that were checked are stored.
#[derive(Debug)]
pub(crate) struct CheckedProducers<'a> {
    table: &'a ProducerTable,
    transactions: &'a OpenTransactions,
    check: TransactionCheck,
    entries: Vec<(ProducerId, ProducerEntry)>,
}

impl<'a> CheckedProducers<'a> {
    /// Nothing is checked yet.
    pub(crate) const fn new(
        table: &'a ProducerTable,
        transactions: &'a OpenTransactions,
        check: TransactionCheck,
    ) -> Self {
        Self {
            table,
            transactions,
            check,
            entries: Vec::new(),
        }
    }

    fn current(&self, id: ProducerId) -> ProducerEntry {
        let checked = self
            .entries
            .iter()
            .rev()
            .find(|(checked, _)| *checked == id)
            .map(|(_, entry)| entry);
        checked
            .or_else(|| self.table.get(id))
            .copied()
            .unwrap_or(ProducerEntry::UNKNOWN)
    }

    /// Checks a batch of data, whose offsets are assigned already. Only clients have sequences to check:
    /// coordinators write offset commits of transactions without them. What the last batch would change nobody asks
    /// for.
    pub(crate) fn check_data(
        &mut self,
        header: &BatchHeader,
        from_client: bool,
        is_last: bool,
    ) -> Result<ProducerCheck, ProducerRefusal> {
        let producer_id = header.producer_id;
        if !producer_id.is_some() {
            return Ok(ProducerCheck::Accepted);
        }
        let mut entry = self.current(producer_id);
        if from_client && let Some(original) = entry.duplicate_of(header) {
            return Ok(ProducerCheck::Duplicate(original));
        }
        check_epoch(&entry, header)?;
        let begins = header.attributes.is_transactional() && !entry.continues(header);
        if begins {
            self.check_beginning(producer_id)?;
        }
        if from_client {
            if begins {
                self.check_first_sequence(&entry, header)?;
            }
            check_sequence(&entry, header)?;
        }
        if entry.transaction_start.is_some() && !header.attributes.is_transactional() {
            return Err(ProducerRefusal::InvalidTransactionState { producer_id });
        }
        if !is_last {
            entry.add_batch(header);
            self.entries.push((producer_id, entry));
        }
        Ok(ProducerCheck::Accepted)
    }

    /// Whether a transaction may begin.
    fn check_beginning(&self, producer_id: ProducerId) -> Result<(), ProducerRefusal> {
        let may_begin = match self.check {
            TransactionCheck::MayBegin(guard) => self.transactions.holds(producer_id, guard),
            TransactionCheck::Trusted => true,
            TransactionCheck::MustBeOpen | TransactionCheck::EndsWithNewEpoch => false,
        };
        if may_begin {
            return Ok(());
        }
        Err(ProducerRefusal::NotInTransaction { producer_id })
    }

    /// Whether an earlier batch, which is not stored yet, comes before the one that would begin a transaction.
    fn check_first_sequence(
        &self,
        entry: &ProducerEntry,
        header: &BatchHeader,
    ) -> Result<(), ProducerRefusal> {
        let is_new = entry.batches().is_empty();
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        match self.transactions.highest_first_sequence(id, epoch, is_new) {
            Some(expected) if header.base_sequence > expected => {
                Err(out_of_order(entry, header, expected))
            }
            _ => Ok(()),
        }
    }

    /// Checks the end of a transaction.
    pub(crate) fn check_marker(
        &mut self,
        header: &BatchHeader,
        marker: &EndTransactionMarker,
        timestamp: Timestamp,
        is_last: bool,
    ) -> Result<(), ProducerRefusal> {
        let producer_id = header.producer_id;
        let mut entry = self.current(producer_id);
        check_epoch(&entry, header)?;
        // With the same epoch and without an open transaction it is a repetition: a coordinator that was restarted
        // does not know whether its marker was stored.
        if self.check == TransactionCheck::EndsWithNewEpoch
            && header.producer_epoch == entry.epoch
            && entry.transaction_start.is_some()
        {
            return Err(too_old(&entry, header));
        }
        if marker.coordinator_epoch < entry.coordinator_epoch {
            return Err(ProducerRefusal::CoordinatorFenced {
                producer_id,
                epoch: marker.coordinator_epoch,
                known_epoch: entry.coordinator_epoch,
            });
        }
        if !is_last {
            entry.add_marker(header, marker, timestamp);
            self.entries.push((producer_id, entry));
        }
        Ok(())
    }
}

fn check_epoch(entry: &ProducerEntry, header: &BatchHeader) -> Result<(), ProducerRefusal> {
    if header.producer_epoch < entry.epoch {
        return Err(too_old(entry, header));
    }
    Ok(())
}

const fn too_old(entry: &ProducerEntry, header: &BatchHeader) -> ProducerRefusal {
    ProducerRefusal::InvalidProducerEpoch {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        known_epoch: entry.epoch,
    }
}

/// An unknown producer may begin at any sequence: its state may have expired or been deleted with the
/// records, without its knowledge. A known one starts a new epoch at 0 and continues without gaps.
fn check_sequence(entry: &ProducerEntry, header: &BatchHeader) -> Result<(), ProducerRefusal> {
    if entry.epoch == ProducerEpoch::NONE {
        return Ok(());
    }
    let expected = if header.producer_epoch == entry.epoch {
        crate::record::batch::sequence_after(entry.last_sequence(), 1)
    } else {
        0
    };
    if header.base_sequence == expected {
        return Ok(());
    }
    Err(out_of_order(entry, header, expected))
}

const fn out_of_order(
    entry: &ProducerEntry,
    header: &BatchHeader,
    expected: i32,
) -> ProducerRefusal {
    ProducerRefusal::OutOfOrderSequence {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        known_epoch: entry.epoch,
        expected,
        found: header.base_sequence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{LeaderEpoch, Offset};
    use crate::record::Attributes;

    fn header(epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(offset),
            length: 49,
            leader_epoch: LeaderEpoch(0),
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: count - 1,
            base_timestamp: Timestamp(1),
            max_timestamp: Timestamp(1),
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: sequence,
            record_count: count,
        }
    }

    fn write(
        table: &mut ProducerTable,
        header: &BatchHeader,
    ) -> Result<Option<Offset>, ProducerRefusal> {
        let open = OpenTransactions::default();
        let mut checked = CheckedProducers::new(table, &open, TransactionCheck::Trusted);
        Ok(match checked.check_data(header, true, true)? {
            ProducerCheck::Duplicate(original) => Some(original.first_offset()),
            ProducerCheck::Accepted => {
                table.replay(header, None);
                None
            }
        })
    }

    #[test]
    fn duplicates_gaps_and_wrap() {
        let mut table = ProducerTable::default();
        assert_eq!(
            write(&mut table, &header(0, i32::MAX - 4, 3, 0)),
            Ok(None),
            "unknown producers begin anywhere"
        );
        assert_eq!(write(&mut table, &header(0, i32::MAX - 1, 4, 3)), Ok(None));
        assert_eq!(
            write(&mut table, &header(0, 2, 1, 7)),
            Ok(None),
            "the sequence has wrapped"
        );
        assert_eq!(
            write(&mut table, &header(0, i32::MAX - 1, 4, 8)),
            Ok(Some(Offset(3)))
        );
        assert!(matches!(
            write(&mut table, &header(0, 4, 1, 8)),
            Err(ProducerRefusal::OutOfOrderSequence {
                expected: 3,
                found: 4,
                ..
            })
        ));
        for n in 3..9 {
            assert_eq!(
                write(&mut table, &header(0, n, 1, 5 + i64::from(n))),
                Ok(None)
            );
        }
        assert!(
            write(&mut table, &header(0, 2, 1, 14)).is_err(),
            "older than the last five"
        );
        assert_eq!(write(&mut table, &header(0, 4, 1, 14)), Ok(Some(Offset(9))));
    }

    #[test]
    fn epochs_fence_and_begin_at_zero() {
        let mut table = ProducerTable::default();
        assert_eq!(write(&mut table, &header(3, 0, 2, 0)), Ok(None));
        assert!(matches!(
            write(&mut table, &header(2, 2, 1, 2)),
            Err(ProducerRefusal::InvalidProducerEpoch {
                known_epoch: ProducerEpoch(3),
                ..
            })
        ));
        assert!(write(&mut table, &header(4, 2, 1, 2)).is_err());
        assert_eq!(write(&mut table, &header(4, 0, 1, 2)), Ok(None));
    }

    #[test]
    fn a_marker_ends_the_transaction() {
        let open = OpenTransactions::default();
        let mut table = ProducerTable::default();
        let data = BatchHeader {
            attributes: Attributes(0).with_transactional(true),
            ..header(0, 0, 2, 5)
        };
        assert_eq!(write(&mut table, &data), Ok(None));
        assert_eq!(table.first_open_transaction(), Some(Offset(5)));
        assert!(matches!(
            write(&mut table, &header(0, 2, 1, 7)),
            Err(ProducerRefusal::InvalidTransactionState { .. })
        ));
        let marker = EndTransactionMarker {
            committed: true,
            coordinator_epoch: 4,
        };
        let at = header(0, -1, 1, 7);
        CheckedProducers::new(&table, &open, TransactionCheck::Trusted)
            .check_marker(&at, &marker, Timestamp(2), true)
            .unwrap();
        table.replay(&at, Some((marker, Timestamp(2))));
        assert_eq!(table.first_open_transaction(), None);
        let older = EndTransactionMarker {
            committed: true,
            coordinator_epoch: 3,
        };
        let refused = CheckedProducers::new(&table, &open, TransactionCheck::Trusted).check_marker(
            &header(0, -1, 1, 8),
            &older,
            Timestamp(2),
            true,
        );
        assert!(matches!(
            refused,
            Err(ProducerRefusal::CoordinatorFenced { .. })
        ));
    }
}
