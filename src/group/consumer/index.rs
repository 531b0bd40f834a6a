//! What is derived of the members of a consumer group, so that no decision has to visit all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Held, Member, MemberState, Names, Resolved};
use crate::base::TopicId;
use crate::group::memory::{ENTRY_BYTES, release_if_empty};

/// The indexes of a group. All are functions of its members and of the expressions whose topics are known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// Names of static members, with those that have them: the last one counts. Kafka removes the former first.
    instances: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Of each partition that a member has or has not given up yet.
    owners: BTreeMap<TopicId, BTreeMap<i32, Owner>>,
    subscribers: BTreeMap<Arc<str>, Subscribers>,
    expressions: BTreeMap<Arc<str>, usize>,
    assignors: BTreeMap<Arc<str>, usize>,
    classic_count: usize,
    classic_protocols: BTreeMap<Arc<str>, usize>,
    /// How many members are in the stable state, by their epochs.
    stable: BTreeMap<i32, usize>,
    /// The memory of the names of topics.
    held: usize,
}

/// The owner of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    /// The highest epoch of the members that claim it.
    epoch: i32,
    /// How many claim it: one, except between two records of a log that was not written in order.
    claims: u32,
}

/// How many read a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscribers {
    /// Members that name it.
    pub(crate) by_name: usize,
    /// Regular expressions that match it.
    pub(crate) by_expression: usize,
}

impl Index {
    pub(super) fn owner_of_name(&self, instance: &str) -> Option<&Arc<str>> {
        self.instances.get(instance)?.last()
    }

    pub(super) fn owner_epoch(&self, topic: TopicId, partition: i32) -> Option<i32> {
        Some(self.owners.get(&topic)?.get(&partition)?.epoch)
    }

    pub(super) fn subscribed_topics(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Arc<str>, &Subscribers)> {
        self.subscribers.iter()
    }

    pub(super) fn subscribers(&self, topic: &str) -> Subscribers {
        self.subscribers.get(topic).copied().unwrap_or_default()
    }

    pub(super) const fn expressions(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.expressions
    }

    pub(super) const fn assignors(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.assignors
    }

    pub(super) const fn classic_count(&self) -> usize {
        self.classic_count
    }

    pub(super) const fn classic_protocols(&self) -> &BTreeMap<Arc<str>, usize> {
        &self.classic_protocols
    }

    /// The memory of the names of topics, which members and expressions share.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Frees the nodes of maps whose last entry is gone.
    pub(super) fn let_go_of_empty_maps(&mut self) {
        release_if_empty(&mut self.instances);
        release_if_empty(&mut self.owners);
        release_if_empty(&mut self.subscribers);
        release_if_empty(&mut self.expressions);
        release_if_empty(&mut self.assignors);
        release_if_empty(&mut self.classic_protocols);
        release_if_empty(&mut self.stable);
    }

    /// How many members are stable at this epoch.
    pub(super) fn stable_at(&self, epoch: i32) -> usize {
        self.stable.get(&epoch).copied().unwrap_or(0)
    }

    /// The same names, sharing the memory of those that are known.
    pub(super) fn share(&self, names: &Names) -> Names {
        let shared = names.iter().map(|name| {
            let known = self.subscribers.get_key_value(name);
            known.map_or_else(|| Arc::clone(name), |(known, _)| Arc::clone(known))
        });
        Names::new(shared)
    }

