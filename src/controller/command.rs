//! What the controller can be asked; elections, reassignments and feature updates are in files of their own. What it
//! answers to each is in `machine`.

use std::collections::BTreeMap;

use crate::base::{Ask, DirectoryId, ErrorCode, KafkaUuid, NodeId, ProducerId, TopicId};
use crate::metadata::ConfigResource;
use crate::metadata::record::{Endpoint, MetadataRecord, SupportedFeature};

use super::Situation;

/// A decision: the records to write as one batch, and the answer that may be given once they have
/// been replayed. Without records the answer may be given at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// The records, in order.
    pub records: Vec<MetadataRecord>,
    /// The answer.
    pub reply: R,
}

impl<R> Decision<R> {
    /// A decision that changes nothing.
    pub const fn answer(reply: R) -> Self {
        Self {
            records: Vec::new(),
            reply,
        }
    }

    /// The same decision with another answer.
    pub fn map<S>(self, into: impl FnOnce(R) -> S) -> Decision<S> {
        Decision {
            records: self.records,
            reply: into(self.reply),
        }
    }
}

/// A no, as the client will see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", .message.as_deref().unwrap_or("no message"))]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// For people; none where Kafka sends none.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal with a text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// A refusal without a text.
    pub const fn bare(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

/// Something that the controller can be asked. What is answered belongs to what is asked.
pub trait Command: Ask {
    /// Decides about it.
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply>;
}

/// Create topics; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct CreateTopics {
    /// The topics. The handler has answered for names that occur twice.
    pub topics: Vec<NewTopic>,
    /// Whether to decide, but not to do it.
    pub validate_only: bool,
}

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; -1 for the default.
    pub partitions: i32,
    /// How many replicas of each; -1 for the default.
    pub replication_factor: i16,
    /// Replicas by partition number; if there are any, the two numbers above must be -1.
    pub assignments: Vec<(i32, Vec<NodeId>)>,
    /// Configuration; null values are refused, as in Kafka.
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with everything by default.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }
}

/// A topic that was created, or would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub topic_id: TopicId,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of the first partition.
    pub replication_factor: i16,
    /// What was set for it. The handler shows the whole configuration to those who may see it: thousands of topics
    /// have a description each that is much larger than they are.
    pub overrides: BTreeMap<String, String>,
}

/// Delete topics; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct DeleteTopics {
    /// The topics. The handler has answered for those that are named twice in the same way.
    pub topics: Vec<TopicReference>,
}

/// A topic by name or by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicReference {
    /// By name.
    Name(String),
    /// By id.
    Id(TopicId),
}

/// The answer about one topic that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name, where known.
    pub name: Option<String>,
    /// Its id; zero where not known.
    pub topic_id: TopicId,
    /// How it went.
    pub result: Result<(), Refusal>,
}

/// Give topics more partitions; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct CreatePartitions {
    /// The topics. The handler has answered for names that occur twice.
    pub topics: Vec<NewPartitions>,
    /// Whether to decide, but not to do it.
    pub validate_only: bool,
}

/// More partitions for a topic.
#[derive(Clone, Debug)]
pub struct NewPartitions {
    /// The topic.
    pub name: String,
    /// How many partitions it shall have in all.
    pub count: i32,
    /// Replicas for each new partition, if the client wants to say.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Change the configuration of topics and brokers; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct AlterConfigs {
    /// What is to be changed. The handler has answered for resources that occur twice, and for those
    /// whose configuration is not kept here.
    pub resources: Vec<AlteredResource>,
    /// Whether to decide, but not to do it.
    pub validate_only: bool,
}

/// What is to become of the configuration of one resource.
#[derive(Clone, Debug)]
pub struct AlteredResource {
    /// The resource.
    pub resource: ConfigResource,
    /// The change.
    pub change: ConfigChange,
}

/// A change of a resource's overrides; no key occurs twice.
#[derive(Clone, Debug)]
pub enum ConfigChange {
    /// These are all overrides from now on.
    Replace(Vec<(String, String)>),
    /// These change, all others stay.
    Alter(Vec<(String, ConfigOperation)>),
}

/// What is to become of one override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// It has this value.
    Set(String),
    /// It is gone.
    Delete,
    /// These values, separated by commas, are added to the list.
    Append(String),
    /// These values, separated by commas, are taken out of the list.
    Subtract(String),
}

/// A broker's process has started.
#[derive(Clone, Debug)]
pub struct RegisterBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Names this run of its process.
    pub incarnation_id: KafkaUuid,
    /// Its advertised listeners.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels that it can serve.
    pub features: Vec<SupportedFeature>,
    /// Where it stands.
    pub rack: Option<String>,
    /// Its online log directories.
    pub log_directories: Vec<DirectoryId>,
}

/// A broker that has gone for good is to be forgotten.
#[derive(Clone, Copy, Debug)]
pub struct UnregisterBroker {
    /// The broker.
    pub broker_id: NodeId,
}

/// A registered broker has caught up and is ready to serve.
#[derive(Clone, Copy, Debug)]
pub struct UnfenceBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Its registration.
    pub broker_epoch: i64,
}

/// A registered broker serves no more: it stops, or has not been heard of.
#[derive(Clone, Copy, Debug)]
pub struct FenceBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Its registration.
    pub broker_epoch: i64,
}

/// Log directories of a registered broker have failed.
#[derive(Clone, Debug)]
pub struct FailDirectories {
    /// The broker.
    pub broker_id: NodeId,
    /// Its registration.
    pub broker_epoch: i64,
    /// All that have failed so far.
    pub directories: Vec<DirectoryId>,
}

/// A registered broker says in which directories its replicas are.
#[derive(Clone, Debug)]
pub struct AssignReplicas {
    /// The broker.
    pub broker_id: NodeId,
    /// Its registration.
    pub broker_epoch: i64,
    /// Which replica is where.
    pub assignments: Vec<ReplicaAssignment>,
}

/// One replica of a broker, and its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition.
    pub partition: i32,
    /// The directory.
    pub directory: DirectoryId,
}

/// A broker wants producer ids to give out.
#[derive(Clone, Copy, Debug)]
pub struct AllocateProducerIds {
    /// The broker.
    pub broker_id: NodeId,
    /// Its registration.
    pub broker_epoch: i64,
}

/// Producer ids that nobody else will give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// How many.
    pub count: i32,
}
