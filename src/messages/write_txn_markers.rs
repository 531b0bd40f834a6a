//! WriteTxnMarkers 2: each marker has the version of its transaction (KIP-1228). The response is that of version 1.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker as Known, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{self, ProducerId, TopicName, WriteTxnMarkersResponse};
use kafka_protocol::protocol::buf::ByteBuf;

use super::newer::{Newer, Reads, Writes, request};
use super::read;
use crate::schema::Writer;

/// Markers that end transactions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteTxnMarkersRequest {
    /// The markers.
    pub markers: Vec<WritableTxnMarker>,
}

/// A marker for some partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WritableTxnMarker {
    /// What the crate knows of it.
    pub known: Known,
    /// The version of its transaction; 0 before version 2.
    pub transaction_version: i8,
}

impl Newer for WriteTxnMarkersRequest {
    type Known = messages::WriteTxnMarkersRequest;
}

request!(WriteTxnMarkersRequest, WriteTxnMarkersResponse);

impl Reads for WriteTxnMarkersRequest {
    fn from_known(known: messages::WriteTxnMarkersRequest) -> Self {
        let marker = |known| WritableTxnMarker {
            known,
            transaction_version: 0,
        };
        let markers = known.markers.into_iter().map(marker).collect();
        Self { markers }
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let markers = read::array(buffer, marker)?;
        Ok(Self { markers })
    }
}

fn marker(buffer: &mut impl ByteBuf) -> Result<WritableTxnMarker> {
    let known = Known::default()
        .with_producer_id(ProducerId(read::int64(buffer)?))
        .with_producer_epoch(read::int16(buffer)?)
        .with_transaction_result(read::int8(buffer)? != 0)
        .with_topics(read::array(buffer, topic)?)
        .with_coordinator_epoch(read::int32(buffer)?);
    let marker = WritableTxnMarker {
        known,
        transaction_version: read::int8(buffer)?,
    };
    read::tagged_fields(buffer)?;
    Ok(marker)
}

fn topic(buffer: &mut impl ByteBuf) -> Result<WritableTxnMarkerTopic> {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(TopicName(read::string(buffer)?))
        .with_partition_indexes(read::array(buffer, read::int32)?);
    read::tagged_fields(buffer)?;
    Ok(topic)
}

impl Writes for WriteTxnMarkersRequest {
    fn known(&self) -> Cow<'_, messages::WriteTxnMarkersRequest> {
        let markers = self.markers.iter().map(|marker| marker.known.clone());
        let known = messages::WriteTxnMarkersRequest::default().with_markers(markers.collect());
        Cow::Owned(known)
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.markers, |writer, marker| {
            let known = &marker.known;
            writer.int64(known.producer_id.0);
            writer.int16(known.producer_epoch);
            writer.boolean(known.transaction_result);
            writer.array(&known.topics, |writer, topic| {
                writer.string(&topic.name);
                writer.array(&topic.partition_indexes, |writer, partition| {
                    writer.int32(*partition);
                });
                writer.no_tagged_fields();
            });
            writer.int32(known.coordinator_epoch);
            writer.int8(marker.transaction_version);
            writer.no_tagged_fields();
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

    use super::*;

    #[test]
    fn version_2_has_the_fields_of_version_1_and_the_transaction_version() {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(TopicName(StrBytes::from_static_str("t")))
            .with_partition_indexes(vec![0, 258]);
        let known = Known::default()
            .with_producer_id(ProducerId(7))
            .with_producer_epoch(3)
            .with_transaction_result(true)
            .with_topics(vec![topic])
            .with_coordinator_epoch(4);
        let request = WriteTxnMarkersRequest {
            markers: vec![WritableTxnMarker {
                known,
                transaction_version: 2,
            }],
        };
        let encoded = |version| {
            let mut bytes = BytesMut::new();
            request.encode(&mut bytes, version).unwrap();
            assert_eq!(bytes.len(), request.compute_size(version).unwrap());
            bytes.freeze()
        };
        let (mut one, mut two) = (encoded(1), encoded(2));
        // What follows are the tagged fields of the marker and of the request.
        let ends = two.strip_prefix(&one[..one.len() - 2]);
        assert_eq!(ends, Some(&b"\x02\0\0"[..]));
        let back = WriteTxnMarkersRequest::decode(&mut two, 2).unwrap();
        assert_eq!(back, request);
        let old = WriteTxnMarkersRequest::decode(&mut one, 1).unwrap();
        assert_eq!(old.markers[0].known, request.markers[0].known);
        assert_eq!(old.markers[0].transaction_version, 0);
        assert!(one.is_empty() && two.is_empty());
    }

    #[test]
    fn no_count_is_believed() {
        let mut bytes = bytes::Bytes::from_static(b"\xff\xff\xff\xff\x0f\0\0");
        assert!(WriteTxnMarkersRequest::decode(&mut bytes, 2).is_err());
    }
}
