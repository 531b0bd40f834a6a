//! Fetch: records as they lie in the log, in a response that refers to their bytes instead of
//! copying them.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use tokio::time::Instant;

use crate::base::{ErrorCode, KafkaUuid, LeaderEpoch, Offset};
use crate::log;
use crate::metadata::{Image, TopicImage};
use crate::partition::fetch_session::{
    PartitionKey, Plan, Said, SessionError, SessionRequest, TopicKey, Wish,
};
use crate::partition::read::{
    self, FetchLimits, FetchPart, FetchedPart, FetchedRecords, ReadFailure,
};
use crate::wire::Reply;

use super::cluster_view::ClusterView;
use super::errors;
use super::fetch_response::{Answer, encode};
use super::isolation::{READ_COMMITTED, is_isolation_level};
use super::leader_hints::LeaderHints;
use super::route::{Call, Handler};

/// First version with an error for the whole fetch, and with sessions.
const WITH_ERROR: i16 = 7;
/// First version that names topics by their ids.
const WITH_IDS: i16 = 13;
/// First version whose answers name current leaders.
const WITH_LEADERS: i16 = 16;

/// Codes for what is in no image.
const NOT_KNOWN: [ErrorCode; 2] = [
    ErrorCode::UNKNOWN_TOPIC_ID,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
];

pub(super) struct Fetch;

impl Handler for Fetch {
    type Request = FetchRequest;

