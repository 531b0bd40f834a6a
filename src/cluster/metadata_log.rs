//! `__cluster_metadata-0` on disk: the log of metadata records, its snapshots, and who leads it.
//!
//! ```text
//!   __cluster_metadata-0/
//!     00000000000000000000.log ...                    records since the oldest snapshot, or since ever
//!     00000000000000004711-0000000003.checkpoint      everything below offset 4711, as records
//!     quorum-state                                    the epoch of the last leadership
//!   bootstrap.checkpoint                              what Kafka's format tool wants to stand first
//! ```
//!
//! The directory may be one that Kafka wrote, in combined mode and as the only voter, and Kafka may come
//! back to it. What the log says of the quorum is therefore kept beside the image ([`Quorum`]), and
//! everything is written in the form in which it was found.
//!
//! Loading takes the newest snapshot and replays the log from its end offset. Every start is a new
//! leadership: one more than the highest epoch that was ever used, opened by a LEADER_CHANGE record.
//! A record counts when it is synced; there are no other voters.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{KafkaUuid, LeaderEpoch, NodeId, Offset, Timestamp, TopicPartition};
use crate::config::{BrokerConfig, TopicConfig};
use crate::controller::features;
use crate::log::{
    AppendError, AppendOrigin, LogDirectory, LogError, OpenOptions, PartitionLog,
    ProducerExpiration,
};
use crate::metadata::record::AbortTransaction;
use crate::metadata::{Delta, Image, LoadError, Loader, MetadataRecord};
use crate::record::control::{self, ControlPlace};
use crate::record::{Batch, BatchBuilder, BatchOptions, Batches};

use super::leadership::Leadership;
use super::quorum::{Quorum, Voter};
use super::quorum_state::QuorumState;
use super::{damage, snapshots};

/// Name of the topic.
pub const TOPIC: &str = "__cluster_metadata";
/// The file that Kafka's format tool leaves in the log directory.
const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// Bytes read at a time when loading.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// No batch of metadata is near this when decompressed.
pub(super) const DECOMPRESSED_LIMIT: usize = 256 * 1024 * 1024;

/// Why the metadata log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MetadataLogError {
    /// The disk.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The log as such.
    #[error("{0}")]
    Log(#[from] LogError),
    /// An append was refused.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// What is in it makes no sense.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// A batch in the midst of the log is not what was written.
    #[error(
        "{path:?} is damaged at byte {position}, and more was written after that; restore the file from a copy"
    )]
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// Where the batch begins.
        position: usize,
    },
    /// The cluster has controllers besides this one, and they must agree on what is written.
    #[error(
        "its quorum has the voters {0:?}, and this broker serves only clusters of which it is the one controller"
    )]
    OtherVoters(Vec<i32>),
    /// The metadata is of a release that this one does not know.
    #[error("its metadata cannot be read: {0}")]
    MetadataVersion(String),
    /// A batch or a record cannot be decoded.
    #[error("metadata at or after offset {0}: {1}")]
    Malformed(Offset, String),
}

/// The metadata log, led by this node.
pub(super) struct MetadataLog {
    directory: PathBuf,
    log: PartitionLog,
    loader: Loader,
    quorum: Quorum,
    epoch: LeaderEpoch,
    node: NodeId,
    /// Bytes of the log since the last snapshot, those included that earlier starts have written.
    since_snapshot: usize,
    last_snapshot: Timestamp,
}

