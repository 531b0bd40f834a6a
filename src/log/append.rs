//! Appending as the leader, after a record set was prepared ([`super::prepare`]): assign offsets, check the producers,
//! roll, store ([`super::store`]).
//!
//! Everything that can refuse the append comes before everything that changes something, so that a refused append
//! leaves no trace.

use super::active::{Incoming, ReadyBatch};
use super::disk::{DirectoryOffline, is_out_of_descriptors};
use super::partition_log::{LogError, PartitionLog};
use super::prepare::PreparedAppend;
use super::producer::check::ProducerRefusal;
use super::producer::{CheckedProducers, ProducerCheck, TransactionCheck};
use super::store::Markers;
use crate::base::{Offset, ProducerEpoch, ProducerId, Timestamp};

/// Who appends: decides which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A produce request: everything is checked.
    Client,
    /// A coordinator of this broker: record sets that the broker has built.
    Coordinator,
    /// The leader of the metadata log: as `Coordinator`, without a size limit.
    Raft,
}

/// A successful append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Set under LogAppendTime and for duplicates, else [`Timestamp::NONE`].
    pub log_append_time: Timestamp,
    /// The log start at the time of the append.
    pub log_start: Offset,
    /// The batch is a duplicate: the offsets are those of the original, and nothing was written.
    pub duplicate: bool,
}

/// What is wrong with one record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFailure {
    /// The record's place in its batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
}

