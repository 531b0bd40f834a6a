//! Producer state of one partition, which makes idempotent produce requests idempotent.
//!
//! For every producer id that has written recently, this holds its epoch, its last five batches, and its open
//! transaction. A batch of a leader is checked against this state *before* it is written ([`check`]). The state changes
//! ([`ProducerTable::replay`]) only *after* the write has succeeded, in one way for leaders, followers and loading. The
//! state is a pure function of the batches in the log, so it can be rebuilt by replay. Snapshots ([`snapshot`]) shorten
//! that replay, and preserve the state when the segments that it comes from are deleted. A
//! snapshot is taken first and written later ([`unsynced`]). It holds only the newest of a producer's five batches;
//! the others are looked up in the log ([`history`]). Transactions whose markers are not committed yet: [`ended`].
//! Transactions that are about to begin: [`verification`].

pub(crate) mod check;
mod ended;
mod expiration;
mod history;
pub(crate) mod load;
pub(crate) mod snapshot;
pub(crate) mod state;
mod unsynced;
mod verification;

pub use check::TransactionCheck;
pub(crate) use check::{CheckedProducers, ProducerCheck};
pub(crate) use ended::EndedTransactions;
pub use expiration::ProducerExpiration;
pub(crate) use load::ProducerLoader;
pub(crate) use state::{ProducerPicture, ProducerTable};
pub(crate) use unsynced::UnsyncedSnapshot;
pub use verification::{Guard, OpenTransactions, Standing, TransactionalBatch};
