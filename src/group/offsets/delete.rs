//! Offsets that an administrator deletes, and groups that are deleted with their offsets.

use super::GroupOffsets;
use crate::base::{ErrorCode, TopicPartition};
use crate::group::asks::{DeleteGroup, DeleteOffsets, DeleteOffsetsReply};
use crate::group::classic::{Group, Provisional, StateName};
use crate::group::records::{group_tombstone, offset_tombstone};
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
            if committed.is_some_and(|offsets| offsets.contains_key(&at))
                || self.pending.has(&delete.group, &at)
            {
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
            let unserved = self.unserved(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            return unserved.allow_deletion();
        };
        // Only for consumer groups is it known what they read, and so which offsets can be deleted while they run.
        if group.state() != StateName::Empty && !group.is_consumer_group() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        Ok(())
    }

    pub(crate) fn delete_group(&self, delete: &DeleteGroup, turn: &mut Turn<'_>) -> ErrorCode {
        let Some(group) = self.groups.get(&delete.group) else {
            return self.delete_unserved(&delete.group, turn);
        };
        if group.state() != StateName::Empty {
            return ErrorCode::NON_EMPTY_GROUP;
        }
        self.delete_all_offsets(&delete.group, turn);
        group.forget_pending(turn);
        turn.write_for(group.id(), group_tombstone(&delete.group), Provisional::End);
        ErrorCode::NONE
    }

    fn delete_unserved(&self, id: &str, turn: &mut Turn<'_>) -> ErrorCode {
        let Some(unserved) = self.unserved(id) else {
            return ErrorCode::GROUP_ID_NOT_FOUND;
        };
        if let Err(error) = unserved.allow_deletion() {
            return error;
        }
        self.delete_all_offsets(id, turn);
        unserved
            .tombstones()
            .for_each(|tombstone| turn.write(tombstone));
        ErrorCode::NONE
    }

    fn delete_all_offsets(&self, group: &str, turn: &mut Turn<'_>) {
        let committed = self.offsets.of_group(group);
        for at in committed.into_iter().flat_map(GroupOffsets::keys) {
            turn.write(offset_tombstone(group, at));
        }
        // They would come back with the end of their transactions.
        for (at, _) in self.pending.of_group(group) {
            if committed.is_none_or(|offsets| !offsets.contains_key(at)) {
                turn.write(offset_tombstone(group, at));
            }
        }
    }
}
