//! JoinGroup: a client wants to be a member of the next generation.

use std::sync::Arc;

use tracing::debug;
use uuid::Builder;

use super::{Group, Member, State, StateName};
use crate::base::{ErrorCode, Token};
use crate::group::asks::{Join, JoinReply, JoinedMember};
use crate::group::registry::Turn;

/// How long a new member may wait for its first generation. Its client cannot send heartbeats meanwhile; without a
/// limit, clients that gave up would stay in the group for ever.
const NEW_MEMBER_TIMEOUT_MS: i32 = 5 * 60 * 1000;

impl Group {
    /// A known or new member wants to join.
    pub(crate) fn join(&mut self, token: Token<JoinReply>, join: Join, turn: &mut Turn<'_>) {
        let reason = join.reason.as_deref().unwrap_or("not provided");
        debug!(group = %self.id(), member = %join.member, reason, "member joins");
        if !self.has_room_for(&join.member, turn.settings.max_size) {
            if !join.member.is_empty() {
                self.remove(&join.member, turn);
            }
            turn.reply(token, refusal("", ErrorCode::GROUP_MAX_SIZE_REACHED));
            self.maybe_complete_join(turn);
        } else if !self.supports(&join.protocol_type, &join.protocols) {
            turn.reply(
                token,
                refusal(&*join.member, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
            );
        } else if join.member.is_empty() {
            self.join_first_time(token, join, turn);
        } else {
            self.join_again(token, join, turn);
        }
    }

    /// While a generation is being formed, the first `max_size` members to join are accepted, whether they were
    /// members before or not; at other times members stay.
    fn has_room_for(&self, member: &str, max_size: i32) -> bool {
        let max_size = usize::try_from(max_size).unwrap_or(0);
        let known = self.members.get(member);
        match self.state() {
            StateName::Empty | StateName::Dead => true,
            StateName::PreparingRebalance => {
                let joining = self
                    .members
                    .iter()
                    .filter(|member| member.is_joining())
                    .count();
                known.is_some_and(Member::is_joining) || joining < max_size
            }
            StateName::CompletingRebalance | StateName::Stable => {
                known.is_some() || self.members.len() < max_size
            }
        }
    }

    fn join_first_time(&mut self, token: Token<JoinReply>, join: Join, turn: &mut Turn<'_>) {
        let id = new_member_id(&join);
        if let Some(instance) = &join.instance {
            match self.instances.get(instance).cloned() {
                Some(old_id) => self.replace_static(token, &old_id, id, join, turn),
                None => self.admit(token, id, join, turn),
            }
        } else if join.needs_known_member_id {
            self.pending.insert(Arc::clone(&id), join.client_host);
            turn.set(self.session_key(&id), join.session_timeout_ms);
            turn.reply(token, refusal(id, ErrorCode::MEMBER_ID_REQUIRED));
        } else {
            self.admit(token, id, join, turn);
        }
    }

    fn join_again(&mut self, token: Token<JoinReply>, join: Join, turn: &mut Turn<'_>) {
        // A member id is only given out beforehand to a member without an instance id.
        if self.pending.contains_key(&join.member) && join.instance.is_none() {
            let id = Arc::clone(&join.member);
            return self.admit(token, id, join, turn);
        }
        if let Err(error) = self.validate(&join.member, join.instance.as_ref()) {
            return turn.reply(token, refusal(&*join.member, error));
        }
        let same = self
            .members
            .get(&join.member)
            .is_some_and(|m| m.protocols == join.protocols);
        match self.state() {
            StateName::PreparingRebalance => self.take_part(token, join, turn),
            // The client did not get the answer to its join.
            StateName::CompletingRebalance if same => self.join_reply(token, &join.member, turn),
            // A leader joins again when it has noticed topic changes: it can only make a new assignment in a
            // rebalance.
            StateName::Stable if same && !self.is_leader(&join.member) => {
                self.join_reply(token, &join.member, turn);
            }
            StateName::CompletingRebalance | StateName::Stable => self.take_part(token, join, turn),
            StateName::Empty | StateName::Dead => {
                turn.reply(token, refusal(&*join.member, ErrorCode::UNKNOWN_MEMBER_ID));
            }
        }
    }

    /// A new member.
    pub(super) fn admit(
        &mut self,
        token: Token<JoinReply>,
        id: Arc<str>,
        join: Join,
        turn: &mut Turn<'_>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(&join.protocol_type));
        }
        self.leader.get_or_insert_with(|| Arc::clone(&id));
        if let Some(instance) = &join.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(&id));
        }
        if let State::PreparingRebalance {
            initial: Some(delay),
        } = &mut self.state
        {
            delay.somebody_came = true;
        }
        self.pending.remove(&id);
        turn.set(self.session_key(&id), NEW_MEMBER_TIMEOUT_MS);
        self.members.insert(Member::joining(id, token, join));
        self.rebalance(turn);
    }

    /// A known member joins the next generation.
    fn take_part(&mut self, token: Token<JoinReply>, join: Join, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get_mut(&join.member) {
            member.park_join(token, turn);
            member.renew(join);
        }
        self.rebalance(turn);
    }

    /// Sends the present generation to `member`.
    pub(super) fn join_reply(
        &self,
        token: Token<JoinReply>,
        member: &Arc<str>,
        turn: &mut Turn<'_>,
    ) {
        let members = if self.is_leader(member) {
            self.joined_members()
        } else {
            Vec::new()
        };
        let reply = JoinReply {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            skip_assignment: false,
            member: Arc::clone(member),
            members,
        };
        turn.reply(token, reply);
    }

    /// The members as the leader sees them.
    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_ref();
        let joined = |member: &Member| JoinedMember {
            member: Arc::clone(&member.id),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(joined).collect()
    }
}

fn refusal(member: impl Into<Arc<str>>, error: ErrorCode) -> JoinReply {
    JoinReply::refused(member, error)
}

/// A member id in Kafka's format: the client id and a random part.
fn new_member_id(join: &Join) -> Arc<str> {
    let name = join.instance.as_ref().unwrap_or(&join.client_id);
    let random = Builder::from_random_bytes(join.member_id_seed.to_be_bytes()).into_uuid();
    format!("{name}-{random}").into()
}
