//! The leader of a partition: the watermark and the ISR.
//!
//! # The watermark
//!
//! It is the smallest log end of the leader, of every member of the maximal ISR, and of every other replica that is
//! eligible and caught up: such a one is about to join, and would otherwise chase a watermark that runs away from it.
//! It never goes back in one leadership. It stands still while the ISR has fewer members than
//! `min(min.insync.replicas, replication factor)` (KIP-966).
//!
//! # The ISR
//!
//! The controller records the ISR, the leader only asks for another one. Until it has an answer both may be in force,
//! so the leader works with the *maximal* ISR: everybody who is in one of them. There is at most one change under way.
//!
//! ```text
//!                fetched, shrink                       answered: taken
//!   Committed ---------------------> Pending --------------------------------> Committed (what the answer says)
//!       ^                              |  |  ^
//!       +------ answered: ineligible --+  +--+ answered: again (sent once more) or wait (the image will say)
//!       +------ followed: an image with a newer partition epoch
//! ```

use crate::base::{LeaderEpoch, NodeId, Offset, Timestamp};

/// What the controller has recorded of the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    /// The number of this record; it grows with every change.
    pub partition_epoch: i32,
    /// Who stores the partition.
    pub replicas: Vec<NodeId>,
    /// Who is in sync.
    pub isr: Vec<NodeId>,
}

/// What a leadership begins with.
#[derive(Clone, Debug)]
pub struct Term {
    /// The leader.
    pub node: NodeId,
    /// The epoch of the leadership.
    pub epoch: LeaderEpoch,
    /// Where the leader's log ends, which is where the epoch begins.
    pub log_end: Offset,
    /// The watermark that this replica knew before.
    pub high_watermark: Offset,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub lag_ms: i64,
    /// The time now.
    pub now: Timestamp,
}

/// A fetch of a follower that is a replica of the partition and in the leader's epoch.
#[derive(Clone, Copy, Debug)]
pub struct FollowerFetch {
    /// The follower.
    pub node: NodeId,
    /// The broker epoch that it has sent, or -1.
    pub broker_epoch: i64,
    /// Where it goes on, which is where its log ends.
    pub from: Offset,
    /// Its log departs from the leader's: it is told so, and must cut its log first.
    pub is_diverging: bool,
    /// It is not fenced, not shutting down, and its broker epoch is the one in the image (or -1).
    pub is_eligible: bool,
    /// The time of the fetch.
    pub now: Timestamp,
}

/// A change of the ISR to ask the controller for (AlterPartition).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsrChange {
    /// The epoch of the leadership.
    pub epoch: LeaderEpoch,
    /// The partition epoch that is to be replaced.
    pub partition_epoch: i32,
    /// The ISR that is wanted, each member with the broker epoch that the leader has seen, or -1.
    pub isr: Vec<(NodeId, i64)>,
}

/// What has become of a change that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsrAnswer {
    /// The controller has recorded it.
    Taken {
        /// The epoch of the leadership that it was recorded for.
        epoch: LeaderEpoch,
        /// The partition epoch now.
        partition_epoch: i32,
        /// The ISR now.
        isr: Vec<NodeId>,
    },
    /// A member may not join (INELIGIBLE_REPLICA).
    Ineligible,
    /// The controller knows more than the leader, which must wait for the image: FENCED_LEADER_EPOCH,
    /// INVALID_UPDATE_VERSION, INVALID_REQUEST, NEW_LEADER_ELECTED, or a topic that it does not know.
    Wait,
    /// Anything else: it is to be asked for again.
    Again,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Isr {
    Committed(Vec<NodeId>),
    Pending {
        committed: Vec<NodeId>,
        wanted: Vec<NodeId>,
    },
}

impl Isr {
    fn committed(&self) -> &[NodeId] {
        match self {
            Self::Committed(committed) | Self::Pending { committed, .. } => committed,
        }
    }

    fn wanted(&self) -> Option<&[NodeId]> {
        match self {
            Self::Committed(_) => None,
            Self::Pending { wanted, .. } => Some(wanted),
        }
    }

    /// Whether `node` is in the maximal ISR.
    fn has(&self, node: NodeId) -> bool {
        self.committed().contains(&node) || self.wanted().is_some_and(|isr| isr.contains(&node))
    }
}

