//! ApiVersions 5: the client says which cluster and node it means to reach (KIP-1242). The response is that of version 4.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::messages::{self, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::buf::ByteBuf;

use super::newer::{Newer, Reads, Writes, request};
use super::read;
use crate::schema::Writer;

/// What a client says of itself and of whom it means to reach.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiVersionsRequest {
    /// The client's name and version, as the crate has them.
    pub client: messages::ApiVersionsRequest,
    /// The cluster that the client means to reach, if it knows.
    pub cluster_id: Option<StrBytes>,
    /// The node that the client means to reach; -1 if it does not know.
    pub node_id: i32,
}

impl Default for ApiVersionsRequest {
    fn default() -> Self {
        Self {
            client: messages::ApiVersionsRequest::default(),
            cluster_id: None,
            node_id: -1,
        }
    }
}

impl Newer for ApiVersionsRequest {
    type Known = messages::ApiVersionsRequest;
}

request!(ApiVersionsRequest, ApiVersionsResponse);

impl Reads for ApiVersionsRequest {
    fn from_known(client: messages::ApiVersionsRequest) -> Self {
        Self {
            client,
            ..Self::default()
        }
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let client = messages::ApiVersionsRequest::default()
            .with_client_software_name(read::string(buffer)?)
            .with_client_software_version(read::string(buffer)?);
        Ok(Self {
            client,
            cluster_id: read::nullable_string(buffer)?,
            node_id: read::int32(buffer)?,
        })
    }
}

impl Writes for ApiVersionsRequest {
    fn known(&self) -> Cow<'_, messages::ApiVersionsRequest> {
        Cow::Borrowed(&self.client)
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(&self.client.client_software_name);
        writer.string(&self.client.client_software_version);
        writer.nullable_string(self.cluster_id.as_deref());
        writer.int32(self.node_id);
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::{Decodable, Encodable};

    use super::*;

    #[test]
    fn version_5_has_the_fields_of_version_4_and_two_more() {
        let name = StrBytes::from_static_str("librdkafka");
        let request = ApiVersionsRequest {
            client: messages::ApiVersionsRequest::default()
                .with_client_software_name(name.clone())
                .with_client_software_version(name),
            cluster_id: Some(StrBytes::from_static_str("lkc")),
            node_id: 258,
        };
        let encoded = |version| {
            let mut bytes = BytesMut::new();
            request.encode(&mut bytes, version).unwrap();
            assert_eq!(bytes.len(), request.compute_size(version).unwrap());
            bytes.freeze()
        };
        let (four, mut five) = (encoded(4), encoded(5));
        let ends = five.strip_prefix(&four[..four.len() - 1]);
        assert_eq!(ends, Some(&b"\x04lkc\0\0\x01\x02\0"[..]));
        assert_eq!(ApiVersionsRequest::decode(&mut five, 5).unwrap(), request);
        let old = ApiVersionsRequest::decode(&mut four.clone(), 4).unwrap();
        assert_eq!(
            (old.client, old.cluster_id, old.node_id),
            (request.client, None, -1)
        );
    }

    #[test]
    fn tagged_fields_of_the_future_are_passed_over() {
        let mut bytes = bytes::Bytes::from_static(b"\x02a\x02b\0\xff\xff\xff\xff\x01\x07\x02xyZ");
        let request = ApiVersionsRequest::decode(&mut bytes, 5).unwrap();
        assert_eq!((request.cluster_id, request.node_id), (None, -1));
        assert_eq!(&*bytes, b"Z");
        let mut short =
            bytes::Bytes::from_static(b"\x02a\x02b\0\xff\xff\xff\xff\x01\x07\xff\xff\xff\xff\x0fx");
        assert!(ApiVersionsRequest::decode(&mut short, 5).is_err());
    }
}
