//! The timeouts of a group.

use std::sync::Arc;

use super::{Group, StateName};
use crate::group::registry::Turn;

impl Group {
    /// A member has sent no heartbeat in time, or a client has not used its new member id.
    pub(crate) fn session_timeout(&mut self, member: &Arc<str>, turn: &mut Turn<'_>) {
        if self.pending.remove(member).is_some() {
            return self.stop_waiting(turn);
        }
        let Some(silent) = self.members.get(member) else {
            return;
        };
        // Its session starts again with the answer that it waits for.
        if !silent.is_excused() {
            self.remove(member, turn);
            if StateName::PreparingRebalance.may_follow(self.state()) {
                self.prepare_rebalance(turn);
            } else {
                self.stop_waiting(turn);
            }
        }
    }

    /// Nobody is missing any more: forms the generation even within the initial delay, which is for clients that are
    /// there.
    fn stop_waiting(&mut self, turn: &mut Turn<'_>) {
        if self.state() == StateName::PreparingRebalance && self.has_all_joined() {
            self.complete_join(turn);
        }
    }

    /// Members that joined the generation have not sent a SyncGroup in time.
    pub(crate) fn sync_timeout(&mut self, turn: &mut Turn<'_>) {
        let Some(awaited) = self.state.awaited().map(std::mem::take) else {
            return;
        };
        if awaited.is_empty() {
            return;
        }
        for member in &awaited {
            self.remove(member, turn);
        }
        self.prepare_rebalance(turn);
    }

    /// The group is removed while clients are expected: stops their timers. Nothing else changes, since the replay
    /// removes the group itself.
    pub(crate) fn forget_pending(&self, turn: &mut Turn<'_>) {
        for member in self.pending.keys() {
            turn.cancel(self.session_key(member));
        }
    }

    /// After a load: the session of each member starts again. A group that is larger than allowed now is rebalanced,
    /// which accepts only as many as allowed.
    pub(crate) fn resume(&mut self, turn: &mut Turn<'_>) {
        for member in self.members.ids() {
            self.renew_session(member, turn);
        }
        let max_size = usize::try_from(turn.settings.max_size).unwrap_or(0);
        if self.members.len() > max_size {
            self.prepare_rebalance(turn);
        }
    }
}
