//! Floor 6: hosts coordinator machines on the partitions of their internal topics.
//!
//! Owns: one [`host`] per led partition of an internal topic (a mailbox, the machine, its timers, its parked
//! replies), loading, and a typed front door for each kind of machine ([`Groups`]).
//!
//! Must not: decide (the machines do), or know wire messages.
//!
//! ```text
//!   Groups (one front door per kind of machine)
//!     |
//!   hosts (topic, lookup by key, start and stop)
//!     |
//!   host: question -> mailbox -> decide -> replay into the machine -> append -> ... committed -> reply, effects
//!         news                      \__ timers                          \__ failed: drop the machine,
//!         timers                                                            fail what is parked, load again
//!         marker ----------------------------------------------> append -> ... committed -> tell the machine
//! ```
//!
//! A kind of machine implements [`machine`] and names its topic; everything else here is the same for all kinds.
//! [`failures`] says who hears what when a decision cannot be written.
//!
//! Invariants
//! - The machine sees one question at a time, and the records of a decision before the next question.
//! - A reply leaves only when the records of its decision, and of every decision before it, are
//!   committed; so a reply decided from state that is not yet durable waits for that state, too.
//! - What machines hold in memory for clients is summed up over all machines of a kind, and
//!   each is told before it decides what the others hold and what its log takes.
//! - Loading is the same replay from the log, up to its end; a machine is asked when all of that is committed. After a failed append the machine may hold what the
//!   log does not: it is dropped and loaded again. A decision that is larger than a batch may be is not
//!   replayed, so that the machine can go on.

mod active;
mod asking;
mod batches;
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

pub use error::CoordinatorError;
pub use groups::{Groups, offsets_topic};
