//! `__cluster_metadata-0` on disk: the log of metadata records, its snapshots, and its leader epochs.
//!
//! ```text
//!   __cluster_metadata-0/
//!     00000000000000000000.log ...                    records since the oldest snapshot, or since ever
//!     00000000000000004711-0000000003.checkpoint      everything below offset 4711, as records
//!     quorum-state                                    the epoch of the last leadership
//!   bootstrap.checkpoint                              what Kafka's format tool wants to stand first
//!   metadata-offset-checkpoint                        up to where the log is synced
//! ```
//!
//! The directory may be one that Kafka wrote, in combined mode and as the only voter, and Kafka may use it again
//! later. So the log's records of the quorum are kept beside the image ([`Quorum`]), and everything is written in the
//! format in which it was found.
//!
//! Before anything is changed the log is checked and loaded ([`super::history`]): the newest snapshot, and the log
//! from its end offset on. Every start is a new leadership: its epoch is the highest epoch so far plus one, and it
//! begins with a LEADER_CHANGE record. A record counts when it is synced; there are no other voters.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{KafkaUuid, LeaderEpoch, NodeId, Offset, Timestamp, TopicId, TopicPartition};
use crate::config::{BrokerConfig, TopicConfig};
use crate::controller::features;
use crate::log::{AppendOrigin, Disk, LogDirectory, OpenOptions, PartitionLog, ProducerExpiration};
use crate::metadata::record::AbortTransaction;
use crate::metadata::{Delta, Image, Loader, MetadataRecord};
use crate::record::control::{self, ControlPlace};
use crate::record::{BatchBuilder, BatchOptions};
use crate::schema::DecodeError;

use super::committed::{self, Committed};
use super::error::MetadataLogError;
use super::history::{Expected, History};
use super::leadership::QuorumLeadership;
use super::quorum::Quorum;
use super::quorum_state::QuorumState;
use super::snapshots::{self, Snapshot};

/// Name of the topic.
pub const TOPIC: &str = "__cluster_metadata";
/// The file that Kafka's format tool leaves in the log directory.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// The metadata log, led by this node.
pub(super) struct MetadataLog {
    directory: PathBuf,
    disk: Disk,
    log: PartitionLog,
    loader: Loader,
    quorum: Quorum,
    epoch: LeaderEpoch,
    node: NodeId,
    /// Topics whose deletion the start has replayed.
    deleted: HashSet<TopicId>,
    committed: Committed,
    /// Bytes of the log since the last snapshot, including those written by earlier runs.
    since_snapshot: usize,
    last_write: Timestamp,
    last_snapshot: Timestamp,
}

impl MetadataLog {
    /// Opens the log in the log directory `parent`, loads it and becomes its leader.
    pub(super) fn open(
        parent: &LogDirectory,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Result<Self, MetadataLogError> {
        let directory = parent.metadata_log_path();
        let node = NodeId(config.node_id);
        let state = QuorumState::read(&directory)?;
        let known_epoch = state.as_ref().map(QuorumState::epoch);
        let expected = Expected {
            committed: committed::read(parent)?,
            epoch: known_epoch,
        };
        let history = History::read(&directory, expected)?;
        refuse_what_is_not_ours(&history, state.as_ref(), node)?;
        let History {
            loader,
            quorum,
            epoch,
            start,
            end,
            bytes,
            deleted,
        } = history;
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
            log_start: start,
            high_watermark: Offset::ZERO,
            topic_id: KafkaUuid::METADATA_TOPIC,
            producer_expiration: ProducerExpiration::new(config.producer_id_expiration_ms),
            now,
            disk: parent.disk().clone(),
            jitter_seed: 0,
        };
        let (log, _) = PartitionLog::open(&directory, TopicPartition::new(TOPIC, 0), options)?;
        if log.log_end() != end {
            return Err(MetadataLogError::Short {
                end: log.log_end(),
                committed: end,
            });
        }
        let mut opened = Self {
            directory,
            disk: parent.disk().clone(),
            log,
            loader,
            quorum,
            epoch,
            node,
            deleted,
            committed: Committed::of(parent),
            since_snapshot: bytes,
            last_write: now,
            last_snapshot: now,
        };
        opened.take_leadership(known_epoch, now)?;
        opened.abort_transaction(now)?;
        opened.begin_as_formatted(&parent.path().join(BOOTSTRAP), now)?;
        Ok(opened)
    }

