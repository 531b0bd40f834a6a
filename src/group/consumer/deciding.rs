//! Consumer groups in the registry: which group a request is about, and what becomes of a decision.

use std::ops::Deref;
use std::sync::Arc;

use super::asks::{ConsumerHeartbeat, ConsumerHeartbeatReply, ExpressionsResolved, GroupEffect};
use super::draft::Draft;
use super::member::{Member, MemberState};
use super::refusal::Refusal;
use super::{ConsumerGroup, check, expressions, heartbeat, join, leave, upgrade};
use crate::base::{TimerChange, Token};
use crate::group::StateName;
use crate::group::decide::GroupAsk;
use crate::group::memory::ENTRY_BYTES;
use crate::group::records::group_tombstone;
use crate::group::registry::{Registry, TimerKey, Turn};

impl GroupAsk for ConsumerHeartbeat {
    const NAME: &'static str = "ConsumerGroupHeartbeat";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let reply = registry.consumer_heartbeat(&self, turn);
        turn.reply(token, reply);
    }
}

impl GroupAsk for ExpressionsResolved {
    const NAME: &'static str = "topics of regular expressions";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        registry.expressions_resolved(self, turn);
        turn.reply(token, ());
    }
}

/// When a member is removed whose removal could not be written, in milliseconds.
const RETRY_MS: i32 = 500;

/// The group of a heartbeat.
enum Opened<'a> {
    There(&'a ConsumerGroup),
    /// It will be there once the decision is written.
    New(Box<ConsumerGroup>),
}

impl Deref for Opened<'_> {
    type Target = ConsumerGroup;

    fn deref(&self) -> &ConsumerGroup {
        match self {
            Self::There(group) => group,
            Self::New(group) => group,
        }
    }
}

impl Registry {
    fn consumer_heartbeat(
        &mut self,
        ask: &ConsumerHeartbeat,
        turn: &mut Turn<'_>,
    ) -> ConsumerHeartbeatReply {
        let mut draft = Draft::default();
        match self.decide_heartbeat(ask, &mut draft, turn) {
            Ok(reply) => {
                self.carry(&ask.group, draft, turn);
                reply
            }
            Err(refusal) => ConsumerHeartbeatReply::refused(refusal.error, Some(refusal.message)),
        }
    }

    fn decide_heartbeat(
        &mut self,
        ask: &ConsumerHeartbeat,
        draft: &mut Draft,
        turn: &mut Turn<'_>,
    ) -> Result<ConsumerHeartbeatReply, Refusal> {
        check::check(ask, &self.world.config.assignors)?;
        let id = &ask.group;
        // A classic group that takes its place counts.
        let consumer = self.consumers.get(id);
        let consumer = consumer.filter(|_| !self.groups.contains(id));
        let is_other = self.groups.contains(id) || self.unserved(id).is_some();
        if let Member::LEAVE_EPOCH | Member::LEAVE_STATIC_EPOCH = ask.member_epoch {
            return match consumer {
                Some(group) => leave::leave(&mut self.world, group, ask, draft),
                None if is_other => Err(Refusal::other_type(id)),
                None => Err(Refusal::no_group(id)),
            };
        }
        let joins = ask.member_epoch == Member::JOIN_EPOCH;
        let group = match consumer {
            Some(group) => Opened::There(group),
            None if !is_other && joins => Opened::New(ConsumerGroup::new(Arc::clone(id)).into()),
            None if !is_other => return Err(Refusal::no_consumer_group(id)),
            None if joins => Opened::New(self.converted(id, draft)?.into()),
            None => return Err(Refusal::other_type(id)),
        };
        self.make_room_for_member(&group, ask, turn)?;
        heartbeat::heartbeat(&mut self.world, &group, ask, turn.now, draft)
    }

    /// Refuses whoever needs more memory than there is.
    fn make_room_for_member(
        &self,
        group: &ConsumerGroup,
        ask: &ConsumerHeartbeat,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let instance = ask.instance.as_deref();
        let former = instance.and_then(|instance| group.static_member(instance));
        let former = former.or_else(|| group.member(&ask.member));
        let updated = match former {
            Some(former) => join::updated(former, ask),
            None => join::updated(&Member::new(Arc::clone(&ask.member)), ask),
        };
        let Some(member) = updated else {
            return Ok(());
        };
        let topics = member.subscription.names.iter();
        let new_topics = topics.filter(|topic| !group.is_subscribed_to(topic));
        let names: usize = new_topics.map(|topic| topic.len() + ENTRY_BYTES).sum();
        let alone = member.held_bytes() + names;
        let more = alone.saturating_sub(former.map_or(0, |former| former.held_bytes()));
        if more == 0 {
            return Ok(());
        }
        self.check_alone(&ask.group, &ask.client_id, alone)
            .and_then(|()| self.make_room(&ask.group, &ask.client_host, more, turn))
            .map_err(Refusal::no_room)
    }

