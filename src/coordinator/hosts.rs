//! All hosts of one kind of machine: which partitions of its internal topic are hosted here, and how to find the
//! machine for a key.

mod transactions;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use tokio::runtime;

use crate::base::{Ask, Clock, ErrorCode, LeaderEpoch, NodeId, TopicId, read, write};
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::controller::CreateTopics;
use crate::metadata::{Delta, Image, TopicImage};
use crate::partition::Partitions;

use super::error::CoordinatorError;
use super::held::Held;
use super::host::{Handle, HostParts, LogOptions};
use super::internal_topic::{InternalTopic, partition_of};
use super::machine::{Decides, Machine};

/// About how many keys are read from a machine at once: the data of some keys may be very large.
const READ_AT_ONCE: usize = 32;

/// What hosts of every kind need.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// The partitions of this broker.
    pub(super) partitions: Partitions,
    /// The cluster's metadata.
    pub(super) cluster: Cluster,
    /// The broker's configuration.
    pub(super) config: Arc<BrokerConfig>,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// The tokio runtime: the image changes on a thread outside it, and hosts are tasks.
    pub(super) runtime: runtime::Handle,
}

/// A kind of machine: its topic, and how to create one.
pub(super) struct Kind<M: Machine> {
    pub(super) topic: InternalTopic,
    pub(super) log: LogOptions,
    /// A machine with an empty state. The image is the present one, so no later change is missed.
    pub(super) make: fn(&Arc<BrokerConfig>, &Arc<Image>) -> M,
    /// Carries out an effect. Must not block.
    pub(super) have: Arc<dyn Fn(Origin, M::Effect) + Send + Sync>,
}

/// The host of an effect: a partition of the internal topic, and the leader epoch in which it is hosted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) partition: i32,
    pub(super) epoch: LeaderEpoch,
}

/// The hosts of one kind of machine on this broker, as far as all kinds have in common. Cheap to clone; all clones are
/// the same.
pub struct Hosts<M: Machine> {
    inner: Arc<Inner<M>>,
}

struct Inner<M: Machine> {
    node: NodeId,
    surroundings: Surroundings,
    kind: Kind<M>,
    /// What all machines of the kind hold in memory here.
    held: Held,
    /// Held only for a lookup or a replacement, never while waiting.
    hosted: RwLock<Hosted<M>>,
}

/// What is hosted.
struct Hosted<M: Machine> {
    /// The topic's id and number of partitions; `None` before it exists.
    topic: Option<(TopicId, i32)>,
    by_partition: BTreeMap<i32, (LeaderEpoch, Handle<M>)>,
    is_stopped: bool,
}

impl<M: Machine> Default for Hosted<M> {
    fn default() -> Self {
        Self {
            topic: None,
            by_partition: BTreeMap::new(),
            is_stopped: false,
        }
    }
}

impl<M: Machine> Hosted<M> {
    fn find(&self, key: &str) -> Result<(i32, &Handle<M>), CoordinatorError> {
        let (_, count) = self.topic.ok_or(CoordinatorError::NotAvailable)?;
        let partition = partition_of(key, count);
        match self.by_partition.get(&partition) {
            Some((_, handle)) => Ok((partition, handle)),
            None => Err(CoordinatorError::NotCoordinator),
        }
    }

    fn at(&self, partition: i32) -> Result<(i32, &Handle<M>), CoordinatorError> {
        self.topic.ok_or(CoordinatorError::NotAvailable)?;
        let host = self.by_partition.get(&partition);
        let (_, handle) = host.ok_or(CoordinatorError::NotCoordinator)?;
        Ok((partition, handle))
    }

    /// Ends the hosts of all partitions that are not in `stays`.
    fn retain(&mut self, stays: impl Fn(i32, LeaderEpoch) -> bool) {
        self.by_partition.retain(|partition, (epoch, handle)| {
            let stays = stays(*partition, *epoch);
            if !stays {
                handle.stop();
            }
            stays
        });
    }
}

impl<M: Machine> Clone for Hosts<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// The hosts, unless they are dropped.
pub(super) struct WeakHosts<M: Machine>(Weak<Inner<M>>);

impl<M: Machine> WeakHosts<M> {
    pub(super) fn upgrade(&self) -> Option<Hosts<M>> {
        self.0.upgrade().map(|inner| Hosts { inner })
    }
}

impl<M: Machine> Hosts<M> {
    /// Starts the hosts for the partitions that this broker leads in the current image. Does not wait until anything
    /// is loaded: until then, requests are answered "loading".
    ///
    /// For later images the caller calls [`Self::image_published`] after the partitions have heard of them. A partition
    /// that is still being opened gets its host with the first question that concerns it. Each image is compared as a whole, so if one is missed, the next one
    /// makes up for it.
    pub(super) fn start(surroundings: Surroundings, kind: Kind<M>) -> Self {
        let hosts = Self {
            inner: Arc::new(Inner {
                node: NodeId(surroundings.config.node_id),
                surroundings,
                kind,
                held: Held::default(),
                hosted: RwLock::default(),
            }),
        };
        hosts.host_what_is_led();
        hosts
    }

