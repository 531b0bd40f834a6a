//! Metadata: the brokers, and the leader of each partition. It is the first request of every client, apart from
//! ApiVersions.
//!
//! A topic that does not exist is created if both sides want that: the client in its request, and the broker by
//! `auto.create.topics.enable`.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, KafkaUuid, NodeId};
use crate::config::BrokerConfig;
use crate::controller::is_internal;
use crate::metadata::{Image, PartitionImage, TopicImage};
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::{Peer, Reply};

use super::all_topics::AllTopics;
use super::authorize::{NOT_ASKED, Rights};
use super::cluster_view::{ClusterView, Leader, wire_id, wire_ids};
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk, Pace};
use super::topic_ids::wire_name;
use super::{auto_create, errors};

/// First version with compact arrays.
const FLEXIBLE: i16 = 9;
/// A topic with more partitions is sent partition by partition.
const PARTITIONS_AT_ONCE: usize = 256;

pub(super) struct Metadata;

impl Handler for Metadata {
    type Request = MetadataRequest;

    async fn handle(call: Call, request: MetadataRequest) -> Reply {
        let broker = &call.broker;
        let asked = Asked {
            version: call.version,
            cluster_operations: request.include_cluster_authorized_operations,
            topic_operations: request.include_topic_authorized_operations,
        };
        if has_misplaced_null(&request, call.version) {
            return Reply::close("a null where the version has none");
        }
        let wanted = match wanted(request.topics, call.version) {
            Ok(wanted) => wanted,
            Err(refusal) => return call.reply(&refusal),
        };
        let rights = call.rights();
        let mut image = broker.cluster.image();
        let mut refused = HashMap::new();
        if request.allow_auto_topic_creation && broker.config.auto_create_topics_enable {
            let missing = missing(&wanted, &image, &rights);
            if !missing.is_empty() {
                refused = create(&call, &image, missing).await;
                // The image with the new topics.
                image = broker.cluster.image();
            }
        }
        let answer = Arc::new(Answer {
            image,
            config: Arc::clone(&broker.config),
            peer: Arc::clone(&call.peer),
            rights,
            asked,
            refused,
        });
        let count = answer.count(&wanted).await;
        let response = |topics| answer.response(topics, broker.cluster.cluster_id());
        let rows = Rows::new(&answer, wanted).flatten();
        streamed::rows(&call, response, count, rows).await
    }
}

/// Whether a field is null that is only nullable in later versions; the decoder accepts it.
fn has_misplaced_null(request: &MetadataRequest, version: i16) -> bool {
    match &request.topics {
        None => version == 0,
        Some(topics) => version < 10 && topics.iter().any(|topic| topic.name.is_none()),
    }
}

/// The topics of a request.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    AllTopics,
    Topics(Vec<Topic>),
}

/// A topic that a request names.
#[derive(Debug, PartialEq, Eq)]
enum Topic {
    Named(TopicName),
    Identified(Uuid),
    /// Has neither a name nor an id.
    Nothing,
}

/// The options for the answer.
struct Asked {
    version: i16,
    cluster_operations: bool,
    topic_operations: bool,
}

/// The topics that the request names, each once. In version 0 an empty list means all topics.
fn wanted(
    topics: Option<Vec<MetadataRequestTopic>>,
    version: i16,
) -> Result<Wanted, MetadataResponse> {
    let Some(topics) = topics else {
        return Ok(Wanted::AllTopics);
    };
    if version == 0 && topics.is_empty() {
        return Ok(Wanted::AllTopics);
    }
    // Versions 10 and 11 have a field for ids, but brokers use it only from version 12 on.
    let is_refused = |topic: &MetadataRequestTopic| {
        version < 12 && (topic.name.is_none() || !topic.topic_id.is_nil())
    };
    if topics.iter().any(is_refused) {
        return Err(refusal(&topics));
    }
    // If one topic is identified by id, all must be.
    let by_id = topics.iter().any(|topic| !topic.topic_id.is_nil());
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    let once = topics.into_iter().filter_map(|topic| match topic.name {
        _ if topic.topic_id.is_nil() && by_id => None,
        _ if !topic.topic_id.is_nil() => first(&mut ids, &topic.topic_id).map(Topic::Identified),
        Some(name) => first(&mut names, &name).map(Topic::Named),
        None => Some(Topic::Nothing),
    });
    Ok(Wanted::Topics(once.collect()))
}

/// A copy of `value`, unless it occurred before.
fn first<T: Clone + Eq + Hash>(seen: &mut HashSet<T>, value: &T) -> Option<T> {
    seen.insert(value.clone()).then(|| value.clone())
}

/// The answer to an invalid request.
fn refusal(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let row = |topic: &MetadataRequestTopic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::INVALID_REQUEST.0)
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    };
    MetadataResponse::default().with_topics(topics.iter().map(row).collect())
}

