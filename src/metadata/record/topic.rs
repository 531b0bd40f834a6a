//! Records about topics and partitions.

use super::Message;
use crate::base::{DirectoryId, LeaderEpoch, NodeId, TopicId};
use crate::schema::{DecodeError, Reader, Tags, Writer};

fn node(reader: &mut Reader<'_>) -> Result<NodeId, DecodeError> {
    reader.int32().map(NodeId)
}

fn write_nodes(writer: &mut Writer, nodes: &[NodeId]) {
    writer.array(nodes, |writer, node| writer.int32(node.0));
}

fn write_directories(writer: &mut Writer, directories: &[DirectoryId]) {
    writer.array(directories, |writer, id| writer.uuid(*id));
}

/// A topic is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub topic_id: TopicId,
}

impl Message for Topic {
    const TYPE: u32 = 2;
    const NAME: &'static str = "TopicRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            name: reader.string()?,
            topic_id: reader.uuid()?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(&self.name);
        writer.uuid(self.topic_id);
        writer.no_tagged_fields();
    }
}

/// A topic is deleted, with its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveTopic {
    /// The topic.
    pub topic_id: TopicId,
}

impl Message for RemoveTopic {
    const TYPE: u32 = 9;
    const NAME: &'static str = "RemoveTopicRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            topic_id: reader.uuid()?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.uuid(self.topic_id);
        writer.no_tagged_fields();
    }
}

/// The eligible leader replicas of a topic are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearElr {
    /// The topic; empty for all topics.
    pub topic_name: String,
}

impl Message for ClearElr {
    const TYPE: u32 = 28;
    const NAME: &'static str = "ClearElrRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            topic_name: reader.string()?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(&self.topic_name);
        writer.no_tagged_fields();
    }
}

/// A partition is created, or (in a snapshot) has this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// Its topic.
    pub topic_id: TopicId,
    /// The replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// The replicas that a reassignment removes.
    pub removing_replicas: Vec<NodeId>,
    /// The replicas that a reassignment adds.
    pub adding_replicas: Vec<NodeId>,
    /// The leader; [`NodeId::NONE`] for none.
    pub leader: NodeId,
    /// 0 recovered, 1 recovering from an unclean election.
    pub leader_recovery_state: i8,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch.
    pub partition_epoch: i32,
    /// The directory of each replica; empty in records older than 3.7.
    pub directories: Vec<DirectoryId>,
    /// Replicas outside the ISR that have all committed records.
    pub eligible_leader_replicas: Vec<NodeId>,
    /// Replicas that once were eligible.
    pub last_known_elr: Vec<NodeId>,
}

impl Message for Partition {
    const TYPE: u32 = 3;
    const NAME: &'static str = "PartitionRecord";
    const HIGHEST_VERSION: u32 = 2;