    /// The member says this of itself now.
    pub(super) fn add_metadata(&mut self, member: &Member) {
        for name in member.subscription.names.iter() {
            self.subscribers_of(name).by_name += 1;
        }
        if let Some(expression) = &member.subscription.expression {
            count(&mut self.expressions, expression);
        }
        if let Some(assignor) = &member.assignor {
            count(&mut self.assignors, assignor);
        }
        if let Some(classic) = &member.classic {
            self.classic_count += 1;
            for protocol in &*classic.protocols {
                count(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    /// The member does not say this of itself any more.
    pub(super) fn remove_metadata(&mut self, member: &Member) {
        for name in member.subscription.names.iter() {
            self.change_subscribers(name, |subscribers| {
                subscribers.by_name = subscribers.by_name.saturating_sub(1);
            });
        }
        if let Some(expression) = &member.subscription.expression {
            uncount(&mut self.expressions, expression);
        }
        if let Some(assignor) = &member.assignor {
            uncount(&mut self.assignors, assignor);
        }
        if let Some(classic) = &member.classic {
            self.classic_count = self.classic_count.saturating_sub(1);
            for protocol in &*classic.protocols {
                uncount(&mut self.classic_protocols, &protocol.name);
            }
        }
    }

    /// The member is in this state now.
    pub(super) fn add_state(&mut self, member: &Member) {
        if member.state == MemberState::Stable {
            count(&mut self.stable, &member.epoch);
        }
    }

    /// The member is not in this state any more.
    pub(super) fn remove_state(&mut self, member: &Member) {
        if member.state == MemberState::Stable {
            uncount(&mut self.stable, &member.epoch);
        }
    }

    /// The member has got this name just now.
    pub(super) fn name(&mut self, instance: &Arc<str>, member: &Arc<str>) {
        let owners = self.instances.entry(Arc::clone(instance)).or_default();
        owners.push(Arc::clone(member));
    }

    /// The member does not have this name any more, or gets it again.
    pub(super) fn unname(&mut self, instance: &str, member: &str) {
        if let Some(owners) = self.instances.get_mut(instance) {
            owners.retain(|owner| **owner != *member);
            if owners.is_empty() {
                self.instances.remove(instance);
            }
        }
    }

    /// The topics of an expression are known.
    pub(super) fn resolve(&mut self, resolved: &Resolved) {
        for topic in resolved.topics.iter() {
            self.subscribers_of(topic).by_expression += 1;
        }
    }

    /// The topics of an expression are not known any more.
    pub(super) fn forget(&mut self, resolved: &Resolved) {
        for topic in resolved.topics.iter() {
            self.change_subscribers(topic, |subscribers| {
                subscribers.by_expression = subscribers.by_expression.saturating_sub(1);
            });
        }
    }

    fn subscribers_of(&mut self, topic: &Arc<str>) -> &mut Subscribers {
        let held = &mut self.held;
        let subscribers = self.subscribers.entry(Arc::clone(topic));
        subscribers.or_insert_with(|| {
            *held += topic.len() + ENTRY_BYTES;
            Subscribers::default()
        })
    }

    fn change_subscribers(&mut self, topic: &str, change: impl FnOnce(&mut Subscribers)) {
        if let Some(subscribers) = self.subscribers.get_mut(topic) {
            change(subscribers);
            if *subscribers == Subscribers::default() {
                self.subscribers.remove(topic);
                self.held -= topic.len() + ENTRY_BYTES;
            }
        }
    }

    /// The member claims its partitions at its epoch.
    pub(super) fn claim(&mut self, member: &Member) {
        for (topic, Held { partition, .. }) in member.owned() {
            let owners = self.owners.entry(topic).or_default();
            let owner = owners.entry(partition).or_insert(Owner {
                epoch: member.epoch,
                claims: 0,
            });
            owner.claims += 1;
            owner.epoch = owner.epoch.max(member.epoch);
        }
    }

    /// The member claims these partitions at this epoch no more. `others` are the members that may claim them, too.
    pub(super) fn release<'a, M>(&mut self, member: &Member, others: impl Fn() -> M)
    where
        M: Iterator<Item = &'a Arc<Member>>,
    {
        for (topic, Held { partition, .. }) in member.owned() {
            let Some(owners) = self.owners.get_mut(&topic) else {
                continue;
            };
            let Some(owner) = owners.get_mut(&partition) else {
                continue;
            };
            owner.claims -= 1;
            if owner.claims == 0 {
                owners.remove(&partition);
                if owners.is_empty() {
                    self.owners.remove(&topic);
                }
            } else if owner.epoch == member.epoch {
                let claims = |other: &&Arc<Member>| {
                    other
                        .owned()
                        .any(|(of, held)| (of, held.partition) == (topic, partition))
                };
                let epochs = others().filter(claims).map(|other| other.epoch);
                owner.epoch = epochs.max().unwrap_or(owner.epoch);
            }
        }
    }
}

fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, key: &K) {
    *counts.entry(key.clone()).or_default() += 1;
}

fn uncount<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(number) = counts.get_mut(key) {
        *number -= 1;
        if *number == 0 {
            counts.remove(key);
        }
    }
}
