//! Offsets that go because their topic is gone, or because nobody has used them for long; and groups that go with them.
//!
//! That can be any number, so all groups are gone over in steps, each a decision of its own with some tombstones, and
//! what clients ask comes in between. Between two steps [`TimerKey::Sweep`] is set; a sweep that a restart ends
//! is made up for by the next, and offsets of a topic that is gone are not shown meanwhile.

use std::ops::Bound;
use std::sync::Arc;

use super::is_same_life;
use crate::base::{Timestamp, TopicPartition};
use crate::group::asks::DeletedTopic;
use crate::group::classic::{Group, StateName};
use crate::group::records::{CommittedOffset, group_tombstone, offset_tombstone};
use crate::group::registry::{Registry, TimerKey, Turn};

/// How many tombstones a step writes at most, and how many groups it looks at.
const TOMBSTONES: usize = 1_000;
const GROUPS: usize = 10_000;
/// Not nothing: what has been asked meanwhile goes first.
const PAUSE_MS: i32 = 1;

/// A sweep on its way.
#[derive(Debug)]
pub(crate) struct Sweep {
    purpose: Purpose,
    /// The first group of the next step.
    from: Bound<Arc<str>>,
}

#[derive(Debug)]
enum Purpose {
    /// Removes offsets whose time is up, and empty groups that have none left.
    Expiry,
    /// Removes offsets in topics that are gone: they mean nothing, and would be taken for offsets in a topic that is made
    /// anew under the same name.
    Topics(Arc<[DeletedTopic]>),
}

impl Registry {
    /// Begins to remove what nobody needs any more, unless that is on its way.
    pub(crate) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        let is_expiry = |sweep: &Sweep| matches!(sweep.purpose, Purpose::Expiry);
        if !self.sweeps.iter().any(is_expiry) {
            self.begin(Purpose::Expiry, turn);
        }
    }

    /// Begins to remove offsets in topics that are gone.
    pub(crate) fn forget_topics(&mut self, topics: Arc<[DeletedTopic]>, turn: &mut Turn<'_>) {
        self.begin(Purpose::Topics(topics), turn);
    }

    fn begin(&mut self, purpose: Purpose, turn: &mut Turn<'_>) {
        self.sweeps.push_back(Sweep {
            purpose,
            from: Bound::Unbounded,
        });
        if self.sweeps.len() == 1 {
            self.sweep(turn);
        }
    }

    /// The next step.
    pub(crate) fn sweep(&mut self, turn: &mut Turn<'_>) {
        let Some(mut sweep) = self.sweeps.pop_front() else {
            return;
        };
        let next = match &sweep.purpose {
            Purpose::Expiry => self.expire_some(&sweep.from, turn),
            Purpose::Topics(topics) => self.forget_some(topics, &sweep.from, turn),
        };
        if let Some(from) = next {
            sweep.from = from;
            self.sweeps.push_front(sweep);
        }
        if !self.sweeps.is_empty() {
            turn.set(TimerKey::Sweep, PAUSE_MS);
        }
    }

    /// The log does not take a step: the group in which it ended is passed over, since it would be the next again.
    pub(crate) fn pass_over(&mut self) {
        if let Some(sweep) = self.sweeps.front_mut()
            && let Bound::Included(id) = &sweep.from
        {
            sweep.from = Bound::Excluded(Arc::clone(id));
        }
    }

    /// Returns where to go on, if there is more.
    fn expire_some(&self, from: &Bound<Arc<str>>, turn: &mut Turn<'_>) -> Option<Bound<Arc<str>>> {
        let mut step = Step::default();
        for (id, group) in self.groups.from(from) {
            if let Some(next) = step.enter(id) {
                return Some(next);
            }
            let mut all_expired = true;
            for (at, offset) in self.offsets.of_group(id).into_iter().flatten() {
                if group.is_subscribed_to(&at.topic) || !is_expired(group, offset, turn) {
                    all_expired = false;
                } else if step.is_full() {
                    return Some(Bound::Included(Arc::clone(id)));
                } else {
                    turn.write(offset_tombstone(id, at));
                    step.tombstones += 1;
                }
            }
            if all_expired && group.is_deserted() {
                turn.write(group_tombstone(id));
                step.tombstones += 1;
            }
        }
        None
    }

    /// Returns where to go on, if there is more.
    fn forget_some(
        &self,
        topics: &[DeletedTopic],
        from: &Bound<Arc<str>>,
        turn: &mut Turn<'_>,
    ) -> Option<Bound<Arc<str>>> {
        let is_gone = |offset: &(&TopicPartition, &CommittedOffset)| {
            topics
                .iter()
                .any(|t| t.name == offset.0.topic && is_same_life(t.id, offset.1.topic_id))
        };
        let mut step = Step::default();
        for (id, offsets) in self.offsets.from(from) {
            if let Some(next) = step.enter(id) {
                return Some(next);
            }
            for (at, _) in offsets.iter().filter(is_gone) {
                if step.is_full() {
                    return Some(Bound::Included(Arc::clone(id)));
                }
                turn.write(offset_tombstone(id, at));
                step.tombstones += 1;
            }
        }
        None
    }
}

/// What a step has done so far.
#[derive(Default)]
struct Step {
    groups: usize,
    tombstones: usize,
}

impl Step {
    /// Comes to a group: where the next step begins if this one has done enough.
    fn enter(&mut self, id: &Arc<str>) -> Option<Bound<Arc<str>>> {
        if self.groups == GROUPS || self.is_full() {
            return Some(Bound::Included(Arc::clone(id)));
        }
        self.groups += 1;
        None
    }

    const fn is_full(&self) -> bool {
        self.tombstones >= TOMBSTONES
    }
}

fn is_expired(group: &Group, offset: &CommittedOffset, turn: &Turn<'_>) -> bool {
    match unused_since(group, offset) {
        None => false,
        Some(since) => match offset.expires {
            Some(expires) => turn.now >= expires,
            None => turn.now.millis_since(since) >= turn.settings.offsets_retention_ms,
        },
    }
}

/// Since when an offset that the group does not subscribe to counts as unused; nothing while it may
/// be in use.
///
/// A group that had members uses all of its offsets until the last one is gone. While it has some,
/// only a consumer group that is not between two generations tells what it does not read. A group
/// that only commits has nothing but its commits to go by.
fn unused_since(group: &Group, offset: &CommittedOffset) -> Option<Timestamp> {
    let committed = Some(offset.committed);
    if group.protocol_type().is_none() {
        return committed;
    }
    match group.state() {
        StateName::Empty => group.since().or(committed),
        StateName::Stable if group.knows_subscription() => committed,
        _ => None,
    }
}