    async fn handle(call: Call, request: FetchRequest) -> Reply {
        let by_id = call.version >= WITH_IDS;
        if !is_isolation_level(request.isolation_level) {
            return refuse_whole(&call, &request, ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        let session = SessionRequest {
            id: request.session_id,
            epoch: request.session_epoch,
            by_topic_id: by_id,
        };
        let sessions = &call.broker.fetch_sessions;
        let plan = sessions.plan(
            session,
            wishes(&request.topics, by_id),
            &forgotten(&request, by_id),
            call.broker.clock.now(),
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return refuse(&call, error),
        };
        let answers = fetch_all(&call, &request, &plan).await;
        let said: Vec<Said> = answers.iter().map(said).collect();
        let selected = sessions.select(&plan, &said);
        let mut answers: Vec<Answer> = answers
            .into_iter()
            .zip(selected)
            .filter_map(|(answer, selected)| selected.then_some(answer))
            .collect();
        // As with Kafka, what nobody knows comes after what was looked into.
        answers.sort_by_key(|answer| {
            let code = ErrorCode(answer.data.error_code);
            NOT_KNOWN.iter().position(|unknown| *unknown == code)
        });
        let leaders = match call.version {
            WITH_LEADERS.. => tell_leaders(&call, &mut answers),
            _ => Vec::new(),
        };
        // Followers hear of leaders from the controller.
        let leaders = if is_follower(&request) {
            Vec::new()
        } else {
            leaders
        };
        encode(&call, plan.session_id(), answers.into_iter(), &leaders)
    }
}

/// Tells clients that have an old idea of a leadership the new one, and where to find the leaders.
fn tell_leaders(call: &Call, answers: &mut [Answer]) -> Vec<NodeEndpoint> {
    let is_outdated = |answer: &&mut Answer| {
        let code = ErrorCode(answer.data.error_code);
        code == ErrorCode::NOT_LEADER_OR_FOLLOWER || code == ErrorCode::FENCED_LEADER_EPOCH
    };
    let image = call.broker.cluster.image();
    let mut hints = LeaderHints::new(ClusterView::new(&image, &call.broker.config, &call.peer));
    for Answer { key, data, .. } in answers.iter_mut().filter(is_outdated) {
        let (topic, partition) = key;
        let partition = topic_of(&image, topic).and_then(|topic| topic.partition(*partition));
        if let Some(partition) = partition {
            let (leader, epoch) = hints.mention(partition);
            data.current_leader = LeaderIdAndEpoch::default()
                .with_leader_id(leader)
                .with_leader_epoch(epoch);
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

fn topic_of<'a>(image: &'a Image, key: &TopicKey) -> Option<&'a Arc<TopicImage>> {
    match key {
        TopicKey::Id(id) => image.topic_by_id(*id),
        TopicKey::Name(name) => image.topic(name),
    }
}

fn refuse(call: &Call, error: SessionError) -> Reply {
    let code = match error {
        SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        SessionError::InvalidEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        SessionError::TopicKeyChanged => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    };
    call.reply(&FetchResponse::default().with_error_code(code.0))
}

/// The same error for everything: told once, and to versions that name topics in each row as well.
fn refuse_whole(call: &Call, request: &FetchRequest, code: ErrorCode) -> Reply {
    let row = |partition: &FetchPartition| {
        failed(code)
            .with_aborted_transactions(Some(Vec::new()))
            .with_partition_index(partition.partition)
    };
    let topic = |topic: &FetchTopic| {
        FetchableTopicResponse::default()
            .with_topic(topic.topic.clone())
            .with_partitions(topic.partitions.iter().map(row).collect())
    };
    let responses = if call.version < WITH_IDS {
        request.topics.iter().map(topic).collect()
    } else {
        Vec::new()
    };
    let response = FetchResponse::default().with_responses(responses);
    call.reply(&if call.version >= WITH_ERROR {
        response.with_error_code(code.0)
    } else {
        response
    })
}

fn topic_key(name: &str, id: uuid::Uuid, by_id: bool) -> TopicKey {
    if by_id {
        TopicKey::Id(KafkaUuid(id))
    } else {
        TopicKey::Name(name.into())
    }
}

fn wishes(topics: &[FetchTopic], by_id: bool) -> Vec<(PartitionKey, Wish)> {
    let of_topic = |topic: &FetchTopic| {
        let key = topic_key(&topic.topic, topic.topic_id, by_id);
        let wish = |partition: &FetchPartition| Wish {
            fetch_offset: partition.fetch_offset,
            max_bytes: partition.partition_max_bytes,
            // Anything negative stands for "not known".
            current_leader_epoch: partition.current_leader_epoch.max(LeaderEpoch::NONE.0),
            last_fetched_epoch: partition.last_fetched_epoch,
            was_known: false,
        };
        topic
            .partitions
            .iter()
            .map(|partition| ((key.clone(), partition.partition), wish(partition)))
            .collect::<Vec<_>>()
    };
    topics.iter().flat_map(of_topic).collect()
}

fn forgotten(request: &FetchRequest, by_id: bool) -> Vec<PartitionKey> {
    let topics = request.forgotten_topics_data.iter();
    topics
        .flat_map(|topic| {
            let key = topic_key(&topic.topic, topic.topic_id, by_id);
            topic
                .partitions
                .iter()
                .map(move |partition| (key.clone(), *partition))
        })
        .collect()
}

/// Fetches what the plan says; one answer for each wish, in order.
async fn fetch_all(call: &Call, request: &FetchRequest, plan: &Plan) -> Vec<Answer> {
    let image = call.broker.cluster.image();
    let mut parts = Vec::new();
    let found: Vec<Result<(), ErrorCode>> = plan
        .wishes
        .iter()
        .map(|(key, wish)| part(call, request, &image, key, wish).map(|part| parts.push(part)))
        .collect();
    let mut fetched = read::fetch(&parts, limits(call, request)).await.into_iter();
    let is_committed = request.isolation_level == READ_COMMITTED;
    plan.wishes
        .iter()
        .zip(found)
        .map(|((key, _), found)| {
            let (data, records) = match found {
                Err(code) => (failed(code), FetchedRecords::NONE),
                Ok(()) => fetched.next().map_or_else(
                    || {
                        (
                            failed(ErrorCode::UNKNOWN_SERVER_ERROR),
                            FetchedRecords::NONE,
                        )
                    },
                    |part| data(part, is_committed),
                ),
            };
            Answer {
                key: key.clone(),
                data: data.with_partition_index(key.1),
                records,
            }
        })
        .collect()
}

fn part(
    call: &Call,
    request: &FetchRequest,
    image: &Image,
    key: &PartitionKey,
    wish: &Wish,
) -> Result<FetchPart, ErrorCode> {
    let (topic, partition) = key;
    let topic = topic_of(image, topic).ok_or(match topic {
        // A session remembers the name of a topic that has gone.
        TopicKey::Id(_) if !wish.was_known => ErrorCode::UNKNOWN_TOPIC_ID,
        TopicKey::Id(_) | TopicKey::Name(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    })?;
    if is_follower(request) {
        // No partition has another replica than this broker's.
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let replica = call
        .broker
        .partitions
        .find(topic.id, *partition)
        .map_err(errors::of_not_hosted)?;
    Ok(FetchPart {
        replica,
        from: Offset(wish.fetch_offset),
        max_bytes: usize::try_from(wish.max_bytes).unwrap_or(0),
        current_epoch: LeaderEpoch(wish.current_leader_epoch),
        last_fetched_epoch: LeaderEpoch(wish.last_fetched_epoch),
        read_committed: request.isolation_level == READ_COMMITTED,
    })
}

fn is_follower(request: &FetchRequest) -> bool {
    request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0
}

fn limits(call: &Call, request: &FetchRequest) -> FetchLimits {
    let size = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
    let most = size(request.max_bytes.min(call.broker.config.fetch_max_bytes));
    let least = size(request.min_bytes).min(most);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    FetchLimits {
        min_bytes: least as u64,
        max_bytes: most,
        deadline: Instant::now() + wait,
    }
}

/// A row without records. As with Kafka, the list of aborted transactions is empty where nobody knows the
/// partition and null where it could not be read.
fn failed(code: ErrorCode) -> PartitionData {
    let is_unknown = NOT_KNOWN.contains(&code);
    PartitionData::default()
        .with_error_code(code.0)
        .with_high_watermark(-1)
        .with_aborted_transactions(is_unknown.then(Vec::new))
}

fn data(
    part: Result<FetchedPart, ReadFailure>,
    is_committed: bool,
) -> (PartitionData, FetchedRecords) {
    let FetchedPart {
        positions,
        records,
        aborted,
        diverging,
    } = match part {
        Ok(part) => part,
        Err(failure) => return (failed(errors::of_read(&failure)), FetchedRecords::NONE),
    };
    let mut data = PartitionData::default()
        .with_high_watermark(positions.high_watermark.0)
        .with_last_stable_offset(positions.last_stable.0)
        .with_log_start_offset(positions.log_start.0)
        // Only who asked for committed records is told of aborted ones.
        .with_aborted_transactions(is_committed.then(|| aborted.iter().map(told).collect()));
    if let Some((epoch, end)) = diverging {
        data = data.with_diverging_epoch(
            EpochEndOffset::default()
                .with_epoch(epoch.0)
                .with_end_offset(end.0),
        );
    }
    (data, records)
}

fn told(transaction: &log::AbortedTransaction) -> AbortedTransaction {
    AbortedTransaction::default()
        .with_producer_id(transaction.producer.0.into())
        .with_first_offset(transaction.first.0)
}

fn said(Answer { data, records, .. }: &Answer) -> Said {
    Said {
        is_known: !NOT_KNOWN.contains(&ErrorCode(data.error_code)),
        high_watermark: Offset(data.high_watermark),
        log_start: Offset(data.log_start_offset),
        is_news: !records.is_empty()
            || data.error_code != ErrorCode::NONE.0
            || data.diverging_epoch.epoch >= 0,
    }
}
