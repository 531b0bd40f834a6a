//! ElectLeaders: elects preferred leaders, or any leaders, for some partitions or for all.

use std::sync::Arc;

use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, TopicPartition};
use crate::controller::{self, Election, ElectionFailure};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::all_topics::AllTopics;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::{domain_text, wire_text};
use super::topic_ids::{owned_name, wire_name};
use super::{ask, errors};

pub(super) struct ElectLeaders;

type Decided = Vec<(TopicPartition, Result<(), ElectionFailure>)>;

impl Handler for ElectLeaders {
    type Request = ElectLeadersRequest;

    async fn handle(call: Call, request: ElectLeadersRequest) -> Reply {
        let asked = Asked::new(&request, call.version);
        drop(request);
        if let Err(denial) = call.permit_or_say(Operation::Alter, Resource::CLUSTER) {
            let message = denial.message.as_deref().map(wire_text);
            return call.reply(&asked.failed(denial.code, message));
        }
        let election = match asked.election {
            Ok(election) => election,
            Err(unknown) => {
                let message = Some(wire_text(&format!("Unknown election type {unknown}")));
                return call.reply(&asked.failed(ErrorCode::INVALID_REQUEST, message));
            }
        };
        if asked.topics.as_ref().is_some_and(Vec::is_empty) {
            return call.reply(&ElectLeadersResponse::default());
        }
        let command = controller::ElectLeaders {
            election,
            partitions: asked.partitions(),
        };
        match ask::controller(&call, command, asked.timeout_ms).await {
            Err(code) => call.reply(&asked.failed(code, None)),
            Ok(decided) => match asked.topics {
                Some(topics) => call.reply(&response(told(topics, decided))),
                None => tell_of_all(&call, decided).await,
            },
        }
    }
}

/// The first version with an error code for the whole answer.
const WITH_CODE: i16 = 1;

/// The contents of a request.
struct Asked {
    version: i16,
    /// The type of election, or an unknown number.
    election: Result<Election, i8>,
    /// Topics and partitions; `None` for all.
    topics: Option<Vec<(TopicName, Vec<i32>)>>,
    timeout_ms: i32,
}

impl Asked {
    fn new(request: &ElectLeadersRequest, version: i16) -> Self {
        let topics = request.topic_partitions.as_ref().map(|topics| {
            topics
                .iter()
                .map(|topic| (owned_name(&topic.topic), topic.partitions.clone()))
                .collect()
        });
        Self {
            version,
            election: match request.election_type {
                0 => Ok(Election::Preferred),
                1 => Ok(Election::Unclean),
                unknown => Err(unknown),
            },
            topics,
            timeout_ms: request.timeout_ms,
        }
    }

    fn partitions(&self) -> Option<Vec<TopicPartition>> {
        let topics = self.topics.as_ref()?;
        let count = topics.iter().map(|(_, numbers)| numbers.len()).sum();
        let mut partitions = Vec::with_capacity(count);
        for (name, numbers) in topics {
            let name: Arc<str> = domain_text(name);
            partitions.extend(
                numbers
                    .iter()
                    .map(|number| TopicPartition::new(Arc::clone(&name), *number)),
            );
        }
        Some(partitions)
    }

    /// The answer when no election was held.
    fn failed(&self, code: ErrorCode, message: Option<StrBytes>) -> ElectLeadersResponse {
        let row = |number: &i32| {
            PartitionResult::default()
                .with_partition_id(*number)
                .with_error_code(code.0)
                .with_error_message(message.clone())
        };
        let topics = self.topics.iter().flatten().map(|(name, numbers)| {
            ReplicaElectionResult::default()
                .with_topic(name.clone())
                .with_partition_result(numbers.iter().map(row).collect())
        });
        let response = response(topics.collect());
        if self.version >= WITH_CODE {
            response.with_error_code(code.0)
        } else {
            response
        }
    }
}

