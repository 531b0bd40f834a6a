//! A group and its record: its contents, and the effect of its replay.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::{Group, Member, State, StateName};
use crate::base::{KeyValue, Timestamp};
use crate::group::records::{Generation, group_record};

impl Group {
    /// The record of the generation, with the given assignments.
    pub(super) fn generation_record(
        &self,
        since: Option<Timestamp>,
        assignment: impl Fn(&Member) -> Bytes,
    ) -> KeyValue {
        let protocol = self.protocol.as_ref();
        let member = |member: &Member| member.to_record(protocol, assignment(member));
        let members = self.members.iter().map(member).collect();
        let generation = Generation {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since: since.unwrap_or(Timestamp::NONE),
            members,
        };
        group_record(&self.id, &generation)
    }

    /// The record that the last member has left. It has a generation of its own, so that no former member can commit
    /// as if it were still in the group.
    pub(super) fn empty_record(&self, now: Timestamp) -> KeyValue {
        let generation = Generation {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            generation: self.following_generation(),
            protocol: None,
            leader: None,
            since: now,
            members: Vec::new(),
        };
        group_record(&self.id, &generation)
    }

    /// The record that a group exists whose first generation is not formed yet.
    pub(crate) fn birth_record(&self, now: Timestamp) -> KeyValue {
        let generation = Generation {
            protocol_type: "".into(),
            generation: 0,
            protocol: None,
            leader: None,
            since: now,
            members: Vec::new(),
        };
        group_record(&self.id, &generation)
    }

    /// The group from a record in the log.
    pub(crate) fn restored(id: Arc<str>, written: Generation) -> Self {
        let mut group = Self::new(id, Timestamp::NONE);
        group.since = Some(written.since).filter(|since| *since != Timestamp::NONE);
        group.generation = written.generation;
        group.protocol_type = Some(&written.protocol_type)
            .filter(|kind| !kind.is_empty())
            .cloned();
        group.protocol = written.protocol.clone();
        group.leader = written.leader.clone();
        for member in &written.members {
            let member = Member::restored(member, written.protocol.as_ref());
            if let Some(instance) = &member.instance {
                group
                    .instances
                    .insert(Arc::clone(instance), Arc::clone(&member.id));
            }
            group.members.insert(member);
        }
        if !group.members.is_empty() {
            group.state = State::Stable {
                awaited: BTreeSet::new(),
            };
        }
        group.subscribed = group.read_subscription();
        group.written = Some(written);
        group
    }

    /// A record that this group decided on is in the log. Returns the record if it does not fit the group, and so was
    /// not decided here.
    pub(crate) fn adopt(&mut self, written: Generation) -> Result<(), Generation> {
        if written.members.is_empty() {
            self.adopt_empty(written)
        } else {
            self.adopt_members(written)
        }
    }

    fn adopt_empty(&mut self, written: Generation) -> Result<(), Generation> {
        let is_birth = written.generation == 0 && self.generation == 0;
        let is_last_gone = self.state() == StateName::PreparingRebalance
            && self.members.is_empty()
            && written.generation == self.following_generation();
        if is_last_gone {
            self.become_empty(written.generation, written.since);
        } else if !is_birth {
            return Err(written);
        }
        self.written = Some(written);
        Ok(())
    }

    /// The last member has left.
    pub(super) fn become_empty(&mut self, generation: i32, since: Timestamp) {
        self.generation = generation;
        self.protocol = None;
        self.leader = None;
        self.subscribed = self.read_subscription();
        self.enter(State::Empty, since);
    }

    fn adopt_members(&mut self, written: Generation) -> Result<(), Generation> {
        let same_members = written.members.len() == self.members.len()
            && written
                .members
                .iter()
                .all(|member| self.members.contains(&member.member));
        if !same_members || written.generation != self.generation {
            return Err(written);
        }
        match &mut self.state {
            State::CompletingRebalance { awaited } => {
                let awaited = std::mem::take(awaited);
                self.enter(State::Stable { awaited }, written.since);
            }
            State::Stable { .. } => {}
            // It was a consumer group, and its members must join again at once.
            State::PreparingRebalance { .. } if self.written.is_none() => {
                self.written = Some(written);
                return Ok(());
            }
            State::Empty | State::PreparingRebalance { .. } => return Err(written),
        }
        for record in &written.members {
            if let Some(member) = self.members.get_mut(&record.member) {
                member.assignment = record.assignment.clone();
            }
        }
        self.subscribed = self.read_subscription();
        self.written = Some(written);
        Ok(())
    }
}
