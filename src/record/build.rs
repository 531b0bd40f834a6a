//! Writes batches of our own: internal topics, the metadata log, compaction, recompression.

use bytes::Bytes;

use super::batch::{
    Attributes, BatchHeader, CURRENT_MAGIC, HEADER_SIZE, LENGTH_OVERHEAD, NO_SEQUENCE,
};
use super::compress::Codec;
use super::iter::Header;
use super::varint;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Room for a few small records, the usual batch of an internal topic.
const USUAL_SIZE: usize = 512;

/// Header fields of a batch to be built. The default is a plain batch at offset 0: not compressed, no
/// producer, CreateTime.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Epoch of the leader that writes.
    pub leader_epoch: LeaderEpoch,
    /// How the records are compressed.
    pub codec: Codec,
    /// Some(t): LogAppendTime with this time.
    pub log_append_time: Option<Timestamp>,
    /// The producer, if any.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, -1 for none.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether the records are control records.
    pub control: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch::NONE,
            codec: Codec::None,
            log_append_time: None,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
        }
    }
}

/// Builds one batch record by record.
///
/// The caller keeps a batch well below 2 GiB by watching [`BatchBuilder::size`].
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
    last_offset_delta: i32,
    delete_horizon: Option<Timestamp>,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> Self {
        Self::with_capacity(options, USUAL_SIZE)
    }

    /// An empty batch with room for `size` bytes of header and records.
    pub fn with_capacity(options: BatchOptions, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size.max(HEADER_SIZE));
        bytes.resize(HEADER_SIZE, 0);
        Self {
            options,
            bytes,
            count: 0,
            base_timestamp: None,
            max_timestamp: Timestamp::NONE,
            last_offset_delta: -1,
            delete_horizon: None,
        }
    }

    /// Sets the delete horizon, which replaces the base timestamp. Call it before the first record, whose
    /// timestamp is written relative to it.
    #[cfg(any(test, feature = "fuzzing"))]
    #[must_use]
    pub const fn with_delete_horizon(mut self, horizon: Timestamp) -> Self {
        self.delete_horizon = Some(horizon);
        self.base_timestamp = Some(horizon);
        self
    }

    /// Adds a record at the next offset.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        self.push_at(
            self.last_offset_delta.saturating_add(1),
            timestamp,
            key,
            value,
            headers,
        );
    }

    /// Adds a record with this offset delta, which must be greater than that of the previous record:
    /// compaction leaves gaps.
    pub fn push_at(
        &mut self,
        offset_delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) {
        let base = *self.base_timestamp.get_or_insert(timestamp);
        let timestamp_delta = timestamp.millis_since(base);
        let offset_delta_wide = i64::from(offset_delta);
        let body = 1
            + varint::size(timestamp_delta)
            + varint::size(offset_delta_wide)
            + field_size(key)
            + field_size(value)
            + varint::size(wide(headers.len()))
            + headers
                .iter()
                .map(|header| field_size(Some(header.key)) + field_size(header.value))
                .sum::<usize>();

        let out = &mut self.bytes;
        out.reserve(varint::size(wide(body)) + body);
        varint::put(out, wide(body));
        out.push(0);
        varint::put(out, timestamp_delta);
        varint::put(out, offset_delta_wide);
        put_field(out, key);
        put_field(out, value);
        varint::put(out, wide(headers.len()));
        for header in headers {
            put_field(out, Some(header.key));
            put_field(out, header.value);
        }

        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset_delta = offset_delta;
    }

    /// Makes the last offset delta at least this large, even without a record there: a compacted batch keeps its
    /// range of offsets.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn extend_to(&mut self, last_offset_delta: i32) {
        self.last_offset_delta = self.last_offset_delta.max(last_offset_delta);
    }

    /// Bytes so far, before compression.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no record yet.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished batch.
    ///
    /// # Panics
    /// When the batch is larger than 2 GiB, the limit of its length field.
    pub fn finish(mut self) -> Bytes {
        let codec = self.compress();
        let length = i32::try_from(self.bytes.len() - LENGTH_OVERHEAD);
        let options = self.options;
        let mut header = BatchHeader {
            base_offset: options.base_offset,
            length: length.expect("a batch stays below 2 GiB"),
            leader_epoch: options.leader_epoch,
            magic: CURRENT_MAGIC,
            crc: 0,
            attributes: Attributes(0)
                .with_codec(codec)
                .with_log_append_time(options.log_append_time.is_some())
                .with_transactional(options.transactional)
                .with_control(options.control)
                .with_delete_horizon(self.delete_horizon.is_some()),
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp.unwrap_or(Timestamp::NONE),
            max_timestamp: options.log_append_time.unwrap_or(self.max_timestamp),
            producer_id: options.producer_id,
            producer_epoch: options.producer_epoch,
            base_sequence: options.base_sequence,
            record_count: self.count,
        };
        let (head, body) = self.bytes.split_at_mut(HEADER_SIZE);
        header.crc = header.crc_over(body);
        head.copy_from_slice(&header.encode());
        self.bytes.into()
    }

    /// Replaces the records by their compressed stream, and returns the codec that they have now. They stay
    /// uncompressed if the codec fails, which should not happen in memory, or if there are none.
    fn compress(&mut self) -> Codec {
        let codec = self.options.codec;
        if codec == Codec::None || self.is_empty() {
            return Codec::None;
        }
        let mut out = Vec::with_capacity(self.bytes.len() / 2 + HEADER_SIZE);
        out.resize(HEADER_SIZE, 0);
        match codec.compress_onto(&self.bytes[HEADER_SIZE..], &mut out) {
            Ok(()) => {
                self.bytes = out;
                codec
            }
            Err(_) => Codec::None,
        }
    }
}

/// A length as an integer for a varint.
fn wide(length: usize) -> i64 {
    // No slice is longer than i64::MAX bytes, so the fallback is never taken.
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn field_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint::size(wide(bytes.len())) + bytes.len())
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, wide(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}
