//! AddPartitionsToTxn: adds partitions to a transaction, which begins with the first of them.
//!
//! Up to version 3 clients ask, about one transaction. From version 4 on brokers do, about any number of transactions,
//! and they may ask only whether partitions are in a transaction (KIP-890).
//!
//! If one partition of a transaction cannot be added, none is: the others get `OPERATION_NOT_ATTEMPTED`.

use std::sync::Arc;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TransactionalId,
};

use crate::base::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition, TransactionVersion};
use crate::controller::is_internal;
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::txn::{AddPartitions, ProducerIdAndEpoch, VerifyPartitions};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::Pace;
use super::text::{domain_text, owned};
use super::topic_ids::owned_name;

/// The first version with `PRODUCER_FENCED` (KIP-588).
const WITH_FENCED: i16 = 2;
/// The first version for brokers, with any number of transactions.
const WITH_MANY: i16 = 4;

pub(super) struct AddPartitionsToTxn;

impl Handler for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;

    async fn handle(call: Call, request: AddPartitionsToTxnRequest) -> Reply {
        let response = AddPartitionsToTxnResponse::default();
        if call.version < WITH_MANY {
            let wanted = Wanted::new(
                &request.v3_and_below_transactional_id,
                (
                    request.v3_and_below_producer_id.0,
                    request.v3_and_below_producer_epoch,
                ),
                &request.v3_and_below_topics,
            );
            drop(request);
            let topics = wanted.results(&call).await;
            return call.reply(&response.with_results_by_topic_v3_and_below(topics));
        }
        if let Err(code) = call.permit(Operation::ClusterAction, Resource::CLUSTER) {
            return call.reply(&response.with_error_code(code.0));
        }
        let all = request.transactions.iter().map(|transaction| Wanted {
            verify_only: transaction.verify_only,
            ..Wanted::new(
                &transaction.transactional_id,
                (transaction.producer_id.0, transaction.producer_epoch),
                &transaction.topics,
            )
        });
        let all: Vec<_> = all.collect();
        drop(request);
        let mut results = Vec::with_capacity(all.len());
        let mut pace = Pace::default();
        for wanted in all {
            let result = AddPartitionsToTxnResult::default()
                .with_transactional_id(wanted.transactional_id.clone())
                .with_topic_results(wanted.results(&call).await);
            results.push(result);
            pace.step().await;
        }
        call.reply(&response.with_results_by_transaction(results))
    }
}

/// What is wanted of one transaction. A copy: a request that waits for the log keeps no part of its frame.
struct Wanted {
    transactional_id: TransactionalId,
    ids: ProducerIdAndEpoch,
    verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

/// A code for each partition, in the order of the request, or one for all of them.
enum Codes {
    All(ErrorCode),
    Each(Vec<ErrorCode>),
}

impl Wanted {
    fn new(
        id: &TransactionalId,
        (producer, epoch): (i64, i16),
        topics: &[AddPartitionsToTxnTopic],
    ) -> Self {
        let topics = topics.iter().map(|topic| {
            AddPartitionsToTxnTopic::default()
                .with_name(owned_name(&topic.name))
                .with_partitions(topic.partitions.clone())
        });
        Self {
            transactional_id: TransactionalId(owned(id)),
            ids: ProducerIdAndEpoch::new(ProducerId(producer), ProducerEpoch(epoch)),
            verify_only: false,
            topics: topics.collect(),
        }
    }

    /// Does what is wanted, and answers it.
    async fn results(self, call: &Call) -> Vec<AddPartitionsToTxnTopicResult> {
        let codes = self.codes(call).await;
        rows(self.topics, codes)
    }

