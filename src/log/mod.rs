//! Floor 2: one partition on one disk, in Apache Kafka's layout byte for byte.
//!
//! A [`PartitionLog`] is the single writer of one partition. It appends whole record batches, starts new
//! segments, lets old ones go, and after a crash finds out what is left. Readers hold [`LogView`]s, which
//! are immutable, and need no lock.
//!
//! # On disk
//!
//! ```text
//! <log directory>/                          LogDirectory, one of the broker's LogDirectories
//!   .lock                                   held while a process uses the directory, which is locked itself too
//!   meta.properties                         cluster, node, directory id
//!   .kafka_cleanshutdown                    the last stop was a clean one; removed by a start that goes on
//!   recovery-point-offset-checkpoint        everything below is synced
//!   log-start-offset-checkpoint             log starts above the first segment's base
//!   replication-offset-checkpoint           high watermarks
//!   cleaner-offset-checkpoint               first offsets that are not compacted yet
//!   metadata-offset-checkpoint              how long the metadata log is (`cluster`); no file of Kafka's
//!   <topic>-<partition>/                    one replica: PartitionLog
//!     partition.metadata                    topic id
//!     leader-epoch-checkpoint               first offset of each leadership
//!     00000000000000000000.log              a segment, named by its first offset: batches end to end
//!     00000000000000000000.index            offset to position, sparse
//!     00000000000000000000.timeindex        timestamp to offset, sparse
//!     00000000000000000000.txnindex         aborted transactions (where there are any)
//!     00000000000000001042.log              the next segment, and so on; the last one is active
//!     00000000000000001042.snapshot         the producers as everything below 1042 left them
//!     <20 digits>-<20 digits>.log.set-aside records that are no part of the log any more; Kafka ignores it
//!   <topic>-<partition>.<32 hex>-delete/    replica waiting for removal; likewise -stray
//!   <topic>-<partition>.<32 hex>-future/    copy of a replica that is in another log directory (`follow`)
//! ```
//!
//! # Positions
//!
//! ```text
//!  first segment's base   log start      recovery point     log end
//!        |--------------------|----------------|---------------|
//!        gone with the next   readable         synced up to    next record
//!        retention                             here
//! ```
//! `log start <= log end` and `recovery point <= log end`; every position that readers are given as an upper
//! bound is a batch boundary.
//!
//! # What a crash leaves, and why that is enough
//!
//! - What lies above the recovery point is not trusted: it is read whole, and index entries for it are made anew. Above
//!   what was acknowledged for certain the log ends before the first bad batch, or where a segment ends before the next
//!   one begins: the log has no holes that a crash made. What is torn is cut; what is whole behind it is set aside
//!   (`recover/aside.rs`), and its offsets are not given again. (So compaction
//!   touches only what lies below the recovery point.) Everything else was synced with its index entries
//!   before the recovery point passed it ([`PartitionLog::flush`] and [`SyncJob`] sync content, then names,
//!   then the point moves).
//! - The leader epochs are right in their file below the recovery point; above it they are found in the batches
//!   (`epochs_file`). So a leadership that begins costs nothing before something is written in it.
//! - Small files are replaced as a whole: written beside, synced, renamed, directory synced.
//! - A file that goes is renamed to `.deleted`, the log before its indexes; later it is unlinked. From the
//!   front, oldest first; from the end, newest first: what remains is always one stretch without a gap.
//! - `.cleaned` is unfinished and thrown away, `.swap` is finished and put in place ([`compact`]).
//! - Producer state is a function of the batches. Snapshots have a checksum; a bad one costs a longer replay, and so
//!   does one that a crash has come before: the writer only takes a picture, and a job writes it down. Retention
//!   waits for it, and the recovery point does not pass it.
//! - A failed write, sync, rename or removal is final: the whole log directory refuses every later change
//!   ([`disk::Disk`]). That a file could not be opened for want of descriptors is not one of these.
//!
//! # What a log has lost
//!
//! Files can be missing, cut, exchanged or damaged without any crash. What a start, the scrub and readers see of that,
//! and what becomes of the log then, is in `loss`: what is whole is served, no offset is given twice, each loss is an
//! error line with its offsets.
//!
//! # When the recovery point moves
//!
//! In the background, by jobs that the owner of the log lets another thread run (`sync_job`): soon after a
//! segment was closed, and when the active segment has had something for 15 seconds, or has had 64 MiB. So
//! what a kill leaves to be read is what was written lately, and not what exists. After a loss of power those
//! seconds are at stake. Where a policy asks for more (`flush.messages`, `flush.ms`, a sync before each
//! acknowledgement), and before retention, the batches are synced at once ([`PartitionLog::flushed`]); the
//! recovery point may wait for their index entries, which nobody needs before a crash.
//!
//! # What a start and a stop cost
//!
//! What has changed. After a clean stop a log is as its files say, and for one that nobody has written to nothing is
//! written, neither by the start nor by the next stop. After a kill what lies above the recovery point is read; that
//! the rest is on the disk, with its names, is made certain for all logs at once ([`LogDirectory::sync_found`]), so
//! that the next clean stop need not sync each of them.
//!
//! # What stays open
//!
//! A segment's `.log` from its first use on, also when it is sealed; indexes while their segment is active;
//! of all these only so many in the whole process ([`limit_kept_files`]), those that were used last. Which is
//! to say, nothing of a partition that nobody has used lately, however many there are.
//!
//! # What this room owns, and what it must not do
//!
//! It owns the format of everything drawn above, the checks that make a batch fit to be stored, and the
//! rules of rolling, retention, compaction and recovery. It knows no requests, no high watermark of its own, no clock
//! (`now` is an argument) and no runtime: every method may block on the disk, and is called from a thread
//! that may. Preparing an append ([`RecordSet::prepare`]) needs no disk and no log, but perhaps seconds of a processor:
//! it is called from a thread that serves nothing else meanwhile. It never copies record bytes on the way in, and never
//! reads a file past what a view allows.
//!
//! Reading order: [`PartitionLog`], `prepare`, `validate`, `append`, `active`, `segment`, [`LogView`], `page_cache`, `roll`,
//! `durable`, `sync_job`, `epochs_file`, `recover`, `replica_directory`, `catalogue`, `rebuild`, `trusted_part`, `resync`, `reach`, `loss`, `find`, `producer`, `retention`, [`compact`],
//! `truncate`, `follow`, `scrub`, [`LogDirectory`] with `lock`, `identity` and [`plain_file`], [`LogDirectories`].

