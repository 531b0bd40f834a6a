//! The groups, and the entry points of the machine: whether a group exists, and requests that no group accepts. What a
//! group does is in `classic`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::asks::{Heartbeat, Join, JoinReply, Leave, LeaveReply, Sync, SyncReply};
use super::classic::{Group, Provisional};
use super::consumer::{ConsumerGroup, ConsumerGroups, GroupEffect, World};
use super::listing::LastListing;
use super::memory::Groups;
use super::offsets::{Offsets, PendingOffsets, Sweep};
use super::unserved::{UnservedGroup, UnservedGroups};
use crate::base::{self, Bounds, ErrorCode, KeyValue, TimerChange, Timestamp, Token, Transaction};
use crate::config::BrokerConfig;
use crate::metadata::Image;
use crate::schema::MAX_STRING;

/// What the machine decides.
pub type Outcome = base::Outcome<TimerKey, GroupEffect>;

/// The broker's settings for groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The minimum session timeout (`group.min.session.timeout.ms`).
    pub min_session_timeout_ms: i32,
    /// The maximum session timeout (`group.max.session.timeout.ms`).
    pub max_session_timeout_ms: i32,
    /// How long an empty group waits for more members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay_ms: i32,
    /// The maximum number of members of a group (`group.max.size`).
    pub max_size: i32,
    /// The maximum length of an offset's metadata (`offset.metadata.max.bytes`).
    pub offset_metadata_max_bytes: i32,
    /// How long unused offsets are kept (`offsets.retention.minutes`).
    pub offsets_retention_ms: i64,
    /// The memory limit for the members of groups, in bytes (`zurau.group.members.max.bytes`).
    pub members_max_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            initial_rebalance_delay_ms: 3_000,
            max_size: i32::MAX,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            members_max_bytes: 64 << 20,
        }
    }
}

/// Names a timer of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKey {
    /// The session timeout of a member, or the time limit for using a new member id.
    Session {
        /// The group's id.
        group: Arc<str>,
        /// The member's id.
        member: Arc<str>,
    },
    /// The time limit for members to join.
    Join {
        /// The group's id.
        group: Arc<str>,
    },
    /// The time limit for members to send SyncGroup.
    Sync {
        /// The group's id.
        group: Arc<str>,
    },
    /// The time limit for a member of a consumer group to give up partitions.
    Revocation {
        /// The group's id.
        group: Arc<str>,
        /// The member's id.
        member: Arc<str>,
    },
    /// The time limit for a classic member of a consumer group to join again.
    Rejoin {
        /// The group's id.
        group: Arc<str>,
        /// The member's id.
        member: Arc<str>,
    },
    /// The time limit for a classic member of a consumer group to ask for its assignment.
    MemberSync {
        /// The group's id.
        group: Arc<str>,
        /// The member's id.
        member: Arc<str>,
    },
    /// The pause between two steps that remove unused groups and offsets.
    Sweep,
}

impl TimerKey {
    /// What ends when the timer fires.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Session { .. } => "end of a session",
            Self::Join { .. } | Self::Rejoin { .. } => "end of the time to join",
            Self::Sync { .. } | Self::MemberSync { .. } => "end of the time to sync",
            Self::Revocation { .. } => "end of the time to give up partitions",
            Self::Sweep => "removal of offsets that nobody needs",
        }
    }

    /// The group id; empty for a timer of all groups.
    pub fn group(&self) -> Arc<str> {
        match self {
            Self::Session { group, .. }
            | Self::Join { group }
            | Self::Sync { group }
            | Self::Revocation { group, .. }
            | Self::Rejoin { group, .. }
            | Self::MemberSync { group, .. } => Arc::clone(group),
            Self::Sweep => "".into(),
        }
    }
}

