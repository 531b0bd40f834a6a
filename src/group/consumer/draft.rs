//! What a decision about a consumer group comes to, before it is sure that nothing is refused.

use std::sync::Arc;
use std::time::Duration;

use super::asks::Expressions;
use super::member::{Member, MemberState};
use super::{ConsumerGroup, records};
use crate::base::{KeyValue, TimerChange};
use crate::group::registry::TimerKey;

/// A decision in progress.
#[derive(Debug, Default)]
pub(in crate::group) struct Draft {
    pub(in crate::group) records: Vec<KeyValue>,
    pub(in crate::group) timers: Vec<TimerChange<TimerKey>>,
    /// The group epoch, if the group's topics were looked at.
    pub(in crate::group) refreshed: Option<i32>,
    /// The regular expressions to look up.
    pub(in crate::group) resolve: Option<Expressions>,
}

impl Draft {
    pub(super) fn write(&mut self, record: KeyValue) {
        self.records.push(record);
    }

    /// Writes that the member is gone.
    pub(super) fn write_removal(&mut self, group: &str, member: &str) {
        self.write(records::current_assignment_tombstone(group, member));
        self.write(records::target_member_tombstone(group, member));
        self.write(records::member_metadata_tombstone(group, member));
    }

    /// Writes what the member has now, and bounds how long it may take to give up what it must.
    pub(super) fn write_current(&mut self, group: &Arc<str>, member: &Member) {
        self.write(records::current_assignment(group, member));
        if member.is_classic() {
            return;
        }
        let key = rebalance_key(group, &member.id);
        if member.state == MemberState::UnrevokedPartitions {
            self.set(key, member.rebalance_timeout_ms);
        } else {
            self.timers.push(TimerChange::Cancel(key));
        }
    }

    /// The member's session begins again.
    pub(super) fn begin_session(&mut self, group: &Arc<str>, member: &Arc<str>, timeout_ms: i32) {
        self.set(session_key(group, member), timeout_ms);
    }

    /// All timers of a member begin again.
    pub(super) fn resume(&mut self, group: &Arc<str>, member: &Member, session_ms: i32) {
        self.begin_session(group, &member.id, session_ms);
        if member.state == MemberState::UnrevokedPartitions && !member.is_classic() {
            self.set(
                rebalance_key(group, &member.id),
                member.rebalance_timeout_ms,
            );
        }
    }

    /// The timers of a member that is gone.
    pub(super) fn cancel_timers(&mut self, group: &ConsumerGroup, member: &Arc<str>) {
        let group = group.id();
        for key in [session_key(group, member), rebalance_key(group, member)] {
            self.timers.push(TimerChange::Cancel(key));
        }
    }

    /// Times come from clients and may be negative.
    pub(super) fn set(&mut self, key: TimerKey, milliseconds: i32) {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
        let after = Duration::from_millis(milliseconds);
        self.timers.push(TimerChange::Set(key, after));
    }
}

fn session_key(group: &Arc<str>, member: &Arc<str>) -> TimerKey {
    TimerKey::Session {
        group: Arc::clone(group),
        member: Arc::clone(member),
    }
}

fn rebalance_key(group: &Arc<str>, member: &Arc<str>) -> TimerKey {
    TimerKey::Revocation {
        group: Arc::clone(group),
        member: Arc::clone(member),
    }
}