/// What the leader knows of another replica.
#[derive(Clone, Copy, Debug)]
struct Follower {
    node: NodeId,
    broker_epoch: i64,
    /// Where its log ends; [`Offset::NONE`] until it has fetched in this leadership.
    log_end: Offset,
    is_eligible: bool,
    /// When it last had everything that the leader had.
    caught_up: Timestamp,
    /// When it fetched last, and where the leader's log ended then.
    last_fetch: (Timestamp, Offset),
}

impl Follower {
    const fn unheard(node: NodeId, caught_up: Timestamp) -> Self {
        Self {
            node,
            broker_epoch: -1,
            log_end: Offset::NONE,
            is_eligible: false,
            caught_up,
            last_fetch: (Timestamp::NONE, Offset::NONE),
        }
    }

    fn is_caught_up(&self, log_end: Offset, lag_ms: i64, now: Timestamp) -> bool {
        self.log_end == log_end || now.millis_since(self.caught_up) <= lag_ms
    }

    fn note(&mut self, fetch: &FollowerFetch, log_end: Offset) {
        let (last_time, last_end) = self.last_fetch;
        if fetch.from >= log_end {
            self.caught_up = self.caught_up.max(fetch.now);
        } else if fetch.from >= last_end && last_time != Timestamp::NONE {
            self.caught_up = self.caught_up.max(last_time);
        }
        self.last_fetch = (fetch.now, log_end);
        self.log_end = fetch.from;
        self.broker_epoch = fetch.broker_epoch;
        self.is_eligible = fetch.is_eligible;
    }
}

/// The leader of a partition in one epoch.
#[derive(Clone, Debug)]
pub struct Leader {
    node: NodeId,
    epoch: LeaderEpoch,
    epoch_start: Offset,
    partition_epoch: i32,
    isr: Isr,
    /// The other replicas.
    followers: Vec<Follower>,
    min_insync_replicas: usize,
    lag_ms: i64,
    log_end: Offset,
    high_watermark: Offset,
}

impl Leader {
    /// Begins a leadership. Where the followers' logs end is not known yet.
    pub fn new(term: &Term, registered: ReplicaSet) -> Self {
        let mut leader = Self {
            node: term.node,
            epoch: term.epoch,
            epoch_start: term.log_end,
            partition_epoch: registered.partition_epoch,
            isr: Isr::Committed(registered.isr),
            followers: Vec::new(),
            min_insync_replicas: term.min_insync_replicas,
            lag_ms: term.lag_ms,
            log_end: term.log_end,
            high_watermark: term.high_watermark.min(term.log_end),
        };
        leader.assign(&registered.replicas, term.now);
        leader.advance(term.now);
        leader
    }

    /// The epoch of the leadership.
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Everything below is in the logs of all who are in sync.
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// How many replicas are in the ISR that the controller has recorded.
    pub fn in_sync(&self) -> usize {
        self.isr.committed().len()
    }

    /// How many replicas must be in sync. No partition can ask for more than it has replicas (KIP-966).
    pub fn needed(&self) -> usize {
        self.min_insync_replicas.min(self.followers.len() + 1)
    }

    /// How many replicas are in the maximal ISR.
    pub fn maximal(&self) -> usize {
        let committed = self.isr.committed();
        let wanted = self.isr.wanted().unwrap_or_default();
        let added = wanted.iter().filter(|node| !committed.contains(node));
        committed.len() + added.count()
    }

    /// The leader's log ends there now.
    pub fn appended(&mut self, log_end: Offset, now: Timestamp) {
        self.log_end = log_end;
        self.advance(now);
    }

    /// `min.insync.replicas` is another one now.
    pub fn require(&mut self, min_insync_replicas: usize, now: Timestamp) {
        self.min_insync_replicas = min_insync_replicas;
        self.advance(now);
    }

    /// The image says something else of the partition, in this leadership. What is older than what the leader knows
    /// is passed over.
    pub fn followed(&mut self, registered: ReplicaSet, now: Timestamp) {
        if registered.partition_epoch <= self.partition_epoch {
            return;
        }
        self.partition_epoch = registered.partition_epoch;
        self.isr = Isr::Committed(registered.isr);
        self.assign(&registered.replicas, now);
        self.advance(now);
    }

