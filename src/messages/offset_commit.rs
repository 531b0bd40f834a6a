//! OffsetCommit 10: topics are identified by id instead of name (KIP-848). The crate has the field, and can write the
//! response, but it cannot read the request.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{self, GroupId, OffsetCommitResponse};
use kafka_protocol::protocol::buf::ByteBuf;

use super::newer::{Newer, Reads, Writes, request};
use super::read;
use crate::base::KafkaUuid;
use crate::schema::Writer;

/// Offsets to be committed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetCommitRequest(pub messages::OffsetCommitRequest);

impl Newer for OffsetCommitRequest {
    type Known = messages::OffsetCommitRequest;
}

request!(OffsetCommitRequest, OffsetCommitResponse);

impl Reads for OffsetCommitRequest {
    fn from_known(known: messages::OffsetCommitRequest) -> Self {
        Self(known)
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let request = messages::OffsetCommitRequest::default()
            .with_group_id(GroupId(read::string(buffer)?))
            .with_generation_id_or_member_epoch(read::int32(buffer)?)
            .with_member_id(read::string(buffer)?)
            .with_group_instance_id(read::nullable_string(buffer)?)
            .with_topics(read::array(buffer, topic)?);
        Ok(Self(request))
    }
}

fn topic(buffer: &mut impl ByteBuf) -> Result<OffsetCommitRequestTopic> {
    let topic = OffsetCommitRequestTopic::default()
        .with_topic_id(read::uuid(buffer)?)
        .with_partitions(read::array(buffer, partition)?);
    read::tagged_fields(buffer)?;
    Ok(topic)
}

fn partition(buffer: &mut impl ByteBuf) -> Result<OffsetCommitRequestPartition> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(read::int32(buffer)?)
        .with_committed_offset(read::int64(buffer)?)
        .with_committed_leader_epoch(read::int32(buffer)?)
        .with_committed_metadata(read::nullable_string(buffer)?);
    read::tagged_fields(buffer)?;
    Ok(partition)
}

impl Writes for OffsetCommitRequest {
    fn known(&self) -> Cow<'_, messages::OffsetCommitRequest> {
        Cow::Borrowed(&self.0)
    }

    fn write(&self, writer: &mut Writer) {
        let request = &self.0;
        writer.string(&request.group_id);
        writer.int32(request.generation_id_or_member_epoch);
        writer.string(&request.member_id);
        writer.nullable_string(request.group_instance_id.as_deref());
        writer.array(&request.topics, |writer, topic| {
            writer.uuid(KafkaUuid(topic.topic_id));
            writer.array(&topic.partitions, |writer, partition| {
                writer.int32(partition.partition_index);
                writer.int64(partition.committed_offset);
                writer.int32(partition.committed_leader_epoch);
                writer.nullable_string(partition.committed_metadata.as_deref());
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::protocol::{Decodable, StrBytes};
    use uuid::Uuid;

    use super::super::tests::{ID, encoded, with_id};
    use super::*;

    #[test]
    fn version_10_has_the_id_of_a_topic_where_version_9_has_its_name() {
        let text = StrBytes::from_static_str;
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(258)
            .with_committed_offset(7)
            .with_committed_leader_epoch(3)
            .with_committed_metadata(Some(text("note")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text("name")))
            .with_partitions(vec![partition]);
        let request = messages::OffsetCommitRequest::default()
            .with_group_id(GroupId(text("group")))
            .with_generation_id_or_member_epoch(4)
            .with_member_id(text("member"))
            .with_group_instance_id(Some(text("instance")))
            .with_topics(vec![topic]);
        let nine = encoded(&OffsetCommitRequest(request.clone()), 9);
        let mut ten = request;
        ten.topics[0].name = TopicName::default();
        ten.topics[0].topic_id = ID;
        let ten = OffsetCommitRequest(ten);
        let mut bytes = encoded(&ten, 10);
        assert_eq!(bytes, with_id(&nine));
        assert_eq!(OffsetCommitRequest::decode(&mut bytes, 10).unwrap(), ten);
    }

    #[test]
    fn what_is_cut_off_cannot_be_read() {
        let topic = OffsetCommitRequestTopic::default().with_topic_id(Uuid::max());
        let request = messages::OffsetCommitRequest::default().with_topics(vec![topic]);
        let bytes = encoded(&OffsetCommitRequest(request), 10);
        for length in 0..bytes.len() {
            let mut cut = bytes.slice(..length);
            assert!(OffsetCommitRequest::decode(&mut cut, 10).is_err());
        }
    }
}
