//! SyncGroup: the leader sends the assignment, every member gets its part.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Group, Provisional, StateName};
use crate::base::{ErrorCode, Token};
use crate::group::asks::{Sync, SyncReply};
use crate::group::registry::Turn;

impl Group {
    /// A member requests its assignment.
    pub(crate) fn sync(&mut self, token: Token<SyncReply>, sync: Sync, turn: &mut Turn<'_>) {
        if let Err(error) = self.validate_sync(&sync) {
            return turn.reply(token, SyncReply::refused(error));
        }
        match self.state() {
            StateName::CompletingRebalance => {
                self.has_synced(&sync.member, turn);
                if let Some(member) = self.members.get_mut(&sync.member) {
                    member.park_sync(token, turn);
                }
                if self.is_leader(&sync.member) {
                    self.assign(sync.assignments, turn);
                }
            }
            StateName::Stable => {
                self.has_synced(&sync.member, turn);
                let assignment = self.members.get(&sync.member).map(|m| m.assignment.clone());
                let reply = self.sync_reply(assignment.unwrap_or_default());
                turn.reply(token, reply);
            }
            StateName::PreparingRebalance | StateName::Empty | StateName::Dead => {
                let refusal = SyncReply::refused(ErrorCode::REBALANCE_IN_PROGRESS);
                turn.reply(token, refusal);
            }
        }
    }

    /// There can never be memory for the assignment: all members join again, as if the log did not accept it.
    pub(crate) fn refuse_assignment(&mut self, sync: &Sync, turn: &mut Turn<'_>) {
        if self.state() == StateName::CompletingRebalance
            && self.is_leader(&sync.member)
            && self.validate_sync(sync).is_ok()
        {
            self.prepare_rebalance(turn);
        }
    }

    fn validate_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.validate(&sync.member, sync.instance.as_ref())?;
        if sync.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differ = |said: &Option<Arc<str>>, known: &Option<Arc<str>>| {
            said.is_some() && known.is_some() && said != known
        };
        if differ(&sync.protocol_type, &self.protocol_type)
            || differ(&sync.protocol, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn has_synced(&mut self, member: &str, turn: &mut Turn<'_>) {
        let key = self.sync_key();
        if let Some(awaited) = self.state.awaited()
            && awaited.remove(member)
            && awaited.is_empty()
        {
            turn.cancel(key);
        }
    }

    /// The assignment has arrived: writes it, and answers all waiting members. The group is stable once the record is
    /// replayed.
    fn assign(&mut self, assignments: Vec<(Arc<str>, Bytes)>, turn: &mut Turn<'_>) {
        let assignments: HashMap<_, _> = assignments.into_iter().collect();
        let assignment = |id: &Arc<str>| assignments.get(id).cloned().unwrap_or_default();
        let record = self.generation_record(Some(turn.now), |member| assignment(&member.id));
        turn.write_for(&self.id, record, Provisional::Assignment);
        let ids: Vec<_> = self.members.ids().cloned().collect();
        for id in &ids {
            let waiting = self
                .members
                .get_mut(id)
                .and_then(|member| member.syncing.take());
            if let Some(token) = waiting {
                turn.reply(token, self.sync_reply(assignment(id)));
                self.renew_session(id, turn);
            }
        }
    }

    fn sync_reply(&self, assignment: Bytes) -> SyncReply {
        SyncReply {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }
}