    fn read(reader: &mut Reader<'_>, version: u32) -> Result<Self, DecodeError> {
        let mut record = Self {
            partition: reader.int32()?,
            topic_id: reader.uuid()?,
            replicas: reader.array(node)?,
            isr: reader.array(node)?,
            removing_replicas: reader.array(node)?,
            adding_replicas: reader.array(node)?,
            leader: node(reader)?,
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(reader.int32()?),
            partition_epoch: reader.int32()?,
            directories: if version >= 1 {
                reader.array(Reader::uuid)?
            } else {
                Vec::new()
            },
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        };
        reader.tagged_fields(|tag, field| {
            match (tag, version) {
                (0, _) => record.leader_recovery_state = field.int8()?,
                (1, 2..) => {
                    record.eligible_leader_replicas =
                        field.nullable_array(node)?.unwrap_or_default();
                }
                (2, 2..) => record.last_known_elr = field.nullable_array(node)?.unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.partition);
        writer.uuid(self.topic_id);
        write_nodes(writer, &self.replicas);
        write_nodes(writer, &self.isr);
        write_nodes(writer, &self.removing_replicas);
        write_nodes(writer, &self.adding_replicas);
        writer.int32(self.leader.0);
        writer.int32(self.leader_epoch.0);
        writer.int32(self.partition_epoch);
        write_directories(writer, &self.directories);
        let mut tags = Tags::default();
        if self.leader_recovery_state != 0 {
            tags.add(0, |field| field.int8(self.leader_recovery_state));
        }
        if !self.eligible_leader_replicas.is_empty() {
            tags.add(1, |field| {
                write_nodes(field, &self.eligible_leader_replicas)
            });
        }
        if !self.last_known_elr.is_empty() {
            tags.add(2, |field| write_nodes(field, &self.last_known_elr));
        }
        writer.tagged_fields(&tags);
    }
}

/// Some fields of a partition change; what is `None` stays. Every change raises the partition epoch
/// by one, and one that names a leader (even the same) raises the leader epoch by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionChange {
    /// The partition's number.
    pub partition: i32,
    /// Its topic.
    pub topic_id: TopicId,
    /// The new ISR.
    pub isr: Option<Vec<NodeId>>,
    /// The new leader; [`NodeId::NONE`] for none.
    pub leader: Option<NodeId>,
    /// The new replicas.
    pub replicas: Option<Vec<NodeId>>,
    /// The new list of replicas that are removed.
    pub removing_replicas: Option<Vec<NodeId>>,
    /// The new list of replicas that are added.
    pub adding_replicas: Option<Vec<NodeId>>,
    /// The new recovery state.
    pub leader_recovery_state: Option<i8>,
    /// The new directories, one for each replica.
    pub directories: Option<Vec<DirectoryId>>,
    /// The new eligible leader replicas.
    pub eligible_leader_replicas: Option<Vec<NodeId>>,
    /// The new last known eligible leader replicas.
    pub last_known_elr: Option<Vec<NodeId>>,
}

/// Kafka's number for "the leader stays".
const LEADER_UNCHANGED: i32 = -2;

impl PartitionChange {
    /// A change without effect.
    pub const fn none(topic_id: TopicId, partition: i32) -> Self {
        Self {
            partition,
            topic_id,
            isr: None,
            leader: None,
            replicas: None,
            removing_replicas: None,
            adding_replicas: None,
            leader_recovery_state: None,
            directories: None,
            eligible_leader_replicas: None,
            last_known_elr: None,
        }
    }
}

impl Message for PartitionChange {
    const TYPE: u32 = 5;
    const NAME: &'static str = "PartitionChangeRecord";
    const HIGHEST_VERSION: u32 = 2;

    fn read(reader: &mut Reader<'_>, version: u32) -> Result<Self, DecodeError> {
        let partition = reader.int32()?;
        let mut record = Self::none(reader.uuid()?, partition);
        reader.tagged_fields(|tag, field| {
            match (tag, version) {
                (0, _) => record.isr = field.nullable_array(node)?,
                (1, _) => {
                    let leader = field.int32()?;
                    record.leader = (leader != LEADER_UNCHANGED).then_some(NodeId(leader));
                }
                (2, _) => record.replicas = field.nullable_array(node)?,
                (3, _) => record.removing_replicas = field.nullable_array(node)?,
                (4, _) => record.adding_replicas = field.nullable_array(node)?,
                (5, _) => {
                    let state = field.int8()?;
                    record.leader_recovery_state = (state != -1).then_some(state);
                }
                (6, 2..) => record.eligible_leader_replicas = field.nullable_array(node)?,
                (7, 2..) => record.last_known_elr = field.nullable_array(node)?,
                (8, 1..) => record.directories = field.nullable_array(Reader::uuid)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.partition);
        writer.uuid(self.topic_id);
        let mut tags = Tags::default();
        let nodes = |tags: &mut Tags, tag, nodes: &Option<Vec<NodeId>>| {
            if let Some(nodes) = nodes {
                tags.add(tag, |field| write_nodes(field, nodes));
            }
        };
        nodes(&mut tags, 0, &self.isr);
        if let Some(leader) = self.leader {
            tags.add(1, |field| field.int32(leader.0));
        }
        nodes(&mut tags, 2, &self.replicas);
        nodes(&mut tags, 3, &self.removing_replicas);
        nodes(&mut tags, 4, &self.adding_replicas);
        if let Some(state) = self.leader_recovery_state {
            tags.add(5, |field| field.int8(state));
        }
        nodes(&mut tags, 6, &self.eligible_leader_replicas);
        nodes(&mut tags, 7, &self.last_known_elr);
        if let Some(directories) = &self.directories {
            tags.add(8, |field| write_directories(field, directories));
        }
        writer.tagged_fields(&tags);
    }
}
