//! `__cluster_metadata-0` on disk: the log of metadata records, its snapshots, and who leads it.
//!
//! ```text
//!   __cluster_metadata-0/
//!     00000000000000000000.log ...                    records since the oldest snapshot, or since ever
//!     00000000000000004711-0000000003.checkpoint      everything below offset 4711, as records
//!     quorum-state                                    the epoch of the last leadership
//! ```
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
use crate::log::{AppendError, AppendOrigin, LogDirectory, LogError, OpenOptions, PartitionLog};
use crate::metadata::{Delta, Image, LoadError, Loader, MetadataRecord, snapshot};
use crate::record::control::{self, ControlPlace};
use crate::record::{Batch, BatchBuilder, BatchError, BatchHeader, BatchOptions, Batches};

use super::quorum_state::QuorumState;

/// Name of the topic.
pub(super) const TOPIC: &str = "__cluster_metadata";
/// Bytes read at a time when loading.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Records of a snapshot go into batches of about this size, as Kafka writes them.
const SNAPSHOT_BATCH_BYTES: usize = 1024 * 1024;
/// No batch of metadata is near this when decompressed.
const DECOMPRESSED_LIMIT: usize = 256 * 1024 * 1024;

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
    /// A batch or a record cannot be decoded.
    #[error("metadata at or after offset {0}: {1}")]
    Malformed(Offset, String),
}

/// The metadata log, led by this node.
pub(super) struct MetadataLog {
    directory: PathBuf,
    log: PartitionLog,
    loader: Loader,
    epoch: LeaderEpoch,
    node: NodeId,
    /// Bytes appended since the last snapshot.
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
            topic_id: KafkaUuid::METADATA_TOPIC,
            producer_id_expiration_ms: i64::from(config.producer_id_expiration_ms),
            now,
            disk: parent.disk().clone(),
            jitter_seed: 0,
        };
        refuse_damage(&directory)?;
        let (log, _) = PartitionLog::open(&directory, TopicPartition::new(TOPIC, 0), options)?;
        let (image, from) = load_newest_snapshot(&directory)?;
        let mut opened = Self {
            directory,
            log,
            loader: Loader::new(image),
            epoch: LeaderEpoch::NONE,
            node: NodeId(config.node_id),
            since_snapshot: 0,
            last_snapshot: now,
        };
        opened.replay_from(from)?;
        opened.take_leadership(now)?;
        Ok(opened)
    }

    /// The image of everything that is in the log.
    pub(super) const fn image(&self) -> &Image {
        self.loader.published()
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
        let image = self.loader.published();
        let name = SnapshotName {
            end: image.offset().next(),
            epoch: image.epoch(),
        };
        let content = encode_snapshot(image, name.epoch, now);
        let path = self.directory.join(name.to_string());
        let part = path.with_extension("checkpoint.part");
        let mut file = fs::File::create(&part)?;
        io::Write::write_all(&mut file, &content)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        fs::File::open(&self.directory)?.sync_all()?;
        self.since_snapshot = 0;
        self.last_snapshot = now;
        self.forget_before_previous_snapshot(now)
    }

    /// Keeps the two newest snapshots and the log from the older of them on: if the newest cannot be
    /// read, nothing is lost yet.
    fn forget_before_previous_snapshot(&mut self, now: Timestamp) -> Result<(), MetadataLogError> {
        let mut names = snapshots(&self.directory)?;
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
                feed_batch(&mut self.loader, &batch, next)?;
                self.epoch = self.epoch.max(batch.header.leader_epoch);
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
        self.epoch = LeaderEpoch(highest.0.saturating_add(1));
        QuorumState::of_leader(self.node, self.epoch).write(&self.directory)?;
        let place = ControlPlace {
            base_offset: self.log.log_end(),
            leader_epoch: self.epoch,
            timestamp: now,
        };
        let change = control::leader_change(place, self.node, &[self.node], &[self.node]);
        let offset = self.write(&change, now)?;
        self.loader.skip_to(offset, self.epoch);
        self.loader.publish()?;
        self.since_snapshot = 0;
        Ok(())
    }
}

/// Refuses a log that is damaged anywhere but at its end. Each append was synced before the next, so
/// that a crash can tear only the last one. Recovery would cut the log at the first bad batch, and
/// with it topics of which the data is still there.
fn refuse_damage(directory: &Path) -> Result<(), MetadataLogError> {
    let mut segments = Vec::new();
    if directory.try_exists()? {
        for entry in fs::read_dir(directory)? {
            segments.push(entry?.path());
        }
    }
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort_unstable();
    let count = segments.len();
    for (number, path) in (1..).zip(segments) {
        let content = Bytes::from(fs::read(&path)?);
        let Some(position) = first_bad_batch(&content) else {
            continue;
        };
        let bad = content.slice(position..);
        if number < count || !is_torn(&bad) {
            return Err(MetadataLogError::Damaged { path, position });
        }
    }
    Ok(())
}

