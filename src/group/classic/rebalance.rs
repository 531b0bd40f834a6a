//! From one generation to the next: waits for the members, and forms the generation of those that have joined.

use std::sync::Arc;

use bytes::Bytes;

use super::state::InitialDelay;
use super::{Group, Member, Provisional, State, StateName};
use crate::base::ErrorCode;
use crate::group::asks::SyncReply;
use crate::group::registry::Turn;

impl Group {
    /// The membership has changed: begins a rebalance, or completes the present one if nobody is missing any more.
    pub(super) fn rebalance(&mut self, turn: &mut Turn<'_>) {
        if StateName::PreparingRebalance.may_follow(self.state()) {
            self.prepare_rebalance(turn);
        } else {
            self.maybe_complete_join(turn);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        match self.state() {
            StateName::Empty => return self.prepare_first_generation(turn),
            StateName::CompletingRebalance => self.send_syncs_back(turn),
            StateName::PreparingRebalance | StateName::Stable | StateName::Dead => {}
        }
        turn.cancel(self.sync_key());
        self.enter(State::PreparingRebalance { initial: None }, turn.now);
        if self.has_all_joined() {
            self.complete_join(turn);
        } else {
            turn.set(self.join_key(), self.rebalance_timeout_ms());
        }
    }

    /// The first member of a group is rarely the only one: waits a little for others, since every later member would
    /// cost the whole group a rebalance.
    fn prepare_first_generation(&mut self, turn: &mut Turn<'_>) {
        let delay_ms = turn.settings.initial_rebalance_delay_ms;
        let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
        let initial = Some(InitialDelay {
            remaining_ms,
            somebody_came: false,
        });
        self.enter(State::PreparingRebalance { initial }, turn.now);
        turn.set(self.join_key(), delay_ms);
    }

    /// The join timeout has passed, or the initial delay of a new group.
    pub(crate) fn join_timeout(&mut self, turn: &mut Turn<'_>) {
        let State::PreparingRebalance { initial } = &mut self.state else {
            return;
        };
        if let Some(delay) = initial
            && delay.somebody_came
            && delay.remaining_ms > 0
        {
            let delay_ms = turn
                .settings
                .initial_rebalance_delay_ms
                .min(delay.remaining_ms);
            delay.somebody_came = false;
            delay.remaining_ms -= delay_ms;
            return turn.set(self.join_key(), delay_ms);
        }
        self.complete_join(turn);
    }

    /// Forms the generation if everybody has joined. The first generation of a group waits for its initial delay, in
    /// case there are more members.
    pub(super) fn maybe_complete_join(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.state, State::PreparingRebalance { initial: None })
            && self.has_all_joined()
        {
            self.complete_join(turn);
        }
    }

    /// Forms the generation of those that have joined.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.cancel(self.join_key());
        self.remove_absent(turn);
        if self.members.is_empty() {
            turn.write_for(&self.id, self.empty_record(turn.now), Provisional::LastGone);
        } else if self.elect_joined_leader() {
            self.next_generation(turn);
        } else {
            // Only static members are left, and none has joined; their session timeouts decide.
            turn.set(self.join_key(), self.rebalance_timeout_ms());
        }
    }

    /// Static members stay until their session ends; dynamic members that have not joined are removed.
    fn remove_absent(&mut self, turn: &mut Turn<'_>) {
        let is_absent = |member: &&Member| !member.is_joining() && !member.is_static();
        let absent = self.members.iter().filter(is_absent);
        let absent: Vec<_> = absent.map(|member| Arc::clone(&member.id)).collect();
        for member in &absent {
            self.remove(member, turn);
        }
    }

    /// Makes sure that the leader has joined.
    fn elect_joined_leader(&mut self) -> bool {
        let leader = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader));
        if leader.is_some_and(Member::is_joining) {
            return true;
        }
        let Some(elected) = self.members.iter().find(|member| member.is_joining()) else {
            return false;
        };
        self.leader = Some(Arc::clone(&elected.id));
        true
    }

    fn next_generation(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.following_generation();
        self.protocol = self.select_protocol();
        self.subscribed = self.read_subscription();
        let awaited = self.members.ids().cloned().collect();
        self.enter(State::CompletingRebalance { awaited }, turn.now);
        let ids: Vec<_> = self.members.ids().cloned().collect();
        for id in &ids {
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            member.is_new = false;
            let joining = member.joining.take();
            if let Some(token) = joining {
                self.join_reply(token, id, turn);
            }
            self.renew_session(id, turn);
        }
        turn.set(self.sync_key(), self.rebalance_timeout_ms());
    }

    /// Generations count up from 1, and start again if they ever overflow.
    pub(super) fn following_generation(&self) -> i32 {
        self.generation.checked_add(1).unwrap_or(1)
    }

    /// There will be no assignment for this generation: its members must join the next one.
    fn send_syncs_back(&mut self, turn: &mut Turn<'_>) {
        let mut waited = Vec::new();
        for member in self.members.iter_mut() {
            member.assignment = Bytes::new();
            if let Some(token) = member.syncing.take() {
                let refusal = SyncReply::refused(ErrorCode::REBALANCE_IN_PROGRESS);
                turn.reply(token, refusal);
                waited.push(Arc::clone(&member.id));
            }
        }
        for member in &waited {
            self.renew_session(member, turn);
        }
    }
}
