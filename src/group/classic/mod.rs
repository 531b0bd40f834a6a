//! A classic group: its members elect a leader by joining, the leader makes the assignment, the coordinator
//! distributes it. One operation per file.
//!
//! Everything in [`Group`] is soft, that is, may change while deciding, except `written`, the last generation in the
//! log. After the replay of a record the two agree (`persist.rs`).

mod conversion;
mod heartbeat;
mod join;
mod leave;
mod member;
mod members;
mod memory;
mod persist;
mod protocols;
mod provisional;
mod rebalance;
mod state;
mod static_member;
mod sync;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) use member::Member;
pub(crate) use members::Members;
pub(crate) use provisional::Provisional;
pub(crate) use state::State;
pub use state::StateName;

use super::records::Generation;
use super::registry::{TimerKey, Turn};
use crate::base::{ErrorCode, Timestamp};

/// A classic group.
#[derive(Debug)]
pub(crate) struct Group {
    id: Arc<str>,
    state: State,
    /// When the group entered its state, if known.
    since: Option<Timestamp>,
    generation: i32,
    /// The protocol type; `None` before the first member, and for groups that only commit.
    protocol_type: Option<Arc<str>>,
    /// The protocol of the generation.
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: Members,
    /// Static members: instance id to member id.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// Member ids that were given out and not used yet, with the addresses of their clients.
    pending: BTreeMap<Arc<str>, Arc<str>>,
    /// The topics that the members of the generation read, if known.
    subscribed: Option<BTreeSet<Arc<str>>>,
    /// The generation in the log.
    written: Option<Generation>,
    /// Whether offsets are committed for it.
    pub(crate) has_offsets: bool,
}

impl Group {
    /// A group without members and without a record.
    pub(crate) const fn new(id: Arc<str>, now: Timestamp) -> Self {
        Self {
            id,
            state: State::Empty,
            since: Some(now),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Members::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            subscribed: None,
            written: None,
            has_offsets: false,
        }
    }

    pub(crate) const fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) const fn state(&self) -> StateName {
        self.state.name()
    }

    pub(crate) const fn since(&self) -> Option<Timestamp> {
        self.since
    }

    pub(crate) const fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) const fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(crate) const fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(crate) const fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) const fn written(&self) -> Option<&Generation> {
        self.written.as_ref()
    }

    /// Whether the group has no members and no expected members.
    pub(crate) fn is_deserted(&self) -> bool {
        self.state() == StateName::Empty && self.members.is_empty() && self.pending.is_empty()
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    fn has_all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.iter().all(Member::is_joining)
    }

    /// The longest rebalance timeout of all members.
    fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .iter()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
    }

    fn enter(&mut self, state: State, now: Timestamp) {
        debug_assert!(
            state.name().may_follow(self.state()),
            "group {} moves from {} to {}",
            self.id,
            self.state(),
            state.name()
        );
        crate::base::limited!(
            info,
            "group changes its state",
            group = %self.id,
            from = %self.state(),
            to = %state.name(),
            generation = self.generation,
            members = self.members.len()
        );
        self.state = state;
        self.since = Some(now);
    }

    /// Checks `member` (and `instance`, for a static member) against the group.
    pub(crate) fn validate(
        &self,
        member: &str,
        instance: Option<&Arc<str>>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(owner) if **owner != *member => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains(member) {
            Ok(())
        } else {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        }
    }

    fn session_key(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Session {
            group: Arc::clone(&self.id),
            member: Arc::clone(member),
        }
    }

    fn join_key(&self) -> TimerKey {
        TimerKey::Join {
            group: Arc::clone(&self.id),
        }
    }

    fn sync_key(&self) -> TimerKey {
        TimerKey::Sync {
            group: Arc::clone(&self.id),
        }
    }

    /// Restarts the session timeout of `member`.
    pub(crate) fn renew_session(&self, member: &str, turn: &mut Turn<'_>) {
        if let Some(member) = self.members.get(member) {
            turn.set(self.session_key(&member.id), member.session_timeout_ms);
        }
    }

    /// Removes a member and answers its waiting requests. The caller starts the rebalance.
    fn remove(&mut self, member: &Arc<str>, turn: &mut Turn<'_>) {
        turn.cancel(self.session_key(member));
        self.pending.remove(member);
        if let Some(awaited) = self.state.awaited() {
            awaited.remove(member);
        }
        let Some(mut removed) = self.members.remove(member) else {
            return;
        };
        removed.dismiss("", ErrorCode::UNKNOWN_MEMBER_ID, turn);
        if let Some(instance) = &removed.instance {
            self.instances.remove(instance);
        }
        if self.is_leader(member) {
            self.leader = self.members.ids().next().cloned();
        }
    }
}