    /// The same, without keeping the hosts alive.
    pub(super) fn downgrade(&self) -> WeakHosts<M> {
        WeakHosts(Arc::downgrade(&self.inner))
    }

    /// Ends all hosts: pending and later requests are answered "not the coordinator".
    pub(super) fn stop(&self) {
        let mut hosted = self.hosted_mut();
        hosted.retain(|_, _| false);
        hosted.is_stopped = true;
    }

    /// The number of hosted machines.
    pub(super) fn count(&self) -> usize {
        self.hosted().by_partition.len()
    }

    /// The partition that holds `key`, if it is hosted here. Starts hosts that can be started now.
    ///
    /// # Errors
    /// When the topic does not exist, or another broker leads the partition.
    pub fn coordinator_partition(&self, key: &str) -> Result<i32, CoordinatorError> {
        self.with_host_of(key, |partition, _| partition)
    }

    /// The same, without starting new hosts.
    ///
    /// # Errors
    /// When the topic does not exist, or the partition is not hosted here.
    pub fn hosted_partition(&self, key: &str) -> Result<i32, CoordinatorError> {
        self.hosted().find(key).map(|(partition, _)| partition)
    }

    fn with_host_of<T>(
        &self,
        key: &str,
        then: impl FnOnce(i32, &Handle<M>) -> T,
    ) -> Result<T, CoordinatorError> {
        self.with_host(|hosted| hosted.find(key), then)
    }

    fn with_host<T>(
        &self,
        find: impl Fn(&Hosted<M>) -> Result<(i32, &Handle<M>), CoordinatorError>,
        then: impl FnOnce(i32, &Handle<M>) -> T,
    ) -> Result<T, CoordinatorError> {
        {
            let hosted = self.hosted();
            match find(&hosted) {
                Err(CoordinatorError::NotCoordinator) => {}
                found => return found.map(|(partition, handle)| then(partition, handle)),
            }
        }
        // Its log may have been opened after the last image, by a thread of its directory: no image reports that.
        self.host_what_is_led();
        let hosted = self.hosted();
        let (partition, handle) = find(&hosted)?;
        Ok(then(partition, handle))
    }

    /// Creates the internal topic unless it exists. When this returns it is in the image, and its partitions are there
    /// unless a disk hangs.
    ///
    /// # Errors
    /// When the controller refuses, or cannot decide.
    pub async fn ensure_topic(&self) -> Result<(), CoordinatorError> {
        let Inner {
            surroundings, kind, ..
        } = &*self.inner;
        let image = surroundings.cluster.image();
        if image.topic(kind.topic.name).is_some() {
            return Ok(());
        }
        let command = CreateTopics {
            topics: vec![(kind.topic.create)(&surroundings.config, &image)],
            validate_only: false,
        };
        let decided = surroundings.cluster.submit(command).await;
        let results = decided.map_err(|_| CoordinatorError::NotAvailable)?;
        match results.into_iter().find_map(|(_, result)| result.err()) {
            // Someone else has created it before: that is fine.
            Some(refusal) if refusal.code != ErrorCode::TOPIC_ALREADY_EXISTS => {
                crate::base::limited!(
                    warn,
                    "internal topic cannot be created: its coordinators do not serve",
                    topic = kind.topic.name,
                    error = %refusal
                );
                Err(CoordinatorError::NotAvailable)
            }
            _ => Ok(()),
        }
    }

    /// Sends a request to the machine for `key`. Its place in the order is fixed when this returns.
    pub(super) fn ask<A: Ask>(
        &self,
        key: &str,
        ask: A,
    ) -> impl Future<Output = Result<A::Reply, CoordinatorError>> + Send + use<M, A>
    where
        M: Decides<A>,
    {
        let asked = self.with_host_of(key, |_, handle| handle.ask(ask));
        async move { asked?.await }
    }

    /// Sends a request to every machine here. Nobody waits for the answers.
    pub(super) fn ask_each<A: Ask + Clone>(&self, ask: &A)
    where
        M: Decides<A>,
    {
        for (_, handle) in self.hosted().by_partition.values() {
            drop(handle.ask(ask.clone()));
        }
    }

    /// Reads the state of many keys: `look` is called for each key, with its index in `keys`. The answers come in the
    /// same order.
    ///
    /// A machine reads a few keys at a time and serves other requests in between.
    pub async fn read_all<T, L>(
        &self,
        keys: &[Arc<str>],
        look: L,
    ) -> Vec<Result<T, CoordinatorError>>
    where
        T: Send + 'static,
        L: Fn(&M, usize) -> T + Clone + Send + 'static,
    {
        let has_host = |key: &Arc<str>| self.hosted_partition(key).is_ok();
        if !keys.iter().all(has_host) {
            // Its log may have been opened since then: one check is enough for all of them.
            self.host_what_is_led();
        }
        let mut answers = Vec::with_capacity(keys.len());
        for (batch, keys) in keys.chunks(READ_AT_ONCE).enumerate() {
            let first = batch * READ_AT_ONCE;
            answers.extend(self.read_batch(first, keys, &look).await);
        }
        answers
    }

