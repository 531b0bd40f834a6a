//! Floor 6: hosts coordinator machines on the partitions of their internal topics.
//!
//! Owns: one [`host`] per led partition of an internal topic (a mailbox, the machine, its timers, its pending
//! replies), loading, and a typed interface for each kind of machine ([`Groups`], [`Transactions`]).
//!
//! Must not: decide (the machines do), or know wire messages.
//!
//! ```text
//!   Groups, Transactions (one interface per kind of machine)
//!     |
//!   hosts (topic, lookup by key, start and stop)
//!     |
//!   host: question -> mailbox -> decide -> replay into the machine -> append -> ... committed -> reply, effects
//!         news                      \__ timers                          \__ failed: drop the machine,
//!         timers                                                            fail what is parked, load again
//!         marker ----------------------------------------------> append -> ... committed -> tell the machine
//! ```
//!
//! A kind of machine implements [`machine`] and names its topic; everything else here is the same for all kinds. `hosts`
//! finds the machine of a key and is the part that all front doors have in common, `host` is its mailbox, `active` is a loaded machine at work, `asking` a question on its way.
//! [`Groups`] and [`Transactions`] are the front doors, and `groups/machine.rs` and `transactions/machine.rs` make
//! [`crate::group::Registry`] and [`crate::txn::Registry`] machines. What transactions decide about other partitions is
//! carried out by `transactions/carrier.rs`, through the door of `Markers`; `groups/lookup.rs` looks up topics for groups.
//! [`failures`] describes the errors when a decision cannot be written.
//!
//! Invariants
//! - The machine sees one request at a time, and the records of a decision before the next request.
//! - A reply is sent only when the records of its decision, and of every decision before it, are committed. So a
//!   reply based on state that is not yet durable waits for that state, too.
//! - The memory that machines hold for clients is summed over all machines of a kind. Before each decision a machine
//!   is told what the others hold and how large a batch of its log may be.
//! - Loading is the same replay from the log, up to its end; a machine serves requests when all of that is committed.
//!   After a failed append the machine's state may be ahead of the log: it is dropped and loaded again. A decision
//!   that is larger than a batch may be is not replayed, so the machine can continue. The same with a marker, or records
//!   of a transaction, that the log refuses ([`writes`]).
//! - Records of a transaction are written only while it is open here, or with a guard that was given out before the
//!   transaction's coordinator was asked ([`enlist`]). So a commit that comes too late opens nothing.

mod active;
mod asking;
mod batches;
mod endings;
mod enlist;
mod error;
mod failures;
mod groups;
mod held;
mod host;
mod hosts;
mod internal_topic;
mod load;
mod machine;
mod markers;
mod timers;
mod transactions;
mod writes;

#[cfg(test)]
pub use endings::Endings;
#[cfg(test)]
pub use enlist::Enlisted;
pub use enlist::{Enlist, Enlists, NotEnlisted};
pub use error::CoordinatorError;
pub use groups::{Committing, Groups, NotCommitted, offsets_topic};
pub use markers::MarkerError;
#[cfg(test)]
pub use transactions::{Markers, NotMarked, Writing};
pub use transactions::{OwnPartitions, TransactionError, Transactions, transactions_topic};
