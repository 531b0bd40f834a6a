//! The records of consumer groups, in Kafka's own schemas. All values have version 0, which is flexible.
//!
//! ```text
//! key 3    group                the group: epoch, hash of the topics that it reads (tag 0)
//! key 4    group                the topics that it reads, of Kafka before 4.1: only whether there is one counts
//! key 5    group, member        a member: instance, rack, client id, client host, topic names, expression,
//!                               rebalance timeout, assignor, what a classic member said (tag 0)
//! key 6    group                the target assignment: epoch, when it was made (tag 0)
//! key 7    group, member        a member's target: topic ids and their partitions
//! key 8    group, member        what a member has: epoch, previous epoch, state, assigned partitions and those to
//!                               give up, each with the epoch at which the member got it (tag 0)
//! key 16   group, expression    the topics that match: names, offset of the image, when that was found
//! ```
//!
//! Kafka reads a member whose record lacks the classic part as a classic member without protocols, and writes that
//! part as null for all others. An expression that is not there is written as an empty one.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Assignment, ClassicMember, Held, Member, MemberState, Names, Owned, Resolved, Subscription,
};
use crate::base::{KeyValue, Timestamp, TopicId};
use crate::group::asks::Protocol;
use crate::group::replay::ReplayError;
use crate::schema::{DecodeError, Reader, Tags, Writer};

const GROUP: i16 = 3;
const TOPICS_READ: i16 = 4;
const MEMBER: i16 = 5;
const TARGET_EPOCH: i16 = 6;
const TARGET_MEMBER: i16 = 7;
const CURRENT_ASSIGNMENT: i16 = 8;
const EXPRESSION: i16 = 16;

const VERSION: i16 = 0;
/// Each of these structures has one tagged field.
const ONLY_TAG: u32 = 0;

/// The key of a record of a consumer group, besides the group's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerKey {
    /// The group itself.
    Group,
    /// The topics that it reads, as Kafka wrote them before 4.1.
    TopicsRead,
    /// A member's metadata.
    Member(Arc<str>),
    /// The epoch of the target assignment.
    TargetEpoch,
    /// The target assignment of a member.
    TargetMember(Arc<str>),
    /// What a member has.
    CurrentAssignment(Arc<str>),
    /// The topics of a regular expression.
    Expression(Arc<str>),
}

impl ConsumerKey {
    /// Whether keys of this type belong to consumer groups.
    pub(crate) const fn is_type(key_type: i16) -> bool {
        matches!(key_type, GROUP..=CURRENT_ASSIGNMENT | EXPRESSION)
    }

    /// Reads the rest of a key of such a type, behind the type: the group's id, and what follows it.
    pub(crate) fn read(
        key_type: i16,
        reader: &mut Reader<'_>,
    ) -> Result<(Arc<str>, Self), DecodeError> {
        let group = reader.string()?;
        let key = match key_type {
            GROUP => Self::Group,
            TOPICS_READ => Self::TopicsRead,
            MEMBER => Self::Member(reader.string()?),
            TARGET_EPOCH => Self::TargetEpoch,
            TARGET_MEMBER => Self::TargetMember(reader.string()?),
            CURRENT_ASSIGNMENT => Self::CurrentAssignment(reader.string()?),
            _ => Self::Expression(reader.string()?),
        };
        Ok((group, key))
    }
}

fn value_reader<'a>(record: &'static str, bytes: &'a [u8]) -> Result<Reader<'a>, ReplayError> {
    let mut reader = Reader::new(bytes);
    let version = reader.int16()?;
    if version != VERSION {
        return Err(ReplayError::UnknownVersion { record, version });
    }
    reader.set_flexible(true);
    Ok(reader)
}

