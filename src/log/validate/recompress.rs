//! A batch whose codec is not the topic's (`compression.type`) is stored in the topic's codec.
//!
//! As in Kafka, a batch that already has the topic's codec stays as it is, whatever its level; control batches are not
//! compressed; and both the batch that was sent and the one that is stored must fit `max.message.bytes`. Records
//! do not change; their batch keeps its producer, sequence and transactional bit.
//!
//! It can take seconds, so it can be done before the log is involved ([`prepare`](crate::log::prepare)). It has the same
//! limits as the check of the records: no more bytes come out of the old codec than [`records::check`] allows, and no more
//! memory is held than one piece of them and the new stream, up to [`most_bytes`].

use crate::base::Timestamp;
use crate::config::TopicConfig;
use crate::config::topic::{CompressionType, TimestampType};
use crate::log::active::ReadyBatch;
use crate::log::append::AppendError;
use crate::record::batch::LENGTH_OVERHEAD;
use crate::record::{Attributes, Batch, BatchHeader, Compression, HEADER_SIZE, Limits};

use super::MOST_DECOMPRESSED;
use super::records::{self, Checked};

/// The maximum size of a batch that has grown. Consumers accept far less in one piece, and a few bytes can unpack to as
/// much as `max.message.bytes` allows.
const MOST_GROWN: usize = 64 * 1024 * 1024;

/// How a batch is compressed again; `None` for most batches, which are stored as they came.
#[inline]
pub(in crate::log) fn wanted(header: &BatchHeader, config: &TopicConfig) -> Option<Compression> {
    let target = match config.compression_type {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => Compression::None,
        CompressionType::Gzip => Compression::Gzip(config.compression_gzip_level),
        CompressionType::Snappy => Compression::Snappy,
        CompressionType::Lz4 => Compression::Lz4(config.compression_lz4_level),
        CompressionType::Zstd => Compression::Zstd(config.compression_zstd_level),
    };
    let attributes = header.attributes;
    let stays = attributes.codec() == Ok(target.codec())
        || attributes.is_control()
        || header.record_count <= 0;
    (!stays).then_some(target)
}

/// The maximum size of the stored batch, whatever its codec.
pub(in crate::log) fn most_bytes(header: &BatchHeader, config: &TopicConfig) -> usize {
    let most = usize::try_from(config.max_message_bytes).unwrap_or(0);
    most.min(header.size().max(MOST_GROWN))
}

/// A client's batch, whose records have been checked.
pub(super) fn client_batch(
    batch: &Batch,
    target: Compression,
    limits: Limits,
    checked: &Checked,
    config: &TopicConfig,
) -> Result<ReadyBatch, AppendError> {
    let job = Job {
        unpacked: Some(checked.unpacked),
        largest: checked.largest,
        limits,
    };
    job.run(batch, target, config)
}

/// A coordinator's batch, whose records were not checked.
pub(super) fn own_batch(
    batch: &Batch,
    target: Compression,
    config: &TopicConfig,
) -> Result<ReadyBatch, AppendError> {
    let job = Job {
        unpacked: None,
        largest: batch.header.max_timestamp,
        limits: Limits {
            total: MOST_DECOMPRESSED,
            held: MOST_DECOMPRESSED,
        },
    };
    job.run(batch, target, config)
}

struct Job {
    unpacked: Option<usize>,
    largest: Timestamp,
    limits: Limits,
}

impl Job {
    fn run(
        self,
        batch: &Batch,
        target: Compression,
        config: &TopicConfig,
    ) -> Result<ReadyBatch, AppendError> {
        let most = most_bytes(&batch.header, config);
        let recompressed = batch
            .recompress(
                target,
                self.unpacked,
                self.limits,
                most.saturating_sub(HEADER_SIZE),
            )
            .map_err(records::malformed)?;
        let size = recompressed.size.saturating_add(HEADER_SIZE);
        let (Some(body), Ok(length)) = (
            recompressed.body,
            i32::try_from(size.saturating_sub(LENGTH_OVERHEAD)),
        ) else {
            return Err(AppendError::MessageTooLarge { size, most });
        };
        let by_broker = config.message_timestamp_type == TimestampType::LogAppendTime;
        let mut header = BatchHeader {
            length,
            // Other bits than these are dropped when a batch is rewritten.
            attributes: Attributes(0)
                .with_codec(target.codec())
                .with_log_append_time(by_broker)
                .with_transactional(batch.header.attributes.is_transactional()),
            base_timestamp: recompressed.base_timestamp,
            max_timestamp: self.largest,
            ..batch.header
        };
        if !by_broker {
            header.crc = header.crc_over(&body);
        }
        Ok(ReadyBatch { header, body })
    }
}
