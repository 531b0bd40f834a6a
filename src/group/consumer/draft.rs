//! What a decision about a consumer group comes to, before it is sure that nothing is refused.

use std::sync::Arc;
use std::time::Duration;

use super::asks::Expressions;
use super::downgrade::Downgrade;
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
    /// Whether a classic group makes way for this one.
    pub(in crate::group) upgrades: bool,
    /// How the group becomes a classic one, if it does.
    pub(in crate::group) downgrade: Option<Downgrade>,
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
        let is_classic = group
            .member(member)
            .is_some_and(|member| member.is_classic());
        let group = group.id();
        for key in [session_key(group, member), rebalance_key(group, member)] {
            self.timers.push(TimerChange::Cancel(key));
        }
        if is_classic {
            self.end_rejoin(group, member);
            self.end_sync(group, member);
        }
    }

    /// A classic member is told to join again, and must do so in its rebalance timeout from the first time on.
    pub(super) fn await_rejoin(&mut self, group: &Arc<str>, member: &Member) {
        let after = duration(member.rebalance_timeout_ms);
        let key = rejoin_key(group, &member.id);
        self.timers.push(TimerChange::Start(key, after));
    }

    pub(super) fn end_rejoin(&mut self, group: &Arc<str>, member: &Arc<str>) {
        self.timers
            .push(TimerChange::Cancel(rejoin_key(group, member)));
    }

    /// A classic member has joined, and must ask for its assignment.
    pub(super) fn await_sync(&mut self, group: &Arc<str>, member: &Arc<str>, timeout_ms: i32) {
        self.set(sync_key(group, member), timeout_ms);
    }

    pub(super) fn end_sync(&mut self, group: &Arc<str>, member: &Arc<str>) {
        self.timers
            .push(TimerChange::Cancel(sync_key(group, member)));
    }

    pub(super) fn set(&mut self, key: TimerKey, milliseconds: i32) {
        self.timers
            .push(TimerChange::Set(key, duration(milliseconds)));
    }
}

/// Times come from clients and may be negative.
fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
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

fn rejoin_key(group: &Arc<str>, member: &Arc<str>) -> TimerKey {
    TimerKey::Rejoin {
        group: Arc::clone(group),
        member: Arc::clone(member),
    }
}

fn sync_key(group: &Arc<str>, member: &Arc<str>) -> TimerKey {
    TimerKey::MemberSync {
        group: Arc::clone(group),
        member: Arc::clone(member),
    }
}
