//! A static member has come back without its member id: it replaces its old self.

use std::sync::Arc;

use super::provisional::Replacement;
use super::{Group, Member, Provisional, StateName};
use crate::base::{ErrorCode, Token};
use crate::group::asks::{Join, JoinReply};
use crate::group::registry::Turn;

impl Group {
    /// Replaces `old_id` with `new_id`; `old_id` is fenced from now on. Client id and host stay those of the first.
    ///
    /// In a stable group the other members are not affected, as long as the chosen protocol stays the same: this is
    /// the purpose of static membership. The new id is written at once, since a coordinator that loads the group
    /// later must know it.
    pub(super) fn replace_static(
        &mut self,
        token: Token<JoinReply>,
        old_id: &Arc<str>,
        new_id: Arc<str>,
        join: Join,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut former) = self.members.remove(old_id) else {
            return self.admit(token, new_id, join, turn);
        };
        former.dismiss(old_id, ErrorCode::FENCED_INSTANCE_ID, turn);
        let replacement = Replacement {
            former,
            leader: self.leader.clone(),
            replaced_by: new_id,
            token,
        };
        let can_skip_assignment = join.can_skip_assignment;
        self.move_in(&replacement, join, turn);
        match self.state() {
            StateName::Stable if self.select_protocol() == self.protocol => {
                self.rejoin_unnoticed(replacement, can_skip_assignment, turn);
            }
            StateName::Stable | StateName::CompletingRebalance => self.prepare_rebalance(turn),
            StateName::PreparingRebalance | StateName::Empty | StateName::Dead => {
                self.maybe_complete_join(turn);
            }
        }
    }

    fn move_in(&mut self, replacement: &Replacement, join: Join, turn: &mut Turn<'_>) {
        let (old, new_id) = (&replacement.former, &replacement.replaced_by);
        turn.cancel(self.session_key(&old.id));
        let mut member = Member::joining(Arc::clone(new_id), replacement.token, join);
        member.is_new = false;
        member.assignment = old.assignment.clone();
        member.client_id = Arc::clone(&old.client_id);
        member.client_host = Arc::clone(&old.client_host);
        if let Some(instance) = &member.instance {
            self.instances
                .insert(Arc::clone(instance), Arc::clone(new_id));
        }
        self.members.insert(member);
        if self.is_leader(&old.id) {
            self.leader = Some(Arc::clone(new_id));
        }
        if let Some(awaited) = self.state.awaited()
            && awaited.remove(&old.id)
        {
            awaited.insert(Arc::clone(new_id));
        }
        self.renew_session(new_id, turn);
    }

    /// Answers with the present generation.
    ///
    /// A leader must not make a new assignment, since it would only see its own metadata. If its version can be told
    /// to skip the assignment, it is told so. Otherwise it gets the leader's former id, so that it does not recognise
    /// itself as the leader.
    fn rejoin_unnoticed(
        &mut self,
        replacement: Replacement,
        can_skip_assignment: bool,
        turn: &mut Turn<'_>,
    ) {
        let new_id = Arc::clone(&replacement.replaced_by);
        let leads = can_skip_assignment && self.is_leader(&new_id);
        let leader = if can_skip_assignment {
            self.leader.clone()
        } else {
            replacement.leader.clone()
        };
        let reply = JoinReply {
            error: ErrorCode::NONE,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: leader.unwrap_or_else(|| "".into()),
            skip_assignment: leads,
            member: Arc::clone(&new_id),
            members: if leads {
                self.joined_members()
            } else {
                Vec::new()
            },
        };
        let joining = self
            .members
            .get_mut(&new_id)
            .and_then(|member| member.joining.take());
        if let Some(token) = joining {
            turn.reply(token, reply);
        }
        let record = self.generation_record(self.since, |member| member.assignment.clone());
        let provisional = Provisional::Replacement(Box::new(replacement));
        turn.write_for(&self.id, record, provisional);
    }
}
