//! Fetch: the answer has the records as they are in the log, as references to their bytes instead of copies.

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
use crate::partition::Replica;
use crate::partition::fetch::{
    FetchLimits, FetchedPart, FetchedRecords, FetchedRow, Finder, PartitionKey, ReadFailure,
    Reported, TopicKey, WantedPartition,
};
use crate::partition::sessions::{Changes, SessionError, SessionRequest};
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::cluster_view::ClusterView;
use super::errors;
use super::fetch_response::{Answer, encode};
use super::isolation::{READ_COMMITTED, is_isolation_level};
use super::leader_hints::LeaderHints;
use super::route::{Call, Handler};

/// The first version with an error for the whole fetch, and with sessions.
const WITH_ERROR: i16 = 7;
/// The first version that identifies topics by id.
const WITH_IDS: i16 = 13;
/// The first version whose answers name current leaders.
const WITH_LEADERS: i16 = 16;

/// Codes for topics that are not in the image.
const NOT_KNOWN: [ErrorCode; 2] = [
    ErrorCode::UNKNOWN_TOPIC_ID,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
];

pub(super) struct Fetch;

impl Handler for Fetch {
    type Request = FetchRequest;

    fn copied(request: &FetchRequest) -> Option<usize> {
        let wanted = request.topics.iter().map(|topic| topic.topic.len());
        let forgotten = request.forgotten_topics_data.iter();
        let forgotten = forgotten.map(|topic| topic.topic.len());
        let cluster = request.cluster_id.as_ref().map_or(0, |id| id.len());
        let own = cluster.saturating_add(request.rack_id.len());
        Some(wanted.chain(forgotten).fold(own, usize::saturating_add))
    }

    async fn handle(call: Call, request: FetchRequest) -> Reply {
        if !is_isolation_level(request.isolation_level) {
            return refuse_whole(&call, &request, ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        let asked = Asked::of(&call, &request);
        // A poll may wait for long: it must not keep its frame meanwhile.
        drop(request);
        let now = call.broker.clock.now();
        let begun = call.fetch_sessions.begin(asked.session, asked.changes, now);
        let mut fetch = match begun.await {
            Ok(fetch) => fetch,
            Err(error) => return refuse(&call, error),
        };
        let finder = TopicFinder {
            call: &call,
            is_follower: asked.is_follower,
        };
        let rows = fetch.run(&finder, asked.limits, asked.read_committed).await;
        let mut answers: Vec<Answer> = Vec::with_capacity(rows.len());
        for FetchedRow { id, key, result } in rows {
            let (data, records) = data(result, asked.read_committed);
            let answer = Answer {
                data: data.with_partition_index(key.1),
                key,
                records,
            };
            if fetch.tell(id, &reported(&answer)) {
                answers.push(answer);
            }
        }
        let session = fetch.session_id();
        // The next request of the session may start.
        drop(fetch);
        // As in Kafka, unknown topics come last.
        answers.sort_by_key(|answer| {
            let code = ErrorCode(answer.data.error_code);
            NOT_KNOWN.iter().position(|unknown| *unknown == code)
        });
        let mut leaders = match call.version {
            WITH_LEADERS.. => tell_leaders(&call, &mut answers),
            _ => Vec::new(),
        };
        // Followers learn from the controller where the leaders are.
        if asked.is_follower {
            leaders.clear();
        }
        encode(&call, session, answers.into_iter(), &leaders)
    }
}

/// The contents of a request, without its frame.
struct Asked {
    session: SessionRequest,
    changes: Changes,
    limits: FetchLimits,
    read_committed: bool,
    is_follower: bool,
}

impl Asked {
    fn of(call: &Call, request: &FetchRequest) -> Self {
        let by_topic_id = call.version >= WITH_IDS;
        let image = call.broker.cluster.image();
        Self {
            session: SessionRequest {
                id: request.session_id,
                epoch: request.session_epoch,
                by_topic_id,
            },
            changes: Changes {
                wanted: wanted(&image, &request.topics, by_topic_id),
                forgotten: forgotten(&image, request, by_topic_id),
            },
            limits: limits(call, request),
            read_committed: request.isolation_level == READ_COMMITTED,
            is_follower: request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0,
        }
    }
}

/// Sends the current leadership to clients with an old one, and the addresses of the leaders.
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
    let code = errors::of_session(error);
    call.reply(&FetchResponse::default().with_error_code(code.0))
}

/// The same error for everything: once in the response, and in each row for versions that name topics.
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

/// For an existing topic the name is shared with the image: many sessions use it.
fn topic_key(image: &Image, name: &str, id: uuid::Uuid, by_id: bool) -> TopicKey {
    if by_id {
        return TopicKey::Id(KafkaUuid(id));
    }
    TopicKey::Name(match image.topic(name) {
        Some(topic) => Arc::clone(&topic.name),
        None => name.into(),
    })
}

fn wanted(
    image: &Image,
    topics: &[FetchTopic],
    by_id: bool,
) -> Vec<(PartitionKey, WantedPartition)> {
    let wanted = |partition: &FetchPartition| WantedPartition {
        from: Offset(partition.fetch_offset),
        max_bytes: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
        // Anything negative stands for "not known".
        current_epoch: LeaderEpoch(partition.current_leader_epoch.max(LeaderEpoch::NONE.0)),
        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
    };
    let mut all = Vec::new();
    for topic in topics {
        let key = topic_key(image, &topic.topic, topic.topic_id, by_id);
        let partitions = topic.partitions.iter();
        all.extend(partitions.map(|it| ((key.clone(), it.partition), wanted(it))));
    }
    all
}

fn forgotten(image: &Image, request: &FetchRequest, by_id: bool) -> Vec<PartitionKey> {
    let mut all = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = topic_key(image, &topic.topic, topic.topic_id, by_id);
        let partitions = topic.partitions.iter();
        all.extend(partitions.map(|partition| (key.clone(), *partition)));
    }
    all
}

