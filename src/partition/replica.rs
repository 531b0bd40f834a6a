//! One hosted partition from the outside: its identity, its leadership, its visible state, and the way to its writer.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::base::{LeaderEpoch, NodeId, Offset, Positions, Timestamp, TopicId, TopicPartition};
use crate::config::TopicConfig;
use crate::log::{AppendOrigin, Checkpoint, LogView, OpenTransactions, RecordSet};
use crate::metadata::PartitionImage;

use super::append::{AppendFailure, AppendOptions, AppendReply, PendingAppend, RequiredAcks};
use super::directory::HostedDirectory;
use super::lane::{AppendTask, Hosted, LaneHandle, Slot};
use super::preparation::{InPreparation, Pool};
use super::route::{Detached, Route};
use super::waiters::{News, Waiters};

/// What readers may see of a partition: a view of its log and the positions that go with it.
#[derive(Clone)]
pub struct Published {
    /// Segments and epochs, as of `positions.log_end`.
    pub view: Arc<LogView>,
    /// The positions, in order.
    pub positions: Positions,
    /// Everything below this is synced to the disk.
    pub recovery_point: Offset,
    /// Where the oldest segment begins: at or below the log start.
    pub first_segment: Offset,
    /// The epoch in which this broker leads, once the log says where it begins; else [`LeaderEpoch::NONE`].
    pub led_in: LeaderEpoch,
}

impl Published {
    /// What has changed since `earlier`, as far as readers see it.
    fn news_since(&self, earlier: &Self) -> Option<News> {
        let (before, now) = (earlier.positions, self.positions);
        let same_epoch = earlier.view.latest_epoch() == self.view.latest_epoch();
        if before == now && same_epoch {
            return None;
        }
        // Then whatever is appended becomes readable, and nothing else does.
        let all_is_stable = |positions: Positions| positions.last_stable == positions.log_end;
        let has_only_grown = same_epoch
            && before.log_start == now.log_start
            && all_is_stable(before)
            && all_is_stable(now);
        let appended = self.view.appended_since(&earlier.view);
        Some(match appended.filter(|_| has_only_grown) {
            Some(bytes) => News::Grown(bytes),
            None => News::Changed,
        })
    }

    /// The partition's entry for a checkpoint, if it needs one.
    pub(super) fn checkpointed(&self, which: Checkpoint) -> Option<Offset> {
        let positions = self.positions;
        match which {
            Checkpoint::RecoveryPoint => Some(self.recovery_point),
            Checkpoint::Replication => Some(positions.high_watermark),
            // Kafka keeps this file small: without an entry, the log starts at its first segment.
            Checkpoint::LogStart => {
                Some(positions.log_start).filter(|start| *start > self.first_segment)
            }
        }
    }
}

/// Who leads a partition and with whom, as the image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, or [`NodeId::NONE`].
    pub leader: NodeId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// The partition epoch; it grows with every change.
    pub partition_epoch: i32,
    /// The replicas.
    pub replicas: Vec<NodeId>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
}

impl From<&PartitionImage> for Leadership {
    fn from(partition: &PartitionImage) -> Self {
        Self {
            leader: partition.leader,
            epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
        }
    }
}

/// The client's leader epoch differs from the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EpochMismatch {
    /// The client knows an older leadership.
    #[error("the client's leader epoch is older")]
    Fenced,
    /// The client knows a newer leadership than this broker.
    #[error("the client's leader epoch is newer")]
    Unknown,
    /// This broker does not lead the partition.
    #[error("not the leader of the partition")]
    NotLeader,
}

/// A partition that this broker hosts. Shared by everyone who reads or appends.
pub struct Replica {
    topic_partition: TopicPartition,
    topic_id: TopicId,
    node: NodeId,
    directory: ArcSwap<HostedDirectory>,
    number: u64,
    route: Route,
    preparation: Arc<Pool>,
    in_preparation: InPreparation,
    leadership: ArcSwap<Leadership>,
    config: ArcSwap<TopicConfig>,
    published: ArcSwap<Published>,
    transactions: Arc<OpenTransactions>,
    is_moving: AtomicBool,
    waiters: Arc<Waiters>,
}