mod active;
mod append;
mod catalogue;
pub mod checkpoint;
pub mod compact;
mod directories;
mod directory;
pub mod disk;
mod durable;
pub mod epochs;
mod epochs_file;
mod file_system;
mod find;
mod follow;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod lock;
mod lookup;
mod loss;
mod meta;
pub mod names;
mod offset_index;
mod open_files;
mod page_cache;
mod partition_log;
mod partition_metadata;
pub mod plain_file;
mod prepare;
mod producer;
mod reach;
mod reader;
mod rebuild;
mod recover;
mod replica_directory;
mod resync;
mod retention;
mod roll;
mod scan;
mod scrub;
mod segment;
mod sync_job;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod time_index;
mod truncate;
mod trusted_part;
mod txn_index;
mod validate;

pub use append::{AppendError, AppendInfo, AppendOrigin, RecordFailure};
pub use checkpoint::{PartitionOffsets, is_in_the_place_of_log_starts};
pub use directories::LogDirectories;
pub use directory::{Checkpoint, DirectoryError, FoundReplica, LogDirectory, Space, find_replicas};
pub use disk::{DirectoryOffline, Disk, is_out_of_descriptors};
pub use identity::Identity;
pub use loss::{Loss, LossKind, SetAside};
pub use meta::MetaProperties;
pub use names::ReplicaState;
pub use open_files::{kept_files_are_many, limit_kept_files};
pub use page_cache::Access;
pub use partition_log::{LogError, OpenOptions, PartitionLog, RecoveryReport};
pub use partition_metadata::read_topic_id;
pub use prepare::{Effort, PreparedAppend, RecordSet};
pub use producer::ProducerExpiration;
pub(crate) use producer::ProducerPicture;
pub use reader::{LogView, LookupError, ReadError, ReadSlice};
pub use scrub::{Finding, Pace, Scrubbed, ViewedSegment};
pub use sync_job::SyncJob;
pub use txn_index::AbortedTransaction;
