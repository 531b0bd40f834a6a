//! The observer: asks the leader of the quorum, or any controller that may know it, and follows its log.
//!
//! ```text
//!   no leader known                 Fetch to the bootstrap endpoints and voters in turn
//!        |  an answer names one           ^
//!        v                                |  not the leader any more, a newer epoch without one
//!   following ----------------------------+
//!        |  records: append     diverging: truncate     lost or late: the others in turn, until one answers
//!        |  a snapshot
//!        v
//!   fetching a snapshot             FetchSnapshot to the leader, part by part
//!        |  all of it: install      it is gone there, or another epoch: forget it, and Fetch again
//!        v
//!   following
//! ```
//!
//! Facts: `KafkaRaftClient` as KIP-595, KIP-630 and KIP-853 describe it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::voters::{Endpoint, Voter, Voters};
use crate::base::{ErrorCode, LeaderEpoch, NodeId, Offset, Timestamp};

/// How the observer asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to look for the leader (`controller.quorum.bootstrap.servers`). Empty: the voters are asked.
    pub bootstrap: Vec<Endpoint>,
    /// How long an answer may take (`controller.quorum.request.timeout.ms`).
    pub request_timeout_ms: i64,
    /// The pause before another attempt (`controller.quorum.retry.backoff.ms`).
    pub retry_backoff_ms: i64,
}

/// The local log, as far as the machine looks at it.
pub trait LogView {
    /// The end of the snapshot with which the log begins, or 0.
    fn start(&self) -> Offset;
    /// Where the next record goes.
    fn end(&self) -> Offset;
    /// The epoch of the last record, else that of the snapshot with which the log begins, else 0.
    fn last_epoch(&self) -> LeaderEpoch;
    /// The greatest epoch in the log that is at most `epoch`, and where it ends; `None` if there is none.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd>;
}

/// Where an epoch ends in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset behind its last record.
    pub end: Offset,
}

/// A snapshot: it holds everything below `end`, whose last record has `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    /// The offset behind the last record that it covers.
    pub end: Offset,
    /// That record's epoch.
    pub epoch: LeaderEpoch,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node, if it is known: that of the leader.
    pub node: Option<NodeId>,
    /// Where.
    pub endpoint: Endpoint,
}

/// A request to send. Its number comes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Fetch.
    Fetch(FetchRequest),
    /// FetchSnapshot.
    Snapshot(SnapshotRequest),
}

/// What changes from one Fetch to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// The epoch that the observer knows.
    pub epoch: LeaderEpoch,
    /// The end of its log.
    pub offset: Offset,
    /// The epoch of its last record.
    pub last_fetched_epoch: LeaderEpoch,
    /// Its high watermark: the leader answers at once when it has a higher one.
    pub high_watermark: Option<Offset>,
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// The epoch that the observer knows.
    pub epoch: LeaderEpoch,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The bytes that are stored already.
    pub position: u64,
}

/// The leader as an answer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// The leader, if the answering node knows one.
    pub leader: Option<NodeId>,
    /// Where it is, if the answer says so.
    pub endpoint: Option<Endpoint>,
}

/// An answer to Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The error for the whole request, or else for the partition.
    pub error: ErrorCode,
    /// Who leads; `None` with an error for the whole request.
    pub named: Option<Named>,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The log departs from the leader's.
    pub diverging: Option<EpochEnd>,
    /// The leader's log begins too late: this is to be fetched first.
    pub snapshot: Option<SnapshotId>,
    /// Whole batches that follow the log's end, checked by the caller. Empty if there are none.
    pub records: Bytes,
}

/// An answer to FetchSnapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotAnswer {
    /// The error for the whole request, or else for the partition.
    pub error: ErrorCode,
    /// Who leads; `None` with an error for the whole request.
    pub named: Option<Named>,
    /// The size of the whole snapshot.
    pub size: u64,
    /// Where the part begins.
    pub position: u64,
    /// The part.
    pub bytes: Bytes,
}

/// An answer of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// To Fetch.
    Fetch(FetchAnswer),
    /// To FetchSnapshot.
    Snapshot(SnapshotAnswer),
    /// None came: the connection was lost, or refused.
    Lost,
}

/// What is to be done with the local log. It is done before the machine is called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Append these batches as they are.
    Append(Bytes),
    /// Cut the log here; this is never below the high watermark.
    Truncate(Offset),
    /// Store a part of a snapshot at this position; at 0, begin its file.
    Store {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The position of the part.
        position: u64,
        /// The part.
        bytes: Bytes,
        /// It is complete now: it replaces the log, which begins behind it.
        is_last: bool,
    },
}

