//! CONTRACT STUB: image.
use std::collections::BTreeMap;
use std::sync::Arc;
use crate::base::{DirectoryId, LeaderEpoch, NodeId, Offset, TopicId};
/// Everything the cluster has agreed on, at one offset of the metadata log. Never changed once published; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Image {}
/// One topic.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct TopicImage { pub name: Arc<str>, pub id: TopicId, /** index = partition number */ pub partitions: Vec<PartitionImage> }
/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct PartitionImage {
    pub replicas: Vec<NodeId>, pub isr: Vec<NodeId>, pub removing_replicas: Vec<NodeId>, pub adding_replicas: Vec<NodeId>,
    pub leader: NodeId, pub leader_epoch: LeaderEpoch, pub partition_epoch: i32, pub leader_recovery_state: i8,
    pub directories: Vec<DirectoryId>, pub eligible_leader_replicas: Vec<NodeId>, pub last_known_elr: Vec<NodeId>,
}
/// One registered broker.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct BrokerImage { pub id: NodeId, pub epoch: i64, pub endpoints: Vec<BrokerEndpoint>, pub rack: Option<String>, pub fenced: bool, pub directories: Vec<DirectoryId>, pub in_controlled_shutdown: bool }
/// One advertised listener of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BrokerEndpoint { pub name: String, pub host: String, pub port: u16, pub security_protocol: i16 }
impl Image {
    /// Offset of the last record applied.
    pub fn offset(&self) -> Offset { todo!() }
    /// By name.
    pub fn topic(&self, _name: &str) -> Option<&Arc<TopicImage>> { todo!() }
    /// By id.
    pub fn topic_by_id(&self, _id: TopicId) -> Option<&Arc<TopicImage>> { todo!() }
    /// All topics, ordered by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> { std::iter::empty() }
    /// Dynamic config overrides of a topic (name -> value), empty when none.
    pub fn topic_configs(&self, _name: &str) -> &BTreeMap<String, String> { todo!() }
    /// Registered brokers by id.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> { std::iter::empty() }
    /// Finalized feature levels (name -> level).
    pub fn features(&self) -> &BTreeMap<String, i16> { todo!() }
}
