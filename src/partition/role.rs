//! The role of this broker for a partition: leader, follower, or neither. The lane that owns the log owns the role
//! too.
//!
//! ```text
//!   image --> Replica (who leads: turns appends away early) --operation--> Role (decides, in the log's order)
//!
//!   append queued in epoch 4 | become leader in epoch 5 | append queued in epoch 5
//!          written                 notes where 5 begins          written
//!   become follower in 6     | append queued in epoch 5
//!          acks end                refused
//! ```
//! An append is admitted when it is written: if it was queued before a change of leadership and is reached after it,
//! it is refused. With `acks=1` it is acknowledged at once; with `acks=all` it waits until the watermark passes its
//! last offset. A duplicate waits for the offsets of its original. When the leadership ends, the waiting appends fail
//! with "not leader": the next leader may have the records or not.
//!
//! [`replication::Leader`] computes the watermark; a follower gets it from its leader. At the start it is the
//! checkpoint's value, limited by the end of the log.

use tokio::sync::oneshot;

use crate::base::{LeaderEpoch, NodeId, Offset, Pending, Positions, Timestamp};
use crate::config::TopicConfig;
use crate::log::PartitionLog;
use crate::replication::{self, ReplicaSet, Term};

use super::append::{AfterAppend, AppendFailure, AppendReply, Appended, RequiredAcks};
use super::replica::{Leadership, Published};

/// How long a follower may be behind before it is out of sync: Kafka's default of `replica.lag.time.max.ms`. No
/// follower fetches here yet.
const LAG_MS: i64 = 30_000;

/// Leader, follower or neither, with the matching state.
pub(super) struct Role {
    node: NodeId,
    /// Set when this broker leads.
    leader: Option<replication::Leader>,
    high_watermark: Offset,
    /// Acknowledgements of written appends, ordered by the watermark that they wait for.
    waiting: Pending<Offset, Waiting>,
}

/// An acknowledgement that waits for other replicas.
struct Waiting {
    appended: Appended,
    reply: oneshot::Sender<Result<Appended, AppendFailure>>,
}

impl Role {
    /// Neither leader nor follower yet, with the watermark from the checkpoint.
    pub(super) fn new(node: NodeId, checkpointed: Offset) -> Self {
        Self {
            node,
            leader: None,
            high_watermark: checkpointed,
            waiting: Pending::default(),
        }
    }

    /// Applies `leadership`. A leader records where its epoch begins before it serves in it, so that clients can
    /// later ask where it ended.
    pub(super) fn follow(
        &mut self,
        leadership: &Leadership,
        log: &mut PartitionLog,
        now: Timestamp,
    ) {
        if leadership.leader != self.node {
            self.leader = None;
            self.give_up(AfterAppend::NotLeader);
            return;
        }
        let registered = ReplicaSet {
            partition_epoch: leadership.partition_epoch,
            replicas: leadership.replicas.clone(),
            isr: leadership.isr.clone(),
        };
        match &mut self.leader {
            Some(leader) if leader.epoch() == leadership.epoch => leader.followed(registered, now),
            _ => {
                log.assign_epoch(leadership.epoch);
                let term = Term {
                    node: self.node,
                    epoch: leadership.epoch,
                    log_end: log.log_end(),
                    high_watermark: self.high_watermark,
                    min_insync_replicas: min_insync_replicas(log.config()),
                    lag_ms: LAG_MS,
                    now,
                };
                self.leader = Some(replication::Leader::new(&term, registered));
            }
        }
        self.settle(log, now);
    }

    /// `min.insync.replicas` may have changed.
    pub(super) fn configure(&mut self, config: &TopicConfig, now: Timestamp) {
        if let Some(leader) = &mut self.leader {
            leader.require(min_insync_replicas(config), now);
        }
    }

    /// Whether an append that was queued in `epoch` may be written now.
    pub(super) fn admit(
        &self,
        epoch: LeaderEpoch,
        acks: RequiredAcks,
    ) -> Result<(), AppendFailure> {
        let leader = self.leader.as_ref().filter(|it| it.epoch() == epoch);
        let leader = leader.ok_or(AppendFailure::NotLeader)?;
        let (in_sync, needed) = (leader.in_sync(), leader.needed());
        if acks == RequiredAcks::All && in_sync < needed {
            return Err(AppendFailure::NotEnoughReplicas { in_sync, needed });
        }
        Ok(())
    }

    /// The log has moved: updates the watermark.
    pub(super) fn settle(&mut self, log: &mut PartitionLog, now: Timestamp) {
        if let Some(leader) = &mut self.leader {
            leader.appended(log.log_end(), now);
            self.high_watermark = leader.high_watermark();
        }
        // If the log start was raised or the log was truncated, the watermark moves with it.
        let (start, end) = (log.log_start(), log.log_end());
        self.high_watermark = self.high_watermark.clamp(start, end.max(start));
        log.committed(self.high_watermark);
    }

    /// The visible state of `log`.
    pub(super) fn state_of(&self, log: &PartitionLog) -> Published {
        let (log_start, log_end) = (log.log_start(), log.log_end());
        Published {
            view: log.view(),
            positions: Positions::in_order(
                log_start,
                log.first_unstable(self.high_watermark),
                self.high_watermark,
                log_end,
            ),
            recovery_point: log.recovery_point(),
            first_segment: log.first_segment_base(),
            led_in: self
                .leader
                .as_ref()
                .map_or(LeaderEpoch::NONE, replication::Leader::epoch),
        }
    }

    /// Completes an append that is published, or keeps it until the watermark has passed it.
    pub(super) fn acknowledge(
        &mut self,
        result: Result<Appended, AppendFailure>,
        reply: AppendReply,
    ) {
        match result {
            Ok(appended)
                if reply.acks == RequiredAcks::All && appended.end() > self.high_watermark =>
            {
                if self.leader.is_none() {
                    let failure = AppendFailure::AfterAppend(appended, AfterAppend::NotLeader);
                    return reply.send(Err(failure));
                }
                let reply = reply.wait(appended);
                let waiting = Waiting { appended, reply };
                self.waiting.admit(appended.end(), waiting);
            }
            result => reply.send(result),
        }
    }

    /// Completes the appends that waited for the published watermark.
    pub(super) fn release(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let is_enough = |leader: &replication::Leader| leader.maximal() >= leader.needed();
        let is_enough = self.leader.as_ref().is_none_or(is_enough);
        for Waiting { appended, reply } in self.waiting.release(self.high_watermark) {
            let result = if is_enough {
                Ok(appended)
            } else {
                let reason = AfterAppend::NotEnoughReplicas;
                Err(AppendFailure::AfterAppend(appended, reason))
            };
            // A client that has gone away does not wait for its acknowledgement.
            drop(reply.send(result));
        }
    }

    /// Fails all waiting appends.
    pub(super) fn give_up(&mut self, reason: AfterAppend) {
        for Waiting { appended, reply } in self.waiting.abandon() {
            drop(reply.send(Err(AppendFailure::AfterAppend(appended, reason))));
        }
    }
}

/// `min.insync.replicas` as a number of replicas.
fn min_insync_replicas(config: &TopicConfig) -> usize {
    usize::try_from(config.min_insync_replicas).unwrap_or(1)
}
