//! The part of an append that needs no log: checking whether a record set may be stored, and in which form.
//!
//! ```text
//!                prepare()                    append()
//!   RecordSet -------------> PreparedAppend ---------------------> AppendInfo
//!   as it came   any thread   checked, in      the log's writer     offsets, time,
//!                             the topic's codec                     bytes on disk
//! ```
//! Unpacking, checking and compressing records can take seconds. A caller that must not wait for that looks at the
//! [`Effort`] first, and prepares on another thread. A cheap record set is prepared by the log's writer itself.
//! [`PartitionLog::append_as_leader`](super::PartitionLog::append_as_leader) does both at once, for the metadata log.
//!
//! `prepare` gets the configuration that applies to the whole batch. If the configuration changes before the batch is
//! stored, the batch is stored as if it had come before the change. Only the timestamp of the broker
//! (`message.timestamp.type`) is set when the batch is stored, so that it follows the order of the log. Checks that depend
//! on the log (offsets, producers, the size of a segment) are also made then, with the configuration at that time.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Timestamp, TopicPartition};
use crate::config::TopicConfig;
use crate::config::topic::TimestampType;
use crate::record::{BatchHeader, Codec, Limits};

use super::active::ReadyBatch;
use super::append::{AppendError, AppendOrigin};
use super::producer::TransactionCheck;
use super::validate::{self, recompress};

/// Checking an uncompressed batch of this many bytes takes less time than handing it to another thread, or a millisecond
/// if each record is as small as possible. It is the default of `max.message.bytes`.
const PLAIN: usize = 1_048_588;

/// Checking a compressed batch that unpacks to at most this many bytes takes some 50 microseconds.
const SMALL: Limits = Limits {
    total: 64 * 1024,
    held: 64 * 1024,
};

/// A record set that was not checked yet.
#[derive(Clone, Debug)]
pub struct RecordSet {
    /// One batch from clients, any number from others.
    pub records: Bytes,
    /// Who appends.
    pub origin: AppendOrigin,
    /// The leader epoch in which it is appended.
    pub epoch: LeaderEpoch,
    /// How its transactions are checked.
    pub transactions: TransactionCheck,
}

/// The most that preparing a record set costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// So little that it is not worth another thread.
    Slight,
    /// The records are unpacked and checked: up to half a second for what a hostile batch unpacks to.
    Check,
    /// They are also compressed again, which can take seconds.
    Recompress {
        /// The maximum size of the result.
        most: usize,
    },
}

impl RecordSet {
    /// What [`Self::prepare`] costs, judged by the header alone.
    pub fn effort(&self, config: &TopicConfig) -> Effort {
        // Anything that is not a batch is refused at once.
        let Ok(header) = BatchHeader::parse(&self.records) else {
            return Effort::Slight;
        };
        if recompress::wanted(&header, config).is_some() {
            return Effort::Recompress {
                most: recompress::most_bytes(&header, config),
            };
        }
        // For batches of the broker itself, only the checksum is checked; a truncated one or an unknown codec is refused.
        let is_slight = self.origin != AppendOrigin::Client
            || header.size() > self.records.len()
            || match header.attributes.codec() {
                Ok(Codec::None) | Err(_) => header.size() <= PLAIN,
                Ok(_) => false,
            };
        if is_slight {
            Effort::Slight
        } else {
            Effort::Check
        }
    }

    /// Checks the record set by `config`, and gives it the topic's codec.
    ///
    /// # Errors
    /// When it may not be stored.
    pub fn prepare(
        &self,
        partition: &TopicPartition,
        config: &TopicConfig,
        now: Timestamp,
    ) -> Result<PreparedAppend, AppendError> {
        self.prepare_within(validate::client_limits(config), partition, config, now)
    }

    /// The same for a record set whose records must be checked, if that takes at most some 50 microseconds and finds
    /// nothing wrong. Otherwise `None`, and the caller uses [`Self::prepare`].
    pub fn prepare_small(
        &self,
        partition: &TopicPartition,
        config: &TopicConfig,
        now: Timestamp,
    ) -> Option<PreparedAppend> {
        if self.records.len() > SMALL.total {
            return None;
        }
        self.prepare_within(SMALL, partition, config, now).ok()
    }

    fn prepare_within(
        &self,
        limits: Limits,
        partition: &TopicPartition,
        config: &TopicConfig,
        now: Timestamp,
    ) -> Result<PreparedAppend, AppendError> {
        let batches = validate::validate(self, limits, partition, config, now)?;
        // The metadata log's batches are stored as they are.
        let timed_by_broker = self.origin != AppendOrigin::Raft
            && config.message_timestamp_type == TimestampType::LogAppendTime;
        Ok(PreparedAppend {
            batches,
            origin: self.origin,
            epoch: self.epoch,
            transactions: self.transactions,
            timed_by_broker,
        })
    }
}

/// A record set that may be stored. It was not yet compared with the state of a log.
#[derive(Debug)]
pub struct PreparedAppend {
    /// Complete except for base offset and leader epoch, and for timestamp and checksum if the broker sets the timestamp.
    pub(super) batches: Vec<ReadyBatch>,
    pub(super) origin: AppendOrigin,
    pub(super) epoch: LeaderEpoch,
    pub(super) transactions: TransactionCheck,
    /// Whether the topic uses the time at which batches are stored (LogAppendTime).
    pub(super) timed_by_broker: bool,
}

impl PreparedAppend {
    /// Bytes that will be written.
    pub fn size(&self) -> usize {
        let sizes = self.batches.iter().map(|batch| batch.header.size());
        sizes.fold(0, usize::saturating_add)
    }

    /// Sets the timestamp of the batches to `now`, if the broker sets it.
    pub(super) fn stamp(&mut self, now: Timestamp) {
        if self.timed_by_broker {
            for batch in &mut self.batches {
                batch.stamp(now);
            }
        }
    }
}
