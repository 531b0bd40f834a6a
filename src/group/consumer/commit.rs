//! Who may commit and fetch offsets of a consumer group.
//!
//! | request | in an empty group | in a group with members |
//! | --- | --- | --- |
//! | commit without an epoch (-1) | accepted | `UNKNOWN_MEMBER_ID`, or `STALE_MEMBER_EPOCH` if the member exists |
//! | commit with the member's epoch | `UNKNOWN_MEMBER_ID` | accepted |
//! | commit with an older epoch | the same | accepted if the member had all of these partitions at that epoch (KIP-1251) |
//! | commit with a newer epoch | the same | `STALE_MEMBER_EPOCH` |
//! | commit in a transaction that names nobody | accepted | accepted |
//! | fetch without a member and an epoch | accepted | accepted |
//! | fetch with the member's epoch, only | `UNKNOWN_MEMBER_ID` | accepted |
//!
//! A member that speaks the classic protocol knows its epoch as a generation: it gets `ILLEGAL_GENERATION` instead. A
//! client that knows only OffsetCommit below version 9 cannot be a member of the new protocol. In Kafka one partition
//! that is not the member's fails the request as a whole.

use super::{ConsumerGroup, Member};
use crate::base::ErrorCode;
use crate::group::asks::{CommitOffsets, OffsetToCommit};

impl ConsumerGroup {
    /// Whether the offsets that `counts` may be committed.
    pub(in crate::group) fn allow_commit(
        &self,
        commit: &CommitOffsets,
        is_transactional: bool,
        counts: impl Fn(&OffsetToCommit) -> bool,
    ) -> Result<(), ErrorCode> {
        let epoch = commit.generation;
        if epoch < 0 && self.is_empty() {
            return Ok(());
        }
        let names_nobody = epoch == -1 && commit.member.is_empty() && commit.instance.is_none();
        if is_transactional && names_nobody {
            return Ok(());
        }
        let member = self.member(&commit.member);
        let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if !is_transactional && !member.is_classic() && !commit.knows_member_epochs {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let had = |offset: &OffsetToCommit| {
            let at = (offset.topic_id, offset.at.partition);
            let held = member.assigned.get(at.0, at.1);
            let held = held.or_else(|| member.pending_revocation.get(at.0, at.1));
            held.is_some_and(|held| held.since <= epoch)
        };
        let is_former = epoch < member.epoch;
        let mut offsets = commit.offsets.iter().filter(|offset| counts(offset));
        if epoch == member.epoch || (is_former && offsets.all(had)) {
            Ok(())
        } else {
            Err(stale(member))
        }
    }

    /// Whether offsets may be fetched.
    pub(in crate::group) fn allow_fetch(
        &self,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        let Some(member) = member else {
            return if epoch < 0 {
                Ok(())
            } else {
                Err(ErrorCode::UNKNOWN_MEMBER_ID)
            };
        };
        let member = self.member(member).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if member.epoch == epoch {
            Ok(())
        } else {
            Err(stale(member))
        }
    }
}

fn stale(member: &Member) -> ErrorCode {
    if member.is_classic() {
        ErrorCode::ILLEGAL_GENERATION
    } else {
        ErrorCode::STALE_MEMBER_EPOCH
    }
}
