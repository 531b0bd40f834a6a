//! Offsets that go: because an administrator says so, because their topic is gone, or because
//! nobody has used them for long. And groups that go with their offsets.

use super::{GroupOffsets, is_same_life};
use crate::base::{ErrorCode, Timestamp, TopicPartition};
use crate::group::classic::{Group, Provisional, StateName};
use crate::group::command::{DeleteGroup, DeleteOffsets, DeleteOffsetsReply, DeletedTopic};
use crate::group::records::{CommittedOffset, group_tombstone, offset_tombstone};
use crate::group::registry::{Registry, Turn};

impl Registry {
    pub(crate) fn delete_offsets(
        &self,
        delete: DeleteOffsets,
        turn: &mut Turn<'_>,
    ) -> DeleteOffsetsReply {
        let refused = |error| DeleteOffsetsReply {
            error,
            partitions: Vec::new(),
        };
        if delete.group.is_empty() {
            return refused(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get(&delete.group);
        if let Err(error) = self.allow_deletion_of_offsets(&delete.group, group) {
            return refused(error);
        }
        let committed = self.offsets.of_group(&delete.group);
        let mut delete_one = |at: TopicPartition| {
            if group.is_some_and(|group| group.is_subscribed_to(&at.topic)) {
                return (at, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
            }
            if committed.is_some_and(|offsets| offsets.contains_key(&at)) {
                turn.write(offset_tombstone(&delete.group, &at));
            }
            (at, ErrorCode::NONE)
        };
        let partitions = delete.partitions.into_iter().map(&mut delete_one).collect();
        DeleteOffsetsReply {
            error: ErrorCode::NONE,
            partitions,
        }
    }

    fn allow_deletion_of_offsets(&self, id: &str, group: Option<&Group>) -> Result<(), ErrorCode> {
        let Some(group) = group else {
            let foreign = self.foreign(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            return foreign.allow_deletion();
        };
        // Only of consumers is it known what they read, and so what can go while they run.
        if group.state() != StateName::Empty && !group.is_consumer_group() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        Ok(())
    }

    pub(crate) fn delete_group(&self, delete: &DeleteGroup, turn: &mut Turn<'_>) -> ErrorCode {
        let Some(group) = self.groups.get(&delete.group) else {
            return self.delete_foreign(&delete.group, turn);
        };
        if group.state() != StateName::Empty {
            return ErrorCode::NON_EMPTY_GROUP;
        }
        self.delete_all_offsets(&delete.group, turn);
        group.forget_pending(turn);
        turn.write_for(group.id(), group_tombstone(&delete.group), Provisional::End);
        ErrorCode::NONE
    }

    fn delete_foreign(&self, id: &str, turn: &mut Turn<'_>) -> ErrorCode {
        let Some(foreign) = self.foreign(id) else {
            return ErrorCode::GROUP_ID_NOT_FOUND;
        };
        if let Err(error) = foreign.allow_deletion() {
            return error;
        }
        self.delete_all_offsets(id, turn);
        foreign
            .tombstones()
            .for_each(|tombstone| turn.write(tombstone));
        ErrorCode::NONE
    }

    fn delete_all_offsets(&self, group: &str, turn: &mut Turn<'_>) {
        for at in self
            .offsets
            .of_group(group)
            .into_iter()
            .flat_map(GroupOffsets::keys)
        {
            turn.write(offset_tombstone(group, at));
        }
    }

    /// Offsets in topics that are gone mean nothing, and would be taken for offsets in a topic that
    /// is made anew under the same name.
    pub(crate) fn forget_topics(&self, topics: &[DeletedTopic], turn: &mut Turn<'_>) {
        let is_gone = |at: &TopicPartition, offset: &CommittedOffset| {
            topics
                .iter()
                .any(|t| t.name == at.topic && is_same_life(t.id, offset.topic_id))
        };
        for (group, offsets) in self.offsets.iter() {
            for (at, _) in offsets.iter().filter(|(at, offset)| is_gone(at, offset)) {
                turn.write(offset_tombstone(group, at));
            }
        }
    }

    /// Removes offsets whose time is up, and empty groups that have none left.
    pub(crate) fn expire_offsets(&self, turn: &mut Turn<'_>) {
        for (id, group) in self.groups.iter() {
            let offsets = self.offsets.of_group(id);
            let all_expired = offsets.is_none_or(|offsets| expire_group(group, offsets, turn));
            if all_expired && group.is_deserted() {
                turn.write(group_tombstone(id));
            }
        }
    }
}

/// Removes what is expired of one group's offsets; whether nothing is left.
fn expire_group(group: &Group, offsets: &GroupOffsets, turn: &mut Turn<'_>) -> bool {
    let mut all_expired = true;
    for (at, offset) in offsets {
        if !group.is_subscribed_to(&at.topic) && is_expired(group, offset, turn) {
            turn.write(offset_tombstone(group.id(), at));
        } else {
            all_expired = false;
        }
    }
    all_expired
}

fn is_expired(group: &Group, offset: &CommittedOffset, turn: &Turn<'_>) -> bool {
    match unused_since(group, offset) {
        None => false,
        Some(since) => match offset.expires {
            Some(expires) => turn.now >= expires,
            None => turn.now.millis_since(since) >= turn.settings.offsets_retention_ms,
        },
    }
}

/// Since when an offset that the group does not subscribe to counts as unused; nothing while it may
/// be in use.
///
/// A group that had members uses all of its offsets until the last one is gone. While it has some,
/// only a consumer group that is not between two generations tells what it does not read. A group
/// that only commits has nothing but its commits to go by.
fn unused_since(group: &Group, offset: &CommittedOffset) -> Option<Timestamp> {
    let committed = Some(offset.committed);
    if group.protocol_type().is_none() {
        return committed;
    }
    match group.state() {
        StateName::Empty => group.since().or(committed),
        StateName::Stable if group.knows_subscription() => committed,
        _ => None,
    }
}
