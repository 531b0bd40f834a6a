//! Replay: the one place where records of the log change the registry, while loading and afterwards.

use super::records;
use super::registry::Registry;
use super::transactions::Transaction;
use crate::base::{ProducerEpoch, Replayed};
use crate::schema::DecodeError;

/// Why a record could not be replayed. As in Kafka it changes nothing: it may be left from an upgrade that was taken
/// back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The bytes are not what the record's schema says.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// A version that is not known here.
    #[error("version {version} of a transaction's {part} is not known")]
    UnknownVersion {
        /// The part of the record: its key or its value.
        part: &'static str,
        /// Its version.
        version: i16,
    },
    /// A state that no record has.
    #[error("a transaction has state {0}")]
    State(i8),
}

impl Registry {
    /// Applies a record. One that cannot be read changes nothing.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn replay(&mut self, record: &Replayed<'_>) -> Result<(), ReplayError> {
        let id = records::decode_key(record.key)?;
        let Some(value) = record.value else {
            self.transactions.remove(&id);
            return Ok(());
        };
        let value = records::decode_value(value)?;
        let deciding = self.deciding.as_ref().filter(|deciding| deciding.id == id);
        let last_epoch = deciding.map_or(ProducerEpoch::NONE, |deciding| deciding.last_epoch);
        self.transactions
            .insert(id, Transaction { value, last_epoch });
        Ok(())
    }
}
