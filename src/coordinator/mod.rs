//! Floor 6: hosts coordinator machines on the partitions of their internal topics.
//!
//! Owns: one [`host`] per led partition of an internal topic (a mailbox, the machine, its timers,
//! its parked replies), loading, and the typed front door [`Groups`].
//!
//! Must not: decide anything about groups (the `group` machine does), or know wire messages.
//!
//! ```text
//!  question -> mailbox -> decide -> replay into the machine -> append -> ... committed -> reply
//!                            \__ timers                          \__ failed: drop the machine,
//!                                                                     fail what is parked, load again
//! ```
//!
//! [`failures`] says who hears what when a decision cannot be written.
//!
//! Invariants
//! - The machine sees one question at a time, and the records of a decision before the next question.
//! - A reply leaves only when the records of its decision, and of every decision before it, are
//!   committed; so a reply decided from state that is not yet durable waits for that state, too.
//! - What machines hold in memory for those who wait or are members is summed up over all of them, and
//!   each is told before it decides what the others hold and what its log takes.
//! - Loading is the same replay from the log. After a failed append the machine may hold what the
//!   log does not: it is dropped and loaded again. A decision that is larger than a batch may be is not
//!   replayed, so that the machine can go on.

mod active;
mod asking;
mod batches;
mod failures;
mod group_machine;
pub mod groups;
pub mod held;
pub mod host;
mod load;
mod machine;
mod offsets_topic;
mod timers;
mod undecided;

pub use groups::Groups;
pub use host::CoordinatorError;
pub use offsets_topic::{offsets_topic, partition_of};
