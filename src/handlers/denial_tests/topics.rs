//! APIs about topics and their records.

use bytes::Bytes;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest as DescribedProducers;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest as DescribedTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeProducersRequest, DescribeTopicPartitionsRequest, FetchRequest,
    ListOffsetsRequest, MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest,
    ProduceRequest,
};

use super::{Guarded, Probe, Seen, text, topic, transactional_id};
use crate::base::{ProducerEpoch, ProducerId, Timestamp};
use crate::record::{BatchBuilder, BatchOptions};

pub(super) const PROBES: &[(ApiKey, &[Option<Probe>])] = &[
    (
        ApiKey::Produce,
        &[
            Some(|on| {
                let request = produce_request(&["t"], true);
                let request = request.with_transactional_id(Some(transactional_id("id")));
                Seen::code(on.ask(9, &request).responses[0].partition_responses[0].error_code)
            }),
            Some(|on| Seen::code(produce(on, &["t"])[0].1)),
        ],
    ),
    (
        ApiKey::Fetch,
        &[
            Some(|on| fetch(on, &fetch_request("t"))),
            Some(|on| fetch(on, &fetch_request("t").with_replica_id(2.into()))),
        ],
    ),
    (ApiKey::ListOffsets, &[Some(list_offsets)]),
    (
        ApiKey::Metadata,
        &[
            Some(|on| Seen::code(metadata(on, Some(&["t"]), false).topics[0].error_code)),
            Some(|on| Seen::Count(metadata(on, None, false).topics.len())),
            Some(|on| Seen::code(metadata(on, Some(&["made"]), true).topics[0].error_code)),
            Some(|on| Seen::code(metadata(on, Some(&["made-as-well"]), true).topics[0].error_code)),
            Some(|on| {
                let request = MetadataRequest::default()
                    .with_topics(Some(Vec::new()))
                    .with_include_cluster_authorized_operations(true);
                Seen::Operations(on.ask(8, &request).cluster_authorized_operations)
            }),
        ],
    ),
    (
        ApiKey::CreateTopics,
        &[
            Some(|on| Seen::code(create(on, "created", true).0)),
            Some(|on| Seen::code(create(on, "created", false).0)),
            Some(|on| Seen::code(create(on, "described", true).1)),
        ],
    ),
    (
        ApiKey::DeleteTopics,
        &[
            Some(|on| Seen::code(delete(on, "no-such-topic"))),
            Some(|on| Seen::code(delete(on, "no-such-topic"))),
            Some(|on| Seen::code(delete(on, "deleted"))),
        ],
    ),
    (ApiKey::DeleteRecords, &[Some(delete_records)]),
    (
        ApiKey::OffsetForLeaderEpoch,
        &[Some(end_of_epoch), Some(end_of_epoch)],
    ),
    (ApiKey::CreatePartitions, &[Some(create_partitions)]),
    (ApiKey::DescribeProducers, &[Some(describe_producers)]),
    (
        ApiKey::DescribeTopicPartitions,
        &[
            Some(|on| Seen::code(describe(on, &["t"])[0].1)),
            Some(|on| Seen::Count(describe(on, &[]).len())),
        ],
    ),
];

fn batch(is_transactional: bool) -> Bytes {
    let mut options = BatchOptions::default();
    if is_transactional {
        options.transactional = true;
        options.producer_id = ProducerId(1);
        options.producer_epoch = ProducerEpoch(0);
        options.base_sequence = 0;
    }
    let mut batch = BatchBuilder::new(options);
    batch.push(Timestamp(1_000), None, Some(b"value"), &[]);
    batch.finish()
}

fn produce_request(topics: &[&str], is_transactional: bool) -> ProduceRequest {
    let topics = topics.iter().map(|name| {
        let partition = PartitionProduceData::default().with_records(Some(batch(is_transactional)));
        TopicProduceData::default()
            .with_name(topic(name))
            .with_partition_data(vec![partition])
    });
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(topics.collect())
}

