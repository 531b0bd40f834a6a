//! Batches without some of their records, as compaction leaves them.
//!
//! The bytes of a remaining record are copied and not decoded and encoded again, so headers, their order and anything
//! that a later Kafka adds are preserved. The one exception is the timestamp delta if the batch gets a delete
//! horizon: the horizon replaces the base timestamp, and the records' deltas must be relative to it.
//!
//! The header keeps everything that readers and producers rely on: base offset, last offset delta, leader
//! epoch, producer, sequence, codec, timestamp type. Length, count, checksum and the largest timestamp are
//! computed again.

use super::batch::{BatchHeader, HEADER_SIZE, LENGTH_OVERHEAD};
use super::compress::{Codec, CodecError};
use super::iter::{Record, RecordError, Records};
use super::varint::{self, Cursor, Fields};
use crate::base::Timestamp;

/// A record and its bytes, including its length.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// The record.
    pub record: Record<'a>,
    bytes: &'a [u8],
}

/// Like [`Records`], with the bytes of each record.
#[derive(Clone, Debug)]
pub struct RawRecords<'a> {
    records: Records<'a>,
}

impl<'a> RawRecords<'a> {
    /// Records of `header` in its decompressed bytes.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self {
            records: Records::new(header, bytes),
        }
    }

    /// Takes no record of more than `most` bytes.
    #[must_use]
    pub fn with_records_up_to(self, most: i32) -> Self {
        Self {
            records: self.records.with_records_up_to(most),
        }
    }
}

impl<'a> Iterator for RawRecords<'a> {
    type Item = Result<RawRecord<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.records.rest();
        let record = self.records.next()?;
        let length = before.len() - self.records.rest().len();
        Some(record.map(|record| RawRecord {
            record,
            bytes: before.get(..length).unwrap_or_default(),
        }))
    }
}

/// Why a batch cannot be built from the remaining records.
#[derive(Debug, thiserror::Error)]
pub enum RetainError {
    /// Its codec is unknown or failed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It would exceed the length field of a header.
    #[error("a batch of {0} bytes")]
    TooLarge(usize),
    /// A record has no timestamp delta although it had one before.
    #[error("a record changed while it was read")]
    Record,
}