/// Where the first batch that is not whole begins.
fn first_bad_batch(content: &Bytes) -> Option<usize> {
    let mut position = 0;
    for batch in Batches::new(content.clone()) {
        match batch {
            Ok(batch) if batch.check_crc().is_ok() => position += batch.bytes.len(),
            _ => return Some(position),
        }
    }
    None
}

/// Whether a crash during the last append can have left these bytes: a batch that ends with the file
/// or beyond, or space that was never filled.
fn is_torn(bytes: &[u8]) -> bool {
    match BatchHeader::parse(bytes) {
        Ok(header) => header.size() >= bytes.len(),
        Err(BatchError::Short { .. }) => true,
        Err(_) => bytes.iter().all(|byte| *byte == 0),
    }
}

/// Feeds the records of a batch at and after `from`.
fn feed_batch(loader: &mut Loader, batch: &Batch, from: Offset) -> Result<(), MetadataLogError> {
    let header = &batch.header;
    let malformed = |error: &dyn std::fmt::Display| {
        MetadataLogError::Malformed(header.base_offset, error.to_string())
    };
    if header.attributes.is_control() {
        loader.skip_to(header.last_offset(), header.leader_epoch);
        return Ok(());
    }
    let bytes = batch
        .record_bytes(DECOMPRESSED_LIMIT)
        .map_err(|error| malformed(&error))?;
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

/// A snapshot's file name: the offset that it ends before, and the epoch of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SnapshotName {
    end: Offset,
    epoch: LeaderEpoch,
}

impl std::fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020}-{:010}.checkpoint", self.end.0, self.epoch.0)
    }
}

impl SnapshotName {
    fn parse(name: &str) -> Option<Self> {
        let (end, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        Some(Self {
            end: Offset(end.parse().ok()?),
            epoch: LeaderEpoch(epoch.parse().ok()?),
        })
    }
}

/// The snapshots in a directory, oldest first.
fn snapshots(directory: &Path) -> io::Result<Vec<SnapshotName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().to_str().and_then(SnapshotName::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// The image of the newest snapshot that can be read, and where the log goes on after it.
fn load_newest_snapshot(directory: &Path) -> Result<(Image, Offset), MetadataLogError> {
    for name in snapshots(directory)?.into_iter().rev() {
        match load_snapshot(directory, name) {
            Ok(image) => return Ok((image, name.end)),
            Err(error) => {
                tracing::error!(snapshot = %name, %error, "metadata snapshot cannot be read: trying an older one")
            }
        }
    }
    Ok((Image::default(), Offset::ZERO))
}

fn load_snapshot(directory: &Path, name: SnapshotName) -> Result<Image, MetadataLogError> {
    let content = Bytes::from(fs::read(directory.join(name.to_string()))?);
    let mut loader = Loader::new(Image::default());
    let mut is_complete = false;
    for batch in Batches::new(content) {
        let malformed = |error: &dyn std::fmt::Display| {
            MetadataLogError::Malformed(name.end, error.to_string())
        };
        let batch = batch.map_err(|error| malformed(&error))?;
        batch.check_crc().map_err(|error| malformed(&error))?;
        is_complete = is_footer(&batch);
        feed_batch(&mut loader, &batch, Offset::ZERO)?;
    }
    if !is_complete {
        return Err(MetadataLogError::Malformed(
            name.end,
            "the snapshot has no end".to_owned(),
        ));
    }
    // Offsets within a snapshot are its own; what it stands for ends where its name says.
    loader.skip_to(Offset(name.end.0.saturating_sub(1)), name.epoch);
    Ok(loader.publish()?.0)
}

fn is_footer(batch: &Batch) -> bool {
    let is_footer = |bytes: Bytes| {
        let first = batch.records(&bytes).next();
        first.is_some_and(|record| {
            record.is_ok_and(|record| {
                control::ControlType::parse(record.key) == Ok(control::ControlType::SnapshotFooter)
            })
        })
    };
    batch.header.attributes.is_control()
        && batch.record_bytes(DECOMPRESSED_LIMIT).is_ok_and(is_footer)
}

fn encode_snapshot(image: &Image, epoch: LeaderEpoch, now: Timestamp) -> Vec<u8> {
    let mut content = Vec::new();
    let mut next = Offset::ZERO;
    let place = |base_offset| ControlPlace {
        base_offset,
        leader_epoch: epoch,
        timestamp: now,
    };
    content.extend_from_slice(&control::snapshot_header(place(next), now));
    next = next.next();
    let mut records = snapshot::records(image).peekable();
    while records.peek().is_some() {
        let options = BatchOptions {
            base_offset: next,
            leader_epoch: epoch,
            ..BatchOptions::default()
        };
        let mut batch = BatchBuilder::new(options);
        while batch.size() < SNAPSHOT_BATCH_BYTES {
            let Some(record) = records.next() else { break };
            batch.push(now, None, Some(&record.encode()), &[]);
            next = next.next();
        }
        content.extend_from_slice(&batch.finish());
    }
    content.extend_from_slice(&control::snapshot_footer(place(next)));
    content
}
