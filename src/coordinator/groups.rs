//! The front door of the group coordinators: which partitions of `__consumer_offsets` are hosted
//! here, and the way from a group's id to the machine that knows it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use tokio::runtime;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::base::{Clock, Completion, ErrorCode, LeaderEpoch, NodeId, TopicId};
use crate::cluster::{Cluster, ImageListener};
use crate::config::BrokerConfig;
use crate::controller::CreateTopics;
use crate::controller::names::CONSUMER_OFFSETS;
use crate::group::{DeletedTopic, ExpireOffsets, GroupAsk, Registry, TopicsDeleted};
use crate::metadata::{Delta, Image, TopicImage};
use crate::partition::Partitions;

use super::group_machine::{log_options, settings};
use super::held::Held;
use super::host::{CoordinatorError, Handle};
use super::offsets_topic::{offsets_topic, partition_of};

/// About how many groups a coordinator is asked at once: some may have very many offsets or members.
const READ_AT_ONCE: usize = 32;

/// The group coordinators of this broker. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Groups {
    shared: Arc<Shared>,
}

struct Shared {
    node: NodeId,
    partitions: Partitions,
    cluster: Cluster,
    config: Arc<BrokerConfig>,
    clock: Arc<dyn Clock>,
    /// The image changes on a thread that is not tokio's, and hosts are tasks.
    runtime: runtime::Handle,
    /// What all groups here hold in memory for their members.
    held: Held,
    /// Held only to look up or to replace, never while anything is waited for.
    hosts: RwLock<Hosts>,
    expiry: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.expiry.abort();
    }
}

/// What is hosted.
#[derive(Default)]
struct Hosts {
    /// Which life of the topic this is, and how many partitions it has; nothing before there is one.
    topic: Option<(TopicId, i32)>,
    by_partition: BTreeMap<i32, Hosted>,
    is_stopped: bool,
}

struct Hosted {
    epoch: LeaderEpoch,
    handle: Handle<Registry>,
}

impl Hosts {
    fn find(&self, group: &str) -> Result<(i32, &Handle<Registry>), CoordinatorError> {
        let (_, count) = self.topic.ok_or(CoordinatorError::NotAvailable)?;
        let partition = partition_of(group, count);
        let hosted = self
            .by_partition
            .get(&partition)
            .ok_or(CoordinatorError::NotCoordinator)?;
        Ok((partition, &hosted.handle))
    }

    /// Ends the hosts of all partitions that `stays` does not name.
    fn retain(&mut self, stays: impl Fn(i32, LeaderEpoch) -> bool) {
        self.by_partition.retain(|partition, hosted| {
            let stays = stays(*partition, hosted.epoch);
            if !stays {
                hosted.handle.stop();
            }
            stays
        });
    }
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups")
            .field("hosted", &self.hosts().by_partition.len())
            .finish_non_exhaustive()
    }
}

impl Groups {
    /// Starts to host what the image of the moment says that this broker leads. Does not wait for
    /// anything to be loaded: until it is, groups are answered "loading".
    ///
    /// For later images the caller has the cluster [listened to](Cluster::listen), after
    /// `partitions` has been: a partition must be open before it can be hosted. Each image is
    /// compared whole, so one that is missed in between is made up for by the next.
    pub fn start(
        partitions: Partitions,
        cluster: Cluster,
        config: Arc<BrokerConfig>,
        clock: Arc<dyn Clock>,
        runtime: runtime::Handle,
    ) -> Self {
        let period = Duration::from_millis(
            u64::try_from(config.offsets_retention_check_interval_ms)
                .unwrap_or(1)
                .max(1),
        );
        let shared = Arc::new_cyclic(|shared: &Weak<Shared>| Shared {
            node: NodeId(config.node_id),
            partitions,
            cluster,
            config,
            clock,
            expiry: runtime
                .spawn(expire_offsets(Weak::clone(shared), period))
                .abort_handle(),
            runtime,
            held: Held::default(),
            hosts: RwLock::default(),
        });
        let groups = Self { shared };
        groups.host_what_is_led();
        groups
    }

    /// Ends all hosts: what is parked is answered "not the coordinator", and so is everything later.
    pub fn stop(&self) {
        self.shared.expiry.abort();
        let mut hosts = self.hosts_mut();
        hosts.retain(|_, _| false);
        hosts.is_stopped = true;
    }

    /// The partition of `__consumer_offsets` that holds `group`, if it is hosted here.
    ///
    /// # Errors
    /// When the topic does not exist, or another broker leads the partition.
    pub fn coordinator_partition(&self, group: &str) -> Result<i32, CoordinatorError> {
        self.ask_host_of(group, |partition, _| partition)
    }

    /// The same without looking for hosts that could be started.
    ///
    /// # Errors
    /// When the topic does not exist, or the partition is not hosted here.
    pub fn hosted_partition(&self, group: &str) -> Result<i32, CoordinatorError> {
        self.hosts().find(group).map(|(partition, _)| partition)
    }