/// Reads the value of a group: its epoch and the hash of the topics that it reads.
pub(super) fn decode_group(bytes: &[u8]) -> Result<(i32, i64), ReplayError> {
    let mut reader = value_reader("consumer group metadata", bytes)?;
    let epoch = reader.int32()?;
    let mut hash = 0;
    reader.tagged_fields(|tag, field| {
        if tag == ONLY_TAG {
            hash = field.int64()?;
        }
        Ok(())
    })?;
    Ok((epoch, hash))
}

/// Reads the epoch of a target assignment, and when it was made.
pub(super) fn decode_target_epoch(bytes: &[u8]) -> Result<(i32, Timestamp), ReplayError> {
    let mut reader = value_reader("target assignment metadata", bytes)?;
    let epoch = reader.int32()?;
    let mut made = Timestamp(0);
    reader.tagged_fields(|tag, field| {
        if tag == ONLY_TAG {
            made = Timestamp(field.int64()?);
        }
        Ok(())
    })?;
    Ok((epoch, made))
}

/// Reads the target assignment of a member.
pub(super) fn decode_target_member(bytes: &[u8]) -> Result<Assignment, ReplayError> {
    let mut reader = value_reader("target assignment of a member", bytes)?;
    let topics = reader.array(|reader| {
        let topic = reader.uuid()?;
        let partitions = reader.array(Reader::int32)?;
        reader.no_tagged_fields()?;
        Ok((topic, partitions))
    })?;
    reader.no_tagged_fields()?;
    Ok(Assignment::new(topics))
}

/// Reads a member's metadata. The rest of the member is new.
pub(super) fn decode_member(id: Arc<str>, bytes: &[u8]) -> Result<Member, ReplayError> {
    let mut reader = value_reader("member metadata", bytes)?;
    let mut member = Member::new(id);
    member.instance = reader.nullable_string()?;
    member.rack = reader.nullable_string()?;
    member.client_id = reader.string()?;
    member.client_host = reader.string()?;
    let names = reader.array(Reader::string)?;
    let expression = reader.nullable_string::<Arc<str>>()?;
    member.subscription = Subscription {
        names: Names::new(names),
        expression: expression.filter(|expression| !expression.is_empty()),
    };
    member.rebalance_timeout_ms = reader.int32()?;
    member.assignor = reader.nullable_string()?;
    let mut classic = Some(ClassicMember {
        session_timeout_ms: 0,
        protocols: Arc::new([]),
    });
    reader.tagged_fields(|tag, field| {
        if tag == ONLY_TAG {
            classic = read_classic(field)?;
        }
        Ok(())
    })?;
    member.classic = classic;
    Ok(member)
}

fn read_classic(reader: &mut Reader<'_>) -> Result<Option<ClassicMember>, DecodeError> {
    if reader.unsigned_varint()? == 0 {
        return Ok(None);
    }
    let session_timeout_ms = reader.int32()?;
    let protocols = reader.array(|reader| {
        let protocol = Protocol {
            name: reader.string()?,
            metadata: Bytes::copy_from_slice(reader.bytes()?),
        };
        reader.no_tagged_fields()?;
        Ok(protocol)
    })?;
    reader.no_tagged_fields()?;
    Ok(Some(ClassicMember {
        session_timeout_ms,
        protocols: protocols.into(),
    }))
}

/// Reads what a member has. The rest of the member is new.
pub(super) fn decode_current_assignment(id: Arc<str>, bytes: &[u8]) -> Result<Member, ReplayError> {
    let mut reader = value_reader("current assignment of a member", bytes)?;
    let mut member = Member::new(id);
    member.epoch = reader.int32()?;
    member.previous_epoch = reader.int32()?;
    member.state = MemberState::of_number(reader.int8()?);
    // An older Kafka did not write since when a member has a partition.
    let since = member.epoch.max(0);
    member.assigned = read_owned(&mut reader, since)?;
    member.pending_revocation = read_owned(&mut reader, since)?;
    reader.no_tagged_fields()?;
    Ok(member)
}

