//! Produce: every partition's records go to that partition's writer before this request gives way to
//! the next one of its connection; the acknowledgements come later.

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;
use std::future::Future;

use crate::base::ErrorCode;
use crate::controller::is_internal;
use crate::log::{AppendError, AppendOrigin};
use crate::metadata::{Image, TopicImage};
use crate::partition::{AppendFailure, AppendOptions, Appended, PendingAppend, RequiredAcks};
use crate::record::{BatchHeader, Codec};
use crate::wire::Reply;

use super::route::{Call, OrderedHandler};
use super::{errors, topic_ids};

/// First version whose clients may compress with zstd.
const WITH_ZSTD: i16 = 7;

pub(super) struct Produce;

impl OrderedHandler for Produce {
    type Request = ProduceRequest;

    fn start(call: Call, request: ProduceRequest) -> impl Future<Output = Reply> + Send + 'static {
        let acks = RequiredAcks::from_wire(request.acks);
        let image = call.broker.cluster.image();
        let topics: Vec<TopicAppends> = request
            .topic_data
            .into_iter()
            .map(|topic| start_topic(&call, &image, topic, acks))
            .collect();
        finish(call, acks, topics)
    }
}

/// What was started for one topic of the request.
struct TopicAppends {
    response: TopicProduceResponse,
    partitions: Vec<(i32, Started)>,
}

/// What was started for one partition.
enum Started {
    Refused(ErrorCode),
    Append(PendingAppend),
}

fn start_topic(
    call: &Call,
    image: &Image,
    data: TopicProduceData,
    acks: Option<RequiredAcks>,
) -> TopicAppends {
    let by_id = call.version >= 13;
    let topic = topic_ids::find(image, &data.name, data.topic_id, by_id);
    let partitions =
        data.partition_data
            .into_iter()
            .map(|partition| {
                let index = partition.index;
                let started = match (&topic, acks) {
                    (Err(code), _) => Started::Refused(*code),
                    (Ok(_), None) => Started::Refused(ErrorCode::INVALID_REQUIRED_ACKS),
                    (Ok(topic), Some(acks)) => start_partition(call, topic, partition, acks)
                        .unwrap_or_else(Started::Refused),
                };
                (index, started)
            })
            .collect();
    let response = if by_id {
        TopicProduceResponse::default().with_topic_id(data.topic_id)
    } else {
        TopicProduceResponse::default().with_name(data.name)
    };
    TopicAppends {
        response,
        partitions,
    }
}

fn start_partition(
    call: &Call,
    topic: &TopicImage,
    data: PartitionProduceData,
    acks: RequiredAcks,
) -> Result<Started, ErrorCode> {
    let replica = call
        .broker
        .partitions
        .find(topic.id, data.index)
        .map_err(errors::of_not_hosted)?;
    // Clients do not write coordinators' logs: what they wrote there would be replayed as state.
    if is_internal(&topic.name) && call.client_id.as_deref() != Some("__admin_client") {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let records = data.records.unwrap_or_default();
    check_attributes(call.version, &records)?;
    Ok(Started::Append(replica.append(AppendOptions {
        records,
        origin: AppendOrigin::Client,
        acks,
        expected_epoch: None,
    })))
}

/// What the log could store, but this API must not take. A batch that is none is for the log to refuse.
fn check_attributes(version: i16, records: &[u8]) -> Result<(), ErrorCode> {
    let Ok(header) = BatchHeader::parse(records) else {
        return Ok(());
    };
    if header.attributes.is_transactional() {
        // Nobody could end the transaction, and read_committed consumers would wait for that for ever.
        // Kafka, too, knows no such producer where none has been given its transaction.
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    // Consumers that have not heard of zstd know it by the version (KIP-110).
    if header.attributes.codec() == Ok(Codec::Zstd) && version < WITH_ZSTD {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    Ok(())
}

async fn finish(call: Call, acks: Option<RequiredAcks>, topics: Vec<TopicAppends>) -> Reply {
    let mut failed = false;
    let mut responses = Vec::with_capacity(topics.len());
    for TopicAppends {
        response,
        partitions,
    } in topics
    {
        let mut answers = Vec::with_capacity(partitions.len());
        for (index, started) in partitions {
            let answer = match started {
                Started::Refused(code) => refusal(code).with_index(index),
                Started::Append(append) => answer(call.version, append.await).with_index(index),
            };
            failed |= answer.error_code != ErrorCode::NONE.0;
            answers.push(answer);
        }
        responses.push(response.with_partition_responses(answers));
    }
    if acks == Some(RequiredAcks::None) {
        // There is no answer to carry an error: closing is how such a producer learns of it.
        return if failed {
            Reply::close("a produce with acks=0 failed")
        } else {
            Reply::Nothing
        };
    }
    call.reply(&ProduceResponse::default().with_responses(responses))
}

fn refusal(code: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_error_code(code.0)
        .with_base_offset(-1)
}

fn answer(version: i16, result: Result<Appended, AppendFailure>) -> PartitionProduceResponse {
    match result {
        Ok(Appended { info, .. }) => {
            let answer = PartitionProduceResponse::default()
                .with_base_offset(info.first_offset.0)
                .with_log_append_time_ms(info.log_append_time.0);
            if version >= 5 {
                answer.with_log_start_offset(info.log_start.0)
            } else {
                answer
            }
        }
        Err(failure) => {
            let answer = refusal(errors::of_append(&failure));
            if version < 8 {
                return answer;
            }
            let record_errors = match &failure {
                AppendFailure::Refused(refused) => record_errors(refused),
                _ => Vec::new(),
            };
            answer
                .with_error_message(Some(StrBytes::from_string(failure.to_string())))
                .with_record_errors(record_errors)
        }
    }
}

fn record_errors(refused: &AppendError) -> Vec<BatchIndexAndErrorMessage> {
    let (AppendError::InvalidRecord { record_errors, .. }
    | AppendError::InvalidTimestamp { record_errors, .. }) = refused
    else {
        return Vec::new();
    };
    record_errors
        .iter()
        .map(|error| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(error.batch_index)
                .with_batch_index_error_message(Some(StrBytes::from_string(error.message.clone())))
        })
        .collect()
}
