//! Changes that a group has made before their record is written, and what happens if the log does not accept the
//! record because it is larger than a batch may be.
//!
//! In that case nothing has been replayed, and the host fails the requests that the decision answered, unless this
//! file answers them. The group continues, as in Kafka, so that no client waits for ever:
//!
//! | change before its record | what follows |
//! | --- | --- |
//! | a group is created | the group does not exist, and its joining members get an error |
//! | the leader has sent the assignment | it is dropped: all members join again |
//! | a static member has come back with a new id | the old member is restored |
//! | the last member has left | the group is empty; a coordinator that loads it sees the last generation, until its timeout |
//! | the group ends | it stays |
//! | the group becomes a consumer group | it stays, and its members join again |
//! | a consumer group has become this group | the group does not exist, the consumer group stays |

use std::sync::Arc;

use super::{Group, Member};
use crate::base::{ErrorCode, Token};
use crate::group::asks::JoinReply;
use crate::group::registry::Turn;

/// A change before its record.
#[derive(Debug)]
pub(crate) enum Provisional {
    /// The group is created.
    Birth,
    /// The leader has sent the assignment.
    Assignment,
    /// A static member has come back with a new id.
    Replacement(Box<Replacement>),
    /// The last member has left.
    LastGone,
    /// The group ends.
    End,
    /// The group becomes a consumer group.
    Upgrade,
    /// A consumer group has become this group.
    Downgrade,
}

impl Provisional {
    /// Whether the group is only there because of this change.
    pub(crate) const fn is_birth(&self) -> bool {
        matches!(self, Self::Birth | Self::Downgrade)
    }
}

/// A static member that has come back with a new id.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// The member before.
    pub(super) former: Member,
    /// The leader before.
    pub(super) leader: Option<Arc<str>>,
    /// The new id.
    pub(super) replaced_by: Arc<str>,
    /// The join with the new id.
    pub(super) token: Token<JoinReply>,
}

impl Group {
    /// The log does not accept the record.
    pub(crate) fn not_written(&mut self, change: Provisional, turn: &mut Turn<'_>) {
        match change {
            Provisional::Birth | Provisional::Downgrade => self.dissolve(turn),
            Provisional::Assignment => self.prepare_rebalance(turn),
            Provisional::Replacement(replacement) => self.put_back(*replacement, turn),
            Provisional::LastGone => self.become_empty(self.following_generation(), turn.now),
            // Their timers were stopped with the group.
            Provisional::End => self.expect_pending(turn),
            Provisional::Upgrade => self.stay(turn),
        }
    }

    /// Sets the timers again of ids that were given out.
    pub(super) fn expect_pending(&self, turn: &mut Turn<'_>) {
        for member in self.pending.keys() {
            let time_ms = turn.settings.min_session_timeout_ms;
            turn.set(self.session_key(member), time_ms);
        }
    }

    /// Fails all waiting requests, since the group does not exist, and stops its timers.
    fn dissolve(&mut self, turn: &mut Turn<'_>) {
        turn.cancel(self.join_key());
        self.forget_pending(turn);
        let ids: Vec<_> = self.members.ids().cloned().collect();
        for id in &ids {
            turn.cancel(self.session_key(id));
            if let Some(mut member) = self.members.remove(id) {
                member.dismiss("", ErrorCode::UNKNOWN_SERVER_ERROR, turn);
            }
        }
    }

    fn put_back(&mut self, replacement: Replacement, turn: &mut Turn<'_>) {
        let Replacement {
            former,
            leader,
            replaced_by,
            token,
        } = replacement;
        let reply = JoinReply {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: leader.clone().unwrap_or_else(|| "".into()),
            ..JoinReply::refused("", ErrorCode::UNKNOWN_SERVER_ERROR)
        };
        turn.reply(token, reply);
        let id = Arc::clone(&former.id);
        turn.cancel(self.session_key(&replaced_by));
        self.members.remove(&replaced_by);
        if let Some(instance) = &former.instance {
            self.instances.insert(Arc::clone(instance), Arc::clone(&id));
        }
        if let Some(awaited) = self.state.awaited()
            && awaited.remove(&replaced_by)
        {
            awaited.insert(Arc::clone(&id));
        }
        self.leader = leader;
        self.members.insert(former);
        self.renew_session(&id, turn);
    }
}