/// What the machine wants after each event, and when its time has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// A request to send, with its number.
    pub send: Option<(u64, Target, Request)>,
    /// When to call again if nothing happens before.
    pub wake: Option<Timestamp>,
    /// The epoch and leader are new: they are to be made durable before the request is sent.
    pub elected: Option<(LeaderEpoch, Option<NodeId>)>,
}

/// Why the observer cannot go on at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The leader's log lacks records that were committed.
    #[error(
        "the leader of epoch {epoch} asks to cut the metadata log at {to}, below its high watermark {high_watermark}: committed metadata is lost there"
    )]
    CommittedLost {
        /// The leader's epoch.
        epoch: LeaderEpoch,
        /// Where the log was to be cut.
        to: Offset,
        /// What was committed.
        high_watermark: Offset,
    },
    /// Two leaders for one epoch.
    #[error("epoch {epoch} of the metadata quorum has two leaders, {one} and {other}")]
    TwoLeaders {
        /// The epoch.
        epoch: LeaderEpoch,
        /// The one that was known.
        one: NodeId,
        /// The one that an answer names.
        other: NodeId,
    },
    /// The controllers belong to another cluster.
    #[error("the controllers belong to another cluster")]
    OtherCluster,
    /// The controllers do not let this node follow them.
    #[error("the controllers refuse this broker: it has no right to CLUSTER_ACTION")]
    NotAllowed,
}

#[derive(Debug)]
struct Asked {
    number: u64,
    target: Target,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    snapshot: SnapshotId,
    stored: u64,
}

/// The observer.
#[derive(Debug)]
pub struct Observer {
    settings: Settings,
    epoch: LeaderEpoch,
    leader: Option<NodeId>,
    /// Those that answers have named; voters have theirs in their record.
    endpoints: BTreeMap<NodeId, Endpoint>,
    voters: Voters,
    high_watermark: Option<Offset>,
    /// What the last answer says is committed, if the log agrees with the leader's up to its end.
    heard_mark: Option<Offset>,
    partial: Option<Partial>,
    asked: Option<Asked>,
    /// The next request's number.
    number: u64,
    /// Nothing is sent before this.
    not_before: Timestamp,
    /// The leader did not answer: others are asked until somebody does.
    is_leader_silent: bool,
    /// The next of the others to ask.
    turn: usize,
    has_been_answered: bool,
    /// What [`Next`] has not told yet.
    elected: bool,
}

impl Observer {
    /// An observer that knows `epoch` and its leader from its last run, and the voters of the configuration. Everything
    /// below `start` is committed: that is where its log begins. `turn` spreads the first requests of many observers over
    /// the controllers.
    pub fn new(
        settings: Settings,
        (epoch, leader): (LeaderEpoch, Option<NodeId>),
        voters: Vec<Voter>,
        start: Offset,
        turn: usize,
    ) -> Self {
        Self {
            settings,
            epoch: epoch.max(LeaderEpoch(0)),
            leader,
            endpoints: BTreeMap::new(),
            voters: Voters::new(voters),
            high_watermark: None,
            heard_mark: Some(start),
            partial: None,
            asked: None,
            number: 0,
            not_before: Timestamp(i64::MIN),
            is_leader_silent: false,
            turn,
            has_been_answered: false,
            elected: false,
        }
    }

    /// The epoch and its leader, as far as known.
    pub const fn leadership(&self) -> (LeaderEpoch, Option<NodeId>) {
        (self.epoch, self.leader)
    }

    /// What is committed, as far as known since the start.
    pub const fn high_watermark(&self) -> Option<Offset> {
        self.high_watermark
    }

    /// The voters in force.
    pub fn voters(&self) -> &[Voter] {
        self.voters.current()
    }

    /// The log has a set of voters at `offset`: one was appended, or read at the start.
    pub fn voters_written(&mut self, offset: Offset, voters: Vec<Voter>) {
        self.voters.write(offset, voters);
    }

    /// A snapshot is the log's beginning now. It names `voters`, or none.
    pub fn installed(&mut self, snapshot: SnapshotId, voters: Option<Vec<Voter>>) {
        self.voters.restart(snapshot.end, voters);
    }

    /// Where the leader is reached, for requests of others (heartbeats, forwarding).
    pub fn leader_endpoint(&self) -> Option<Target> {
        let leader = self.leader?;
        let voter = self
            .voters
            .current()
            .iter()
            .find(|voter| voter.id == leader);
        let named = self.endpoints.get(&leader);
        let endpoint = named.or_else(|| voter?.endpoint.as_ref())?;
        Some(Target {
            node: Some(leader),
            endpoint: endpoint.clone(),
        })
    }

