//! What a lane does with one of its logs: append, sync and publish. It also tells a disk failure from a lack of file
//! descriptors.

use std::fmt::Display;
use std::sync::Arc;

use crate::base::{Offset, ProducerId, Timestamp};
use crate::config::TopicConfig;
use crate::log::{
    AppendError, AppendInfo, DirectoryOffline, LogError, PartitionLog, PreparedAppend, RecordSet,
};

use super::append::{AfterAppend, AppendFailure, AppendReply, Appended, RequiredAcks};
use super::directory::HostedDirectory;
use super::lane::Content;
use super::replica::{Leadership, Replica};
use super::role::Role;
use super::upkeep::syncer::Syncer;

/// A log and its public side, owned by one lane.
pub(super) struct Hosted {
    pub(super) log: PartitionLog,
    pub(super) replica: Arc<Replica>,
    role: Role,
    /// How many times the log was replaced by another one with the same records.
    incarnation: u64,
}

impl Hosted {
    pub(super) const fn new(log: PartitionLog, role: Role, replica: Arc<Replica>) -> Self {
        Self {
            log,
            replica,
            role,
            incarnation: 0,
        }
    }

    /// Replaces the log with `log`, which holds the same records in `directory`. Returns the old log and its
    /// directory.
    pub(super) fn replace_log(
        &mut self,
        log: PartitionLog,
        directory: &Arc<HostedDirectory>,
    ) -> (Arc<HostedDirectory>, PartitionLog) {
        let before = std::mem::replace(&mut self.log, log);
        self.incarnation += 1;
        let source = self.replica.move_to(directory);
        self.replica.publish(self.role.state_of(&self.log));
        source.note_replicas_changed();
        directory.note_replicas_changed();
        (source, before)
    }

    /// Applies a leadership from the image. It is published when that is settled.
    pub(super) fn follow(&mut self, leadership: &Leadership, now: Timestamp) {
        self.role.follow(leadership, &mut self.log, now);
    }

    /// Applies a new topic configuration.
    pub(super) fn configure(&mut self, config: Arc<TopicConfig>, now: Timestamp) {
        self.role.configure(&config, now);
        self.log.set_config(config);
    }

    /// Appends as the leader, if this broker still has the role that it had when the append was queued. Not published
    /// yet.
    pub(super) fn append(
        &mut self,
        content: Content,
        acks: RequiredAcks,
        now: Timestamp,
    ) -> Result<Appended, AppendFailure> {
        if self.replica.is_offline() {
            return Err(AppendFailure::Storage);
        }
        let epoch = content.epoch();
        self.role.admit(epoch, acks)?;
        let prepared = match content {
            Content::Unprepared(set) => self.prepare(&set, now),
            Content::Prepared(_, prepared) => prepared,
        };
        let size = prepared.as_ref().map_or(0, PreparedAppend::size);
        match prepared.and_then(|prepared| self.log.append(prepared, now)) {
            Ok(info) => {
                self.note_appended(size, &info);
                Ok(Appended {
                    info,
                    leader_epoch: epoch,
                })
            }
            Err(error) if error.is_out_of_descriptors() => {
                self.refused_for_want_of_descriptors("append", &error);
                Err(AppendFailure::Storage)
            }
            // Offline: the disk has failed under another log, or under a syncer
            Err(error @ (AppendError::Io(_) | AppendError::Offline(_))) => {
                self.fail("append", &error);
                Err(AppendFailure::Storage)
            }
            Err(refused) => Err(AppendFailure::Refused(refused)),
        }
    }

    fn prepare(&self, set: &RecordSet, now: Timestamp) -> Result<PreparedAppend, AppendError> {
        set.prepare(self.replica.topic_partition(), self.log.config(), now)
    }

    fn note_appended(&self, bytes: usize, info: &AppendInfo) {
        if !info.duplicate {
            self.replica.directory().note_appended(bytes as u64);
        }
    }

    /// Syncs the log where its policy requires it, hands over what may be synced in the background, publishes the log
    /// if anything has moved, and completes appends that waited for the watermark.
    ///
    /// # Errors
    /// When the log cannot be trusted any more: nothing of the drain may be acknowledged. This includes a directory
    /// that has failed since then, under this log or under another one that has replaced it.
    pub(super) fn settle(&mut self, now: Timestamp, syncer: &Syncer) -> Result<(), LogError> {
        if self.replica.is_offline() {
            return Err(DirectoryOffline.into());
        }
        if self.is_to_be_synced(now) {
            self.flush()?;
        }
        self.sync_in_background(now, syncer);
        self.role.settle(&mut self.log, now);
        self.publish();
        self.role.release();
        Ok(())
    }

