//! Floor 2: one partition on one disk, in Apache Kafka's layout byte for byte.
//!
//! A [`PartitionLog`] is the single writer of one partition. It appends whole record batches, starts new
//! segments, deletes old ones, and recovers after a crash. Readers hold [`LogView`]s, which
//! are immutable, and need no lock.
//!
//! # On disk
//!
//! ```text
//! <log directory>/                          LogDirectory, one of the broker's LogDirectories
//!   .lock                                   locked while a process uses the directory, which is locked itself as well
//!   meta.properties                         cluster, node, directory id
//!   .kafka_cleanshutdown                    the last stop was clean; removed by the next start, once nothing can refuse it
//!   recovery-point-offset-checkpoint        everything below is synced
//!   log-start-offset-checkpoint             log start offsets above the first segment's base
//!   replication-offset-checkpoint           high watermarks
//!   cleaner-offset-checkpoint               first dirty offsets: not compacted yet
//!   metadata-offset-checkpoint              the end of the metadata log (`cluster`); Kafka has no such file
//!   <topic>-<partition>/                    one replica: PartitionLog
//!     partition.metadata                    topic id
//!     leader-epoch-checkpoint               first offset of each leader epoch
//!     00000000000000000000.log              a segment, named by its first offset: batches end to end
//!     00000000000000000000.index            offset to position, sparse
//!     00000000000000000000.timeindex        timestamp to offset, sparse
//!     00000000000000000000.txnindex         aborted transactions (if there are any)
//!     00000000000000001042.log              the next segment, and so on; the last one is active
//!     00000000000000001042.snapshot         the producer state after everything below 1042
//!     <20 digits>-<20 digits>.log.set-aside records that are no longer part of the log; Kafka ignores it
//!   <topic>-<partition>.<32 hex>-delete/    replica waiting for removal; likewise -stray
//!   <topic>-<partition>.<32 hex>-future/    copy of a replica that is in another log directory (`follow`)
//! ```
//!
//! # Positions
//!
//! ```text
//!  first segment's base   log start      recovery point     log end
//!        |--------------------|----------------|---------------|
//!        deleted by the next  readable         synced up to    next record
//!        retention                             here
//! ```
//! `log start <= log end` and `recovery point <= log end`; every position that readers get as an upper limit is a
//! batch boundary.
//!
//! # What a crash leaves, and why that is enough
//!
//! - Data above the recovery point is not trusted: it is read completely, and its index entries are rebuilt. Above the
//!   last offset that was certainly acknowledged, the log ends before the first bad batch, or where a segment ends before
//!   the next one begins, so a crash leaves no gap in the log. Incomplete batches are truncated; intact batches after the
//!   end are set aside (`recover/aside.rs`), and their offsets are not used again. (So compaction touches only data below
//!   the recovery point.) Everything else was synced with its index entries before the recovery point passed it
//!   ([`PartitionLog::flush`] and [`sync_job::SyncJob`] sync the content, then the names, then move the recovery point).
//! - The leader epoch file is right below the recovery point; above it, the epochs are found in the batches
//!   (`epochs_file`). So a new leader epoch costs nothing until something is written in it.
//! - Small files are replaced as a whole: written under another name, synced, renamed, directory synced.
//! - A file is deleted by renaming it to `.deleted`, the log before its indexes; later it is unlinked. Retention deletes
//!   the oldest first, truncation the newest first, so what remains never has a gap.
//! - `.cleaned` files are incomplete and are removed; `.swap` files are complete and replace the originals ([`compact`]).
//! - Producer state is a function of the batches. Snapshots have a checksum. A bad snapshot costs a longer replay, and so
//!   does one that was not written before the crash: the writer only takes it, and a job writes the file. Retention
//!   waits for the file, and the recovery point does not pass it.
//! - A failed write, sync, rename or removal is final: the whole log directory refuses every later change
//!   ([`disk::Disk`]). A lack of file descriptors is not such a failure.
//!
//! # Lost records
//!
//! Files can be missing, truncated, replaced or damaged without any crash. `loss` says what a start, the scrub and readers
//! then do: intact records are served, no offset is used twice, and each loss is an error line with its offsets.
//!
//! # When the recovery point moves
//!
//! Jobs move it in the background; the owner of the log lets another thread run them (`sync_job`). A job is due soon after
//! a segment was closed, and when data in the active segment is 15 seconds old, or 64 MiB of it wait. So a start after a
//! kill reads only recent data. After a power failure, the last seconds may be lost. If a policy asks for more
//! (`flush.messages`, `flush.ms`, a sync before each acknowledgement), and before retention, the batches are synced at once
//! ([`PartitionLog::flushed`]); the recovery point may wait for their index entries, which are only needed after a crash.
//!
//! # What a start and a stop cost
//!
//! Only as much as was written. After a clean stop the files of a log are trusted, and for a log without new records,
//! neither the start nor the next stop writes anything. After a kill, data above the recovery point is read. The rest is
//! synced, with its names, for all logs at once ([`LogDirectory::sync_found`]), so that the next clean stop need not sync
//! each of them.
//!
//! # What stays open
//!
//! A segment's `.log` stays open from its first use on, even when it is sealed, and indexes stay open while their segment
//! is active. The whole process keeps only a limited number of files open ([`limit_kept_files`]), those that were used
//! last. So idle partitions have no open files, however many there are.
//!
//! # What this room owns, and what it must not do
//!
//! It owns the format of everything shown above, the checks of a batch before it is stored, and the rules of rolling,
//! retention, compaction and recovery. It knows no requests, no high watermark of its own, no clock (`now` is an
//! argument) and no runtime. Every method may block on the disk, and is called from a thread that may block. Preparing an
//! append ([`RecordSet::prepare`]) needs no disk and no log, but may need seconds of a processor: it is called from a
//! thread that serves nothing else meanwhile. This room never copies record bytes on the way in, and never reads a file
//! past what a view allows.
//!
//! Reading order: [`PartitionLog`], `prepare`, `validate`, `append`, `store`, `active`, `segment`, [`LogView`], `page_cache`, `roll`,
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
mod store;
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

pub use append::{AppendError, AppendInfo, AppendOrigin};
pub use checkpoint::{PartitionOffsets, is_in_the_place_of_log_starts};
pub use directories::LogDirectories;
pub use directory::{Checkpoint, DirectoryError, FoundReplica, LogDirectory, Space, find_replicas};
pub use disk::{DirectoryOffline, Disk, is_out_of_descriptors};
#[cfg(test)]
pub use identity::Identity;
pub use loss::Loss;
#[cfg(test)]
pub use loss::LossKind;
pub use names::ReplicaState;
pub use open_files::{kept_files_are_many, limit_kept_files};
pub use page_cache::Access;
pub use partition_log::{LogError, OpenOptions, PartitionLog, RecoveryReport};
pub use partition_metadata::read_topic_id;
pub use prepare::{Effort, PreparedAppend, RecordSet};
pub(crate) use producer::ProducerPicture;
pub use producer::{
    Guard, OpenTransactions, ProducerExpiration, Standing, TransactionCheck, TransactionalBatch,
};
pub use reader::{LogView, LookupError, ReadError, ReadSlice};
pub use scrub::{Finding, Scrubbed, ViewedSegment};
#[cfg(test)]
pub use sync_job::SyncJob;
pub use txn_index::AbortedTransaction;