/// The code for each topic.
pub(super) fn produce<'a>(on: &Guarded, topics: &[&'a str]) -> Vec<(&'a str, i16)> {
    let answer = on.ask(9, &produce_request(topics, false));
    let code = |name: &&'a str| {
        let mut rows = answer.responses.iter();
        let row = rows.find(|row| row.name.as_str() == *name).expect("a row");
        (*name, row.partition_responses[0].error_code)
    };
    topics.iter().map(code).collect()
}

fn fetch_request(name: &str) -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1000);
    let wanted = FetchTopic::default()
        .with_topic(topic(name))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_bytes(1000)
        .with_session_epoch(-1)
        .with_topics(vec![wanted])
}

fn fetch(on: &Guarded, request: &FetchRequest) -> Seen {
    Seen::code(on.ask(12, request).responses[0].partitions[0].error_code)
}

fn list_offsets(on: &Guarded) -> Seen {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let wanted = ListOffsetsTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![wanted]);
    Seen::code(on.ask(6, &request).topics[0].partitions[0].error_code)
}

pub(super) fn metadata(on: &Guarded, names: Option<&[&str]>, creates: bool) -> MetadataResponse {
    let wanted = |names: &[&str]| {
        let names = names.iter();
        let wanted = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic(name)));
        names.map(wanted).collect()
    };
    let request = MetadataRequest::default()
        .with_topics(names.map(wanted))
        .with_allow_auto_topic_creation(creates);
    on.ask(9, &request)
}

/// The code for a topic, and the one for its settings.
fn create(on: &Guarded, name: &str, validate_only: bool) -> (i16, i16) {
    let wanted = CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(10_000)
        .with_validate_only(validate_only);
    let row = on.ask(7, &request).topics.remove(0);
    (row.error_code, row.topic_config_error_code)
}

fn delete(on: &Guarded, name: &str) -> i16 {
    let wanted = DeleteTopicState::default().with_name(Some(topic(name)));
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(10_000);
    on.ask(6, &request).responses[0].error_code
}

fn delete_records(on: &Guarded) -> Seen {
    let partition = DeleteRecordsPartition::default().with_offset(1);
    let wanted = DeleteRecordsTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(10_000);
    Seen::code(on.ask(2, &request).topics[0].partitions[0].error_code)
}

fn end_of_epoch(on: &Guarded) -> Seen {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
    let wanted = OffsetForLeaderTopic::default()
        .with_topic(topic("t"))
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![wanted]);
    Seen::code(on.ask(4, &request).topics[0].partitions[0].error_code)
}

fn create_partitions(on: &Guarded) -> Seen {
    let wanted = CreatePartitionsTopic::default()
        .with_name(topic("u"))
        .with_count(2)
        .with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(10_000);
    Seen::code(on.ask(3, &request).results[0].error_code)
}

fn describe_producers(on: &Guarded) -> Seen {
    let wanted = DescribedProducers::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![wanted]);
    Seen::code(on.ask(0, &request).topics[0].partitions[0].error_code)
}

/// Topics and their codes.
pub(super) fn describe(on: &Guarded, names: &[&str]) -> Vec<(String, i16)> {
    let wanted = names
        .iter()
        .map(|name| DescribedTopic::default().with_name(topic(name)));
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(wanted.collect())
        .with_response_partition_limit(100)
        .with_cursor(None);
    let topics = on.ask(0, &request).topics.into_iter();
    topics
        .map(|row| (row.name.unwrap_or_default().to_string(), row.error_code))
        .collect()
}

/// What a topic that is named by its id is called in the answer, and its code.
pub(super) fn delete_by_id(on: &Guarded, name: &str) -> (Option<String>, i16) {
    let image = on.serving.context.cluster.image();
    let id = image.topic(name).expect("a topic").id;
    let wanted = DeleteTopicState::default().with_topic_id(id.0);
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(10_000);
    let row = on.ask(6, &request).responses.remove(0);
    (row.name.map(|name| text(&name).to_string()), row.error_code)
}
