//! Counts the bytes of a request that are not records.
//!
//! Most of a large produce request are records, and these are neither decoded nor copied. The other bytes can become
//! much memory, so they are counted before the request is decoded, by the lengths in the frame. A producer's megabyte
//! then costs a few kilobytes, and not as much as a megabyte of entries.

use bytes::{Buf, TryGetError};

/// First version of the API with compact lengths and tagged fields.
const FLEXIBLE: i16 = 9;
/// The first version that identifies topics by id.
const WITH_IDS: i16 = super::WITH_IDS;
/// The maximum number of topics and partitions that are scanned. Beyond that, a request is charged the maximum.
const MOST: u32 = 200_000;
/// Bytes of a frame before the client id: key, version and correlation id.
const PREFIX: usize = 8;

/// The bytes of `frame` that are not records. If the frame becomes invalid, the rest counts as well: the decoder
/// stops there, too.
pub(super) fn beside_records(version: i16, frame: &[u8]) -> usize {
    let mut walk = Walk {
        rest: frame,
        is_flexible: version >= FLEXIBLE,
        records: 0,
        left: MOST,
    };
    // Records found before the end of the scan are counted correctly.
    let _ended = walk.request(version);
    frame.len().saturating_sub(walk.records)
}

struct Walk<'a> {
    rest: &'a [u8],
    is_flexible: bool,
    records: usize,
    left: u32,
}

/// The frame is at its end, or is invalid, or has too many entries.
struct Ended;

impl From<TryGetError> for Ended {
    fn from(_: TryGetError) -> Self {
        Self
    }
}

impl Walk<'_> {
    fn request(&mut self, version: i16) -> Result<(), Ended> {
        self.skip(PREFIX)?;
        // The client id is a string with a short length in every version of the header.
        let client = self.rest.try_get_i16()?;
        self.skip(usize::try_from(client).unwrap_or(0))?;
        self.tagged_fields()?;
        // Transactional id, acks and timeout.
        self.text()?;
        self.skip(2 + 4)?;
        for _ in 0..self.array()? {
            self.entry()?;
            if version >= WITH_IDS {
                self.skip(16)?;
            } else {
                self.text()?;
            }
            for _ in 0..self.array()? {
                self.entry()?;
                self.skip(4)?;
                let length = self.array()?;
                self.skip(length)?;
                self.records += length;
                self.tagged_fields()?;
            }
            self.tagged_fields()?;
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<(), Ended> {
        self.left = self.left.checked_sub(1).ok_or(Ended)?;
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Result<(), Ended> {
        self.rest = self.rest.get(count..).ok_or(Ended)?;
        Ok(())
    }

    fn text(&mut self) -> Result<(), Ended> {
        let length = if self.is_flexible {
            self.varint()?.saturating_sub(1)
        } else {
            usize::try_from(self.rest.try_get_i16()?).unwrap_or(0)
        };
        self.skip(length)
    }

    /// The length of an array, or of bytes; `None` for null.
    fn array(&mut self) -> Result<usize, Ended> {
        if self.is_flexible {
            Ok(self.varint()?.saturating_sub(1))
        } else {
            Ok(usize::try_from(self.rest.try_get_i32()?).unwrap_or(0))
        }
    }

    fn tagged_fields(&mut self) -> Result<(), Ended> {
        if self.is_flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let size = self.varint()?;
                self.skip(size)?;
            }
        }
        Ok(())
    }

    /// A varint as the protocol crate reads it: at most five bytes.
    fn varint(&mut self) -> Result<usize, Ended> {
        let mut value = 0_u32;
        for place in 0..5 {
            let byte = u32::from(self.rest.try_get_u8()?);
            value |= (byte & 0x7f) << (place * 7);
            if byte < 0x80 {
                break;
            }
        }
        usize::try_from(value).map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes, BytesMut};
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use kafka_protocol::messages::{ApiKey, ProduceRequest, RequestHeader};
    use kafka_protocol::protocol::{Encodable as _, StrBytes};
    use uuid::Uuid;

    use super::super::super::topic_ids::wire_name;
    use super::beside_records;

    fn frame(version: i16, records: usize) -> Bytes {
        let partition = |index| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(vec![0xff; records].into()))
        };
        let topic = |name: &str| {
            let topic = TopicProduceData::default().with_partition_data(vec![
                partition(0),
                partition(1),
                PartitionProduceData::default().with_records(None),
            ]);
            if version >= 13 {
                topic.with_topic_id(Uuid::from_u128(1))
            } else {
                topic.with_name(wire_name(name))
            }
        };
        let request = ProduceRequest::default().with_topic_data(vec![topic("orders"), topic("a")]);
        let mut frame = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(ApiKey::Produce as i16)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("client")))
            .encode(&mut frame, ApiKey::Produce.request_header_version(version))
            .unwrap();
        request.encode(&mut frame, version).unwrap();
        frame.freeze()
    }

    #[test]
    fn records_of_every_version_are_found() {
        for version in 3..=13 {
            // The length of the records has as many bytes in both.
            let (one, other) = (frame(version, 20_000), frame(version, 30_000));
            let beside = beside_records(version, &one);
            assert_eq!(beside, one.len() - 4 * 20_000, "version {version}");
            assert_eq!(beside, beside_records(version, &other));
            assert!(beside < 200);
        }
    }

    #[test]
    fn what_is_behind_the_end_of_a_broken_frame_is_counted() {
        for version in 3..=13 {
            let whole = frame(version, 1_000);
            for end in 0..whole.len() {
                let beside = beside_records(version, &whole[..end]);
                assert!(beside <= end && beside + 4_000 >= end);
            }
            let mut claims = BytesMut::from(&whole[..]);
            claims.put_bytes(0xff, 50);
            assert!(beside_records(version, &claims) >= 50);
        }
    }
}
