//! Produce: the records of every partition have their place there before the next request of the connection is started:
//! with the partition's writer, or in preparation before it. The acknowledgements come later.
//!
//! The first batch of a transaction in a partition must be verified before (`verify`). The request waits for its place
//! until then.

mod beside_records;
#[cfg(test)]
mod tests;
mod verify;

use beside_records::beside_records;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use verify::{Verified, is_transactional, verify};

use crate::base::ErrorCode;
use crate::controller::{Refusal, is_internal};
use crate::log::{AppendError, AppendOrigin};
use crate::metadata::{Image, TopicImage};
use crate::partition::{
    AppendFailure, AppendOptions, Appended, PendingAppend, Replica, RequiredAcks, Source,
};
use crate::record::{BatchHeader, Codec};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::cluster_view::ClusterView;
use super::leader_hints::LeaderHints;
use super::route::{Call, Handler, Place, Placed};
use super::{errors, topic_ids};

/// First version whose clients may compress with zstd.
const WITH_ZSTD: i16 = 7;
/// The first version whose answers have error messages.
const WITH_MESSAGES: i16 = 8;
/// The first version whose answers name current leaders.
const WITH_LEADERS: i16 = 10;
/// The first version that identifies topics by id.
const WITH_IDS: i16 = 13;

/// In a request with at most this many partitions, each of them may take a moment in the handler.
const SMALL_REQUEST: usize = 8;

pub(super) struct Produce;

impl Handler for Produce {
    type Request = ProduceRequest;

    fn counted(version: i16, frame: &[u8]) -> usize {
        beside_records(version, frame)
    }

    /// A request without transactional batches.
    fn handle(call: Call, request: ProduceRequest) -> impl Future<Output = Reply> + Send + 'static {
        append(call, request, &Verified::default())
    }

    fn start(
        call: Call,
        request: ProduceRequest,
    ) -> Place<impl Future<Output = Reply> + Send + 'static> {
        if !is_transactional(&request) {
            return Place::Fixed(Self::handle(call, request));
        }
        let verified = verify(&call, &request);
        Place::Waits(Box::pin(async move {
            let mut verified = verified.await;
            if verified.is_early() {
                let id = request.transactional_id.clone().unwrap_or_default();
                let again = || verify(&call, &request);
                let endings = call.broker.enlists.endings();
                verified = endings
                    .ask_over(&Arc::from(id.as_str()), verified, again, Verified::is_early)
                    .await;
            }
            Placed::new(append(call, request, &verified))
        }))
    }
}

/// Starts the appends. Their places are fixed when this returns.
fn append(
    call: Call,
    request: ProduceRequest,
    verified: &Verified,
) -> impl Future<Output = Reply> + Send + use<> {
    let acks = RequiredAcks::from_wire(request.acks);
    let image = call.broker.cluster.image();
    let partitions = request.topic_data.iter();
    let partitions: usize = partitions.map(|topic| topic.partition_data.len()).sum();
    let terms = Terms {
        acks,
        verified,
        may_check_here: partitions <= SMALL_REQUEST,
        timeout: Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)),
    };
    let topics: Vec<TopicAppends> = request
        .topic_data
        .into_iter()
        .filter(|topic| !topic.partition_data.is_empty())
        .map(|topic| start_topic(&call, &image, topic, terms))
        .collect();
    finish(call, acks, topics)
}

/// The parameters of a request that apply to all its partitions.
#[derive(Clone, Copy)]
struct Terms<'a> {
    /// `None` for an invalid number.
    acks: Option<RequiredAcks>,
    verified: &'a Verified,
    /// Whether they are so few that their small batches can be checked here.
    may_check_here: bool,
    /// How long other replicas may take.
    timeout: Duration,
}

/// The started appends of one topic of the request.
struct TopicAppends {
    response: TopicProduceResponse,
    partitions: Vec<(i32, Started)>,
}

/// The started append of one partition.
enum Started {
    Refused(Refusal),
    Append(Arc<Replica>, PendingAppend),
}

