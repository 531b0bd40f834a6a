//! Metadata: where the brokers are, and who leads which partition. The first request of every client.
//!
//! A topic that does not exist is created on the way if both sides want that: the client says so in
//! its request, and the broker in `auto.create.topics.enable`.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, KafkaUuid, NodeId};
use crate::controller::is_internal;
use crate::metadata::{Image, PartitionImage, TopicImage};
use crate::wire::Reply;

use super::authorize::{CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS};
use super::cluster_view::{ClusterView, Leader, wire_id, wire_ids};
use super::route::{Call, Handler};
use super::topic_ids::wire_name;
use super::{auto_create, errors};

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
        let mut image = broker.cluster.image();
        let mut refused = HashMap::new();
        if request.allow_auto_topic_creation && broker.config.auto_create_topics_enable {
            let missing = missing(&wanted, &image);
            if !missing.is_empty() {
                refused = auto_create::create(broker, &image, missing.into_iter()).await;
                // The image that has the new topics.
                image = broker.cluster.image();
            }
        }
        let view = ClusterView::new(&image, &broker.config, &call.peer);
        let answer = Answer {
            image: &image,
            view,
            asked,
            refused,
        };
        call.reply(&answer.response(&wanted, broker.cluster.cluster_id()))
    }
}

/// Whether something is null that can only be so in later versions; the decoder does not mind.
fn has_misplaced_null(request: &MetadataRequest, version: i16) -> bool {
    match &request.topics {
        None => version == 0,
        Some(topics) => version < 10 && topics.iter().any(|topic| topic.name.is_none()),
    }
}

/// What a request is about.
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
    /// By neither name nor id.
    Nothing,
}

/// How the answer is to be.
struct Asked {
    version: i16,
    cluster_operations: bool,
    topic_operations: bool,
}

/// What the request names, everything once. Version 0 has no other way to ask for all topics than to
/// name none.
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
    // Versions 10 and 11 have a place for ids, but brokers have looked at it from 12 on only.
    let is_refused = |topic: &MetadataRequestTopic| {
        version < 12 && (topic.name.is_none() || !topic.topic_id.is_nil())
    };
    if topics.iter().any(is_refused) {
        return Err(refusal(&topics));
    }
    // Where one topic is named by its id, all are expected to be.
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

/// A copy of `value`, unless it has been seen.
fn first<T: Clone + Eq + Hash>(seen: &mut HashSet<T>, value: &T) -> Option<T> {
    seen.insert(value.clone()).then(|| value.clone())
}

/// The answer to a request that cannot be read as one about topics.
fn refusal(topics: &[MetadataRequestTopic]) -> MetadataResponse {
    let row = |topic: &MetadataRequestTopic| {
        MetadataResponseTopic::default()
            .with_error_code(ErrorCode::INVALID_REQUEST.0)
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    };
    MetadataResponse::default().with_topics(topics.iter().map(row).collect())
}

/// The topics that could be created for this request.
fn missing<'a>(wanted: &'a Wanted, image: &Image) -> Vec<&'a str> {
    let Wanted::Topics(topics) = wanted else {
        return Vec::new();
    };
    let names = topics.iter().filter_map(|topic| match topic {
        Topic::Named(name) => Some(name.0.as_str()),
        Topic::Identified(_) | Topic::Nothing => None,
    });
    names
        .filter(|name| image.topic(name).is_none() && auto_create::is_creatable(name))
        .collect()
}

/// What the answer is made from.
struct Answer<'a> {
    image: &'a Image,
    view: ClusterView<'a>,
    asked: Asked,
    /// Topics that should have been created, but were not.
    refused: HashMap<String, ErrorCode>,
}

impl Answer<'_> {
    fn response(&self, wanted: &Wanted, cluster_id: &str) -> MetadataResponse {
        let topics = match wanted {
            Wanted::AllTopics => self.image.topics().map(|topic| self.topic(topic)).collect(),
            Wanted::Topics(topics) => topics
                .iter()
                .map(|topic| self.wanted_topic(topic))
                .collect(),
        };
        let brokers = self.view.alive_brokers().map(|(broker, address)| {
            MetadataResponseBroker::default()
                .with_node_id(wire_id(broker.id))
                .with_host(StrBytes::from_string(address.host))
                .with_port(address.port)
                .with_rack(broker.rack.clone().map(StrBytes::from_string))
        });
        // From version 11 on DescribeCluster answers this question.
        let cluster_operations =
            if self.asked.cluster_operations && (8..=10).contains(&self.asked.version) {
                CLUSTER_OPERATIONS
            } else {
                NOT_ASKED
            };
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(cluster_id.to_owned())))
            .with_controller_id(wire_id(self.view.controller()))
            .with_topics(topics)
            .with_cluster_authorized_operations(cluster_operations)
    }

    fn wanted_topic(&self, wanted: &Topic) -> MetadataResponseTopic {
        match wanted {
            Topic::Named(name) => match self.image.topic(&name.0) {
                Some(topic) => self.topic(topic),
                None => self.absent(name),
            },
            Topic::Identified(id) => match self.image.topic_by_id(KafkaUuid(*id)) {
                Some(topic) => self.topic(topic),
                None => MetadataResponseTopic::default()
                    .with_error_code(ErrorCode::UNKNOWN_TOPIC_ID.0)
                    .with_name(None)
                    .with_topic_id(*id),
            },
            Topic::Nothing => MetadataResponseTopic::default()
                .with_error_code(ErrorCode::INVALID_TOPIC_EXCEPTION.0)
                .with_name(None),
        }
    }

    fn absent(&self, name: &TopicName) -> MetadataResponseTopic {
        let code = self.refused.get(name.as_str()).copied();
        MetadataResponseTopic::default()
            .with_error_code(code.unwrap_or_else(|| errors::unknown_topic(name).code).0)
            .with_name(Some(name.clone()))
            .with_is_internal(is_internal(name))
            .with_topic_authorized_operations(self.topic_operations())
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = topic.numbered_partitions();
        MetadataResponseTopic::default()
            .with_name(Some(wire_name(&topic.name)))
            .with_topic_id(topic.id.0)
            .with_is_internal(is_internal(&topic.name))
            .with_partitions(
                partitions
                    .map(|(number, partition)| self.partition(number, partition))
                    .collect(),
            )
            .with_topic_authorized_operations(self.topic_operations())
    }

    fn partition(&self, number: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        let replicas = self.shown(&partition.replicas);
        let isr = self.shown(&partition.isr);
        let is_hiding =
            replicas.len() < partition.replicas.len() || isr.len() < partition.isr.len();
        let (leader, code) = match self.view.leader(partition) {
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
            .with_offline_replicas(self.view.offline_replicas(partition))
    }

    /// Version 0 has no word for replicas that are offline: they are left out and reported as an
    /// error.
    fn shown(&self, replicas: &[NodeId]) -> Vec<BrokerId> {
        if self.asked.version > 0 {
            return wire_ids(replicas);
        }
        replicas
            .iter()
            .copied()
            .filter(|id| self.view.is_alive(*id))
            .map(wire_id)
            .collect()
    }

    fn topic_operations(&self) -> i32 {
        if self.asked.topic_operations && self.asked.version >= 8 {
            TOPIC_OPERATIONS
        } else {
            NOT_ASKED
        }
    }
}

#[cfg(test)]
mod tests;