/// The missing topics that could be created for this request, as far as the client may see them.
fn missing<'a>(wanted: &'a Wanted, image: &Image, rights: &Rights) -> Vec<&'a str> {
    let Wanted::Topics(topics) = wanted else {
        return Vec::new();
    };
    let names = topics.iter().filter_map(|topic| match topic {
        Topic::Named(name) => Some(name.0.as_str()),
        Topic::Identified(_) | Topic::Nothing => None,
    });
    names
        .filter(|name| image.topic(name).is_none() && auto_create::is_creatable(name))
        .filter(|name| rights.may(Operation::Describe, Resource::topic(name)))
        .collect()
}

/// Creates the topics that the client may create. Returns the names that were refused, with the reasons.
async fn create(call: &Call, image: &Image, names: Vec<&str>) -> HashMap<String, ErrorCode> {
    let may_create_any = call.may(Operation::Create, Resource::CLUSTER);
    let may_create =
        |name: &&str| may_create_any || call.may(Operation::Create, Resource::topic(name));
    let (names, forbidden): (Vec<_>, Vec<_>) = names.into_iter().partition(may_create);
    let mut refused = auto_create::create(call, image, names.into_iter()).await;
    let code = errors::of_denial(ResourceType::Topic);
    refused.extend(forbidden.into_iter().map(|name| (name.to_owned(), code)));
    refused
}

/// The data for the answer.
struct Answer {
    image: Arc<Image>,
    config: Arc<BrokerConfig>,
    peer: Arc<Peer>,
    rights: Rights,
    asked: Asked,
    /// Topics that should have been created, but were not.
    refused: HashMap<String, ErrorCode>,
}

impl Answer {
    fn view(&self) -> ClusterView<'_> {
        ClusterView::new(&self.image, &self.config, &self.peer)
    }

    fn response(&self, topics: Vec<MetadataResponseTopic>, cluster_id: &str) -> MetadataResponse {
        let view = self.view();
        let brokers = view.alive_brokers().map(|(broker, address)| {
            MetadataResponseBroker::default()
                .with_node_id(wire_id(broker.id))
                .with_host(StrBytes::from_string(address.host))
                .with_port(address.port)
                .with_rack(broker.rack.clone().map(StrBytes::from_string))
        });
        // From version 11 on DescribeCluster has this information.
        let cluster_operations =
            if self.asked.cluster_operations && (8..=10).contains(&self.asked.version) {
                self.rights.cluster_operations()
            } else {
                NOT_ASKED
            };
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(cluster_id.to_owned())))
            .with_controller_id(wire_id(view.controller()))
            .with_topics(topics)
            .with_cluster_authorized_operations(cluster_operations)
    }

    /// The number of rows.
    async fn count(&self, wanted: &Wanted) -> usize {
        match wanted {
            Wanted::Topics(topics) => topics.len(),
            Wanted::AllTopics => {
                let (mut count, mut pace) = (0, Pace::default());
                for topic in self.image.topics() {
                    count += usize::from(self.may_see(&topic.name));
                    pace.step().await;
                }
                count
            }
        }
    }

    fn may_see(&self, topic: &str) -> bool {
        let topic = Resource::topic(topic);
        self.rights.may(Operation::Describe, topic)
    }

    /// The topic, or the row with its error. Only clients with the right to describe a topic learn whether it exists,
    /// and which name belongs to an id.
    fn find(&self, wanted: &Topic) -> Result<&Arc<TopicImage>, MetadataResponseTopic> {
        let row = |code: ErrorCode, name| {
            MetadataResponseTopic::default()
                .with_error_code(code.0)
                .with_name(name)
        };
        let denied = errors::of_denial(ResourceType::Topic);
        match wanted {
            Topic::Named(name) if !self.may_see(name) => Err(row(denied, Some(name.clone()))),
            Topic::Named(name) => self.image.topic(&name.0).ok_or_else(|| self.absent(name)),
            Topic::Identified(id) => {
                let refuse = |code| row(code, None).with_topic_id(*id);
                let topic = self.image.topic_by_id(KafkaUuid(*id));
                let topic = topic.ok_or_else(|| refuse(ErrorCode::UNKNOWN_TOPIC_ID))?;
                if self.may_see(&topic.name) {
                    Ok(topic)
                } else {
                    Err(refuse(denied))
                }
            }
            Topic::Nothing => Err(row(ErrorCode::INVALID_TOPIC_EXCEPTION, None)),
        }
    }

    fn absent(&self, name: &TopicName) -> MetadataResponseTopic {
        let code = self.refused.get(name.as_str()).copied();
        let row = MetadataResponseTopic::default()
            .with_error_code(code.unwrap_or_else(|| errors::unknown_topic(name).code).0)
            .with_name(Some(name.clone()))
            .with_is_internal(is_internal(name));
        if code == Some(errors::of_denial(ResourceType::Topic)) {
            return row;
        }
        row.with_topic_authorized_operations(self.topic_operations(name))
    }

    /// The row of a topic with these partitions.
    fn topic(
        &self,
        topic: &TopicImage,
        partitions: Vec<MetadataResponsePartition>,
    ) -> MetadataResponseTopic {
        MetadataResponseTopic::default()
            .with_name(Some(wire_name(&topic.name)))
            .with_topic_id(topic.id.0)
            .with_is_internal(is_internal(&topic.name))
            .with_partitions(partitions)
            .with_topic_authorized_operations(self.topic_operations(&topic.name))
    }

    fn partitions(&self, topic: &TopicImage) -> Vec<MetadataResponsePartition> {
        let view = self.view();
        let partitions = topic.numbered_partitions();
        partitions
            .map(|(number, partition)| self.partition(&view, number, partition))
            .collect()
    }

    fn partition(
        &self,
        view: &ClusterView<'_>,
        number: i32,
        partition: &PartitionImage,
    ) -> MetadataResponsePartition {
        let replicas = self.shown(view, &partition.replicas);
        let isr = self.shown(view, &partition.isr);
        let is_hiding =
            replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len();
        let (leader, code) = match view.leader(partition) {
            Leader::Is(leader) if is_hiding => (leader, ErrorCode::REPLICA_NOT_AVAILABLE),
            Leader::Is(leader) => (leader, ErrorCode::NONE),
            Leader::HasNoListener if self.asked.version >= 6 => {
                (NodeId::NONE, ErrorCode::LISTENER_NOT_FOUND)
            }
            Leader::HasNoListener | Leader::Missing => {
                (NodeId::NONE, ErrorCode::LEADER_NOT_AVAILABLE)
            }
        };
        MetadataResponsePartition::default()
            .with_error_code(code.0)
            .with_partition_index(number)
            .with_leader_id(wire_id(leader))
            .with_leader_epoch(partition.leader_epoch.0)
            .with_replica_nodes(replicas)
            .with_isr_nodes(isr)
            .with_offline_replicas(view.offline_replicas(partition))
    }

    /// Version 0 has no field for offline replicas: they are omitted and reported as an error.
    fn shown(&self, view: &ClusterView<'_>, replicas: &[NodeId]) -> Vec<BrokerId> {
        if self.asked.version > 0 {
            return wire_ids(replicas);
        }
        replicas
            .iter()
            .copied()
            .filter(|id| view.is_alive(*id))
            .map(wire_id)
            .collect()
    }

    fn topic_operations(&self, name: &str) -> i32 {
        if self.asked.topic_operations && self.asked.version >= 8 {
            self.rights.operations(Resource::topic(name))
        } else {
            NOT_ASKED
        }
    }
}

