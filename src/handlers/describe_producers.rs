//! DescribeProducers: the producers of a partition, and the start of their open transactions.
//!
//! A partition may have a hundred thousand producers. An answer shares them with the log ([`ActiveProducers`]), and
//! is charged for those that the log replaces meanwhile. Rows are produced when the socket takes them.

use std::collections::HashMap;
use std::iter::{once, successors};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId as WireProducerId, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, Offset, SharedCost};
use crate::controller::Refusal;
use crate::metadata::Image;
use crate::partition::{ActiveProducer, ActiveProducers, ReadFailure, Replica};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::requested::Numbered;
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk, Pace};

/// A partition with more producers than this is sent producer by producer.
const AT_ONCE: usize = 200;

/// Kafka's message for an unknown topic.
const UNKNOWN_TOPIC: &str = "This server does not host this topic-partition.";

pub(super) struct DescribeProducers;

impl Handler for DescribeProducers {
    type Request = DescribeProducersRequest;

    async fn handle(call: Call, request: DescribeProducersRequest) -> Reply {
        let answer = Arc::new(look_up(&call, request).await);
        let found = answer.found.iter().flatten();
        let costs: Vec<_> = found.map(|found| Arc::clone(&found.cost)).collect();
        let count = answer.topics.len();
        let version = call.version;
        let rows = (0..count).flat_map(move |topic| Answer::topic(&answer, version, topic));
        let mut reply = streamed::rows(&call, response, count, rows).await;
        streamed::pay(&mut reply, costs);
        reply
    }
}

fn response(topics: Vec<TopicResponse>) -> DescribeProducersResponse {
    DescribeProducersResponse::default().with_topics(topics)
}

/// The data for the rows of the answer.
struct Answer {
    topics: Vec<Topic>,
    /// The result for each partition; one that is named several times is looked up once.
    found: Vec<Result<Found, ErrorCode>>,
}

/// A row of the request.
struct Topic {
    name: TopicName,
    /// The error for all of its partitions.
    refusal: Option<Refusal>,
    /// Partition numbers, with their indices in the results.
    partitions: Vec<(i32, usize)>,
}

struct Found {
    producers: ActiveProducers,
    cost: Arc<SharedCost>,
}

/// Queries all partitions before it waits for the first result.
async fn look_up(call: &Call, request: DescribeProducersRequest) -> Answer {
    let image = call.broker.cluster.image();
    let mut names = Numbered::default();
    let mut places = HashMap::new();
    let mut asked = Vec::new();
    let mut pace = Pace::default();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let refusal = refusal(call, &image, &topic.name);
        let found = image.topic(&topic.name).filter(|_| refusal.is_none());
        let number = names.number(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for &partition in &topic.partition_indexes {
            pace.step().await;
            let place = *places.entry((number, partition)).or_insert(asked.len());
            if place == asked.len() {
                let replica =
                    found
                        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                        .and_then(|topic| {
                            let partitions = &call.broker.partitions;
                            let replica = partitions.find(topic.id, partition);
                            replica.map_err(errors::of_not_hosted)
                        });
                asked.push(replica.map(|replica| Replica::active_producers(&replica)));
            }
            partitions.push((partition, place));
        }
        topics.push(Topic {
            name: topic.name.clone(),
            refusal,
            partitions,
        });
    }
    let mut found = Vec::with_capacity(asked.len());
    for asked in asked {
        found.push(match asked {
            Ok(asked) => of_answer(asked.await),
            Err(code) => Err(code),
        });
    }
    Answer { topics, found }
}

/// The error for a topic, if there is one. For an unknown name Kafka sends a message here, unlike elsewhere.
fn refusal(call: &Call, image: &Image, topic: &str) -> Option<Refusal> {
    let unknown = errors::unknown_topic(topic);
    if unknown.message.is_some() {
        return Some(unknown);
    }
    let permit = call.permit_or_say(Operation::Read, Resource::topic(topic));
    match permit {
        Err(denial) => Some(denial),
        Ok(()) if image.topic(topic).is_none() => Some(Refusal::new(unknown.code, UNKNOWN_TOPIC)),
        Ok(()) => None,
    }
}

fn of_answer(answer: Result<ActiveProducers, ReadFailure>) -> Result<Found, ErrorCode> {
    let producers = answer.map_err(|failure| errors::of_read(&failure))?;
    let cost = Arc::new(SharedCost::new(producers.memory()));
    Ok(Found { producers, cost })
}

impl Answer {
    /// The row of a topic.
    fn topic(
        answer: &Arc<Self>,
        version: i16,
        topic: usize,
    ) -> impl Iterator<Item = Chunk> + Clone + Send + use<> {
        let asked = &answer.topics[topic];
        let row = |partitions| {
            TopicResponse::default()
                .with_name(asked.name.clone())
                .with_partitions(partitions)
        };
        let (first, count, last) = around(version, asked.partitions.len(), row);
        let answer = Arc::clone(answer);
        let partitions = (0..count)
            .flat_map(move |partition| Self::partition(&answer, version, topic, partition));
        once(first).chain(partitions).chain(once(last))
    }

