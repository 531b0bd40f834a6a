//! TxnOffsetCommit 6: topics are identified by id instead of name (KIP-1319), in the request and in the response.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{self, GroupId, ProducerId, TransactionalId};
use kafka_protocol::protocol::buf::ByteBuf;
use uuid::Uuid;

use super::newer::{Newer, Reads, Writes, message, request};
use super::read;
use crate::base::KafkaUuid;
use crate::schema::Writer;

/// Offsets to be committed in a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitRequest {
    /// What the crate knows of it. In version 6 its topics have no names.
    pub known: messages::TxnOffsetCommitRequest,
    /// The ids of its topics in version 6, in the same order.
    pub topic_ids: Vec<Uuid>,
}

/// What became of the offsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TxnOffsetCommitResponse {
    /// What the crate knows of it. In version 6 the names of its topics are left out.
    pub known: messages::TxnOffsetCommitResponse,
    /// The ids of its topics, in the same order; left out before version 6.
    pub topic_ids: Vec<Uuid>,
}

impl Newer for TxnOffsetCommitRequest {
    type Known = messages::TxnOffsetCommitRequest;
}

impl Newer for TxnOffsetCommitResponse {
    type Known = messages::TxnOffsetCommitResponse;
}

request!(TxnOffsetCommitRequest, TxnOffsetCommitResponse);
message!(TxnOffsetCommitResponse: reads, writes);

impl Reads for TxnOffsetCommitRequest {
    fn from_known(known: messages::TxnOffsetCommitRequest) -> Self {
        Self {
            known,
            topic_ids: Vec::new(),
        }
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let known = messages::TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(read::string(buffer)?))
            .with_group_id(GroupId(read::string(buffer)?))
            .with_producer_id(ProducerId(read::int64(buffer)?))
            .with_producer_epoch(read::int16(buffer)?)
            .with_generation_id(read::int32(buffer)?)
            .with_member_id(read::string(buffer)?)
            .with_group_instance_id(read::nullable_string(buffer)?);
        let (topic_ids, topics) = read::array(buffer, topic)?.into_iter().unzip();
        Ok(Self {
            known: known.with_topics(topics),
            topic_ids,
        })
    }
}

fn topic(buffer: &mut impl ByteBuf) -> Result<(Uuid, TxnOffsetCommitRequestTopic)> {
    let id = read::uuid(buffer)?;
    let partitions = read::array(buffer, partition)?;
    read::tagged_fields(buffer)?;
    let topic = TxnOffsetCommitRequestTopic::default().with_partitions(partitions);
    Ok((id, topic))
}

fn partition(buffer: &mut impl ByteBuf) -> Result<TxnOffsetCommitRequestPartition> {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(read::int32(buffer)?)
        .with_committed_offset(read::int64(buffer)?)
        .with_committed_leader_epoch(read::int32(buffer)?)
        .with_committed_metadata(read::nullable_string(buffer)?);
    read::tagged_fields(buffer)?;
    Ok(partition)
}

impl Reads for TxnOffsetCommitResponse {
    fn from_known(known: messages::TxnOffsetCommitResponse) -> Self {
        Self {
            known,
            topic_ids: Vec::new(),
        }
    }

    fn read(buffer: &mut impl ByteBuf) -> Result<Self> {
        let throttle_time_ms = read::int32(buffer)?;
        let (topic_ids, topics) = read::array(buffer, told_topic)?.into_iter().unzip();
        let known = messages::TxnOffsetCommitResponse::default()
            .with_throttle_time_ms(throttle_time_ms)
            .with_topics(topics);
        Ok(Self { known, topic_ids })
    }
}

fn told_topic(buffer: &mut impl ByteBuf) -> Result<(Uuid, TxnOffsetCommitResponseTopic)> {
    let id = read::uuid(buffer)?;
    let partitions = read::array(buffer, told_partition)?;
    read::tagged_fields(buffer)?;
    let topic = TxnOffsetCommitResponseTopic::default().with_partitions(partitions);
    Ok((id, topic))
}