fn read_owned(reader: &mut Reader<'_>, otherwise: i32) -> Result<Owned, DecodeError> {
    let topics = reader.array(|reader| {
        let topic = reader.uuid()?;
        let partitions = reader.array(Reader::int32)?;
        let mut epochs = None;
        reader.tagged_fields(|tag, field| {
            if tag == ONLY_TAG {
                epochs = field.nullable_array(Reader::int32)?;
            }
            Ok(())
        })?;
        let epochs = epochs.filter(|epochs| epochs.len() == partitions.len());
        let held = partitions
            .into_iter()
            .enumerate()
            .map(|(place, partition)| Held {
                partition,
                since: epochs.as_ref().map_or(otherwise, |epochs| epochs[place]),
            });
        Ok((topic, held.collect::<Vec<_>>()))
    })?;
    Ok(Owned::new(topics))
}

/// Reads the topics of a regular expression.
pub(super) fn decode_expression(bytes: &[u8]) -> Result<Resolved, ReplayError> {
    let mut reader = value_reader("regular expression", bytes)?;
    let topics = reader.array(Reader::string)?;
    let resolved = Resolved {
        topics: Names::new(topics),
        version: reader.int64()?,
        timestamp: Timestamp(reader.int64()?),
    };
    reader.no_tagged_fields()?;
    Ok(resolved)
}

fn key(key_type: i16, group: &str, rest: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::starting_with(key_type, false);
    writer.string(group);
    if let Some(rest) = rest {
        writer.string(rest);
    }
    writer.into_bytes()
}

fn value(write: impl FnOnce(&mut Writer)) -> Option<Vec<u8>> {
    let mut writer = Writer::starting_with(VERSION, true);
    write(&mut writer);
    Some(writer.into_bytes())
}

/// A record that something is gone.
const fn tombstone(key: Vec<u8>) -> KeyValue {
    KeyValue { key, value: None }
}

/// The record that the group is at this epoch, and that its topics have this hash.
pub(crate) fn group_metadata(group: &str, epoch: i32, metadata_hash: i64) -> KeyValue {
    let mut tags = Tags::default();
    if metadata_hash != 0 {
        tags.add(ONLY_TAG, |field| field.int64(metadata_hash));
    }
    KeyValue {
        key: key(GROUP, group, None),
        value: value(|writer| {
            writer.int32(epoch);
            writer.tagged_fields(&tags);
        }),
    }
}

/// The record that the group is deleted.
pub(crate) fn group_metadata_tombstone(group: &str) -> KeyValue {
    tombstone(key(GROUP, group, None))
}

/// The record that a record of Kafka before 4.1 is out of use.
pub(crate) fn topics_read_tombstone(group: &str) -> KeyValue {
    tombstone(key(TOPICS_READ, group, None))
}

/// The record of a member's metadata.
pub(crate) fn member_metadata(group: &str, member: &Member) -> KeyValue {
    let mut tags = Tags::default();
    match &member.classic {
        None => tags.add(ONLY_TAG, |field| field.unsigned_varint(0)),
        Some(classic) if classic.session_timeout_ms == 0 && classic.protocols.is_empty() => {}
        Some(classic) => tags.add(ONLY_TAG, |field| write_classic(field, classic)),
    }
    KeyValue {
        key: key(MEMBER, group, Some(&member.id)),
        value: value(|writer| {
            writer.nullable_string(member.instance.as_deref());
            writer.nullable_string(member.rack.as_deref());
            writer.string(&member.client_id);
            writer.string(&member.client_host);
            let names = member.subscription.names.as_slice();
            writer.array(names, |writer, name| writer.string(name));
            let expression = member.subscription.expression.as_deref();
            writer.string(expression.unwrap_or_default());
            writer.int32(member.rebalance_timeout_ms);
            writer.nullable_string(member.assignor.as_deref());
            writer.tagged_fields(&tags);
        }),
    }
}