    /// The consumer group that takes the place of a group of another type.
    fn converted(&mut self, id: &Arc<str>, draft: &mut Draft) -> Result<ConsumerGroup, Refusal> {
        let Some(classic) = self.groups.get(id) else {
            return Err(Refusal::other_type(id));
        };
        if classic.state() != StateName::Empty {
            return upgrade::upgraded(&mut self.world, classic, draft);
        }
        // Clients with ids that were given out and not used yet are no members.
        draft.write(group_tombstone(id));
        Ok(ConsumerGroup::new(Arc::clone(id)))
    }

    /// The topics of regular expressions were looked up.
    fn expressions_resolved(&mut self, ask: ExpressionsResolved, turn: &mut Turn<'_>) {
        let id = Arc::clone(&ask.group);
        self.world.end_resolving(&id);
        if let Some(group) = self.consumers.get(&id) {
            let mut draft = Draft::default();
            expressions::resolved(&mut self.world, group, ask, &mut draft);
            self.carry(&id, draft, turn);
        }
    }

    /// A timer of a member has fired: its session is over, or it had time enough to give up what it must.
    pub(in crate::group) fn fence_late_member(&mut self, key: TimerKey, turn: &mut Turn<'_>) {
        let (id, member, is_session) = match &key {
            TimerKey::Session { group, member } => (group, member, true),
            TimerKey::Revocation { group, member } => (group, member, false),
            TimerKey::Rejoin { group, member } | TimerKey::MemberSync { group, member } => {
                return self.fence_late_classic_member(group, member, turn);
            }
            _ => return,
        };
        let Some(group) = self.consumers.get(id) else {
            return;
        };
        let is_late = |member: &&Arc<Member>| {
            let must_give_up = member.state == MemberState::UnrevokedPartitions;
            is_session || (must_give_up && member.epoch != Member::LEAVE_STATIC_EPOCH)
        };
        if let Some(member) = group.member(member).filter(is_late) {
            let mut draft = Draft::default();
            let member = Arc::clone(member);
            leave::remove(&mut self.world, group, &[member], &mut draft);
            let id = Arc::clone(id);
            self.carry(&id, draft, turn);
        }
    }

    /// The log does not take the records of the last decision. Members that it has removed are there, without timers, and
    /// nobody looks up regular expressions for it.
    pub(in crate::group) fn remove_later(&mut self, turn: &mut Turn<'_>) {
        for session in std::mem::take(&mut self.ended_sessions) {
            turn.set(session, RETRY_MS);
        }
        if let Some(group) = self.looked_up.take() {
            self.world.end_resolving(&group);
        }
    }

    /// After loading, members have all their time again: nobody is fenced by a restart.
    pub(in crate::group) fn resume_consumer_groups(&self, turn: &mut Turn<'_>) {
        for group in self.consumers.iter() {
            self.resume_members(group, turn);
        }
    }

    /// The same for one group, when it stays although it was decided that it ends.
    pub(in crate::group) fn resume_consumer_group(&self, id: &str, turn: &mut Turn<'_>) {
        if let Some(group) = self.consumers.get(id) {
            self.resume_members(group, turn);
        }
    }

    fn resume_members(&self, group: &ConsumerGroup, turn: &mut Turn<'_>) {
        let config = self.world.config_of(group.id());
        let mut draft = Draft::default();
        for member in group.members() {
            draft.resume(group.id(), member, config.session_timeout_ms);
        }
        for timer in draft.timers {
            turn.change(timer);
        }
    }

    /// The decision stands.
    pub(super) fn carry(&mut self, id: &Arc<str>, draft: Draft, turn: &mut Turn<'_>) {
        if draft.upgrades {
            self.groups.change(id, |classic| classic.give_way(turn));
        }
        draft
            .records
            .into_iter()
            .for_each(|record| turn.write(record));
        for timer in draft.timers {
            if let TimerChange::Cancel(session @ TimerKey::Session { .. }) = &timer {
                self.ended_sessions.push(session.clone());
            }
            turn.change(timer);
        }
        if let Some(epoch) = draft.refreshed {
            self.world.refreshed(id, epoch, turn.now);
        }
        if let Some(expressions) = draft.resolve {
            self.world.begin_resolving(id, turn.now);
            turn.have(GroupEffect::Resolve(expressions));
        }
        if let Some(downgrade) = &draft.downgrade {
            self.downgrade(id, downgrade, turn);
        }
        let consumers = &self.consumers;
        self.world
            .forget(consumers.len(), |group| consumers.get(group).is_some());
    }
}