    /// Asks the host of the partition that holds `group`.
    fn ask_host_of<T>(
        &self,
        group: &str,
        ask: impl FnOnce(i32, &Handle<Registry>) -> T,
    ) -> Result<T, CoordinatorError> {
        {
            let hosts = self.hosts();
            match hosts.find(group) {
                Err(CoordinatorError::NotCoordinator) => {}
                found => return found.map(|(partition, handle)| ask(partition, handle)),
            }
        }
        // Its log may be there since, at the first attempt or another one: no image speaks of that.
        self.host_what_is_led();
        let hosts = self.hosts();
        hosts
            .find(group)
            .map(|(partition, handle)| ask(partition, handle))
    }

    /// Creates `__consumer_offsets` unless it exists. When this returns, its partitions are there.
    ///
    /// # Errors
    /// When the controller refuses, or cannot decide.
    pub async fn ensure_topic(&self) -> Result<(), CoordinatorError> {
        let shared = &self.shared;
        let image = shared.cluster.image();
        if image.topic(CONSUMER_OFFSETS).is_some() {
            return Ok(());
        }
        let topics = vec![offsets_topic(&shared.config, &image)];
        let command = CreateTopics {
            topics,
            validate_only: false,
        };
        let decided = shared.cluster.submit(command).await;
        let results = decided.map_err(|_| CoordinatorError::NotAvailable)?;
        match results.into_iter().find_map(|(_, result)| result.err()) {
            // Someone else was faster, and that is as good.
            Some(refusal) if refusal.code != ErrorCode::TOPIC_ALREADY_EXISTS => {
                crate::base::limited!(
                    warn,
                    "internal topic cannot be created: groups cannot be served",
                    topic = CONSUMER_OFFSETS,
                    error = %refusal
                );
                Err(CoordinatorError::NotAvailable)
            }
            _ => Ok(()),
        }
    }