fn write_classic(writer: &mut Writer, classic: &ClassicMember) {
    writer.unsigned_varint(1);
    writer.int32(classic.session_timeout_ms);
    writer.array(&classic.protocols, |writer, protocol| {
        writer.string(&protocol.name);
        writer.bytes(&protocol.metadata);
        writer.no_tagged_fields();
    });
    writer.no_tagged_fields();
}

/// The record that a member is gone.
pub(crate) fn member_metadata_tombstone(group: &str, member: &str) -> KeyValue {
    tombstone(key(MEMBER, group, Some(member)))
}

/// The record that the target assignment has this epoch.
pub(crate) fn target_epoch(group: &str, epoch: i32, made: Timestamp) -> KeyValue {
    let mut tags = Tags::default();
    if made != Timestamp(0) {
        tags.add(ONLY_TAG, |field| field.int64(made.0));
    }
    KeyValue {
        key: key(TARGET_EPOCH, group, None),
        value: value(|writer| {
            writer.int32(epoch);
            writer.tagged_fields(&tags);
        }),
    }
}

/// The record that there is no target assignment.
pub(crate) fn target_epoch_tombstone(group: &str) -> KeyValue {
    tombstone(key(TARGET_EPOCH, group, None))
}

/// The record of a member's target assignment.
pub(crate) fn target_member(group: &str, member: &str, target: &Assignment) -> KeyValue {
    let topics: Vec<_> = target.topics().collect();
    KeyValue {
        key: key(TARGET_MEMBER, group, Some(member)),
        value: value(|writer| {
            writer.array(&topics, |writer, (topic, partitions)| {
                writer.uuid(*topic);
                writer.array(partitions, |writer, partition| writer.int32(*partition));
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        }),
    }
}

/// The record that a member has no target assignment.
pub(crate) fn target_member_tombstone(group: &str, member: &str) -> KeyValue {
    tombstone(key(TARGET_MEMBER, group, Some(member)))
}

/// The record of what a member has.
pub(crate) fn current_assignment(group: &str, member: &Member) -> KeyValue {
    KeyValue {
        key: key(CURRENT_ASSIGNMENT, group, Some(&member.id)),
        value: value(|writer| {
            writer.int32(member.epoch);
            writer.int32(member.previous_epoch);
            writer.int8(member.state.number());
            write_owned(writer, &member.assigned);
            write_owned(writer, &member.pending_revocation);
            writer.no_tagged_fields();
        }),
    }
}

fn write_owned(writer: &mut Writer, owned: &Owned) {
    let topics: Vec<(TopicId, &Arc<[Held]>)> = owned.topics().collect();
    writer.array(&topics, |writer, (topic, held)| {
        writer.uuid(*topic);
        writer.array(held, |writer, held| writer.int32(held.partition));
        let mut tags = Tags::default();
        tags.add(ONLY_TAG, |field| {
            field.array(held, |field, held| field.int32(held.since));
        });
        writer.tagged_fields(&tags);
    });
}

/// The record that a member has nothing.
pub(crate) fn current_assignment_tombstone(group: &str, member: &str) -> KeyValue {
    tombstone(key(CURRENT_ASSIGNMENT, group, Some(member)))
}

/// The record of the topics that match a regular expression.
pub(crate) fn expression(group: &str, expression: &str, resolved: &Resolved) -> KeyValue {
    KeyValue {
        key: key(EXPRESSION, group, Some(expression)),
        value: value(|writer| {
            let topics = resolved.topics.as_slice();
            writer.array(topics, |writer, topic| writer.string(topic));
            writer.int64(resolved.version);
            writer.int64(resolved.timestamp.0);
            writer.no_tagged_fields();
        }),
    }
}

/// The record that nobody uses a regular expression any more.
pub(crate) fn expression_tombstone(group: &str, expression: &str) -> KeyValue {
    tombstone(key(EXPRESSION, group, Some(expression)))
}

#[cfg(test)]
mod tests;