/// Finds partitions that the image has and this broker hosts.
struct TopicFinder<'a> {
    call: &'a Call,
    is_follower: bool,
}

impl TopicFinder<'_> {
    /// Clients need a right for each topic. Without it they do not learn whether the topic exists.
    fn permit(&self, topic: &str) -> Result<(), ErrorCode> {
        if self.is_follower {
            return Ok(());
        }
        self.call.permit(Operation::Read, Resource::topic(topic))
    }
}

impl Finder for TopicFinder<'_> {
    fn find(&self, key: &PartitionKey, was_known: bool) -> Result<Arc<Replica>, ErrorCode> {
        let (topic, partition) = key;
        if self.is_follower && !self.call.may(Operation::ClusterAction, Resource::CLUSTER) {
            return Err(errors::of_denial(ResourceType::Topic));
        }
        if let TopicKey::Name(name) = topic {
            self.permit(name)?;
        }
        let image = self.call.broker.cluster.image();
        let topic = topic_of(&image, topic).ok_or(match topic {
            // A session remembers the name of a deleted topic.
            TopicKey::Id(_) if !was_known => ErrorCode::UNKNOWN_TOPIC_ID,
            TopicKey::Id(_) | TopicKey::Name(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        })?;
        if let TopicKey::Id(_) = key.0 {
            self.permit(&topic.name)?;
        }
        if self.is_follower {
            // Followers cannot fetch here yet.
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let partitions = &self.call.broker.partitions;
        let found = partitions.find(topic.id, *partition);
        found.map_err(errors::of_not_hosted)
    }
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

/// A row without records. As in Kafka, the list of aborted transactions is empty for an unknown partition and null if
/// it could not be read.
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
        // Aborted transactions are only sent to read_committed consumers.
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

fn reported(Answer { data, records, .. }: &Answer) -> Reported {
    Reported {
        is_known: !NOT_KNOWN.contains(&ErrorCode(data.error_code)),
        high_watermark: Offset(data.high_watermark),
        log_start: Offset(data.log_start_offset),
        is_news: !records.is_empty()
            || data.error_code != ErrorCode::NONE.0
            || data.diverging_epoch.epoch >= 0,
    }
}