/// A decision in progress: its inputs, and its results so far.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
    outcome: Outcome,
    /// A change that a group has made before its record is written.
    provisional: Option<(Arc<str>, Provisional)>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(settings: &'a Settings, now: Timestamp) -> Self {
        Self {
            settings,
            now,
            outcome: Outcome::default(),
            provisional: None,
        }
    }

    pub(crate) fn reply<R: Send + 'static>(&mut self, token: Token<R>, reply: R) {
        self.outcome.reply(token, reply);
    }

    pub(crate) fn write(&mut self, record: KeyValue) {
        self.outcome.records.push(record);
    }

    /// Writes the records under this transaction: they hold when it is committed.
    pub(crate) const fn write_under(&mut self, transaction: Transaction) {
        self.outcome.transaction = Some(transaction);
    }

    /// Writes the record of a change that a group has made before.
    pub(crate) fn write_for(&mut self, group: &Arc<str>, record: KeyValue, change: Provisional) {
        self.write(record);
        self.provide(group, change);
    }

    /// A group has changed before the records of this decision are written.
    pub(crate) fn provide(&mut self, group: &Arc<str>, change: Provisional) {
        self.provisional = Some((Arc::clone(group), change));
    }

    /// Sets a timer. Times come from clients and may be negative.
    pub(crate) fn set(&mut self, key: TimerKey, milliseconds: i32) {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
        self.outcome
            .timers
            .push(TimerChange::Set(key, Duration::from_millis(milliseconds)));
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        self.change(TimerChange::Cancel(key));
    }

    pub(crate) fn change(&mut self, timer: TimerChange<TimerKey>) {
        self.outcome.timers.push(timer);
    }

    /// Lets others carry out an effect, once the records are committed.
    pub(crate) fn have(&mut self, effect: GroupEffect) {
        self.outcome.effects.push(effect);
    }
}

/// All groups and offsets of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Registry {
    pub(super) settings: Settings,
    pub(super) bounds: Bounds,
    pub(super) groups: Groups,
    pub(super) consumers: ConsumerGroups,
    /// What consumer groups rest on beside the log.
    pub(super) world: World,
    /// Groups of types that are not served.
    pub(super) unserved: UnservedGroups,
    pub(super) offsets: Offsets,
    pub(super) last_listing: LastListing,
    /// The sweeps that remove unused groups and offsets; the first one is in progress.
    pub(super) sweeps: VecDeque<Sweep>,
    /// The changes that groups have made before the records of the last decision.
    pub(super) provisional: Option<(Arc<str>, Provisional)>,
    /// The sessions of the members that the last decision has removed from consumer groups.
    pub(super) ended_sessions: Vec<TimerKey>,
    /// The group whose regular expressions are to be looked up if the last decision is written.
    pub(super) looked_up: Option<Arc<str>>,
    /// Offsets of transactions that have not ended.
    pub(super) pending: PendingOffsets,
    /// Whether the log is still being read. During that time a record defines a group; afterwards it confirms the
    /// group's decision.
    pub(super) is_loading: bool,
}