impl MetadataLog {
    /// Opens the log in the log directory `parent`, loads it and takes its leadership.
    pub(super) fn open(
        parent: &LogDirectory,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Result<Self, MetadataLogError> {
        let directory = parent.metadata_log_path();
        let mut topic = TopicConfig::resolve(&std::collections::BTreeMap::new(), config)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        topic.segment_bytes = config.metadata_log_segment_bytes;
        topic.retention_ms = -1;
        topic.retention_bytes = -1;
        let options = OpenOptions {
            config: Arc::new(topic),
            // The log is small and everything depends on it: it is checked at every start.
            clean_shutdown: false,
            recovery_point: Offset::ZERO,
            log_start: Offset::ZERO,
            high_watermark: Offset::ZERO,
            topic_id: KafkaUuid::METADATA_TOPIC,
            producer_expiration: ProducerExpiration::new(config.producer_id_expiration_ms),
            now,
            disk: parent.disk().clone(),
            jitter_seed: 0,
        };
        damage::refuse(&directory)?;
        let (log, _) = PartitionLog::open(&directory, TopicPartition::new(TOPIC, 0), options)?;
        let snapshots::Loaded { image, quorum, end } = snapshots::load_newest(&directory)?;
        let mut opened = Self {
            directory,
            log,
            loader: Loader::new(image),
            quorum,
            epoch: LeaderEpoch::NONE,
            node: NodeId(config.node_id),
            since_snapshot: 0,
            last_snapshot: now,
        };
        opened.replay_from(end)?;
        opened.refuse_what_is_not_ours()?;
        opened.take_leadership(now)?;
        opened.abort_transaction(now)?;
        opened.begin_as_formatted(&parent.path().join(BOOTSTRAP), now)?;
        Ok(opened)
    }

    /// Before anything is written: a cluster that others control as well, or in words that we do not know.
    fn refuse_what_is_not_ours(&self) -> Result<(), MetadataLogError> {
        let mut voters: Vec<_> = self.quorum_voters()?.iter().map(|voter| voter.id).collect();
        if voters.is_empty() {
            let state = QuorumState::read(&self.directory)?;
            voters = state.map_or_else(Vec::new, |state| state.voters());
        }
        if voters.iter().any(|voter| *voter != self.node) {
            let voters = voters.iter().map(|voter| voter.0).collect();
            return Err(MetadataLogError::OtherVoters(voters));
        }
        features::check_metadata_version(self.image())
            .map_err(|refusal| MetadataLogError::MetadataVersion(refusal.to_string()))
    }

    fn quorum_voters(&self) -> Result<Vec<Voter>, MetadataLogError> {
        self.quorum
            .voters()
            .map_err(|error| MetadataLogError::Malformed(Offset::ZERO, format!("voters: {error}")))
    }

    /// A transaction that a controller before us has left open would swallow what we write.
    fn abort_transaction(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        if self.loader.is_in_transaction() {
            tracing::warn!("a transaction of the metadata was left open: aborted");
            let abort = MetadataRecord::AbortTransaction(AbortTransaction::default());
            self.append(&[abort], now)?;
        }
        Ok(())
    }

    /// A directory that Kafka's tool has formatted says how its cluster begins.
    fn begin_as_formatted(&mut self, path: &Path, now: Timestamp) -> Result<(), MetadataLogError> {
        if !self.image().features().is_empty() {
            return Ok(());
        }
        let records = snapshots::bootstrap_records(path)?;
        if !records.is_empty() {
            self.append(&records, now)?;
            features::check_metadata_version(self.image())
                .map_err(|refusal| MetadataLogError::MetadataVersion(refusal.to_string()))?;
        }
        Ok(())
    }

    /// The image of everything that is in the log.
    pub(super) const fn image(&self) -> &Image {
        self.loader.published()
    }

    /// The leadership that was taken, as others are told of it.
    ///
    /// # Errors
    /// When what the log says of the voters is not what its schema says.
    pub(super) fn leadership(&self) -> Result<Leadership, MetadataLogError> {
        let directory = self.quorum_voters()?.first().map(|voter| voter.directory);
        Ok(Leadership {
            leader: self.node,
            epoch: self.epoch,
            directory: directory.unwrap_or(KafkaUuid::ZERO),
            began_at: self.next_offset(),
        })
    }

    /// Where the next record will stand.
    pub(super) fn next_offset(&self) -> Offset {
        self.log.log_end()
    }

    /// Writes records as one batch, syncs them, and applies them: what they make of the image.
    pub(super) fn append(
        &mut self,
        records: &[MetadataRecord],
        now: Timestamp,
    ) -> Result<(Image, Delta), MetadataLogError> {
        let mut batch = BatchBuilder::new(BatchOptions {
            leader_epoch: self.epoch,
            ..BatchOptions::default()
        });
        for record in records {
            batch.push(now, None, Some(&record.encode()), &[]);
        }
        let first = self.write(&batch.finish(), now)?;
        for (offset, record) in (first.0..).map(Offset).zip(records) {
            self.loader.feed(record.clone(), offset, self.epoch)?;
        }
        Ok(self.loader.publish()?)
    }

    fn write(&mut self, batches: &Bytes, now: Timestamp) -> Result<Offset, MetadataLogError> {
        let info = self
            .log
            .append_as_leader(batches, self.epoch, AppendOrigin::Raft, now)?;
        self.log.flush()?;
        self.since_snapshot += batches.len();
        Ok(info.first_offset)
    }

    /// Writes a snapshot if enough was written, or enough time has passed, since the last one.
    pub(super) fn maybe_snapshot(
        &mut self,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Result<(), MetadataLogError> {
        let many = i64::try_from(self.since_snapshot).unwrap_or(i64::MAX)
            >= config.metadata_log_max_record_bytes_between_snapshots;
        let long = config.metadata_log_max_snapshot_interval_ms;
        let old = long > 0 && now.millis_since(self.last_snapshot) >= long;
        if self.since_snapshot == 0 || !(many || old) {
            return Ok(());
        }
        self.snapshot(now)
    }

    fn snapshot(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        snapshots::write(&self.directory, self.loader.published(), &self.quorum, now)?;
        self.since_snapshot = 0;
        self.last_snapshot = now;
        self.forget_before_previous_snapshot(now)
    }

    /// Keeps the two newest snapshots and the log from the older of them on: if the newest cannot be
    /// read, nothing is lost yet.
    fn forget_before_previous_snapshot(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        let mut names = snapshots::list(&self.directory)?;
        let Some(keep) = names.len().checked_sub(2) else {
            return Ok(());
        };
        let obsolete: Vec<_> = names.drain(..keep).collect();
        if let Some(oldest) = names.first() {
            self.log.raise_log_start(oldest.end, self.log.log_end())?;
            self.log.apply_retention(self.log.log_end(), now)?;
            self.log.delete_expired_files(now)?;
        }
        for name in obsolete {
            fs::remove_file(self.directory.join(name.to_string()))?;
        }
        Ok(())
    }

    /// Closes the log so that the next start finds it in order.
    pub(super) fn close(self) -> Result<(), MetadataLogError> {
        self.log.close()?;
        Ok(())
    }

    fn replay_from(&mut self, mut next: Offset) -> Result<(), MetadataLogError> {
        let view = self.log.view();
        let end = self.log.log_end();
        while next < end {
            let read = view.locate(next, end, CHUNK_BYTES, true).and_then(|slice| {
                slice
                    .map(|slice| slice.read())
                    .transpose()
                    .map_err(Into::into)
            });
            let chunk =
                read.map_err(|error| MetadataLogError::Malformed(next, error.to_string()))?;
            let Some(chunk) = chunk else { break };
            for batch in Batches::new(chunk) {
                let batch =
                    batch.map_err(|error| MetadataLogError::Malformed(next, error.to_string()))?;
                // The chunk begins with the batch that contains the wanted offset.
                feed_batch(&mut self.loader, &mut self.quorum, &batch, next)?;
                self.epoch = self.epoch.max(batch.header.leader_epoch);
                self.since_snapshot += batch.bytes.len();
                next = batch.header.next_offset();
            }
        }
        self.loader.publish()?;
        Ok(())
    }

    fn take_leadership(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        let known =
            QuorumState::read(&self.directory)?.map_or(LeaderEpoch::NONE, |state| state.epoch());
        let highest = self.epoch.max(known).max(self.loader.published().epoch());
        // Kafka counts leaderships from 1: epoch 0 is a quorum that has not elected anybody.
        self.epoch = LeaderEpoch(highest.0.max(0).saturating_add(1));
        let kraft_version = self.quorum.version().map_err(|error| {
            MetadataLogError::Malformed(Offset::ZERO, format!("kraft.version: {error}"))
        })?;
        QuorumState::of_leader(self.node, self.epoch, kraft_version).write(&self.directory)?;
        let place = ControlPlace {
            base_offset: self.log.log_end(),
            leader_epoch: self.epoch,
            timestamp: now,
        };
        let change = control::leader_change(place, self.node, &[self.node], &[self.node]);
        let offset = self.write(&change, now)?;
        self.loader.skip_to(offset, self.epoch);
        self.loader.publish()?;
        Ok(())
    }
}

/// Feeds the records of a batch at and after `from`.
pub(super) fn feed_batch(
    loader: &mut Loader,
    quorum: &mut Quorum,
    batch: &Batch,
    from: Offset,
) -> Result<(), MetadataLogError> {
    let header = &batch.header;
    let malformed = |error: &dyn std::fmt::Display| {
        MetadataLogError::Malformed(header.base_offset, error.to_string())
    };
    let bytes = batch
        .record_bytes(DECOMPRESSED_LIMIT)
        .map_err(|error| malformed(&error))?;
    if header.attributes.is_control() {
        quorum.note(batch, &bytes, from);
        loader.skip_to(header.last_offset(), header.leader_epoch);
        return Ok(());
    }
    for record in batch.records(&bytes) {
        let record = record.map_err(|error| malformed(&error))?;
        if record.offset >= from {
            let value = record
                .value
                .ok_or_else(|| malformed(&"a record without a value"))?;
            let decoded = MetadataRecord::decode(value).map_err(|error| malformed(&error))?;
            loader.feed(decoded, record.offset, header.leader_epoch)?;
        }
    }
    Ok(())
}
