//! The part of an append that needs no log: whether a record set may be stored, and what it is stored as.
//!
//! ```text
//!                prepare()                    append_prepared()
//!   RecordSet -------------> PreparedAppend ---------------------> AppendInfo
//!   as it came   any thread   checked, in      the log's writer     offsets, time,
//!                             the topic's codec                     bytes on disk
//! ```
//! Unpacking, checking and compressing records can take seconds. Whoever must not wait for that asks for the
//! [`Effort`] first, and prepares on a thread of its choice. What is cheap goes through
//! [`PartitionLog::append_as_leader`](super::PartitionLog::append_as_leader), which does both.
//!
//! One configuration decides everything about a batch: the one that `prepare` was given. When another one is in force
//! by the time the batch is stored, it is stored as if it had come before the change. Only the time that the broker gives
//! (`message.timestamp.type`) is given when it is stored, so that it follows the order of the log. What depends on the log
//! (offsets, producers, the size of a segment) is judged then as well, by the configuration in force then.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Timestamp, TopicPartition};
use crate::config::TopicConfig;
use crate::config::topic::TimestampType;
use crate::record::{BatchHeader, Codec, Limits};

use super::active::ReadyBatch;
use super::append::{AppendError, AppendOrigin};
use super::validate::{self, recompress};

/// A batch of this many bytes that is not compressed is as good as checked: it takes less time than the way to another
/// thread, or a millisecond where each record is as small as can be. It is the default of `max.message.bytes`.
const PLAIN: usize = 1_048_588;

/// A compressed batch that unpacks to no more than this takes some 50 microseconds.
const SMALL: Limits = Limits {
    total: 64 * 1024,
    held: 64 * 1024,
};

/// A record set that nobody has looked at yet.
#[derive(Clone, Debug)]
pub struct RecordSet {
    /// One batch from clients, any number from others.
    pub records: Bytes,
    /// Who appends.
    pub origin: AppendOrigin,
    /// The leadership in which it is appended.
    pub epoch: LeaderEpoch,
}

/// What preparing a record set costs at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// So little that it is not worth a way to another thread.
    Slight,
    /// The records are unpacked and checked: up to half a second for what a hostile batch unpacks to.
    Check,
    /// They are compressed anew as well, which can take seconds.
    Recompress {
        /// The most bytes that the result has.
        most: usize,
    },
}

impl RecordSet {
    /// What [`Self::prepare`] costs, as far as the header tells. Looks at nothing else.
    pub fn effort(&self, config: &TopicConfig) -> Effort {
        // What is no batch is refused at once.
        let Ok(header) = BatchHeader::parse(&self.records) else {
            return Effort::Slight;
        };
        if recompress::wanted(&header, config).is_some() {
            return Effort::Recompress {
                most: recompress::most_bytes(&header, config),
            };
        }
        // Of what we have written ourselves only the checksum is looked at; what is cut off or has no codec is refused.
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

    /// Does the same for a record set that is to be checked, if that takes no more than some 50 microseconds and finds
    /// nothing wrong. `None` leaves it to [`Self::prepare`].
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
            timed_by_broker,
        })
    }
}

/// A record set that may be stored. Nothing is known yet of the log that it goes to.
#[derive(Debug)]
pub struct PreparedAppend {
    /// Complete but for base offset and leader epoch, and for time and checksum where the broker gives the time.
    pub(super) batches: Vec<ReadyBatch>,
    pub(super) origin: AppendOrigin,
    pub(super) epoch: LeaderEpoch,
    /// Whether the topic has the time at which batches are stored.
    pub(super) timed_by_broker: bool,
}

impl PreparedAppend {
    /// Bytes that will be written.
    pub fn size(&self) -> usize {
        let sizes = self.batches.iter().map(|batch| batch.header.size());
        sizes.fold(0, usize::saturating_add)
    }

    /// Gives the time `now` to the batches, where the broker gives the time.
    pub(super) fn stamp(&mut self, now: Timestamp) {
        if self.timed_by_broker {
            for batch in &mut self.batches {
                batch.stamp(now);
            }
        }
    }
}
