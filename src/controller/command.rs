//! What the controller can be asked; elections, reassignments and feature updates are in files of their own. What it
//! answers to each is in `machine`.

use std::collections::BTreeMap;

use crate::base::{Ask, DirectoryId, ErrorCode, KafkaUuid, NodeId, ProducerId, TopicId};
use crate::metadata::ConfigResource;
use crate::metadata::record::{Endpoint, MetadataRecord, SupportedFeature};

use super::Situation;

/// A decision: the records to write as one batch, and the reply, which is sent after they have been replayed. Without
/// records the reply may be sent at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R> {
    /// The records, in order.
    pub records: Vec<MetadataRecord>,
    /// The reply.
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

    /// The same decision with another reply.
    pub fn map<S>(self, into: impl FnOnce(R) -> S) -> Decision<S> {
        Decision {
            records: self.records,
            reply: into(self.reply),
        }
    }
}

/// A refusal, as sent to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", .message.as_deref().unwrap_or("no message"))]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// The error message; `None` where Kafka sends none.
    pub message: Option<String>,
}

impl Refusal {
    /// A refusal with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// A refusal without a message.
    pub const fn bare(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

/// A command of the controller. Its type defines the type of the reply.
pub trait Command: Ask {
    /// Decides on it.
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply>;
}

/// Create topics; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct CreateTopics {
    /// The topics. The handler has already refused names that occur twice.
    pub topics: Vec<NewTopic>,
    /// Whether to validate only.
    pub validate_only: bool,
}

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// The number of partitions; -1 for the default.
    pub partitions: i32,
    /// The replication factor; -1 for the default.
    pub replication_factor: i16,
    /// Replicas by partition number; if there are any, the two numbers above must be -1.
    pub assignments: Vec<(i32, Vec<NodeId>)>,
    /// Configuration; null values are refused, as in Kafka.
    pub configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with default settings.
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
    /// The number of partitions.
    pub partitions: i32,
    /// The number of replicas of the first partition.
    pub replication_factor: i16,
    /// The topic's overrides. The handler describes the whole configuration to clients with the right to see it: for
    /// thousands of topics the descriptions would be much larger.
    pub overrides: BTreeMap<String, String>,
}

/// Delete topics; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct DeleteTopics {
    /// The topics. The handler has already refused those that are named twice in the same way.
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

/// The result for one topic that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name, if known.
    pub name: Option<String>,
    /// Its id; zero if not known.
    pub topic_id: TopicId,
    /// The result.
    pub result: Result<(), Refusal>,
}

/// Adds partitions to topics; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct CreatePartitions {
    /// The topics. The handler has already refused names that occur twice.
    pub topics: Vec<NewPartitions>,
    /// Whether to validate only.
    pub validate_only: bool,
}

/// More partitions for a topic.
#[derive(Clone, Debug)]
pub struct NewPartitions {
    /// The topic.
    pub name: String,
    /// The new total number of partitions.
    pub count: i32,
    /// Replicas for each new partition, if the client chooses them.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Change the configuration of topics and brokers; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct AlterConfigs {
    /// The changes. The handler has already refused resources that occur twice, and those whose configuration is not
    /// stored here.
    pub resources: Vec<AlteredResource>,
    /// Whether to validate only.
    pub validate_only: bool,
}

/// The change of the configuration of one resource.
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
    /// Replaces all overrides.
    Replace(Vec<(String, String)>),
    /// Changes these overrides and keeps all others.
    Alter(Vec<(String, ConfigOperation)>),
}

/// The change of one override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Sets this value.
    Set(String),
    /// Removes the override.
    Delete,
    /// Adds these values, separated by commas, to the list.
    Append(String),
    /// Removes these values, separated by commas, from the list.
    Subtract(String),
}

/// A broker's process has started.
#[derive(Clone, Debug)]
pub struct RegisterBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// The incarnation id of its process.
    pub incarnation_id: KafkaUuid,
    /// Its advertised listeners.
    pub endpoints: Vec<Endpoint>,
    /// The feature levels that it can serve.
    pub features: Vec<SupportedFeature>,
    /// Its rack.
    pub rack: Option<String>,
    /// Its online log directories.
    pub log_directories: Vec<DirectoryId>,
}

/// Unregisters a broker that was removed permanently.
#[derive(Clone, Copy, Debug)]
pub struct UnregisterBroker {
    /// The broker.
    pub broker_id: NodeId,
}

/// A registered broker is ready to serve.
#[derive(Clone, Copy, Debug)]
pub struct UnfenceBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
}

/// A registered broker does not serve any more: it stops, or it is silent.
#[derive(Clone, Copy, Debug)]
pub struct FenceBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
}

/// Log directories of a registered broker have failed.
#[derive(Clone, Debug)]
pub struct FailDirectories {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// All directories that have failed so far.
    pub directories: Vec<DirectoryId>,
}

/// A registered broker reports the directories of its replicas.
#[derive(Clone, Debug)]
pub struct AssignReplicas {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// The replicas and their directories.
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

/// A broker requests a block of producer ids.
#[derive(Clone, Copy, Debug)]
pub struct AllocateProducerIds {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
}

/// Producer ids reserved for one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: ProducerId,
    /// The number of ids.
    pub count: i32,
}