    /// A transaction that an earlier controller has left open would absorb our records.
    fn abort_transaction(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        if self.loader.is_in_transaction() {
            tracing::warn!("the last controller left a metadata transaction open: it is aborted");
            let abort = MetadataRecord::AbortTransaction(AbortTransaction::default());
            self.append(&[abort], now)?;
        }
        Ok(())
    }

    /// A directory formatted with Kafka's tool has the first records of its cluster.
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

    /// The image of all records of the log.
    pub(super) const fn image(&self) -> &Image {
        self.loader.published()
    }

    /// The new leadership, for others.
    ///
    /// # Errors
    /// When the log's records of the voters are invalid.
    pub(super) fn leadership(&self) -> Result<QuorumLeadership, MetadataLogError> {
        let voters = self.quorum.voters().map_err(malformed_voters)?;
        let directory = voters.first().map(|voter| voter.directory);
        Ok(QuorumLeadership {
            leader: self.node,
            epoch: self.epoch,
            directory: directory.unwrap_or(KafkaUuid::ZERO),
            began_at: self.next_offset(),
        })
    }

    /// The offset of the next record.
    pub(super) fn next_offset(&self) -> Offset {
        self.log.log_end()
    }

    /// Writes records as one batch, syncs them, and applies them. Returns the changed image.
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
        self.committed.note(self.log.log_end())?;
        self.since_snapshot += batches.len();
        self.last_write = now;
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
        let snapshot = Snapshot {
            image: self.loader.published(),
            quorum: &self.quorum,
            log_time: self.last_write,
        };
        snapshot.write(&self.directory, now)?;
        self.since_snapshot = 0;
        self.last_snapshot = now;
        self.forget_before_previous_snapshot(now)
    }

    /// Keeps the two newest snapshots and the log from the older of them on: if the newest cannot be read, nothing is
    /// lost.
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

    /// Topics whose deletion the start has replayed; they are returned once.
    pub(super) fn take_deleted(&mut self) -> HashSet<TopicId> {
        std::mem::take(&mut self.deleted)
    }

    /// Closes the log cleanly.
    pub(super) fn close(self) -> Result<(), MetadataLogError> {
        self.log.close()?;
        Ok(())
    }

    fn take_leadership(
        &mut self,
        known: Option<LeaderEpoch>,
        now: Timestamp,
    ) -> Result<(), MetadataLogError> {
        let known = known.unwrap_or(LeaderEpoch::NONE);
        let highest = self.epoch.max(known).max(self.loader.published().epoch());
        // Kafka counts leader epochs from 1: epoch 0 is a quorum without an elected leader.
        self.epoch = LeaderEpoch(highest.0.max(0).saturating_add(1));
        let kraft_version = self.quorum.version().map_err(|error| {
            MetadataLogError::Malformed(Offset::ZERO, format!("kraft.version: {error}"))
        })?;
        let state = QuorumState::of_leader(self.node, self.epoch, kraft_version);
        state.write(&self.disk, &self.directory)?;
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

/// Checks before anything is written that the cluster has no other controllers, and no unknown metadata version.
fn refuse_what_is_not_ours(
    history: &History,
    state: Option<&QuorumState>,
    node: NodeId,
) -> Result<(), MetadataLogError> {
    let voters = history.quorum.voters().map_err(malformed_voters)?;
    let mut voters: Vec<_> = voters.iter().map(|voter| voter.id).collect();
    if voters.is_empty() {
        voters = state.map_or_else(Vec::new, QuorumState::voters);
    }
    if voters.iter().any(|voter| *voter != node) {
        let voters = voters.iter().map(|voter| voter.0).collect();
        return Err(MetadataLogError::OtherVoters(voters));
    }
    features::check_metadata_version(history.loader.published())
        .map_err(|refusal| MetadataLogError::MetadataVersion(refusal.to_string()))
}

fn malformed_voters(error: DecodeError) -> MetadataLogError {
    MetadataLogError::Malformed(Offset::ZERO, format!("voters: {error}"))
}