    /// The row of a partition.
    fn partition(
        answer: &Arc<Self>,
        version: i16,
        topic: usize,
        partition: usize,
    ) -> impl Iterator<Item = Chunk> + Clone + Send + use<> {
        let asked = &answer.topics[topic];
        let (number, place) = asked.partitions[partition];
        let row = PartitionResponse::default().with_partition_index(number);
        let found = match (&asked.refusal, &answer.found[place]) {
            (Some(refusal), _) => Err(refusal.clone()),
            (None, Err(code)) => Err(Refusal::bare(*code)),
            (None, Ok(found)) => Ok(found),
        };
        let (first, many, last) = match found {
            Err(refusal) => {
                let message = refusal.message.map(StrBytes::from_string);
                let row = row.with_error_code(refusal.code.0);
                (
                    Chunk::row(row.with_error_message(message)),
                    false,
                    nothing(),
                )
            }
            Ok(found) if found.producers.len() <= AT_ONCE => {
                let all = successors(found.producers.after(None), |last| {
                    found.producers.after(Some(last.id))
                });
                let row = row.with_active_producers(all.map(|one| state(&one)).collect());
                (Chunk::row(row), false, nothing())
            }
            Ok(found) => {
                let row = |producers| row.clone().with_active_producers(producers);
                let (first, count, last) = around(version, found.producers.len(), row);
                (first, count > 0, last)
            }
        };
        let answer = Arc::clone(answer);
        let producers = move |last: Option<&ActiveProducer>| {
            let found = answer.found[place].as_ref().ok().filter(|_| many)?;
            found.producers.after(last.map(|last| last.id))
        };
        let rows = successors(producers(None), move |last| producers(Some(last)));
        let rows = rows.map(|one| Chunk::row(state(&one)));
        once(first).chain(rows).chain(once(last))
    }
}

/// The bytes around `count` rows, and how many of the rows are to be sent.
fn around<M, T>(version: i16, count: usize, message: impl Fn(Vec<T>) -> M) -> (Chunk, usize, Chunk)
where
    M: kafka_protocol::protocol::Encodable + Send + Sync + 'static,
    T: Default,
{
    match Around::new(version, true, &message) {
        Ok(around) => (around.head(count), count, around.tail()),
        // It cannot be encoded at all, which shows when that is tried.
        Err(_) => (Chunk::row(message(Vec::new())), 0, nothing()),
    }
}

const fn nothing() -> Chunk {
    Chunk::Bytes(Bytes::new())
}

fn state(producer: &ActiveProducer) -> ProducerState {
    let start = producer.transaction_start.unwrap_or(Offset::NONE);
    ProducerState::default()
        .with_producer_id(WireProducerId(producer.id.0))
        .with_producer_epoch(i32::from(producer.epoch.0))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp.0)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(start.0)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_producers_request::TopicRequest;

    use super::super::fixture::Serving;
    use super::super::topic_ids::wire_name;
    use super::*;
    use crate::base::{ProducerEpoch, ProducerId, Timestamp};
    use crate::log::{AppendOrigin, TransactionCheck};
    use crate::partition::{AppendOptions, RequiredAcks, Source};
    use crate::record::{BatchBuilder, BatchOptions};
    use kafka_protocol::messages::ApiKey;

    /// Lets these producers write two records each.
    fn write(serving: &Serving, producers: std::ops::Range<i64>) {
        let topic = serving.context.cluster.image().topic("t").unwrap().id;
        let replica = serving.context.partitions.find(topic, 0).unwrap();
        for id in producers {
            let mut batch = BatchBuilder::new(BatchOptions {
                producer_id: ProducerId(id),
                producer_epoch: ProducerEpoch(3),
                base_sequence: 0,
                ..BatchOptions::default()
            });
            for _ in 0..2 {
                batch.push(Timestamp(1_000), None, Some(b"value"), &[]);
            }
            let appended = replica.append(AppendOptions {
                records: batch.finish(),
                origin: AppendOrigin::Client,
                acks: RequiredAcks::Leader,
                source: Source::Broker,
                may_check_here: false,
                transactions: TransactionCheck::MustBeOpen,
                expected_epoch: None,
            });
            serving.block_on(appended).expect("an append");
        }
    }

    fn described(serving: &Serving, partitions: &[i32]) -> Vec<PartitionResponse> {
        let asked = TopicRequest::default()
            .with_name(wire_name("t"))
            .with_partition_indexes(partitions.to_vec());
        let request = DescribeProducersRequest::default().with_topics(vec![asked]);
        let call = serving.call(ApiKey::DescribeProducers, 0);
        let answer = Arc::new(serving.block_on(look_up(&call, request)));
        let rows = Answer::topic(&answer, 0, 0);
        let mut response = streamed::received(0, response, 1, rows);
        response.topics.remove(0).partitions
    }

    #[test]
    fn few_and_many_producers_are_told_alike() {
        let serving = Serving::start(&[]);
        assert!(described(&serving, &[0])[0].active_producers.is_empty());
        for producers in [0..3, 3..450] {
            let count = usize::try_from(producers.end).unwrap();
            write(&serving, producers);
            let told = described(&serving, &[0, 7, 0]);
            assert_eq!(told[0], told[2]);
            assert_eq!(told[1].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
            assert_eq!(
                (told[0].error_code, told[0].active_producers.len()),
                (0, count)
            );
            for (id, one) in told[0].active_producers.iter().enumerate() {
                let expected = ProducerState::default()
                    .with_producer_id(WireProducerId(i64::try_from(id).unwrap()))
                    .with_producer_epoch(3)
                    .with_last_sequence(1)
                    .with_last_timestamp(1_000)
                    .with_coordinator_epoch(-1)
                    .with_current_txn_start_offset(-1);
                assert_eq!(one, &expected);
            }
        }
    }
}
