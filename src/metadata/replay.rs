//! Replays the metadata log: the input is batches, the output is images. Transactions are applied as a whole.
//!
//! ```text
//!   batch:      [a b] [begin c] [d] [end e]
//!   visible:     a b             -   c d e      (begin and end are offsets, not changes)
//! ```
//!
//! A loader collects records and creates an image on request. Loading a log feeds all of it and publishes once; a
//! running broker publishes after each batch. While a transaction is open its records wait. The records before it can
//! be published, but the image's offset then stays below the transaction, so that a snapshot of that image followed
//! by the log from there loses nothing.

use crate::base::{LeaderEpoch, Offset};

use super::delta::Delta;
use super::draft::{ApplyError, Draft};
use super::image::Image;
use super::record::MetadataRecord;

/// Why a metadata log cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A record contradicts what came before it.
    #[error("metadata record at offset {offset}: {error}")]
    Apply {
        /// The record's offset.
        offset: Offset,
        /// The error.
        error: ApplyError,
    },
    /// The records up to an offset leave the image incomplete.
    #[error("metadata up to offset {offset}: {error}")]
    Incomplete {
        /// The last offset.
        offset: Offset,
        /// What is missing.
        error: ApplyError,
    },
    /// A transaction begins inside another.
    #[error("metadata record at offset {0}: a transaction begins inside another")]
    NestedTransaction(Offset),
    /// A transaction ends or is aborted without a begin.
    #[error("metadata record at offset {0}: a transaction ends that has not begun")]
    NoTransaction(Offset),
}

/// Records of a transaction that has not ended.
#[derive(Debug, Default)]
struct Transaction {
    records: Vec<(Offset, MetadataRecord)>,
}

/// Turns a log into images.
#[derive(Debug)]
pub struct Loader {
    published: Image,
    draft: Draft,
    transaction: Option<Transaction>,
    /// The last offset and epoch in the draft.
    offset: Offset,
    epoch: LeaderEpoch,
}

impl Loader {
    /// A loader that continues `image`: the empty one, or one that was read from a snapshot.
    pub fn new(image: Image) -> Self {
        Self {
            draft: Draft::new(&image),
            transaction: None,
            offset: image.offset(),
            epoch: image.epoch(),
            published: image,
        }
    }

    /// Adds one record of the log, at `offset` in the epoch `epoch`. After an error the loader must not be used any
    /// more.
    pub fn feed(
        &mut self,
        record: MetadataRecord,
        offset: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(), LoadError> {
        match (record, &mut self.transaction) {
            (MetadataRecord::BeginTransaction(_), Some(_)) => {
                return Err(LoadError::NestedTransaction(offset));
            }
            (MetadataRecord::BeginTransaction(_), none) => {
                *none = Some(Transaction::default());
                return Ok(());
            }
            (MetadataRecord::EndTransaction, transaction) => {
                let transaction = transaction.take().ok_or(LoadError::NoTransaction(offset))?;
                for (offset, record) in transaction.records {
                    self.apply(&record, offset)?;
                }
            }
            (MetadataRecord::AbortTransaction(_), transaction) => {
                transaction.take().ok_or(LoadError::NoTransaction(offset))?;
            }
            (record, Some(transaction)) => {
                transaction.records.push((offset, record));
                return Ok(());
            }
            (record, None) => self.apply(&record, offset)?,
        }
        self.offset = offset;
        self.epoch = epoch;
        Ok(())
    }

    /// Records that the log has reached `offset` in the epoch `epoch` without a metadata record, that is, by a
    /// control record.
    pub const fn skip_to(&mut self, offset: Offset, epoch: LeaderEpoch) {
        if self.transaction.is_none() {
            self.offset = offset;
            self.epoch = epoch;
        }
    }

    /// Whether a transaction is open.
    pub const fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The image so far, and the changes since the last one was published.
    pub fn publish(&mut self) -> Result<(Image, Delta), LoadError> {
        let draft = std::mem::replace(&mut self.draft, Draft::new(&Image::default()));
        let (image, delta) =
            draft
                .finish(self.offset, self.epoch)
                .map_err(|error| LoadError::Incomplete {
                    offset: self.offset,
                    error,
                })?;
        self.draft = Draft::new(&image);
        self.published = image.clone();
        Ok((image, delta))
    }

    /// The last published image.
    pub const fn published(&self) -> &Image {
        &self.published
    }

    fn apply(&mut self, record: &MetadataRecord, offset: Offset) -> Result<(), LoadError> {
        self.draft
            .apply(record)
            .map_err(|error| LoadError::Apply { offset, error })
    }
}