    /// What comes next, after every event and when the time of [`Next::wake`] has come.
    pub fn next(&mut self, log: &impl LogView, now: Timestamp) -> Next {
        let late = self.asked.as_ref().is_some_and(|asked| asked.until <= now);
        if late {
            self.nobody_answered(now);
        }
        let mut next = Next {
            elected: std::mem::take(&mut self.elected).then_some((self.epoch, self.leader)),
            ..Next::default()
        };
        if let Some(asked) = &self.asked {
            next.wake = Some(asked.until);
        } else if now < self.not_before {
            next.wake = Some(self.not_before);
        } else if let Some(target) = self.target() {
            let until = now.plus_millis(self.settings.request_timeout_ms);
            let request = self.request(&target, log);
            self.number += 1;
            self.asked = Some(Asked {
                number: self.number,
                target: target.clone(),
                until,
            });
            next.send = Some((self.number, target, request));
            next.wake = Some(until);
        }
        next
    }

    /// The leader, unless there is none, its endpoint is not known, or it is silent; then the others in turn.
    fn target(&mut self) -> Option<Target> {
        let leader = self.leader_endpoint();
        if !self.is_leader_silent
            && let Some(leader) = leader
        {
            return Some(leader);
        }
        let voters = self.voters.current();
        let voters = voters.iter().filter_map(|voter| voter.endpoint.as_ref());
        let others: Vec<_> = if self.settings.bootstrap.is_empty() {
            voters.collect()
        } else {
            self.settings.bootstrap.iter().collect()
        };
        let other = others.get(self.turn.checked_rem(others.len())?)?;
        let target = Target {
            node: None,
            endpoint: (*other).clone(),
        };
        self.turn = self.turn.wrapping_add(1);
        Some(target)
    }

    fn request(&self, target: &Target, log: &impl LogView) -> Request {
        match self.partial {
            Some(partial) if target.node.is_some() => Request::Snapshot(SnapshotRequest {
                epoch: self.epoch,
                snapshot: partial.snapshot,
                position: partial.stored,
            }),
            _ => Request::Fetch(FetchRequest {
                epoch: self.epoch,
                offset: log.end(),
                last_fetched_epoch: log.last_epoch(),
                high_watermark: self.high_watermark,
            }),
        }
    }

    /// The answer to a request, or the news that none comes. The change that it returns is made before anything else; then
    /// [`Observer::committed`] is called, with a change or without.
    ///
    /// # Errors
    /// When the observer must stop for good.
    pub fn answered(
        &mut self,
        number: u64,
        answer: Answered,
        log: &impl LogView,
        now: Timestamp,
    ) -> Result<Option<Change>, Fatal> {
        if self.asked.as_ref().map(|asked| asked.number) != Some(number) {
            return Ok(None);
        }
        match answer {
            Answered::Lost => {
                self.nobody_answered(now);
                Ok(None)
            }
            Answered::Fetch(answer) => self.fetched(answer, log, now),
            Answered::Snapshot(answer) => self.part_fetched(answer, now),
        }
    }

    /// The log is as the last change wanted it. Returns the high watermark if it has moved: everything below may be applied.
    pub fn committed(&mut self, log: &impl LogView) -> Option<Offset> {
        let reached = self.heard_mark.take()?.min(log.end());
        if reached < Offset::ZERO || self.high_watermark.is_some_and(|known| reached <= known) {
            return None;
        }
        self.high_watermark = Some(reached);
        self.voters.forget_before(reached);
        Some(reached)
    }

    fn nobody_answered(&mut self, now: Timestamp) {
        let asked = self.asked.take();
        self.is_leader_silent |= asked.is_some_and(|asked| asked.target.node.is_some());
        self.pause(now);
    }

    fn pause(&mut self, now: Timestamp) {
        self.not_before = now.plus_millis(self.settings.retry_backoff_ms);
    }

    fn fetched(
        &mut self,
        answer: FetchAnswer,
        log: &impl LogView,
        now: Timestamp,
    ) -> Result<Option<Change>, Fatal> {
        let Some(from_leader) = self.heard(answer.error, answer.named.as_ref(), now)? else {
            return Ok(None);
        };
        if !from_leader {
            return Ok(None);
        }
        if let Some(diverging) = answer.diverging {
            return self.truncate(diverging, log).map(Some);
        }
        if let Some(snapshot) = answer.snapshot {
            self.begin(snapshot, now);
            return Ok(None);
        }
        self.heard_mark = Some(answer.high_watermark);
        Ok(Some(answer.records)
            .filter(|records| !records.is_empty())
            .map(Change::Append))
    }