    /// Completes an append that is settled, or keeps it until the other replicas have it.
    pub(super) fn acknowledge(
        &mut self,
        result: Result<Appended, AppendFailure>,
        reply: AppendReply,
    ) {
        self.role.acknowledge(result, reply);
    }

    /// Fails all appends that wait for other replicas: the contents of this log cannot be trusted.
    pub(super) fn give_up(&mut self) {
        self.role.give_up(AfterAppend::Storage);
    }

    /// Whether the log's policy requires a sync before the appended records are acknowledged.
    pub(super) fn is_to_be_synced(&self, now: Timestamp) -> bool {
        let waits = self.log.flushed() < self.log.log_end();
        waits && (self.replica.config().zurau_flush_before_ack || self.log.flush_due(now))
    }

    /// Whether the log has anything above its recovery point.
    pub(super) fn is_unsynced(&self) -> bool {
        self.log.recovery_point() < self.log.log_end()
    }

    fn flush(&mut self) -> Result<Offset, LogError> {
        if self.replica.is_offline() {
            return Err(LogError::Io(std::io::Error::other(
                "the log directory is offline",
            )));
        }
        let result = self.log.flush_batches();
        result.inspect_err(|error| self.note_failure("sync", error))
    }

    fn sync_in_background(&mut self, now: Timestamp, syncer: &Syncer) {
        if self.replica.is_offline() {
            return;
        }
        let Some(job) = self.log.sync_job(now) else {
            return;
        };
        let (replica, incarnation) = (Arc::clone(&self.replica), self.incarnation);
        syncer.send(move || {
            let result = job.run();
            // The result is ignored for a log that has left its lane or was replaced meanwhile: nobody will use that
            // log. If its disk has failed, the other logs on it will notice.
            replica.operate(move |hosted| {
                if hosted.incarnation != incarnation {
                    return;
                }
                if let Err(error) = hosted.log.synced(job, result) {
                    hosted.note_failure("sync", &error);
                }
            });
        });
    }

    /// Removes producers that have expired: some now, and the next ones when the lane's other logs have had their
    /// turn.
    pub(super) fn expire_producers(&mut self, now: Timestamp, from: Option<ProducerId>) {
        if let Some(next) = self.log.expire_some_producers(now, from) {
            self.replica
                .operate(move |hosted| hosted.expire_producers(now, Some(next)));
        }
    }

    /// Applies retention, and removes the files of segments that were deleted before.
    pub(super) fn apply_retention(&mut self, now: Timestamp) {
        let high_watermark = self.replica.published().positions.high_watermark;
        let result = self
            .log
            .apply_retention(high_watermark, now)
            .and_then(|_| self.log.delete_expired_files(now));
        if let Err(error) = result {
            self.note_failure("retention", &error);
        }
    }

    /// Handles a failed change of the log: the directory goes offline, unless nothing was tried.
    pub(super) fn note_failure(&self, what: &str, error: &LogError) {
        if error.is_out_of_descriptors() {
            self.refused_for_want_of_descriptors(what, error);
        } else {
            self.fail(what, error);
        }
    }

    fn refused_for_want_of_descriptors(&self, what: &str, error: &dyn Display) {
        crate::base::limited!(
            warn,
            "no file descriptor left: refused, nothing was changed; raise the limit of open files",
            partition = %self.replica.topic_partition(),
            what,
            %error
        );
    }

    fn fail(&self, what: &str, error: &dyn Display) {
        let partition = self.replica.topic_partition();
        self.replica
            .directory()
            .fail(&format_args!("{what} of {partition}: {error}"));
    }

    fn publish(&self) {
        let seen = self.replica.published();
        let next = self.role.state_of(&self.log);
        if next.positions != seen.positions
            || next.led_in != seen.led_in
            || next.recovery_point != seen.recovery_point
            || next.first_segment != seen.first_segment
            || next.view.latest_epoch() != seen.view.latest_epoch()
            || !next.view.has_segments_of(&seen.view)
        {
            self.replica.publish(next);
        }
    }
}
