//! Heartbeat: keeps a member alive, and tells it whether it must join again.

use super::{Group, StateName};
use crate::base::ErrorCode;
use crate::group::asks::Heartbeat;
use crate::group::registry::Turn;

impl Group {
    /// A heartbeat of a member.
    pub(crate) fn heartbeat(&self, heartbeat: &Heartbeat, turn: &mut Turn<'_>) -> ErrorCode {
        if let Err(error) = self.validate(&heartbeat.member, heartbeat.instance.as_ref()) {
            return error;
        }
        if heartbeat.generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        self.renew_session(&heartbeat.member, turn);
        match self.state() {
            StateName::PreparingRebalance => ErrorCode::REBALANCE_IN_PROGRESS,
            StateName::CompletingRebalance | StateName::Stable => ErrorCode::NONE,
            StateName::Empty | StateName::Dead => ErrorCode::UNKNOWN_MEMBER_ID,
        }
    }
}
