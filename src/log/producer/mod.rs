//! Producer state of one partition: what makes idempotent produces idempotent.
//!
//! For every producer id that wrote lately: its epoch, its last five batches, and the transaction it has
//! open. A batch is checked against this state *before* it is written ([`check`]), the result is a new
//! entry, and the entry is put in place ([`ProducerTable::publish`]) only *after* the write succeeded.
//! The state is a pure function of the log's batches, so that it can be rebuilt by replay
//! ([`ProducerTable::replay`]); snapshots ([`snapshot`]) shorten that replay, and carry the state over
//! the deletion of the segments it came from; one that was taken is written later ([`unsynced`]). Of a producer's five batches a snapshot holds only the newest;
//! the others are looked up in the log again ([`history`]).

pub(crate) mod check;
mod expiration;
mod history;
pub(crate) mod load;
pub(crate) mod snapshot;
pub(crate) mod state;
mod unsynced;

pub(crate) use check::{CheckedProducers, ProducerCheck};
pub use expiration::ProducerExpiration;
pub(crate) use load::ProducerLoader;
pub(crate) use state::{ProducerPicture, ProducerTable, ProducersAfter};
pub(crate) use unsynced::UnsyncedSnapshot;
