//! What happens to a group when time is up.

use std::sync::Arc;

use super::Group;
use crate::group::registry::Turn;

impl Group {
    /// A member was silent for too long, or somebody did not come back with the id it was given.
    pub(crate) fn session_timeout(&mut self, member: &Arc<str>, turn: &mut Turn<'_>) {
        if self.pending.remove(member).is_some() {
            return self.maybe_complete_join(turn);
        }
        let Some(silent) = self.members.get(member) else {
            return;
        };
        // Its session begins anew with the answer that it waits for.
        if !silent.is_excused() {
            self.remove(member, turn);
            self.rebalance(turn);
        }
    }

    /// Members took part in forming the generation and never asked for their assignment.
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

    /// The group is removed while somebody is on the way: stops waiting for them. Nothing changes but
    /// timers, since the group itself goes with the replay.
    pub(crate) fn forget_pending(&self, turn: &mut Turn<'_>) {
        for member in self.pending.keys() {
            turn.cancel(self.session_key(member));
        }
    }

    /// After a load: whoever was a member has its session begin anew. A group that grew larger than
    /// is allowed now is rebalanced, which lets only so many back in.
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