/// The header and bytes of the batch of `header` with only `records`, at least one, in its original codec
/// `codec`. A new `horizon` goes into the header, unless a record's timestamp is too far away from it for a
/// delta: such a batch stays without one.
pub fn retain(
    header: &BatchHeader,
    codec: Codec,
    records: &[RawRecord<'_>],
    horizon: Option<Timestamp>,
) -> Result<(BatchHeader, Vec<u8>), RetainError> {
    let horizon = horizon.filter(|horizon| {
        records
            .iter()
            .all(|raw| raw.record.timestamp.0.checked_sub(horizon.0).is_some())
    });
    let size: usize = records.iter().map(|raw| raw.bytes.len()).sum();
    let mut out = Vec::with_capacity(HEADER_SIZE + size);
    out.resize(HEADER_SIZE, 0);
    for raw in records {
        match horizon {
            Some(horizon) => put_relative_to(&mut out, raw, horizon).ok_or(RetainError::Record)?,
            None => out.extend_from_slice(raw.bytes),
        }
    }
    if codec != Codec::None {
        let mut compressed = Vec::with_capacity(HEADER_SIZE + out.len() / 2);
        compressed.resize(HEADER_SIZE, 0);
        codec.compress_onto(out.get(HEADER_SIZE..).unwrap_or_default(), &mut compressed)?;
        out = compressed;
    }
    let largest = records.iter().map(|raw| raw.record.timestamp).max();
    let retained = BatchHeader {
        length: i32::try_from(out.len() - LENGTH_OVERHEAD)
            .map_err(|_| RetainError::TooLarge(out.len()))?,
        attributes: match horizon {
            Some(_) => header.attributes.with_delete_horizon(true),
            None => header.attributes,
        },
        base_timestamp: horizon.unwrap_or(header.base_timestamp),
        max_timestamp: match largest {
            Some(largest) if !header.attributes.is_log_append_time() => largest,
            _ => header.max_timestamp,
        },
        record_count: i32::try_from(records.len()).map_err(|_| RetainError::TooLarge(out.len()))?,
        ..*header
    };
    Ok(seal(retained, out))
}

/// The batch of `header` without any record: only a header, which preserves its offsets and its producer's
/// sequence.
pub fn retain_empty(header: &BatchHeader) -> (BatchHeader, Vec<u8>) {
    let retained = BatchHeader {
        length: (HEADER_SIZE - LENGTH_OVERHEAD) as i32,
        attributes: header
            .attributes
            .with_codec(Codec::None)
            .with_delete_horizon(false),
        base_timestamp: Timestamp::NONE,
        record_count: 0,
        ..*header
    };
    seal(retained, vec![0; HEADER_SIZE])
}

fn seal(mut header: BatchHeader, mut bytes: Vec<u8>) -> (BatchHeader, Vec<u8>) {
    if let Some((head, body)) = bytes.split_first_chunk_mut::<HEADER_SIZE>() {
        header.crc = header.crc_over(body);
        *head = header.encode();
    }
    (header, bytes)
}

/// Appends a record with its timestamp relative to `horizon`, and everything else unchanged.
fn put_relative_to(out: &mut Vec<u8>, raw: &RawRecord<'_>, horizon: Timestamp) -> Option<()> {
    let mut cursor = Cursor::new(raw.bytes);
    cursor.varint()?;
    let attributes = cursor.byte()?;
    cursor.varlong()?;
    let delta = raw.record.timestamp.0.checked_sub(horizon.0)?;
    let length = 1 + varint::size(delta) + cursor.rest.len();
    varint::put(out, i64::try_from(length).ok()?);
    out.push(attributes);
    varint::put(out, delta);
    out.extend_from_slice(cursor.rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
    use crate::record::{Batch, BatchBuilder, BatchOptions, Header};

    const CODECS: [Codec; 5] = [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ];

    fn ten_records(codec: Codec, log_append_time: Option<Timestamp>) -> Batch {
        let mut builder = BatchBuilder::new(BatchOptions {
            base_offset: Offset(100),
            leader_epoch: LeaderEpoch(3),
            codec,
            log_append_time,
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(1),
            base_sequence: 40,
            ..BatchOptions::default()
        });
        for n in 0..10u8 {
            // equal header keys, which a map of headers would merge
            let headers = [b"h", b"h"].map(|key| Header {
                key,
                value: (n % 3 > 0).then_some(&b"v"[..]),
            });
            let bytes = [n; 50];
            let value = (n % 2 == 0).then_some(&bytes[..]);
            builder.push(Timestamp(1000 + i64::from(n)), Some(&[n]), value, &headers);
        }
        Batch::parse(&builder.finish()).unwrap()
    }

    fn described(batch: &Batch) -> Vec<String> {
        let bytes = batch.record_bytes(usize::MAX).unwrap();
        Records::new(&batch.header, &bytes)
            .map(|record| {
                let record = record.unwrap();
                let headers: Vec<Header<'_>> = record.headers().collect();
                let (time, offset) = (record.timestamp, record.offset);
                format!(
                    "{time:?} {offset} {:?} {:?} {headers:?}",
                    record.key, record.value
                )
            })
            .collect()
    }

    fn odd_ones(batch: &Batch, horizon: Option<Timestamp>) -> Batch {
        let bytes = batch.record_bytes(usize::MAX).unwrap();
        let raw = RawRecords::new(&batch.header, &bytes).map(Result::unwrap);
        let odd: Vec<RawRecord<'_>> = raw.filter(|raw| raw.record.offset.0 % 2 == 1).collect();
        let codec = batch.header.attributes.codec().unwrap();
        let (header, bytes) = retain(&batch.header, codec, &odd, horizon).unwrap();
        let retained = Batch::parse(&Bytes::from(bytes)).unwrap();
        assert_eq!(retained.header, header);
        retained.check_crc().unwrap();
        retained
    }

    #[test]
    fn what_stays_is_the_same_in_every_codec_with_and_without_a_horizon() {
        for codec in CODECS {
            for append_time in [None, Some(Timestamp(5000))] {
                let batch = ten_records(codec, append_time);
                let expected: Vec<String> =
                    described(&batch).into_iter().skip(1).step_by(2).collect();
                for horizon in [None, Some(Timestamp(9_000_000)), Some(Timestamp(i64::MAX))] {
                    let retained = odd_ones(&batch, horizon);
                    assert_eq!(described(&retained), expected);
                    let header = retained.header;
                    assert_eq!(header.delete_horizon(), horizon);
                    assert_eq!(header.record_count, 5);
                    assert_eq!(header.max_timestamp, append_time.unwrap_or(Timestamp(1009)));
                    assert_eq!(header.attributes.codec(), Ok(codec));
                    let kept = |header: &BatchHeader| {
                        (
                            (
                                header.base_offset,
                                header.last_offset_delta,
                                header.leader_epoch,
                            ),
                            (
                                header.producer_id,
                                header.producer_epoch,
                                header.base_sequence,
                            ),
                        )
                    };
                    assert_eq!(kept(&header), kept(&batch.header));
                    // a second time, when the horizon is there already
                    assert_eq!(described(&odd_ones(&retained, None)), expected);
                }
            }
        }
    }

    #[test]
    fn a_horizon_that_cannot_be_said_is_left_out() {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.push(Timestamp(-2), Some(b"k"), None, &[]);
        let batch = Batch::parse(&builder.finish()).unwrap();
        let bytes = batch.record_bytes(1000).unwrap();
        let raw: Vec<RawRecord<'_>> = RawRecords::new(&batch.header, &bytes)
            .map(Result::unwrap)
            .collect();
        let horizon = Some(Timestamp(i64::MAX));
        let (header, _) = retain(&batch.header, Codec::None, &raw, horizon).unwrap();
        assert_eq!(header.delete_horizon(), None);
    }

    #[test]
    fn a_bare_header_keeps_place_and_producer() {
        for codec in CODECS {
            let batch = odd_ones(&ten_records(codec, None), Some(Timestamp(7)));
            let (header, bytes) = retain_empty(&batch.header);
            let empty = Batch::parse(&Bytes::from(bytes)).unwrap();
            empty.check_crc().unwrap();
            assert_eq!(empty.header, header);
            assert_eq!(described(&empty), Vec::<String>::new());
            assert_eq!(header.last_offset(), Offset(109));
            assert_eq!(header.last_sequence(), 49);
            assert_eq!(header.max_timestamp, batch.header.max_timestamp);
            assert_eq!(header.delete_horizon(), None);
        }
    }
}
