//! A classic group that becomes a consumer group, and the other way round. Which groups may is decided in
//! `consumer/upgrade.rs` and `consumer/downgrade.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::{Group, Member, Provisional, State, StateName};
use crate::base::{ErrorCode, KeyValue, Timestamp};
use crate::group::registry::Turn;

/// The protocol type of consumers, the only one whose metadata we understand.
pub(super) const CONSUMER: &str = "consumer";

impl Group {
    /// A stable group of these members, which were a consumer group. `assignment` gives each its own, for its metadata
    /// in the chosen protocol.
    pub(crate) fn of_consumers(
        id: Arc<str>,
        generation: i32,
        members: impl Iterator<Item = Member>,
        assignment: impl Fn(&Member, &Bytes) -> Bytes,
        now: Timestamp,
    ) -> Self {
        let mut group = Self::new(id, now);
        group.generation = generation;
        group.protocol_type = Some(CONSUMER.into());
        for member in members {
            group.leader.get_or_insert_with(|| Arc::clone(&member.id));
            if let Some(instance) = &member.instance {
                group
                    .instances
                    .insert(Arc::clone(instance), Arc::clone(&member.id));
            }
            group.members.insert(member);
        }
        group.protocol = group.select_protocol();
        for member in group.members.iter_mut() {
            let metadata = member.metadata(group.protocol.as_ref());
            member.assignment = assignment(member, &metadata);
        }
        group.subscribed = group.read_subscription();
        group.state = State::Stable {
            awaited: BTreeSet::new(),
        };
        group
    }

    /// The record of such a group.
    pub(crate) fn converted_record(&self) -> KeyValue {
        self.generation_record(self.since, |member| member.assignment.clone())
    }

    /// Such a group begins: with a rebalance, if its members have other partitions than they shall have.
    pub(crate) fn begin(&mut self, rebalances: bool, turn: &mut Turn<'_>) {
        for id in self.members.ids() {
            self.renew_session(id, turn);
        }
        if rebalances {
            self.prepare_rebalance(turn);
        }
    }

    /// What a member may still have: the assignment that it was given last, while there is no newer one.
    pub(crate) fn last_assignment<'a>(&'a self, member: &'a Member) -> &'a Bytes {
        let written = self.written.iter().flat_map(|written| &written.members);
        let mut written = written.filter(|written| written.member == member.id);
        match written.next() {
            Some(written) if member.assignment.is_empty() => &written.assignment,
            _ => &member.assignment,
        }
    }

    /// The group becomes a consumer group: clients that wait here must join that one.
    pub(crate) fn give_way(&mut self, turn: &mut Turn<'_>) {
        turn.cancel(self.join_key());
        turn.cancel(self.sync_key());
        self.forget_pending(turn);
        for member in self.members.iter_mut() {
            let id = Arc::clone(&member.id);
            member.dismiss(&id, ErrorCode::REBALANCE_IN_PROGRESS, turn);
        }
        turn.provide(&self.id, Provisional::Upgrade);
    }

    /// The group does not become a consumer group after all.
    pub(super) fn stay(&mut self, turn: &mut Turn<'_>) {
        self.expect_pending(turn);
        match self.state() {
            StateName::PreparingRebalance => {
                turn.set(self.join_key(), self.rebalance_timeout_ms());
            }
            StateName::CompletingRebalance => self.prepare_rebalance(turn),
            StateName::Empty | StateName::Stable | StateName::Dead => {}
        }
    }
}