fn start_topic(
    call: &Call,
    image: &Image,
    data: TopicProduceData,
    terms: Terms<'_>,
) -> TopicAppends {
    let by_id = call.version >= WITH_IDS;
    let topic = match terms.verified.refused() {
        Some(code) => Err(code),
        None => {
            let permit = |topic: &str| call.permit(Operation::Write, Resource::topic(topic));
            topic_ids::find_permitted(image, &data.name, data.topic_id, by_id, permit)
        }
    };
    let partitions = data
        .partition_data
        .into_iter()
        .map(|partition| {
            let index = partition.index;
            let started = match (&topic, terms.acks) {
                (Err(code), _) => Started::Refused(Refusal::bare(*code)),
                (Ok(_), None) => Started::Refused(Refusal::bare(ErrorCode::INVALID_REQUIRED_ACKS)),
                (Ok(topic), Some(acks)) => start_partition(call, topic, partition, acks, terms)
                    .unwrap_or_else(Started::Refused),
            };
            (index, started)
        })
        .collect();
    let response = if by_id {
        TopicProduceResponse::default().with_topic_id(data.topic_id)
    } else {
        // It waits for the log, and must not keep the frame meanwhile.
        TopicProduceResponse::default().with_name(topic_ids::owned_name(&data.name))
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
    terms: Terms<'_>,
) -> Result<Started, Refusal> {
    let records = data.records.unwrap_or_default();
    let replica = find_writable(call, topic, data.index, &records).map_err(Refusal::bare)?;
    let transactions = terms.verified.of_partition(topic.id, data.index)?;
    let append = replica.append(AppendOptions {
        records,
        origin: AppendOrigin::Client,
        acks,
        source: Source::Connection(call.peer.address),
        may_check_here: terms.may_check_here,
        transactions,
        expected_epoch: None,
    });
    Ok(Started::Append(replica, append.within(terms.timeout)))
}

/// The partition, if these records may be written to it as far as that is known without its log.
fn find_writable(
    call: &Call,
    topic: &TopicImage,
    partition: i32,
    records: &[u8],
) -> Result<Arc<Replica>, ErrorCode> {
    let found = call.broker.partitions.find(topic.id, partition);
    let replica = found.map_err(errors::of_not_hosted)?;
    // Clients must not write to coordinators' logs: their records would be replayed as state.
    if is_internal(&topic.name) && call.client_id.as_deref() != Some("__admin_client") {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    check_attributes(call.version, records)?;
    Ok(replica)
}

/// Batches that the log could store, but this API must refuse. Invalid batches are refused by the log.
fn check_attributes(version: i16, records: &[u8]) -> Result<(), ErrorCode> {
    let Ok(header) = BatchHeader::parse(records) else {
        return Ok(());
    };
    // Consumers that do not support zstd are recognised by the version (KIP-110).
    if header.attributes.codec() == Ok(Codec::Zstd) && version < WITH_ZSTD {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    Ok(())
}

async fn finish(call: Call, acks: Option<RequiredAcks>, topics: Vec<TopicAppends>) -> Reply {
    let mut failed = false;
    let mut rows = Rows::default();
    for TopicAppends {
        response,
        partitions,
    } in topics
    {
        let mut answers = Vec::with_capacity(partitions.len());
        for (index, started) in partitions {
            let answer = match started {
                Started::Refused(refused) => refused_as(call.version, refused).with_index(index),
                Started::Append(replica, append) => {
                    answer(call.version, &replica, append.await).with_index(index)
                }
            };
            failed |= answer.error_code != ErrorCode::NONE.0;
            answers.push(answer);
        }
        rows.add(response, answers);
    }
    if acks == Some(RequiredAcks::None) {
        // There is no answer to carry an error: the producer learns of it when the connection is closed.
        return if failed {
            Reply::close("a produce with acks=0 failed")
        } else {
            Reply::Nothing
        };
    }
    let mut responses = rows.rows;
    let leaders = if call.version >= WITH_LEADERS {
        tell_leaders(&call, &mut responses)
    } else {
        Vec::new()
    };
    let response = ProduceResponse::default().with_responses(responses);
    call.reply(&response.with_node_endpoints(leaders))
}

/// The rows of the answer: one for each topic, however often the request names it.
#[derive(Default)]
struct Rows {
    rows: Vec<TopicProduceResponse>,
    /// The index of each topic's row, once there are two: a request may name very many topics, but most name one.
    places: HashMap<(TopicName, Uuid), usize>,
}

impl Rows {
    fn add(&mut self, topic: TopicProduceResponse, answers: Vec<PartitionProduceResponse>) {
        match self.rows.as_mut_slice() {
            [] => {
                self.rows.push(topic.with_partition_responses(answers));
                return;
            }
            [first] => {
                self.places.insert((first.name.clone(), first.topic_id), 0);
            }
            _ => {}
        }
        let place = match self.places.entry((topic.name.clone(), topic.topic_id)) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                self.rows.push(topic);
                *place.insert(self.rows.len() - 1)
            }
        };
        self.rows[place].partition_responses.extend(answers);
    }
}

/// Sends the current leaders, and their addresses, to producers that have contacted the wrong broker.
fn tell_leaders(call: &Call, responses: &mut [TopicProduceResponse]) -> Vec<NodeEndpoint> {
    let image = call.broker.cluster.image();
    let mut hints = LeaderHints::new(ClusterView::new(&image, &call.broker.config, &call.peer));
    for topic in responses {
        let by_id = call.version >= WITH_IDS;
        let known = topic_ids::find(&image, &topic.name, topic.topic_id, by_id).ok();
        for answer in &mut topic.partition_responses {
            if answer.error_code != ErrorCode::NOT_LEADER_OR_FOLLOWER.0 {
                continue;
            }
            if let Some(partition) = known.and_then(|topic| topic.partition(answer.index)) {
                let (leader, epoch) = hints.mention(partition);
                answer.current_leader = LeaderIdAndEpoch::default()
                    .with_leader_id(leader)
                    .with_leader_epoch(epoch);
            }
        }
    }
    hints.endpoints(|id, host, port, rack| {
        NodeEndpoint::default()
            .with_node_id(id)
            .with_host(host)
            .with_port(port)
            .with_rack(rack)
    })
}

fn refused_as(version: i16, refused: Refusal) -> PartitionProduceResponse {
    let message = refused.message.filter(|_| version >= WITH_MESSAGES);
    refusal(refused.code).with_error_message(message.map(StrBytes::from_string))
}

fn refusal(code: ErrorCode) -> PartitionProduceResponse {
    PartitionProduceResponse::default()
        .with_error_code(code.0)
        .with_base_offset(-1)
}

fn answer(
    version: i16,
    replica: &Replica,
    result: Result<Appended, AppendFailure>,
) -> PartitionProduceResponse {
    match result {
        Ok(appended) => appended_at(version, &appended),
        // It is in the log all the same, and Kafka sends its offset.
        Err(failure @ AppendFailure::AfterAppend(appended, _)) => {
            appended_at(version, &appended).with_error_code(errors::of_append(&failure).0)
        }
        Err(failure) => {
            let mut answer = refusal(errors::of_append(&failure));
            if version >= 5 && has_come_to_the_log(&failure) {
                answer = answer.with_log_start_offset(replica.published().positions.log_start.0);
            }
            if version < WITH_MESSAGES {
                return answer;
            }
            let record_errors = match &failure {
                AppendFailure::Refused(refused) => record_errors(refused),
                _ => Vec::new(),
            };
            answer
                .with_error_message(Some(StrBytes::from_string(text(&failure))))
                .with_record_errors(record_errors)
        }
    }
}

/// The offsets of an append in the log.
fn appended_at(version: i16, Appended { info, .. }: &Appended) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default()
        .with_base_offset(info.first_offset.0)
        .with_log_append_time_ms(info.log_append_time.0);
    if version >= 5 {
        answer.with_log_start_offset(info.log_start.0)
    } else {
        answer
    }
}

/// The message for a failure. If Kafka has one, it is sent unchanged.
fn text(failure: &AppendFailure) -> String {
    match failure {
        AppendFailure::Refused(AppendError::CorruptMessage(reason)) => reason.clone(),
        other => other.to_string(),
    }
}

/// Whether the batch was compared with the state of the log: then Kafka sends the log start offset, from which a
/// producer sees that the records in question were deleted.
const fn has_come_to_the_log(failure: &AppendFailure) -> bool {
    match failure {
        AppendFailure::NotEnoughReplicas { .. } => true,
        AppendFailure::Refused(refused) => !matches!(
            refused,
            AppendError::CorruptMessage(_)
                | AppendError::NotOneBatch(_)
                | AppendError::MessageTooLarge { .. }
                | AppendError::RecordListTooLarge { .. }
                | AppendError::Offline(_)
                | AppendError::Io(_)
        ),
        _ => false,
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
