//! Floor 5: the partitions that this broker hosts, and the threads that write them.
//!
//! Owns: which replicas exist here ([`Partitions`]), the one writer of each ([`lane`]) with what this broker is to
//! the partition (`leader`), what readers and waiters may see ([`Replica`]), what consumers fetch ([`fetch`]) and what
//! is remembered of it ([`sessions`]), log directories and their failure ([`directory`]), and what keeps logs within
//! their bounds ([`upkeep`]).
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
//! | room | what it is |
//! | --- | --- |
//! | [`hosting`] | which partitions are here: opened at the start, made and removed as the image asks, closed at the stop |
//! | [`directory`] | a log directory: its lanes and other threads, its checkpoints, how it fares |
//! | [`moves`] | replicas that go to another directory of this broker |
//! | [`upkeep`] | background work on logs: retention, syncs, checkpoints, cleaning, scrubbing |
//! | [`preparation`] | what of an append costs much, before it is queued |
//! | [`fetch`], [`sessions`] | what consumers read, and what is remembered of them |
//!
//! The other files are the way of the records: an [`append`], its [`route`], the [`lane`] and what it owns, the
//! [`Replica`] that everybody else sees, its [`waiters`]. What the image asks for is made by the thread of the directory
//! that it is made in ([`directory::changes`]). A directory that has failed is reported to the controller by `broker`.
//!
//! Invariants
//! - A [`PartitionLog`](crate::log::PartitionLog) lives in exactly one lane, which is one of its directory's; nobody
//!   else touches it. Only a mover takes it out for the last step of a move.
//! - What waits for a disk holds no lock that somebody takes for another directory.
//! - What this broker is to a partition (leader in an epoch, follower, neither) changes in the order of the lane. An
//!   append that was queued before such a change and is reached after it is refused. A client is served in an epoch
//!   after the log says where it begins.
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
//! # Locks
//!
//! In this order, from left to right; what stands on one line is never taken under another line's locks, but for those
//! that both name.
//!
//! ```text
//!   changing: an image is followed          -> places -> a replica's route
//!                                           -> moves under way | preferred | threads of workers -> their signal
//!   deciding: replicas are asked to move    -> places
//!                                           -> moves under way | preferred | movers -> threads -> signal
//!   the cleaner's state                     -> places
//!   a directory's checkpoints               -> places | what is expected there
//!   a directory's deleted replicas
//! ```
//! Nothing is locked under a route, and sending to a lane or to a thread of a directory waits for nothing. `changing` and
//! places are held by nobody who waits for a disk. Who holds another of these may wait for one: a directory's own
//! are only taken for that directory; the cleaner's state is held while its checkpoints are written, and `deciding`
//! while a future replica is made, so that a directory which hangs holds up cleaning and requests for moves. Locks
//! of fetches are on the page of [`sessions`].

pub mod append;
mod delete_records;
pub mod directory;
mod environment;
pub mod fetch;
mod hosted;
mod hosting;
pub mod lane;
mod leader;
pub mod lookup;
mod moves;
pub mod preparation;
mod producers;
pub mod replica;
mod route;
pub mod sessions;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod turns;
mod upkeep;
pub mod waiters;
mod watermark;

pub use append::{
    AfterAppend, AppendFailure, AppendOptions, Appended, PendingAppend, RequiredAcks,
};
pub use delete_records::DeleteFailure;
pub use directory::{DirectoryState, HostedDirectory};
pub use fetch::ReadFailure;
pub use hosting::contents::Contents;
pub use hosting::describing::{DescribedDirectory, DescribedReplica, DirectoryContent};
pub use hosting::manager::Partitions;
pub use hosting::places::NotHosted;
pub use hosting::progress::{ClosedLogs, OpenedLogs, RecoveryWatch, Unwatched};
pub use hosting::running::{Hosting, StartError, start};
pub use hosting::strays::{Known, ManyStrays};
pub use moves::altering::{AlterDirectoryError, WantedDirectory};
pub use moves::assignment::Assignment;
pub use preparation::source::Source;
pub use producers::{ActiveProducer, ActiveProducers};
pub use replica::{EpochMismatch, Published, Replica};
pub use sessions::{ConnectionSessions, FetchSessions};
