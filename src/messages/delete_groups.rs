//! The response of DeleteGroups 3: a message for each group. The request is that of version 2.

use anyhow::Result;
use kafka_protocol::messages::{self, GroupId};
use kafka_protocol::protocol::buf::ByteBufMut;
use kafka_protocol::protocol::{Encodable, HeaderVersion, Message, StrBytes, VersionRange};

use crate::schema::Writer;

/// The first version with fields that the crate does not know.
const OURS: i16 = 3;

/// What became of the groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteGroupsResponse {
    /// For how long the client was held back, in milliseconds.
    pub throttle_time_ms: i32,
    /// Of each group, in the order of the request.
    pub results: Vec<DeletableGroupResult>,
}

/// What became of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeletableGroupResult {
    /// The group.
    pub group_id: GroupId,
    /// Kafka's code of the error, or 0.
    pub error_code: i16,
    /// What is wrong, for people; left out before version 3.
    pub error_message: Option<StrBytes>,
}

impl DeletableGroupResult {
    fn known(&self) -> messages::delete_groups_response::DeletableGroupResult {
        messages::delete_groups_response::DeletableGroupResult::default()
            .with_group_id(self.group_id.clone())
            .with_error_code(self.error_code)
    }
}

impl DeleteGroupsResponse {
    /// What versions that the crate knows have of it.
    fn known(&self) -> messages::DeleteGroupsResponse {
        let results = self.results.iter().map(DeletableGroupResult::known);
        messages::DeleteGroupsResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_results(results.collect())
    }

    /// Its bytes in [`OURS`].
    fn written(&self) -> Vec<u8> {
        let mut writer = Writer::flexible();
        writer.int32(self.throttle_time_ms);
        writer.array(&self.results, |writer, result| {
            writer.string(&result.group_id);
            writer.int16(result.error_code);
            writer.nullable_string(result.error_message.as_deref());
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
        writer.into_bytes()
    }
}

impl Message for DeleteGroupsResponse {
    const VERSIONS: VersionRange = VersionRange { min: 0, max: OURS };
    const DEPRECATED_VERSIONS: Option<VersionRange> = None;
}

impl HeaderVersion for DeleteGroupsResponse {
    fn header_version(version: i16) -> i16 {
        messages::DeleteGroupsResponse::header_version(version)
    }
}

impl Encodable for DeleteGroupsResponse {
    fn encode<B: ByteBufMut>(&self, buffer: &mut B, version: i16) -> Result<()> {
        if version < OURS {
            return self.known().encode(buffer, version);
        }
        buffer.put_slice(&self.written());
        Ok(())
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        if version < OURS {
            return self.known().compute_size(version);
        }
        Ok(self.written().len())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn version_3_has_a_message_for_each_group() {
        let response = DeleteGroupsResponse {
            throttle_time_ms: 0,
            results: vec![DeletableGroupResult {
                group_id: GroupId(StrBytes::from_static_str("g")),
                error_code: 68,
                error_message: Some(StrBytes::from_static_str("no")),
            }],
        };
        let encoded = |version| {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes, version).unwrap();
            assert_eq!(bytes.len(), response.compute_size(version).unwrap());
            bytes.to_vec()
        };
        assert_eq!(encoded(2), b"\0\0\0\0\x02\x02g\0\x44\0\0");
        assert_eq!(encoded(3), b"\0\0\0\0\x02\x02g\0\x44\x03no\0\0");
    }
}