/// The parts of a new [`Replica`].
pub(super) struct ReplicaParts {
    pub topic_partition: TopicPartition,
    pub topic_id: TopicId,
    pub node: NodeId,
    pub directory: Arc<HostedDirectory>,
    pub lane: LaneHandle,
    pub slot: Slot,
    pub preparation: Arc<Pool>,
    pub leadership: Leadership,
    pub config: Arc<TopicConfig>,
    pub published: Published,
    pub transactions: Arc<OpenTransactions>,
}

impl Replica {
    pub(super) fn new(parts: ReplicaParts) -> Self {
        Self {
            topic_partition: parts.topic_partition,
            topic_id: parts.topic_id,
            node: parts.node,
            directory: ArcSwap::new(parts.directory),
            number: parts.slot.0,
            route: Route::new(parts.slot, parts.lane),
            preparation: parts.preparation,
            in_preparation: InPreparation::default(),
            leadership: ArcSwap::from_pointee(parts.leadership),
            config: ArcSwap::new(parts.config),
            published: ArcSwap::from_pointee(parts.published),
            transactions: parts.transactions,
            is_moving: AtomicBool::new(false),
            waiters: Arc::default(),
        }
    }

    /// Which partition this is.
    pub const fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    /// The topic's id.
    pub const fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The log directory that holds it now.
    pub fn directory(&self) -> Arc<HostedDirectory> {
        self.directory.load_full()
    }

    /// Whether that directory has failed.
    pub fn is_offline(&self) -> bool {
        self.directory.load().is_offline()
    }

    /// Whether it is being copied to another directory. Compaction must leave the log alone meanwhile: a tombstone
    /// may be removed only when the record that it deletes is gone from the copy as well.
    pub fn is_moving(&self) -> bool {
        self.is_moving.load(Ordering::Acquire)
    }

    pub(super) fn set_moving(&self, is_moving: bool) {
        self.is_moving.store(is_moving, Ordering::Release);
    }

    /// Changes the directory. Returns the one before.
    pub(super) fn move_to(&self, directory: &Arc<HostedDirectory>) -> Arc<HostedDirectory> {
        self.directory.swap(Arc::clone(directory))
    }