/// Iterates over the rows of an answer.
#[derive(Clone)]
struct Rows {
    answer: Arc<Answer>,
    wanted: Arc<Wanted>,
    /// How many of the named topics have been returned.
    told: usize,
    /// The remaining topics, if all are requested.
    all: AllTopics,
}

impl Rows {
    fn new(answer: &Arc<Answer>, wanted: Wanted) -> Self {
        Self {
            answer: Arc::clone(answer),
            wanted: Arc::new(wanted),
            told: 0,
            all: AllTopics::of(Arc::clone(&answer.image)),
        }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let found = match &*self.wanted {
            Wanted::AllTopics => Ok(self.all.find(|topic| self.answer.may_see(&topic.name))?),
            Wanted::Topics(topics) => {
                self.told += 1;
                self.answer.find(topics.get(self.told - 1)?).cloned()
            }
        };
        Some(Row::new(&self.answer, found))
    }
}

/// The row of one topic, or, if it has very many partitions, the parts of the row one after another.
#[derive(Clone)]
struct Row {
    answer: Arc<Answer>,
    topic: Option<Arc<TopicImage>>,
    first: Option<Chunk>,
    partitions: std::ops::Range<usize>,
    last: Option<Chunk>,
}

impl Row {
    fn new(answer: &Arc<Answer>, found: Result<Arc<TopicImage>, MetadataResponseTopic>) -> Self {
        let mut row = Self {
            answer: Arc::clone(answer),
            topic: None,
            first: None,
            partitions: 0..0,
            last: None,
        };
        let version = answer.asked.version;
        match found {
            Ok(topic) if topic.partitions.len() > PARTITIONS_AT_ONCE => {
                let message = |partitions| answer.topic(&topic, partitions);
                if let Ok(around) = Around::new(version, version >= FLEXIBLE, message) {
                    row.first = Some(around.head(topic.partitions.len()));
                    row.partitions = 0..topic.partitions.len();
                    row.last = Some(around.tail());
                    row.topic = Some(topic);
                }
            }
            Ok(topic) => {
                row.first = Some(Chunk::row(answer.topic(&topic, answer.partitions(&topic))));
            }
            Err(absent) => row.first = Some(Chunk::row(absent)),
        }
        row
    }
}

impl Iterator for Row {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let Some(index) = self.partitions.next() else {
            return self.last.take();
        };
        let topic = self.topic.as_ref()?;
        let number = i32::try_from(index).ok()?;
        let partition = topic.partitions.get(index)?;
        let view = self.answer.view();
        Some(Chunk::row(self.answer.partition(&view, number, partition)))
    }
}

#[cfg(test)]
mod tests;