    /// A follower fetches. Returns the change of the ISR to ask for, where it may join.
    pub fn fetched(&mut self, fetch: &FollowerFetch) -> Option<IsrChange> {
        // A log that departs from the leader's says nothing of how much of the leader's the follower has.
        if fetch.is_diverging {
            return None;
        }
        let log_end = self.log_end;
        let mut followers = self.followers.iter_mut();
        let follower = followers.find(|follower| follower.node == fetch.node)?;
        follower.note(fetch, log_end);
        let has_all = follower.log_end >= self.high_watermark.max(self.epoch_start);
        let may_join = has_all && follower.is_eligible && !self.isr.has(fetch.node);
        let change = may_join.then(|| self.ask_for_with(fetch.node)).flatten();
        self.advance(fetch.now);
        change
    }

    /// Returns the change of the ISR to ask for, where members of it have not been caught up for too long.
    pub fn shrink(&mut self, now: Timestamp) -> Option<IsrChange> {
        let is_kept = |node: &NodeId| {
            let follower = self.followers.iter().find(|other| other.node == *node);
            *node == self.node
                || follower.is_some_and(|it| it.is_caught_up(self.log_end, self.lag_ms, now))
        };
        let committed = self.isr.committed();
        let wanted: Vec<NodeId> = committed.iter().copied().filter(is_kept).collect();
        if wanted.len() == committed.len() {
            return None;
        }
        self.ask_for(wanted)
    }

    /// The controller has answered. Returns the change to ask for again, if it is to be.
    pub fn answered(&mut self, answer: IsrAnswer, now: Timestamp) -> Option<IsrChange> {
        let Isr::Pending { committed, .. } = &self.isr else {
            return None;
        };
        match answer {
            IsrAnswer::Taken {
                epoch,
                partition_epoch,
                isr,
            } => {
                if epoch != self.epoch || partition_epoch < self.partition_epoch {
                    return None;
                }
                self.partition_epoch = partition_epoch;
                self.isr = Isr::Committed(isr);
            }
            IsrAnswer::Ineligible => self.isr = Isr::Committed(committed.clone()),
            IsrAnswer::Wait => {}
            IsrAnswer::Again => return self.change(),
        }
        self.advance(now);
        None
    }

    fn ask_for_with(&mut self, node: NodeId) -> Option<IsrChange> {
        let mut wanted = self.isr.committed().to_vec();
        wanted.push(node);
        self.ask_for(wanted)
    }

    fn ask_for(&mut self, wanted: Vec<NodeId>) -> Option<IsrChange> {
        let Isr::Committed(committed) = &self.isr else {
            return None;
        };
        self.isr = Isr::Pending {
            committed: committed.clone(),
            wanted,
        };
        self.change()
    }

    /// The change that is under way.
    fn change(&self) -> Option<IsrChange> {
        let epoch_of = |node: &NodeId| {
            let known = self.followers.iter().find(|other| other.node == *node);
            known.map_or(-1, |follower| follower.broker_epoch)
        };
        let wanted = self.isr.wanted()?;
        Some(IsrChange {
            epoch: self.epoch,
            partition_epoch: self.partition_epoch,
            isr: wanted.iter().map(|node| (*node, epoch_of(node))).collect(),
        })
    }

    /// The replicas are these now. What is known of those that stay is kept.
    fn assign(&mut self, replicas: &[NodeId], now: Timestamp) {
        let isr = &self.isr;
        let known = &self.followers;
        let unheard = |node: NodeId| {
            // Who is in sync has the time that everybody has before it counts as lagging.
            let caught_up = if isr.has(node) { now } else { Timestamp::NONE };
            Follower::unheard(node, caught_up)
        };
        let others = replicas.iter().filter(|node| **node != self.node);
        self.followers = others
            .map(|node| {
                let before = known.iter().find(|follower| follower.node == *node);
                before.copied().unwrap_or_else(|| unheard(*node))
            })
            .collect();
    }

    /// Moves the watermark as far as it may go.
    fn advance(&mut self, now: Timestamp) {
        if self.in_sync() < self.needed() {
            return;
        }
        let holds = |follower: &&Follower| {
            let is_joining =
                || follower.is_eligible && follower.is_caught_up(self.log_end, self.lag_ms, now);
            self.isr.has(follower.node) || is_joining()
        };
        let held = self.followers.iter().filter(holds);
        let least = held.map(|follower| follower.log_end).min();
        let next = least.unwrap_or(self.log_end).min(self.log_end);
        self.high_watermark = self.high_watermark.max(next);
    }
}

#[cfg(test)]
mod tests;