    /// The topic's effective configuration.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.config.load_full()
    }

    /// Who leads the partition now.
    pub fn leadership(&self) -> Arc<Leadership> {
        self.leadership.load_full()
    }

    /// The visible state: one consistent reading.
    pub fn published(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// The open transactions, and those that are about to begin. The lane may be behind, or ahead: it checks each batch
    /// again when it reaches it.
    pub fn transactions(&self) -> &OpenTransactions {
        &self.transactions
    }

    /// Who waits for this partition.
    pub(super) const fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// Runs an operation on the log in its lane, after everything that was sent to it before.
    pub(super) fn operate(&self, operation: impl FnOnce(&mut Hosted) + Send + 'static) {
        self.route.operate(operation);
    }

    /// Removes the log from its lane for good, after everything that was sent to it before.
    pub(super) fn release(&self, then: impl FnOnce(Option<Hosted>) + Send + 'static) {
        self.route.release(then);
    }

    /// Takes the log out of its lane for a while; `None` when it is not there.
    pub(super) fn detach(&self) -> Option<Detached<'_>> {
        self.route.detach()
    }

    /// Whether this broker leads, or is about to: an append that is sent now is written behind the change.
    pub fn leads(&self) -> bool {
        self.leadership.load().leader == self.node
    }

    /// Compares the leader epoch that a client sent (-1: not sent) with the broker's.
    ///
    /// # Errors
    /// Which way they differ, or that this broker does not lead.
    pub fn check_epoch(&self, client: LeaderEpoch) -> Result<(), EpochMismatch> {
        let leadership = self.leadership.load();
        let is_sent = client != LeaderEpoch::NONE;
        if is_sent && client < leadership.epoch {
            Err(EpochMismatch::Fenced)
        } else if is_sent && client > leadership.epoch {
            Err(EpochMismatch::Unknown)
        } else if leadership.leader != self.node {
            Err(EpochMismatch::NotLeader)
        } else if is_sent && client != self.published.load().led_in {
            // The lane has not reached the change yet: the start of the epoch is not known.
            Err(EpochMismatch::Unknown)
        } else if self.published.load().led_in == LeaderEpoch::NONE {
            // The same after a time without leadership: the watermark is an old one.
            Err(EpochMismatch::NotLeader)
        } else {
            Ok(())
        }
    }

    /// Hands an append over: to the partition's writer, or first to preparation if that is expensive. When this
    /// returns, its place behind the earlier appends of its source is fixed; await the result for the
    /// acknowledgement.
    #[must_use = "the acknowledgement is in the result"]
    pub fn append(self: &Arc<Self>, options: AppendOptions) -> PendingAppend {
        match self.admit(&options) {
            Err(failure) => PendingAppend::refused(failure),
            Ok(epoch) => {
                let (reply, pending) = AppendReply::channel(options.acks);
                let set = RecordSet {
                    records: options.records,
                    origin: options.origin,
                    epoch,
                    transactions: options.transactions,
                };
                let pool = &self.preparation;
                pool.append(self, options.source, options.may_check_here, (set, reply));
                pending
            }
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.preparation.now()
    }

    /// Ends when every append that was handed over before is published or refused.
    pub fn settled(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (settled, answer) = oneshot::channel();
        self.preparation.settle(self, settled);
        async move { drop(answer.await) }
    }

    /// A number that is unique among all replicas since the start.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn in_preparation(&self) -> &InPreparation {
        &self.in_preparation
    }

    /// Sends an append to the lane.
    pub(super) fn send(&self, task: AppendTask) {
        self.route.append(task);
    }

    /// Completes when everything that was sent to the lane is settled.
    pub(super) fn settle_lane(&self, settled: oneshot::Sender<()>) {
        self.route.settle(settled);
    }

    /// Refuses appends early where that is possible, before they are prepared. The lane decides when it reaches the
    /// append; until then the leadership may change.
    fn admit(&self, options: &AppendOptions) -> Result<LeaderEpoch, AppendFailure> {
        let directory = self.directory.load();
        // First: the partition has lost its leader with its directory, but that is not the reason.
        if directory.is_offline() {
            return Err(AppendFailure::Storage);
        }
        let leadership = self.leadership.load();
        if leadership.leader != self.node
            || options
                .expected_epoch
                .is_some_and(|expected| expected != leadership.epoch)
        {
            return Err(AppendFailure::NotLeader);
        }
        // Commits and group metadata are still accepted: they are small, and without them consumers stop.
        if options.origin == AppendOrigin::Client && directory.state().is_nearly_full() {
            return Err(AppendFailure::DiskNearlyFull);
        }
        if options.acks == RequiredAcks::All {
            // No partition can ask for more in-sync replicas than it has replicas (KIP-966).
            let wanted = usize::try_from(self.config.load().min_insync_replicas).unwrap_or(1);
            let needed = wanted.min(leadership.replicas.len());
            let in_sync = leadership.isr.len();
            if in_sync < needed {
                return Err(AppendFailure::NotEnoughReplicas { in_sync, needed });
            }
        }
        Ok(leadership.epoch)
    }

    /// Applies a leadership from the image, in the lane's order. From now on appends are admitted by the new
    /// leadership: they reach the lane after the change.
    pub(super) fn follow(&self, leadership: Leadership, now: Timestamp) {
        let leadership = Arc::new(leadership);
        if **self.leadership.load() != *leadership {
            let next = Arc::clone(&leadership);
            self.operate(move |hosted| hosted.follow(&next, now));
        }
        self.show(leadership);
    }

    /// The partition is deleted: nobody leads it here any more.
    pub(super) fn lead_no_more(&self) {
        self.show(Arc::new(Leadership {
            leader: NodeId::NONE,
            ..(*self.leadership()).clone()
        }));
    }

    fn show(&self, leadership: Arc<Leadership>) {
        self.leadership.store(leadership);
        self.waiters.tell(News::Changed);
    }

    pub(super) fn configure(&self, config: Arc<TopicConfig>) {
        self.config.store(config);
    }

    pub(super) fn publish(&self, published: Published) {
        let published = Arc::new(published);
        let before = self.published.swap(Arc::clone(&published));
        // after the fact: a thread that gathers checkpoints now and misses the change gathers them again
        self.directory.load().note_moved(&before, &published);
        if let Some(news) = published.news_since(&before) {
            self.waiters.tell(news);
        }
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("topic_partition", &self.topic_partition)
            .field("topic_id", &self.topic_id)
            .field("leadership", &self.leadership)
            .finish_non_exhaustive()
    }
}
