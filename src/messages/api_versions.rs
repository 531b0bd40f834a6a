//! ApiVersions 5: the client says which cluster and node it means to reach (KIP-1242). The response is that of version 4.

use anyhow::Result;
use kafka_protocol::messages::{self, ApiVersionsResponse};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use super::read;
use crate::schema::Writer;

/// The first version with fields that the crate does not know.
const OURS: i16 = 5;

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

impl Message for ApiVersionsRequest {
    const VERSIONS: VersionRange = VersionRange { min: 0, max: OURS };
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for ApiVersionsRequest {
    fn header_version(version: i16) -> i16 {
        messages::ApiVersionsRequest::header_version(version)
    }
}

impl Request for ApiVersionsRequest {
    const KEY: i16 = messages::ApiVersionsRequest::KEY;
    type Response = ApiVersionsResponse;
}

impl Decodable for ApiVersionsRequest {
    fn decode<B: ByteBuf>(buffer: &mut B, version: i16) -> Result<Self> {
        if version < OURS {
            let client = messages::ApiVersionsRequest::decode(buffer, version)?;
            return Ok(Self {
                client,
                ..Self::default()
            });
        }
        let client = messages::ApiVersionsRequest::default()
            .with_client_software_name(read::string(buffer)?)
            .with_client_software_version(read::string(buffer)?);
        let request = Self {
            client,
            cluster_id: read::nullable_string(buffer)?,
            node_id: read::int32(buffer)?,
        };
        read::tagged_fields(buffer)?;
        Ok(request)
    }
}

impl ApiVersionsRequest {
    /// Its bytes in [`OURS`].
    fn written(&self) -> Vec<u8> {
        let mut writer = Writer::flexible();
        writer.string(&self.client.client_software_name);
        writer.string(&self.client.client_software_version);
        writer.nullable_string(self.cluster_id.as_deref());
        writer.int32(self.node_id);
        writer.no_tagged_fields();
        writer.into_bytes()
    }
}

impl Encodable for ApiVersionsRequest {
    fn encode<B: ByteBufMut>(&self, buffer: &mut B, version: i16) -> Result<()> {
        if version < OURS {
            return self.client.encode(buffer, version);
        }
        buffer.put_slice(&self.written());
        Ok(())
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        if version < OURS {
            return self.client.compute_size(version);
        }
        Ok(self.written().len())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

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
