//! OffsetCommit and TxnOffsetCommit.

use std::sync::Arc;

use super::pending;
use crate::base::{ErrorCode, TopicPartition};
use crate::group::asks::{CommitInTransaction, CommitOffsets, CommitOffsetsReply, OffsetToCommit};
use crate::group::classic::{Group, StateName};
use crate::group::consumer::ConsumerGroup;
use crate::group::records::{CommittedOffset, offset_record};
use crate::group::registry::{Registry, Settings, Turn};
use crate::schema::MAX_STRING;

impl Registry {
    pub(crate) fn commit_offsets(
        &self,
        commit: CommitOffsets,
        turn: &mut Turn<'_>,
    ) -> CommitOffsetsReply {
        if let Err(error) = self.validate_commit(&commit) {
            return refused(commit, error);
        }
        if let Some(group) = self.groups.get(&commit.group)
            && matches!(
                group.state(),
                StateName::Stable | StateName::PreparingRebalance
            )
        {
            group.renew_session(&commit.member, turn);
        }
        commit_all(commit, turn)
    }

    pub(crate) fn commit_in_transaction(
        &self,
        ask: CommitInTransaction,
        turn: &mut Turn<'_>,
    ) -> CommitOffsetsReply {
        let CommitInTransaction {
            transaction,
            commit,
        } = ask;
        let allowed = self.validate_commit_in_transaction(&commit).and_then(|()| {
            let more = pending::cost_of(&commit.group, &commit.offsets);
            self.allow_pending(&commit.group, more)
        });
        if let Err(error) = allowed {
            return refused(commit, error);
        }
        turn.write_under(transaction);
        commit_all(commit, turn)
    }

    /// The same for a consumer group, which knows the partitions of each member (`consumer/commit.rs`).
    fn validate_in_consumer_group(
        &self,
        group: &ConsumerGroup,
        commit: &CommitOffsets,
        is_transactional: bool,
    ) -> Result<(), ErrorCode> {
        let counts = |offset: &OffsetToCommit| {
            let metadata = offset.metadata.as_deref().unwrap_or_default();
            !is_too_large(metadata, &self.settings)
        };
        group.allow_commit(commit, is_transactional, counts)
    }

    /// Who may commit in a transaction (KIP-447): a member of the generation, in any state of the group, and everybody
    /// who says nothing of a member and a generation. The producer's epoch fences the others.
    fn validate_commit_in_transaction(&self, commit: &CommitOffsets) -> Result<(), ErrorCode> {
        if commit.group.is_empty() || commit.group.len() > MAX_STRING {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if let Some(group) = self.consumer(&commit.group) {
            return self.validate_in_consumer_group(group, commit, true);
        }
        let Some(group) = self.groups.get(&commit.group) else {
            return match self.unserved(&commit.group) {
                Some(unserved) => unserved
                    .allow_commit_in_transaction(commit.generation >= 0, is_by_member(commit)),
                None if commit.generation >= 0 => Err(ErrorCode::GROUP_ID_NOT_FOUND),
                None => Ok(()),
            };
        };
        let is_outside = commit.generation < 0 && group.state() == StateName::Empty;
        if is_outside || !is_by_member(commit) {
            return Ok(());
        }
        validate_member(group, commit)
    }

    /// Who may commit: a member of the generation, unless an assignment is being made (its partitions could belong to
    /// another member by then). A client outside of group management may commit as long as the group has no members.
    fn validate_commit(&self, commit: &CommitOffsets) -> Result<(), ErrorCode> {
        if commit.group.len() > MAX_STRING {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        if let Some(group) = self.consumer(&commit.group) {
            return self.validate_in_consumer_group(group, commit, false);
        }
        let Some(group) = self.groups.get(&commit.group) else {
            let is_managed = commit.generation >= 0;
            if let Some(unserved) = self.unserved(&commit.group) {
                return unserved.allow_commit(is_managed);
            }
            return if is_managed {
                Err(ErrorCode::GROUP_ID_NOT_FOUND)
            } else {
                Ok(())
            };
        };
        if commit.generation < 0 && group.state() == StateName::Empty {
            return Ok(());
        }
        validate_member(group, commit)?;
        if group.state() == StateName::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }
}

/// Whether the client says that it is a member.
fn is_by_member(commit: &CommitOffsets) -> bool {
    commit.generation >= 0 || !commit.member.is_empty() || commit.instance.is_some()
}

fn refused(commit: CommitOffsets, error: ErrorCode) -> CommitOffsetsReply {
    let refused = commit.offsets.into_iter().map(|offset| (offset.at, error));
    CommitOffsetsReply {
        partitions: refused.collect(),
    }
}

fn commit_all(commit: CommitOffsets, turn: &mut Turn<'_>) -> CommitOffsetsReply {
    let mut partitions = Vec::with_capacity(commit.offsets.len());
    for offset in commit.offsets {
        partitions.push(commit_one(&commit.group, commit.retention_ms, offset, turn));
    }
    CommitOffsetsReply { partitions }
}

fn validate_member(group: &Group, commit: &CommitOffsets) -> Result<(), ErrorCode> {
    if !is_by_member(commit) {
        return Err(ErrorCode::UNKNOWN_MEMBER_ID);
    }
    group.validate(&commit.member, commit.instance.as_ref())?;
    if commit.generation == group.generation() {
        Ok(())
    } else {
        Err(ErrorCode::ILLEGAL_GENERATION)
    }
}

fn is_too_large(metadata: &str, settings: &Settings) -> bool {
    // Kafka counts in UTF-16 units, and clients know the limit in this unit.
    let length = metadata.encode_utf16().count();
    let allowed = usize::try_from(settings.offset_metadata_max_bytes).unwrap_or(0);
    length > allowed || metadata.len() > MAX_STRING
}

fn commit_one(
    group: &Arc<str>,
    retention_ms: Option<i64>,
    commit: OffsetToCommit,
    turn: &mut Turn<'_>,
) -> (TopicPartition, ErrorCode) {
    let metadata = commit.metadata.unwrap_or_else(|| "".into());
    if commit.at.topic.len() > MAX_STRING {
        return (commit.at, ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if is_too_large(&metadata, turn.settings) {
        return (commit.at, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let committed = CommittedOffset {
        offset: commit.offset,
        leader_epoch: commit.leader_epoch,
        metadata,
        committed: turn.now,
        expires: retention_ms.map(|retention_ms| turn.now.plus_millis(retention_ms)),
        topic_id: commit.topic_id,
    };
    turn.write(offset_record(group, &commit.at, &committed));
    (commit.at, ErrorCode::NONE)
}
