//! Floor 5: the partitions that this broker hosts, and the threads that write them.
//!
//! Owns: which replicas exist here ([`Partitions`]), the one writer of each ([`lane`]) with the broker's role for the
//! partition (`role`), what readers and waiters may see ([`Replica`]), what consumers fetch ([`fetch`]) and their
//! [`sessions`], log directories and their failures ([`directory`]), and what keeps logs within their bounds
//! ([`upkeep`]).
//!
//! Must not: decode a request, know an API, or decide what exists (the image does that).
//!
//! ```text
//!   handler --append()--> route --> a lane of its directory, logs in turn --> PartitionLog ... PartitionLog
//!      ^                                  |         a write for each append, then one fsync per log
//!      |                                  v         where the policy asks for it
//!      +--- acknowledgement <--- publish: view, positions ---> marks waiting fetches, wakes those with enough
//! ```
//! Between `append()` and the route, the workers of [`preparation`] do the expensive work (checking compressed
//! records, changing a codec), in an order that is fair to all sources. Cheap appends go straight on, unless an
//! earlier append of the same source is still in preparation.
//!
//! Each log directory has lanes of its own, so a disk that hangs stops only its own partitions. A replica that moves
//! to another directory changes lanes: its [`route`] keeps the order of its tasks. A lane serves its partitions in
//! [`turns`], so no partition waits for all the writes of another.
//!
//! | room | content |
//! | --- | --- |
//! | [`hosting`] | which partitions are here: opened at the start, changed with the image, closed at the stop |
//! | [`directory`] | a log directory: its lanes and other threads, its checkpoints, its state |
//! | [`moves`] | replicas that move to another directory of this broker |
//! | [`upkeep`] | background work on logs: retention, syncs, checkpoints, cleaning, scrubbing |
//! | [`preparation`] | the expensive part of an append, before it is queued |
//! | [`fetch`], [`sessions`] | what consumers read, and their sessions |
//!
//! The other files follow the path of the records: an [`append`], its [`route`], the [`lane`], the log that it owns
//! (`hosted`) with its role (`role`), the [`Replica`] that everybody else sees, its [`waiters`]. `lookup`, `producers`,
//! `delete_records`, `markers` and `watermark` are what is asked beside produce and fetch. The thread of a directory
//! carries out changes of the image
//! there ([`directory::changes`]). `broker` reports a failed directory to the controller.
//!
//! Invariants
//! - A [`PartitionLog`](crate::log::PartitionLog) is in exactly one lane, which belongs to its directory. Nobody else
//!   touches it. Only a mover takes it out, for the last step of a move.
//! - No thread waits for a disk while it holds a lock that is needed for another directory.
//! - The broker's role for a partition (leader in an epoch, follower, neither) changes in the order of the lane. An
//!   append that was queued before such a change and is reached after it is refused. Clients are served in an epoch
//!   only after the log has recorded where it begins.
//! - An append has its place in its partition as soon as [`Replica::append`] returns: behind everything that its
//!   [`Source`] has appended to the partition. There is no order between two sources.
//! - A client's batch begins a transaction only with a guard that no marker has taken away since it was given out
//!   ([`Replica::transactions`]). So every transaction that is open here is known to its coordinator, which ends it.
//! - A lane does nothing that takes much processor time.
//! - Readers see a [`replica::Published`] state: a view of the log and its positions, replaced as a whole. A position is
//!   published only after everything below it is in the log (and synced, where the policy requires it).
//! - A failed write or sync is final for its log directory: every later append there is refused. Reads are refused
//!   too, since the extent of the damage is not known. Other directories are not affected. A lack of file descriptors
//!   is not such a failure: operations that need one fail until there are some again.
//! - A replica is in one directory. While any directory is offline, a replica that may be there is not created anew.
//!
//! # Locks
//!
//! In this order, from left to right. Locks on one line are never taken under the locks of another line, except those
//! that both lines name.
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
//! No lock is taken under a route, and sending to a lane or to a thread of a directory never blocks. Nobody waits for
//! a disk while holding `changing` or places. A holder of the other locks may wait for a disk: a directory's own
//! locks are only taken for that directory. The cleaner's state is held while its checkpoints are written, and
//! `deciding` while a future replica is created, so a directory that hangs delays cleaning and requests for moves.
//! The locks of fetches are on the page of [`sessions`].

pub mod append;
mod delete_records;
pub mod directory;
mod environment;
pub mod fetch;
mod hosted;
mod hosting;
pub mod lane;
pub mod lookup;
mod markers;
mod moves;
pub mod preparation;
mod producers;
pub mod replica;
mod role;
mod route;
pub mod sessions;
mod slot;
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
pub use fetch::ReadFailure;
pub use hosting::contents::Contents;
#[cfg(test)]
pub use hosting::describing::DirectoryContent;
pub use hosting::describing::{DescribedDirectory, DescribedReplica};
pub use hosting::manager::Partitions;
pub use hosting::places::NotHosted;
#[cfg(test)]
pub use hosting::progress::Unwatched;
pub use hosting::progress::{ClosedLogs, OpenedLogs, RecoveryWatch};
pub use hosting::running::{Hosting, StartError, start};
pub use hosting::strays::Known;
pub use moves::altering::{AlterDirectoryError, WantedDirectory};
pub use moves::assignment::Assignment;
pub use preparation::source::Source;
pub use producers::{ActiveProducer, ActiveProducers};
pub use replica::{EpochMismatch, Replica};
pub use sessions::{ConnectionSessions, FetchSessions};