/// Why an append was refused; nothing of it was stored. There is one variant per Kafka error.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// `CORRUPT_MESSAGE`: not a record batch, or not the one that was sent.
    #[error("corrupt record batch: {0}")]
    CorruptMessage(String),
    /// `MESSAGE_TOO_LARGE`: above `max.message.bytes`.
    #[error("a record batch of {size} bytes, but max.message.bytes is {most}")]
    MessageTooLarge {
        /// Size of the batch with its header.
        size: usize,
        /// The configured maximum.
        most: usize,
    },
    /// `RECORD_LIST_TOO_LARGE`: larger than a segment.
    #[error("a record set of {size} bytes, but segment.bytes is {most}")]
    RecordListTooLarge {
        /// Size of the record set.
        size: u64,
        /// The configured maximum.
        most: u64,
    },
    /// `INVALID_RECORD`: not a single batch of format 2. Found before the log is involved.
    #[error("{0}")]
    NotOneBatch(String),
    /// `INVALID_RECORD`: well-formed bytes that may not be stored.
    #[error("{message}")]
    InvalidRecord {
        /// What is wrong with the batch.
        message: String,
        /// What is wrong with single records; empty when the batch itself is wrong.
        record_errors: Vec<RecordFailure>,
    },
    /// `INVALID_TIMESTAMP`: a record is too old, too new, or not of the topic's kind.
    #[error("{message}")]
    InvalidTimestamp {
        /// What is wrong with the batch.
        message: String,
        /// What is wrong with single records.
        record_errors: Vec<RecordFailure>,
    },
    /// `UNSUPPORTED_COMPRESSION_TYPE`: an unknown codec.
    #[error("{0}")]
    UnsupportedCompressionType(String),
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER`: a batch of this producer is missing before this one, or this one
    /// is older than its last five batches.
    #[error(
        "producer {producer_id} (epoch {epoch}) sent sequence {found} where {expected} was expected"
    )]
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch that it sent.
        epoch: ProducerEpoch,
        /// The next sequence.
        expected: i32,
        /// The sequence that it sent.
        found: i32,
    },
    /// `INVALID_PRODUCER_EPOCH`: a newer instance of this producer has written.
    #[error("producer {producer_id} sent epoch {epoch}, but epoch {known_epoch} was seen already")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch that it sent.
        epoch: ProducerEpoch,
        /// The newest epoch.
        known_epoch: ProducerEpoch,
    },
    /// `INVALID_TXN_STATE`: a batch that is not transactional, of a producer with an open transaction.
    #[error("producer {producer_id} sent a batch outside of its open transaction")]
    InvalidTransactionState {
        /// The producer.
        producer_id: ProducerId,
    },
    /// `INVALID_TXN_STATE`: a transactional batch of a producer without an open transaction.
    #[error("producer {producer_id} sent a batch that is not part of an open transaction")]
    NotInTransaction {
        /// The producer.
        producer_id: ProducerId,
    },
    /// `TRANSACTION_COORDINATOR_FENCED`: a marker of an old coordinator.
    #[error("coordinator epoch {epoch} is older than {known_epoch} for producer {producer_id}")]
    CoordinatorFenced {
        /// The producer.
        producer_id: ProducerId,
        /// Epoch of the coordinator that sent the marker.
        epoch: i32,
        /// The newest epoch.
        known_epoch: i32,
    },
    /// `KAFKA_STORAGE_ERROR`: the directory is offline since an earlier failure.
    #[error(transparent)]
    Offline(#[from] DirectoryOffline),
    /// `KAFKA_STORAGE_ERROR`: the disk has just failed; the directory is offline from now on
    /// (see [`Self::is_out_of_descriptors`] for the exception).
    #[error(transparent)]
    Io(std::io::Error),
}

impl AppendError {
    /// Whether the only problem was a lack of file descriptors: nothing was stored, the directory is not offline,
    /// and a repetition may succeed.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Io(error) if is_out_of_descriptors(error))
    }

    pub(crate) const fn invalid_record(message: String) -> Self {
        Self::InvalidRecord {
            message,
            record_errors: Vec::new(),
        }
    }
}

impl From<std::io::Error> for AppendError {
    fn from(error: std::io::Error) -> Self {
        LogError::from(error).into()
    }
}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Io(error) => Self::Io(error),
            LogError::Offline(error) => Self::Offline(error),
            other => Self::Io(std::io::Error::other(other)),
        }
    }
}

impl From<ProducerRefusal> for AppendError {
    fn from(refusal: ProducerRefusal) -> Self {
        match refusal {
            ProducerRefusal::OutOfOrderSequence {
                producer_id,
                epoch,
                expected,
                found,
                ..
            } => Self::OutOfOrderSequence {
                producer_id,
                epoch,
                expected,
                found,
            },
            ProducerRefusal::InvalidProducerEpoch {
                producer_id,
                epoch,
                known_epoch,
            } => Self::InvalidProducerEpoch {
                producer_id,
                epoch,
                known_epoch,
            },
            ProducerRefusal::InvalidTransactionState { producer_id } => {
                Self::InvalidTransactionState { producer_id }
            }
            ProducerRefusal::NotInTransaction { producer_id } => {
                Self::NotInTransaction { producer_id }
            }
            ProducerRefusal::CoordinatorFenced {
                producer_id,
                epoch,
                known_epoch,
            } => Self::CoordinatorFenced {
                producer_id,
                epoch,
                known_epoch,
            },
        }
    }
}

impl PartitionLog {
    /// Assigns offsets and epoch, checks producers, rolls, writes. Nothing is synced (see [`Self::flush`]).
    pub fn append(
        &mut self,
        mut prepared: PreparedAppend,
        now: Timestamp,
    ) -> Result<AppendInfo, AppendError> {
        if self.disk.is_offline() {
            return Err(DirectoryOffline.into());
        }
        self.latest_time = self.latest_time.max(now);
        prepared.stamp(now);
        let PreparedAppend {
            mut batches,
            origin,
            epoch,
            transactions,
            timed_by_broker,
        } = prepared;

        let first_offset = self.log_end;
        let mut next = first_offset;
        for batch in &mut batches {
            batch.header.base_offset = next;
            batch.header.leader_epoch = epoch;
            next = batch.header.next_offset();
        }
        let incoming = self.incoming(&batches, next)?;
        let markers = Markers::of(&batches);
        if let Some(original) = self.check_producers(&batches, &markers, origin, transactions)? {
            return Ok(original);
        }
        if self.active.should_roll(&incoming, &self.config, now) {
            self.roll(first_offset, now)?;
        }
        self.store(&batches, &markers, now)?;

        Ok(AppendInfo {
            first_offset,
            last_offset: next.plus(-1),
            log_append_time: if timed_by_broker {
                now
            } else {
                Timestamp::NONE
            },
            log_start: self.log_start,
            duplicate: false,
        })
    }

    fn incoming(&self, batches: &[ReadyBatch], next: Offset) -> Result<Incoming, AppendError> {
        let bytes = batches.iter().map(|batch| batch.header.size() as u64).sum();
        let most = u64::try_from(self.config.segment_bytes).unwrap_or(0);
        if bytes > most {
            return Err(AppendError::RecordListTooLarge { size: bytes, most });
        }
        let max_timestamp = batches.iter().map(|batch| batch.header.max_timestamp).max();
        if next == Offset(i64::MAX) {
            return Err(AppendError::invalid_record(
                "the partition is full".to_owned(),
            ));
        }
        Ok(Incoming {
            bytes,
            max_timestamp: max_timestamp.unwrap_or(Timestamp::NONE),
            last_offset: next.plus(-1),
        })
    }

    /// Checks what these batches would do to the producers; where they were stored before, if they were.
    fn check_producers(
        &self,
        batches: &[ReadyBatch],
        markers: &Markers,
        origin: AppendOrigin,
        transactions: TransactionCheck,
    ) -> Result<Option<AppendInfo>, AppendError> {
        let mut checked = CheckedProducers::new(&self.producers, &self.transactions, transactions);
        for (number, batch) in batches.iter().enumerate() {
            let header = &batch.header;
            let is_last = number + 1 == batches.len();
            if !header.producer_id.is_some() {
                continue;
            }
            if header.attributes.is_control() {
                if let Some((marker, timestamp)) = markers.get(number) {
                    checked.check_marker(header, &marker, timestamp, is_last)?;
                }
                continue;
            }
            let from_client = origin == AppendOrigin::Client;
            match checked.check_data(header, from_client, is_last)? {
                ProducerCheck::Accepted => {}
                ProducerCheck::Duplicate(original) => {
                    return Ok(Some(AppendInfo {
                        first_offset: original.first_offset(),
                        last_offset: original.last_offset,
                        // With either timestamp type, Kafka returns the timestamp of the original.
                        log_append_time: original.timestamp,
                        log_start: self.log_start,
                        duplicate: true,
                    }));
                }
            }
        }
        Ok(None)
    }
}