    /// Reads the keys of one batch; the first key has the index `first`.
    async fn read_batch<T, L>(
        &self,
        first: usize,
        keys: &[Arc<str>],
        look: &L,
    ) -> Vec<Result<T, CoordinatorError>>
    where
        T: Send + 'static,
        L: Fn(&M, usize) -> T + Clone + Send + 'static,
    {
        let mut answers: Vec<_> = keys
            .iter()
            .map(|_| Err(CoordinatorError::NotCoordinator))
            .collect();
        let mut asked = Vec::new();
        {
            let hosted = self.hosted();
            let mut places = BTreeMap::<i32, (&Handle<M>, Vec<usize>)>::new();
            for (place, key) in keys.iter().enumerate() {
                match hosted.find(key) {
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
                let read = handle.read(move |machine| {
                    let seen = wanted.iter().map(|place| look(machine, first + place));
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

    /// Reads from each machine here, in the order of their partitions. If one cannot answer, the others still do.
    pub fn read_each<T: Send + 'static, L: Fn(&M) -> T + Clone + Send + 'static>(
        &self,
        look: L,
    ) -> impl Future<Output = Vec<Result<T, CoordinatorError>>> + Send + use<M, T, L> {
        let asked: Vec<_> = self
            .hosted()
            .by_partition
            .values()
            .map(|(_, handle)| handle.read(look.clone()))
            .collect();
        async move {
            let mut answers = Vec::with_capacity(asked.len());
            for answer in asked {
                answers.push(answer.await);
            }
            answers
        }
    }

    /// The cluster's metadata has changed, and the partitions have heard of it.
    pub(super) fn image_published(&self, image: &Arc<Image>, delta: &Delta) {
        self.host_what_is_led();
        if let Some(news) = M::news_of(image, delta) {
            for (_, handle) in self.hosted().by_partition.values() {
                handle.tell(news.clone());
            }
        }
    }

    /// Starts and stops hosts until they match the partitions that this broker leads in the image, each in its
    /// present leader epoch.
    fn host_what_is_led(&self) {
        let mut hosted = self.hosted_mut();
        if hosted.is_stopped {
            return;
        }
        // Read while nobody else can change the hosts, so an older image never follows a newer one.
        let image = self.inner.surroundings.cluster.image();
        let topic = image.topic(self.inner.kind.topic.name);
        let known = topic.map(|topic| {
            (
                topic.id,
                i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            )
        });
        let is_other_life = hosted.topic.map(|(id, _)| id) != known.map(|(id, _)| id);
        let led = topic.map(|topic| self.led(topic)).unwrap_or_default();
        hosted.retain(|partition, epoch| !is_other_life && led.get(&partition) == Some(&epoch));
        hosted.topic = known;
        let Some(topic) = topic else { return };
        for (partition, epoch) in led {
            // A partition whose log could not be opened has no coordinator.
            if let Entry::Vacant(place) = hosted.by_partition.entry(partition)
                && let Some(handle) = self.start_host(topic.id, partition, epoch)
            {
                place.insert((epoch, handle));
            }
        }
    }

    fn led(&self, topic: &TopicImage) -> BTreeMap<i32, LeaderEpoch> {
        let led = topic
            .numbered_partitions()
            .filter(|(_, partition)| partition.leader == self.inner.node);
        led.map(|(number, partition)| (number, partition.leader_epoch))
            .collect()
    }

    fn start_host(&self, topic: TopicId, partition: i32, epoch: LeaderEpoch) -> Option<Handle<M>> {
        let Inner {
            surroundings,
            kind,
            held,
            ..
        } = &*self.inner;
        let replica = surroundings.partitions.find(topic, partition).ok()?;
        let (make, config) = (kind.make, Arc::clone(&surroundings.config));
        let cluster = surroundings.cluster.clone();
        let (have, origin) = (Arc::clone(&kind.have), Origin { partition, epoch });
        let _entered = surroundings.runtime.enter();
        Some(Handle::start(HostParts {
            replica,
            epoch,
            clock: Arc::clone(&surroundings.clock),
            options: kind.log,
            held: held.clone(),
            make: Box::new(move || make(&config, &cluster.image())),
            have: Arc::new(move |effect| have(origin, effect)),
        }))
    }

    fn hosted(&self) -> RwLockReadGuard<'_, Hosted<M>> {
        read(&self.inner.hosted)
    }

    fn hosted_mut(&self) -> RwLockWriteGuard<'_, Hosted<M>> {
        write(&self.inner.hosted)
    }
}

#[cfg(test)]
mod tests {
    use super::Hosted;
    use crate::base::TopicId;
    use crate::coordinator::CoordinatorError;
    use crate::group::Registry;

    #[test]
    fn a_key_without_a_host_is_told_why() {
        let told = |hosted: &Hosted<Registry>| hosted.find("group").err();
        let mut hosted = Hosted::default();
        assert_eq!(told(&hosted), Some(CoordinatorError::NotAvailable));
        hosted.topic = Some((TopicId::ZERO, 50));
        assert_eq!(told(&hosted), Some(CoordinatorError::NotCoordinator));
    }
}
