//! The response of DeleteGroups 3: a message for each group. The request is that of version 2.

use std::borrow::Cow;

use kafka_protocol::messages::{self, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::newer::{Newer, Writes, message};
use crate::schema::Writer;

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

impl Newer for DeleteGroupsResponse {
    type Known = messages::DeleteGroupsResponse;
}

message!(DeleteGroupsResponse: writes);

impl Writes for DeleteGroupsResponse {
    fn known(&self) -> Cow<'_, messages::DeleteGroupsResponse> {
        let results = self.results.iter().map(DeletableGroupResult::known);
        let known = messages::DeleteGroupsResponse::default()
            .with_throttle_time_ms(self.throttle_time_ms)
            .with_results(results.collect());
        Cow::Owned(known)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.throttle_time_ms);
        writer.array(&self.results, |writer, result| {
            writer.string(&result.group_id);
            writer.int16(result.error_code);
            writer.nullable_string(result.error_message.as_deref());
            writer.no_tagged_fields();
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::Encodable;

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