    /// Asks the coordinator of the group to decide. The place in its order is fixed when this returns.
    ///
    /// What is not durable within `offsets.commit.timeout.ms` may still become so; who joins waits for other members,
    /// and no time is set.
    pub fn ask<A: GroupAsk>(
        &self,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<A> {
        let timeout = u64::try_from(self.shared.config.offsets_commit_timeout_ms).unwrap_or(0);
        let until =
            (!A::WAITS_FOR_MEMBERS).then(|| Instant::now() + Duration::from_millis(timeout));
        let asked = self.ask_host_of(&ask.group(), |_, handle| handle.ask(ask));
        async move {
            let reply = asked?;
            match until {
                None => reply.await,
                Some(until) => tokio::time::timeout_at(until, reply)
                    .await
                    .unwrap_or(Err(CoordinatorError::NotAvailable)),
            }
        }
    }

    /// Reads what the coordinator of `group` knows; answered when everything that was decided before
    /// is durable.
    pub fn read<T: Send + 'static, L: FnOnce(&Registry) -> T + Send + 'static>(
        &self,
        group: &str,
        look: L,
    ) -> impl Future<Output = Result<T, CoordinatorError>> + Send + use<T, L> {
        let asked = self.ask_host_of(group, |_, handle| handle.read(look));
        async move { asked?.await }
    }

    /// Reads about many groups: what `look` sees of each, which is told its place in `groups`. Answered in their order.
    ///
    /// A coordinator is asked about a few groups at a time and does other things in between.
    pub async fn read_all<T, L>(
        &self,
        groups: &[Arc<str>],
        look: L,
    ) -> Vec<Result<T, CoordinatorError>>
    where
        T: Send + 'static,
        L: Fn(&Registry, usize) -> T + Clone + Send + 'static,
    {
        let has_host = |group: &Arc<str>| self.hosted_partition(group).is_ok();
        if !groups.iter().all(has_host) {
            // Its log may be there since: once is enough for all of them.
            self.host_what_is_led();
        }
        let mut answers = Vec::with_capacity(groups.len());
        for (batch, names) in groups.chunks(READ_AT_ONCE).enumerate() {
            let first = batch * READ_AT_ONCE;
            answers.extend(self.read_batch(first, names, &look).await);
        }
        answers
    }

    /// Reads about the groups of one batch, of which the first has the place `first`.
    async fn read_batch<T, L>(
        &self,
        first: usize,
        groups: &[Arc<str>],
        look: &L,
    ) -> Vec<Result<T, CoordinatorError>>
    where
        T: Send + 'static,
        L: Fn(&Registry, usize) -> T + Clone + Send + 'static,
    {
        let mut answers: Vec<_> = groups
            .iter()
            .map(|_| Err(CoordinatorError::NotCoordinator))
            .collect();
        let mut asked = Vec::new();
        {
            let hosts = self.hosts();
            let mut places = BTreeMap::<i32, (&Handle<Registry>, Vec<usize>)>::new();
            for (place, group) in groups.iter().enumerate() {
                match hosts.find(group) {
                    Ok((partition, handle)) => places
                        .entry(partition)
                        .or_insert_with(|| (handle, Vec::new()))
                        .1
                        .push(place),
                    Err(error) => answers[place] = Err(error),
                }
            }
            for (handle, places) in places.into_values() {
                let (look, wanted) = (look.clone(), places.clone());
                let read = handle.read(move |registry| {
                    let seen = wanted.iter().map(|place| look(registry, first + place));
                    seen.collect::<Vec<T>>()
                });
                asked.push((places, read));
            }
        }
        for (places, read) in asked {
            match read.await {
                Ok(seen) => {
                    for (place, seen) in places.into_iter().zip(seen) {
                        answers[place] = Ok(seen);
                    }
                }
                Err(error) => {
                    for place in places {
                        answers[place] = Err(error);
                    }
                }
            }
        }
        answers
    }

    /// Reads what each coordinator here knows, in the order of their partitions. One that cannot
    /// answer does not keep the others from it.
    pub fn read_each<T: Send + 'static, L: Fn(&Registry) -> T + Clone + Send + 'static>(
        &self,
        look: L,
    ) -> impl Future<Output = Vec<Result<T, CoordinatorError>>> + Send + use<T, L> {
        let asked: Vec<_> = self
            .hosts()
            .by_partition
            .values()
            .map(|hosted| hosted.handle.read(look.clone()))
            .collect();
        async move {
            let mut answers = Vec::with_capacity(asked.len());
            for answer in asked {
                answers.push(answer.await);
            }
            answers
        }
    }

    /// Asks every coordinator here. Nobody waits for the answers.
    fn ask_each<A: GroupAsk + Clone>(&self, ask: &A) {
        for hosted in self.hosts().by_partition.values() {
            drop(hosted.handle.ask(ask.clone()));
        }
    }

    /// Starts and stops hosts until they are those of the partitions that the image has this broker
    /// lead, each of them in its present leader epoch.
    fn host_what_is_led(&self) {
        let mut hosts = self.hosts_mut();
        if hosts.is_stopped {
            return;
        }
        // Taken while nobody else can change the hosts, so that an older image never follows a newer one.
        let image = self.shared.cluster.image();
        let topic = image.topic(CONSUMER_OFFSETS);
        let known = topic.map(|topic| {
            (
                topic.id,
                i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            )
        });
        let is_other_life = hosts.topic.map(|(id, _)| id) != known.map(|(id, _)| id);
        let led = topic.map(|topic| self.led(topic)).unwrap_or_default();
        hosts.retain(|partition, epoch| !is_other_life && led.get(&partition) == Some(&epoch));
        hosts.topic = known;
        let Some(topic) = topic else { return };
        for (partition, epoch) in led {
            // A partition whose log could not be opened has no coordinator.
            if let Entry::Vacant(place) = hosts.by_partition.entry(partition)
                && let Some(handle) = self.start_host(topic.id, partition, epoch)
            {
                place.insert(Hosted { epoch, handle });
            }
        }
    }

    fn led(&self, topic: &TopicImage) -> BTreeMap<i32, LeaderEpoch> {
        let led = topic
            .numbered_partitions()
            .filter(|(_, partition)| partition.leader == self.shared.node);
        led.map(|(number, partition)| (number, partition.leader_epoch))
            .collect()
    }

    fn start_host(
        &self,
        topic: TopicId,
        partition: i32,
        epoch: LeaderEpoch,
    ) -> Option<Handle<Registry>> {
        let shared = &self.shared;
        let replica = shared.partitions.find(topic, partition).ok()?;
        let settings = settings(&shared.config);
        let _entered = shared.runtime.enter();
        Some(Handle::start(
            replica,
            epoch,
            Arc::clone(&shared.clock),
            log_options(&shared.config),
            shared.held.clone(),
            move || Registry::new(settings),
        ))
    }

    fn hosts(&self) -> RwLockReadGuard<'_, Hosts> {
        self.shared
            .hosts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hosts_mut(&self) -> RwLockWriteGuard<'_, Hosts> {
        self.shared
            .hosts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ImageListener for Groups {
    fn image_published(&self, _image: &Arc<Image>, delta: &Delta, _answer: &Completion) {
        self.host_what_is_led();
        if !delta.deleted_topics.is_empty() {
            let deleted = |topic: &Arc<TopicImage>| DeletedTopic {
                name: Arc::clone(&topic.name),
                id: topic.id,
            };
            self.ask_each(&TopicsDeleted {
                topics: delta.deleted_topics.iter().map(deleted).collect(),
            });
        }
    }
}

/// Has offsets that nobody needs any more forgotten, again and again, until the coordinators are gone.
async fn expire_offsets(shared: Weak<Shared>, period: Duration) {
    let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        Groups { shared }.ask_each(&ExpireOffsets);
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;
    use crate::base::TopicId;
    use crate::coordinator::CoordinatorError;

    #[test]
    fn a_group_without_a_host_is_told_why() {
        let told = |hosts: &Hosts| hosts.find("group").err();
        let mut hosts = Hosts::default();
        assert_eq!(told(&hosts), Some(CoordinatorError::NotAvailable));
        hosts.topic = Some((TopicId::ZERO, 50));
        assert_eq!(told(&hosts), Some(CoordinatorError::NotCoordinator));
    }
}