impl Registry {
    /// A registry of an empty partition, ready to replay.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            bounds: Bounds::default(),
            groups: Groups::default(),
            consumers: ConsumerGroups::default(),
            world: World::new(Arc::default(), Arc::default()),
            unserved: UnservedGroups::default(),
            offsets: Offsets::default(),
            last_listing: LastListing::default(),
            sweeps: VecDeque::new(),
            provisional: None,
            ended_sessions: Vec::new(),
            looked_up: None,
            pending: PendingOffsets::default(),
            is_loading: true,
        }
    }

    /// The same in a cluster with this metadata, on a broker that was started with this configuration.
    pub fn in_cluster(self, config: Arc<BrokerConfig>, image: Arc<Image>) -> Self {
        Self {
            world: World::new(config, image),
            ..self
        }
    }

    /// Sets the bounds for the next decisions.
    pub const fn within(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// The memory of the members of all groups, and of the offsets of open transactions, in bytes.
    pub const fn held(&self) -> usize {
        self.groups.held() + self.consumers.held() + self.pending.held()
    }

    /// The log has been read. The sessions of restored members begin now.
    pub fn loaded(&mut self, now: Timestamp) -> Vec<TimerChange<TimerKey>> {
        self.is_loading = false;
        let mut turn = Turn::new(&self.settings, now);
        self.groups.change_each(|group| group.resume(&mut turn));
        self.resume_consumer_groups(&mut turn);
        turn.outcome.timers
    }

    /// Decides what follows when a timer fires. A timer of a group or member that is gone has no effect.
    pub fn timer_fired(&mut self, key: TimerKey, now: Timestamp) -> Outcome {
        let settings = self.settings;
        let mut turn = Turn::new(&settings, now);
        let group = match key {
            TimerKey::Session { ref group, .. }
            | TimerKey::Revocation { ref group, .. }
            | TimerKey::Rejoin { ref group, .. }
            | TimerKey::MemberSync { ref group, .. }
                if self.consumers.get(group).is_some() =>
            {
                let group = Arc::clone(group);
                self.fence_late_member(key, &mut turn);
                Some(group)
            }
            TimerKey::Revocation { group, .. }
            | TimerKey::Rejoin { group, .. }
            | TimerKey::MemberSync { group, .. } => Some(group),
            TimerKey::Session { group, member } => {
                self.groups.change(&group, |group| {
                    group.session_timeout(&member, &mut turn);
                });
                Some(group)
            }
            TimerKey::Join { group } => {
                self.groups
                    .change(&group, |group| group.join_timeout(&mut turn));
                Some(group)
            }
            TimerKey::Sync { group } => {
                self.groups
                    .change(&group, |group| group.sync_timeout(&mut turn));
                Some(group)
            }
            TimerKey::Sweep => {
                self.sweep(&mut turn);
                None
            }
        };
        if let Some(group) = group
            && self.has_many_idle()
        {
            self.remove_idle(&group, &mut turn);
        }
        self.end(turn)
    }

    /// The log does not accept the records of the last decision, and none of them has been replayed: decides what
    /// follows. The host refuses the requests that the decision has answered, except those that this answers.
    pub fn not_written(&mut self, now: Timestamp) -> Outcome {
        let settings = self.settings;
        let mut turn = Turn::new(&settings, now);
        self.pass_over();
        self.remove_later(&mut turn);
        if let Some((id, change)) = self.provisional.take() {
            let is_birth = change.is_birth();
            self.groups
                .change(&id, |group| group.not_written(change, &mut turn));
            if is_birth {
                self.groups.remove(&id);
                self.resume_consumer_group(&id, &mut turn);
            }
        }
        self.end(turn)
    }

    /// The decision is made.
    pub(super) fn end(&mut self, turn: Turn<'_>) -> Outcome {
        self.provisional = turn.provisional;
        let effects = turn.outcome.effects.iter();
        self.looked_up = effects
            .map(|GroupEffect::Resolve(expressions)| Arc::clone(&expressions.group))
            .next();
        turn.outcome
    }

    pub(super) fn join(&mut self, token: Token<JoinReply>, join: Join, turn: &mut Turn<'_>) {
        if let Err(error) = check_join(&join, turn.settings) {
            return turn.reply(token, JoinReply::refused(join.member, error));
        }
        let id = Arc::clone(&join.group);
        if let Err(error) = self.make_room_for(&join, turn) {
            return turn.reply(token, JoinReply::refused(join.member, error));
        }
        if self.groups.contains(&id) {
            self.groups
                .change(&id, |group| group.join(token, join, turn));
            return;
        }
        if let Some(reply) = self.join_consumer_group(&join, turn) {
            return turn.reply(token, reply);
        }
        let consumer = self.consumer(&id);
        let unserved = self.unserved(&id);
        if unserved.is_some_and(|unserved| !unserved.may_become_classic()) {
            let reply = JoinReply::refused(join.member, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            return turn.reply(token, reply);
        }
        if !join.member.is_empty() {
            let reply = JoinReply::refused(join.member, ErrorCode::UNKNOWN_MEMBER_ID);
            return turn.reply(token, reply);
        }
        let mut group = Group::new(Arc::clone(&id), turn.now);
        group.join(token, join, turn);
        if !group.is_deserted() {
            let consumer = consumer.map(ConsumerGroup::tombstones).unwrap_or_default();
            let unserved = unserved.into_iter().flat_map(UnservedGroup::tombstones);
            for tombstone in consumer.into_iter().chain(unserved) {
                turn.write(tombstone);
            }
            turn.write_for(&id, group.birth_record(turn.now), Provisional::Birth);
            self.groups.insert(group);
        }
    }

    /// The consumer group with this id. While a classic group takes its place, that counts.
    pub(super) fn consumer(&self, group: &str) -> Option<&ConsumerGroup> {
        let consumer = self.consumers.get(group);
        consumer.filter(|_| !self.groups.contains(group))
    }

    /// The group with this id, if its type is not served.
    pub(super) fn unserved(&self, group: &str) -> Option<&UnservedGroup> {
        let unserved = self.unserved.get(group);
        unserved.filter(|_| !self.groups.contains(group) && !self.consumers.contains(group))
    }

    pub(super) fn sync(&mut self, token: Token<SyncReply>, sync: Sync, turn: &mut Turn<'_>) {
        let refusal = SyncReply::refused;
        if sync.group.is_empty() {
            return turn.reply(token, refusal(ErrorCode::INVALID_GROUP_ID));
        }
        let Some(group) = self.groups.get(&sync.group) else {
            let reply = self.sync_consumer_group(&sync, turn);
            let reply = reply.unwrap_or_else(|| refusal(ErrorCode::UNKNOWN_MEMBER_ID));
            return turn.reply(token, reply);
        };
        let id = Arc::clone(&sync.group);
        if let Err(error) = self.allow_assignments(group, &sync) {
            turn.reply(token, refusal(error));
            if !error.is_retriable() {
                self.groups
                    .change(&id, |group| group.refuse_assignment(&sync, turn));
            }
            return;
        }
        self.groups
            .change(&id, |group| group.sync(token, sync, turn));
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat, turn: &mut Turn<'_>) -> ErrorCode {
        if heartbeat.group.is_empty() {
            return ErrorCode::INVALID_GROUP_ID;
        }
        match self.groups.get(&heartbeat.group) {
            Some(group) => group.heartbeat(heartbeat, turn),
            None => {
                let error = self.heartbeat_consumer_group(heartbeat, turn);
                error.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
            }
        }
    }

    pub(super) fn leave(&mut self, leave: Leave, turn: &mut Turn<'_>) -> LeaveReply {
        if leave.group.is_empty() {
            return LeaveReply {
                error: ErrorCode::INVALID_GROUP_ID,
                members: Vec::new(),
            };
        }
        let Leave { group, members } = leave;
        let members = if self.groups.contains(&group) {
            let left = self
                .groups
                .change(&group, |group| group.leave(members, turn));
            left.unwrap_or_default()
        } else {
            self.leave_consumer_group(&group, members, turn)
        };
        LeaveReply {
            error: ErrorCode::NONE,
            members,
        }
    }
}

/// Clients support two or three protocols. Each is compared with those of all other members.
const MAX_PROTOCOLS: usize = 64;

/// Refuses a request that no group would accept, whatever its state.
fn check_join(join: &Join, settings: &Settings) -> Result<(), ErrorCode> {
    let allowed = settings.min_session_timeout_ms..=settings.max_session_timeout_ms;
    if join.group.is_empty() || join.group.len() > MAX_STRING {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    if !allowed.contains(&join.session_timeout_ms) {
        return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    if join.protocols.len() > MAX_PROTOCOLS {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    // Flexible versions can carry strings that do not fit in a record. The client id and the instance id must leave
    // room for the rest of a member id.
    let long = MAX_STRING / 2;
    let instance = join.instance.as_ref().map_or(0, |instance| instance.len());
    let is_long = join.client_id.len() > long
        || instance > long
        || join.client_host.len() > long
        || join.member.len() > MAX_STRING
        || join.protocol_type.len() > long
        || join
            .protocols
            .iter()
            .any(|protocol| protocol.name.len() > long);
    if is_long {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        Ok(())
    }
}
