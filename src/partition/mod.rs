//! Floor 5: the partitions that this broker hosts, and the threads that write them.
//!
//! Owns: which replicas exist here ([`Partitions`]), the one writer of each ([`lane`]), what readers
//! and waiters may see ([`Replica`]), what consumers fetch and what is remembered of it ([`fetch`]), log
//! directories and their failure ([`directory`]), and the housekeeping that keeps logs within their bounds
//! ([`housekeeping`]).
//!
//! Must not: decode a request, know an API, or decide what exists (the image says that).
//!
//! ```text
//!   handler --append()--> route --> a lane of its directory, logs in turn --> PartitionLog ... PartitionLog
//!      ^                                  |         a write for each append, then one fsync per log
//!      |                                  v         where the policy asks for it
//!      +--- acknowledgement <--- publish: view, positions ---> marks waiting fetches, wakes those with enough
//! ```
//! On the way from `append()` to the route, what costs much (compressed records to be checked, a codec to be changed) is
//! done by the workers of [`preparation`], in an order that is fair to all sources. What is cheap goes straight on, unless
//! something of its source is before it.
//!
//! Each log directory has lanes of its own, so that a disk which hangs holds up nothing but its own partitions. A
//! replica that moves to another directory changes lanes: its [`route`] keeps the order of what is asked of
//! it. A lane serves its partitions in [`turns`], so that no partition waits for all that another has to write.
//!
//! Beside each lane a [`syncer`] syncs what no acknowledgement waits for: closed segments at once, the
//! others after a while. The recovery point follows. A [`cleaner`] rewrites the closed segments of compacted
//! topics. One [`scrubber`] reads, slowly, what nobody has asked for in a long time, to find what has changed
//! on disk.
//!
//! What the image asks for is made by the thread of the directory that it is made in ([`changes`]), and each directory
//! has a housekeeper.
//!
//! At the start [`starting`] looks at everything before it changes anything; [`strays`] says when it does not go on.
//! Several log directories: [`inventory`] sorts the [`contents`] that the last stop has left, [`placing`] chooses where a new replica
//! goes, [`moving`] and [`copying`] move one from one directory to another, and [`assignment`]s tell the controller
//! of it. That a directory has failed `broker` tells the controller.
//!
//! Invariants
//! - A [`PartitionLog`](crate::log::PartitionLog) lives in exactly one lane, which is one of its directory's; nobody
//!   else touches it. Only a mover takes it out for the last step of a move.
//! - What waits for a disk holds no lock that somebody takes for another directory.
//! - An append has its place in its partition as soon as [`Replica::append`] returns: behind everything that its
//!   [`Source`] has appended to the partition. Between two sources nobody has promised an order.
//! - A lane does nothing that takes long for a processor.
//! - Readers see a [`Published`] state: a view of the log and the positions that go with it, replaced
//!   whole. A position is published only after everything below it is in the log (and synced, where
//!   the policy asks for that).
//! - A failed write or sync is final for its log directory: every later append there is refused,
//!   and so are reads, since what may be wrong is not known; other directories do not notice. That there is
//!   no file descriptor left is not such a failure: what needs one is refused for the time being.
//! - A replica is in one directory. While any directory is offline, one that may be there is not made anew.
//!
//! Lock order: `changing`, then the hosted partitions, then a replica's route; nothing is locked under a route, and
//! sending to a lane or to a thread of a directory waits for nothing. The checkpoints of a directory are locked while
//! they are written, and the hosted partitions may be read under them.

mod adopting;
mod altering;
pub mod append;
mod assignment;
mod blocking;
mod changes;
mod cleaner;
mod closing;
mod contents;
mod copying;
mod delete_records;
mod deleting;
mod describing;
pub mod directory;
pub mod fetch;
mod following;
mod hosted;
pub mod housekeeping;
mod inventory;
pub mod lane;
pub mod lookup;
pub mod manager;
mod moving;
mod opening;
mod placing;
pub mod preparation;
mod producers;
mod rate;
mod recovery_progress;
pub mod replica;
mod rounds;
mod rounds_at_once;
mod route;
mod scrubber;
mod starting;
mod strays;
mod syncer;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod turns;
pub mod waiters;

pub use altering::{AlterDirectoryError, WantedDirectory};
pub use append::{AppendFailure, AppendOptions, Appended, PendingAppend, RequiredAcks};
pub use assignment::Assignment;
pub use contents::Contents;
pub use delete_records::DeleteFailure;
pub use describing::{DescribedDirectory, DescribedReplica, DirectoryContent};
pub use directory::{DirectoryState, HostedDirectory};
pub use fetch::{ConnectionSessions, FetchSessions, ReadFailure};
pub use manager::{NotHosted, Partitions, StartError};
pub use preparation::source::Source;
pub use producers::{ActiveProducer, ActiveProducers};
pub use recovery_progress::{ClosedLogs, OpenedLogs, RecoveryWatch, Unwatched};
pub use replica::{EpochMismatch, Published, Replica};
pub use scrubber::ScrubCounts;
pub use strays::{Known, ManyStrays};