fn told_partition(buffer: &mut impl ByteBuf) -> Result<TxnOffsetCommitResponsePartition> {
    let partition = TxnOffsetCommitResponsePartition::default()
        .with_partition_index(read::int32(buffer)?)
        .with_error_code(read::int16(buffer)?);
    read::tagged_fields(buffer)?;
    Ok(partition)
}

/// The id of a topic, or zero.
fn id_at(ids: &[Uuid], place: usize) -> KafkaUuid {
    KafkaUuid(ids.get(place).copied().unwrap_or_default())
}

impl Writes for TxnOffsetCommitRequest {
    fn known(&self) -> Cow<'_, messages::TxnOffsetCommitRequest> {
        Cow::Borrowed(&self.known)
    }

    fn write(&self, writer: &mut Writer) {
        let known = &self.known;
        writer.string(&known.transactional_id);
        writer.string(&known.group_id);
        writer.int64(known.producer_id.0);
        writer.int16(known.producer_epoch);
        writer.int32(known.generation_id);
        writer.string(&known.member_id);
        writer.nullable_string(known.group_instance_id.as_deref());
        let topics: Vec<_> = known.topics.iter().enumerate().collect();
        writer.array(&topics, |writer, (place, topic)| {
            writer.uuid(id_at(&self.topic_ids, *place));
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

impl Writes for TxnOffsetCommitResponse {
    fn known(&self) -> Cow<'_, messages::TxnOffsetCommitResponse> {
        Cow::Borrowed(&self.known)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.known.throttle_time_ms);
        let topics: Vec<_> = self.known.topics.iter().enumerate().collect();
        writer.array(&topics, |writer, (place, topic)| {
            writer.uuid(id_at(&self.topic_ids, *place));
            writer.array(&topic.partitions, |writer, partition| {
                writer.int32(partition.partition_index);
                writer.int16(partition.error_code);
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

    use super::super::tests::{ID, encoded, with_id};
    use super::*;

    #[test]
    fn version_6_has_the_id_of_a_topic_where_version_5_has_its_name() {
        let text = StrBytes::from_static_str;
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(258)
            .with_committed_offset(7)
            .with_committed_leader_epoch(3)
            .with_committed_metadata(Some(text("note")));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(text("name")))
            .with_partitions(vec![partition]);
        let mut request = TxnOffsetCommitRequest {
            known: messages::TxnOffsetCommitRequest::default()
                .with_transactional_id(TransactionalId(text("id")))
                .with_group_id(GroupId(text("group")))
                .with_producer_id(ProducerId(9))
                .with_producer_epoch(2)
                .with_generation_id(4)
                .with_member_id(text("member"))
                .with_group_instance_id(Some(text("instance")))
                .with_topics(vec![topic]),
            topic_ids: vec![ID],
        };
        let (five, mut six) = (encoded(&request, 5), encoded(&request, 6));
        assert_eq!(six, with_id(&five));
        let read = TxnOffsetCommitRequest::decode(&mut six, 6).unwrap();
        request.known.topics[0].name = TopicName::default();
        assert_eq!(read, request);
    }

    #[test]
    fn so_has_the_response() {
        let partition = TxnOffsetCommitResponsePartition::default()
            .with_partition_index(258)
            .with_error_code(7);
        let topic = TxnOffsetCommitResponseTopic::default()
            .with_name(TopicName(StrBytes::from_static_str("name")))
            .with_partitions(vec![partition]);
        let mut response = TxnOffsetCommitResponse {
            known: messages::TxnOffsetCommitResponse::default().with_topics(vec![topic]),
            topic_ids: vec![ID],
        };
        let (five, mut six) = (encoded(&response, 5), encoded(&response, 6));
        assert_eq!(six, with_id(&five));
        let read = TxnOffsetCommitResponse::decode(&mut six, 6).unwrap();
        response.known.topics[0].name = TopicName::default();
        assert_eq!(read, response);
    }

    #[test]
    fn what_is_cut_off_cannot_be_read() {
        let request = TxnOffsetCommitRequest::default();
        let bytes = encoded(&request, 6);
        for length in 0..bytes.len() {
            let mut cut = bytes.slice(..length);
            assert!(TxnOffsetCommitRequest::decode(&mut cut, 6).is_err());
        }
    }
}