    async fn codes(&self, call: &Call) -> Codes {
        let is_client = call.version < WITH_MANY;
        let id = Resource::transactional_id(&self.transactional_id);
        if is_client && let Err(code) = call.permit(Operation::Write, id) {
            return Codes::All(code);
        }
        let image = call.broker.cluster.image();
        let permit = |topic: &str| match is_client {
            // Clients add offsets by AddOffsetsToTxn.
            true if is_internal(topic) => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            true => call.permit(Operation::Write, Resource::topic(topic)),
            false => Ok(()),
        };
        let partitions = match check(&image, &self.topics, permit) {
            Ok(partitions) => partitions,
            Err(codes) => return Codes::Each(codes),
        };
        drop(image);
        let transactions = &call.broker.transactions;
        let transactional_id: Arc<str> = domain_text(&self.transactional_id);
        let done = if self.verify_only {
            let verified = transactions.verify(VerifyPartitions {
                transactional_id,
                ids: self.ids,
                partitions,
            });
            let code = |is_in: bool| match is_in {
                true => ErrorCode::NONE,
                false => ErrorCode::TRANSACTION_ABORTABLE,
            };
            let verified = verified.await;
            verified.map(|verified| Codes::Each(verified.into_iter().map(code).collect()))
        } else {
            let added = transactions.add_partitions(AddPartitions {
                transactional_id,
                ids: self.ids,
                partitions,
                client_version: if is_client {
                    TransactionVersion::V0
                } else {
                    TransactionVersion::V2
                },
            });
            added.await.map(|()| Codes::All(ErrorCode::NONE))
        };
        done.unwrap_or_else(|error| {
            Codes::All(errors::of_transaction(error, call.version >= WITH_FENCED))
        })
    }
}

/// The partitions by name, or a code for each if one of them cannot be added.
fn check(
    image: &Image,
    topics: &[AddPartitionsToTxnTopic],
    permit: impl Fn(&str) -> Result<(), ErrorCode>,
) -> Result<Vec<TopicPartition>, Vec<ErrorCode>> {
    let (mut partitions, mut codes) = (Vec::new(), Vec::new());
    for topic in topics {
        let permit = permit(&topic.name);
        let known = image.topic(&topic.name);
        for number in &topic.partitions {
            let found = known.filter(|topic| topic.partition(*number).is_some());
            codes.push(match (permit, found) {
                (Err(code), _) => code,
                (Ok(()), None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                (Ok(()), Some(topic)) => {
                    let name = Arc::clone(&topic.name);
                    partitions.push(TopicPartition::new(name, *number));
                    ErrorCode::OPERATION_NOT_ATTEMPTED
                }
            });
        }
    }
    if partitions.len() == codes.len() {
        Ok(partitions)
    } else {
        Err(codes)
    }
}

fn rows(topics: Vec<AddPartitionsToTxnTopic>, codes: Codes) -> Vec<AddPartitionsToTxnTopicResult> {
    let (all, mut each) = match codes {
        Codes::All(code) => (code, Vec::new().into_iter()),
        Codes::Each(codes) => (ErrorCode::COORDINATOR_NOT_AVAILABLE, codes.into_iter()),
    };
    let mut partition = |number| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(number)
            .with_partition_error_code(each.next().unwrap_or(all).0)
    };
    let row = |topic: AddPartitionsToTxnTopic| {
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name)
            .with_results_by_partition(topic.partitions.into_iter().map(&mut partition).collect())
    };
    topics.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, over_the_wire};
    use super::super::topic_ids::wire_name;
    use super::*;

    fn topic(name: &str, partitions: &[i32]) -> AddPartitionsToTxnTopic {
        AddPartitionsToTxnTopic::default()
            .with_name(wire_name(name))
            .with_partitions(partitions.to_vec())
    }

    #[test]
    fn one_that_cannot_be_added_keeps_the_others_out() {
        let image = fixture::image();
        let permit = |topic: &str| match topic {
            "audit" => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            _ => Ok(()),
        };
        let all = [topic("orders", &[0, 9]), topic("audit", &[0])];
        let codes = check(&image, &all, permit).expect_err("none");
        assert_eq!(
            codes,
            [
                ErrorCode::OPERATION_NOT_ATTEMPTED,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ErrorCode::TOPIC_AUTHORIZATION_FAILED
            ]
        );
        let partitions = check(&image, &all[..0], permit).expect("nothing");
        assert!(partitions.is_empty());
        let some = check(&image, &[topic("orders", &[2, 0])], permit).expect("both");
        let names = some.iter().map(ToString::to_string);
        assert_eq!(names.collect::<Vec<_>>(), ["orders-2", "orders-0"]);
    }

    #[test]
    fn every_version_has_a_row_for_each_partition() {
        for version in 0..=5 {
            let topics = vec![topic("a", &[1, 2]), topic("b", &[3])];
            let codes = vec![ErrorCode::NONE, ErrorCode::TRANSACTION_ABORTABLE];
            let rows = rows(topics, Codes::Each(codes));
            let response = AddPartitionsToTxnResponse::default();
            let told = if version >= WITH_MANY {
                let result = AddPartitionsToTxnResult::default().with_topic_results(rows);
                let response = response.with_results_by_transaction(vec![result]);
                let mut told = over_the_wire(&response, version);
                told.results_by_transaction.remove(0).topic_results
            } else {
                let response = response.with_results_by_topic_v3_and_below(rows);
                over_the_wire(&response, version).results_by_topic_v3_and_below
            };
            let rows = told.iter().flat_map(|topic| &topic.results_by_partition);
            let rows = rows.map(|row| (row.partition_index, row.partition_error_code));
            assert_eq!(rows.collect::<Vec<_>>(), [(1, 0), (2, 120), (3, 15)]);
        }
    }
}