    /// What every answer tells: the leader, the epoch, an error. `Some(true)` if its contents count, since it comes from the
    /// leader of this epoch.
    fn heard(
        &mut self,
        error: ErrorCode,
        named: Option<&Named>,
        now: Timestamp,
    ) -> Result<Option<bool>, Fatal> {
        let asked = self.asked.take();
        match error {
            // A node that has followed these controllers before may be talking to one that was set up wrongly.
            ErrorCode::INCONSISTENT_CLUSTER_ID if !self.has_been_answered => {
                return Err(Fatal::OtherCluster);
            }
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED => return Err(Fatal::NotAllowed),
            _ => {}
        }
        let Some(named) = named else {
            self.is_leader_silent |= asked.is_some_and(|asked| asked.target.node.is_some());
            self.pause(now);
            return Ok(None);
        };
        if named.epoch < self.epoch {
            self.pause(now);
            return Ok(None);
        }
        self.has_been_answered = true;
        let is_new = self.follow(named)?;
        let refused = error != ErrorCode::NONE;
        if refused && error != ErrorCode::SNAPSHOT_NOT_FOUND && !is_new {
            self.pause(now);
        }
        let asked_leader = asked
            .and_then(|asked| asked.target.node)
            .is_some_and(|node| Some(node) == self.leader);
        if asked_leader || (is_new && self.leader.is_some()) {
            self.is_leader_silent = false;
        }
        // Only the leader answers without an error, also when it was asked as one of many.
        Ok(Some(!refused && self.leader.is_some()))
    }

    /// Adopts the epoch and the leader of an answer. Whether they are new.
    fn follow(&mut self, named: &Named) -> Result<bool, Fatal> {
        if let (Some(leader), Some(endpoint)) = (named.leader, &named.endpoint) {
            self.endpoints.insert(leader, endpoint.clone());
        }
        let is_newer = named.epoch > self.epoch;
        match (self.leader, named.leader) {
            (Some(one), Some(other)) if !is_newer && one != other => {
                return Err(Fatal::TwoLeaders {
                    epoch: self.epoch,
                    one,
                    other,
                });
            }
            (known, named) if !is_newer && (named.is_none() || known == named) => {
                return Ok(false);
            }
            _ => {}
        }
        self.epoch = named.epoch;
        self.leader = named.leader;
        // The new leader may have other snapshots.
        self.partial = None;
        self.elected = true;
        self.is_leader_silent = false;
        let leader = named.leader;
        self.endpoints.retain(|node, _| Some(*node) == leader);
        Ok(true)
    }

    /// Where to cut a log that departs from the leader's, whose `diverging` epoch is the greatest up to our last one.
    fn truncate(&self, diverging: EpochEnd, log: &impl LogView) -> Result<Change, Fatal> {
        let own = log.end_of_epoch(diverging.epoch);
        let to = match own {
            Some(own) if own.epoch == diverging.epoch => own.end.min(diverging.end),
            // The next Fetch compares again, from there.
            Some(own) => own.end,
            None => diverging.end.min(log.start()),
        };
        let high_watermark = self.high_watermark.unwrap_or(Offset::ZERO);
        if to < high_watermark {
            return Err(Fatal::CommittedLost {
                epoch: self.epoch,
                to,
                high_watermark,
            });
        }
        Ok(Change::Truncate(to))
    }

    /// The log is cut at `end`: sets of voters behind it never were there.
    pub fn truncated(&mut self, end: Offset) {
        self.voters.truncate(end);
    }

    fn begin(&mut self, snapshot: SnapshotId, now: Timestamp) {
        let is_older = self
            .high_watermark
            .is_some_and(|known| snapshot.end < known);
        if is_older || snapshot.end < Offset::ZERO || !snapshot.epoch.is_some() {
            self.pause(now);
        } else {
            self.partial = Some(Partial {
                snapshot,
                stored: 0,
            });
        }
    }

    fn part_fetched(
        &mut self,
        answer: SnapshotAnswer,
        now: Timestamp,
    ) -> Result<Option<Change>, Fatal> {
        let heard = self.heard(answer.error, answer.named.as_ref(), now)?;
        let Some(partial) = self.partial else {
            return Ok(None);
        };
        if answer.error == ErrorCode::SNAPSHOT_NOT_FOUND
            || answer.error == ErrorCode::POSITION_OUT_OF_RANGE
        {
            self.partial = None;
        }
        if heard != Some(true) {
            return Ok(None);
        }
        let length = answer.bytes.len() as u64;
        let fits = partial
            .stored
            .checked_add(length)
            .filter(|end| *end <= answer.size);
        let Some(end) = fits
            .filter(|end| answer.position == partial.stored && (length > 0 || *end == answer.size))
        else {
            self.partial = None;
            self.pause(now);
            return Ok(None);
        };
        let is_last = end == answer.size;
        if is_last {
            self.heard_mark = Some(partial.snapshot.end);
        }
        self.partial = (!is_last).then_some(Partial {
            stored: end,
            ..partial
        });
        Ok(Some(Change::Store {
            snapshot: partial.snapshot,
            position: partial.stored,
            bytes: answer.bytes,
            is_last,
        }))
    }
}
