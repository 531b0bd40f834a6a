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
        let consumer = self.consumer(&delete.group);
        if consumer.is_none()
            && let Err(error) = self.allow_deletion_of_offsets(&delete.group, group)
        {
            return refused(error);
        }
        let is_read = |topic: &str| {
            group.is_some_and(|group| group.is_subscribed_to(topic))
                || consumer.is_some_and(|group| group.is_subscribed_to(topic))
        };
        let committed = self.offsets.of_group(&delete.group);
        let mut delete_one = |at: TopicPartition| {
            if is_read(&at.topic) {
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
        // Only for groups of consumers is it known what they read, and so which offsets can be deleted while they run.
        if group.state() != StateName::Empty && !group.is_consumer_group() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        Ok(())
    }

    pub(crate) fn delete_group(&self, delete: &DeleteGroup, turn: &mut Turn<'_>) -> ErrorCode {
        let Some(group) = self.groups.get(&delete.group) else {
            return self.delete_other(&delete.group, turn);
        };
        if group.state() != StateName::Empty {
            return ErrorCode::NON_EMPTY_GROUP;
        }
        self.delete_all_offsets(&delete.group, turn);
        group.forget_pending(turn);
        turn.write_for(group.id(), group_tombstone(&delete.group), Provisional::End);
        ErrorCode::NONE
    }

    /// A group that is not classic has no soft state, and ends with its records.
    fn delete_other(&self, id: &str, turn: &mut Turn<'_>) -> ErrorCode {
        let tombstones = match (self.consumer(id), self.unserved(id)) {
            (Some(group), _) => group.allow_deletion().map(|()| group.tombstones()),
            (_, Some(group)) => group
                .allow_deletion()
                .map(|()| group.tombstones().collect()),
            (None, None) => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        };
        let tombstones: Vec<_> = match tombstones {
            Ok(tombstones) => tombstones,
            Err(error) => return error,
        };
        self.delete_all_offsets(id, turn);
        tombstones
            .into_iter()
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
