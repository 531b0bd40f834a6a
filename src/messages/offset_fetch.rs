//! OffsetFetch 10: topics are identified by id instead of name (KIP-848). The crate has the field, and can write the
//! response, but it cannot read the request.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{self, GroupId, OffsetFetchResponse};
use kafka_protocol::protocol::buf::ByteBuf;

use super::newer::{Newer, Reads, Writes, request};
use super::read;
use crate::base::KafkaUuid;
use crate::schema::Writer;

/// Groups whose offsets are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OffsetFetchRequest(pub messages::OffsetFetchRequest);

impl Newer for OffsetFetchRequest {
    type Known = messages::OffsetFetchRequest;
}

request!(OffsetFetchRequest, OffsetFetchResponse);

impl Reads for OffsetFetchRequest {
    fn from_known(known: messages::OffsetFetchRequest) -> Self {
        Self(known)
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let request = messages::OffsetFetchRequest::default()
            .with_groups(read::array(buffer, group)?)
            .with_require_stable(read::int8(buffer)? != 0);
        Ok(Self(request))
    }
}

fn group(buffer: &mut impl ByteBuf) -> Result<OffsetFetchRequestGroup> {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(read::string(buffer)?))
        .with_member_id(read::nullable_string(buffer)?)
        .with_member_epoch(read::int32(buffer)?)
        .with_topics(read::nullable_array(buffer, topic)?);
    read::tagged_fields(buffer)?;
    Ok(group)
}

fn topic(buffer: &mut impl ByteBuf) -> Result<OffsetFetchRequestTopics> {
    let topic = OffsetFetchRequestTopics::default()
        .with_topic_id(read::uuid(buffer)?)
        .with_partition_indexes(read::array(buffer, read::int32)?);
    read::tagged_fields(buffer)?;
    Ok(topic)
}

impl Writes for OffsetFetchRequest {
    fn known(&self) -> Cow<'_, messages::OffsetFetchRequest> {
        Cow::Borrowed(&self.0)
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(&self.0.groups, |writer, group| {
            writer.string(&group.group_id);
            writer.nullable_string(group.member_id.as_deref());
            writer.int32(group.member_epoch);
            writer.nullable_array(group.topics.as_deref(), |writer, topic| {
                writer.uuid(KafkaUuid(topic.topic_id));
                writer.array(&topic.partition_indexes, |writer, partition| {
                    writer.int32(*partition);
                });
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        writer.boolean(self.0.require_stable);
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::protocol::{Decodable, StrBytes};

    use super::super::tests::{ID, encoded, with_id};
    use super::*;

    #[test]
    fn version_10_has_the_id_of_a_topic_where_version_9_has_its_name() {
        let text = StrBytes::from_static_str;
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName(text("name")))
            .with_partition_indexes(vec![0, 258]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("group")))
            .with_member_id(Some(text("member")))
            .with_member_epoch(4)
            .with_topics(Some(vec![topic]));
        let every = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("every")))
            .with_topics(None);
        let request = messages::OffsetFetchRequest::default()
            .with_groups(vec![group, every])
            .with_require_stable(true);
        let nine = encoded(&OffsetFetchRequest(request.clone()), 9);
        let mut ten = request;
        let topic = &mut ten.groups[0].topics.as_mut().unwrap()[0];
        topic.name = TopicName::default();
        topic.topic_id = ID;
        let ten = OffsetFetchRequest(ten);
        let mut bytes = encoded(&ten, 10);
        assert_eq!(bytes, with_id(&nine));
        assert_eq!(OffsetFetchRequest::decode(&mut bytes, 10).unwrap(), ten);
    }
}