fn response(results: Vec<ReplicaElectionResult>) -> ElectLeadersResponse {
    ElectLeadersResponse::default().with_replica_election_results(results)
}

/// The results for the topics of a request.
fn told(topics: Vec<(TopicName, Vec<i32>)>, decided: Decided) -> Vec<ReplicaElectionResult> {
    let mut decided = decided.into_iter();
    let row = |(name, numbers): (TopicName, Vec<i32>)| {
        let rows = decided.by_ref().take(numbers.len());
        ReplicaElectionResult::default()
            .with_topic(name)
            .with_partition_result(
                rows.map(|(partition, result)| result_of(partition.partition, result))
                    .collect(),
            )
    };
    topics.into_iter().map(row).collect()
}

/// Every topic has a row, even if most rows are empty.
async fn tell_of_all(call: &Call, decided: Decided) -> Reply {
    let image = call.broker.cluster.image();
    let (count, decided) = (image.topic_count(), Arc::new(decided));
    let rows = AllTopics::of(image).map(move |topic| {
        // They are ordered by name.
        let first = decided.partition_point(|(partition, _)| partition.topic < topic.name);
        let of_topic = decided[first..]
            .iter()
            .take_while(|(partition, _)| partition.topic == topic.name);
        Chunk::row(
            ReplicaElectionResult::default()
                .with_topic(wire_name(&topic.name))
                .with_partition_result(
                    of_topic
                        .map(|(partition, result)| result_of(partition.partition, *result))
                        .collect(),
                ),
        )
    });
    streamed::rows(call, response, count, rows).await
}

fn result_of(number: i32, result: Result<(), ElectionFailure>) -> PartitionResult {
    let row = PartitionResult::default().with_partition_id(number);
    match result {
        Ok(()) => row.with_error_message(None),
        Err(failure) => row
            .with_error_code(errors::of_election(failure).0)
            .with_error_message(Some(StrBytes::from_static_str(failure.words()))),
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::elect_leaders_request::TopicPartitions;

    use super::super::fixture;
    use super::*;

    fn asked(version: i16) -> Asked {
        let topic = |name, numbers: &[i32]| {
            TopicPartitions::default()
                .with_topic(wire_name(name))
                .with_partitions(numbers.to_vec())
        };
        let request = ElectLeadersRequest::default()
            .with_topic_partitions(Some(vec![topic("a", &[1, 0]), topic("b", &[7])]))
            .with_timeout_ms(1000);
        Asked::new(&fixture::over_the_wire(&request, version), version)
    }

    fn codes(response: &ElectLeadersResponse, version: i16) -> Vec<(String, i32, i16)> {
        let told = fixture::over_the_wire(response, version);
        let rows = told.replica_election_results.into_iter();
        rows.flat_map(|topic| {
            let name = topic.topic.to_string();
            let rows = topic.partition_result.into_iter();
            rows.map(move |row| (name.clone(), row.partition_id, row.error_code))
        })
        .collect()
    }

    #[test]
    fn every_version_is_read_and_answered_in_the_order_of_the_request() {
        for version in 0..=2 {
            let asked = asked(version);
            let partitions = asked.partitions().expect("partitions");
            let results = [
                Ok(()),
                Err(ElectionFailure::NotNeeded),
                Err(ElectionFailure::NoSuchPartition),
            ];
            let decided = partitions.into_iter().zip(results).collect();
            let told = response(told(asked.topics.expect("topics"), decided));
            let row = |name: &str, number, code| (name.to_owned(), number, code);
            assert_eq!(
                codes(&told, version),
                [row("a", 1, 0), row("a", 0, 84), row("b", 7, 3)]
            );
        }
    }

    #[test]
    fn without_a_decision_every_partition_has_the_code() {
        for version in 0..=2 {
            let told = asked(version).failed(ErrorCode::REQUEST_TIMED_OUT, None);
            assert!(codes(&told, version).iter().all(|(_, _, code)| *code == 7));
        }
    }
}
