//! LeaveGroup: members leave, or an administrator removes them.

use tracing::debug;

use super::Group;
use crate::base::ErrorCode;
use crate::group::asks::Leaver;
use crate::group::registry::Turn;

impl Group {
    /// Removes the `leavers` that are members; one rebalance is enough for all.
    pub(crate) fn leave(
        &mut self,
        leavers: Vec<Leaver>,
        turn: &mut Turn<'_>,
    ) -> Vec<(Leaver, ErrorCode)> {
        let before = self.members.len();
        let mut results = Vec::with_capacity(leavers.len());
        for leaver in leavers {
            let error = self
                .leave_one(&leaver, turn)
                .err()
                .unwrap_or(ErrorCode::NONE);
            results.push((leaver, error));
        }
        if self.members.len() < before {
            self.rebalance(turn);
        } else {
            // The group may have waited only for a client that was still expected.
            self.maybe_complete_join(turn);
        }
        results
    }

    fn leave_one(&mut self, leaver: &Leaver, turn: &mut Turn<'_>) -> Result<(), ErrorCode> {
        let member = if leaver.member.is_empty() {
            let instance = leaver.instance.as_ref();
            let owner = instance.and_then(|instance| self.instances.get(instance));
            owner.cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
        } else {
            if !self.pending.contains_key(&leaver.member) {
                self.validate(&leaver.member, leaver.instance.as_ref())?;
            }
            leaver.member.clone()
        };
        let reason = leaver.reason.as_deref().unwrap_or("not provided");
        debug!(group = %self.id(), %member, reason, "member leaves");
        self.remove(&member, turn);
        Ok(())
    }
}
