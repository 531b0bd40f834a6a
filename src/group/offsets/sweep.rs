//! Removes offsets of deleted topics, expired offsets, and the groups that end with them.
//!
//! There can be any number of them. So all groups are visited in steps: each step is a decision of its own with some
//! tombstones, and client requests are served in between. Between two steps [`TimerKey::Sweep`] is set. If a restart
//! ends a sweep, the next sweep makes up for it; meanwhile offsets of a deleted topic are not returned.

use std::ops::Bound;
use std::sync::Arc;

use super::is_same_life;
use super::owner::Owner;
use crate::base::TopicPartition;
use crate::group::asks::DeletedTopic;
use crate::group::records::{CommittedOffset, offset_tombstone};
use crate::group::registry::{Registry, TimerKey, Turn};

/// The maximum number of tombstones of a step, and of groups that it visits.
const TOMBSTONES: usize = 1_000;
const GROUPS: usize = 10_000;
/// Not zero: pending requests go first.
const PAUSE_MS: i32 = 1;

/// A sweep in progress.
#[derive(Debug)]
pub(crate) struct Sweep {
    purpose: Purpose,
    /// The first group of the next step.
    from: Bound<Arc<str>>,
}

#[derive(Debug)]
enum Purpose {
    /// Removes expired offsets, and empty groups that have none left.
    Expiry,
    /// Removes offsets of deleted topics: they are meaningless, and would be taken for offsets of a new topic with
    /// the same name.
    Topics(Arc<[DeletedTopic]>),
}

impl Registry {
    /// Begins to remove expired offsets, unless that is in progress.
    pub(crate) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        let is_expiry = |sweep: &Sweep| matches!(sweep.purpose, Purpose::Expiry);
        if !self.sweeps.iter().any(is_expiry) {
            self.begin(Purpose::Expiry, turn);
        }
    }

    /// Begins to remove offsets of deleted topics.
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

    /// The log does not accept a step: the group at which it ended is skipped, since otherwise it would be next
    /// again.
    pub(crate) fn pass_over(&mut self) {
        if let Some(sweep) = self.sweeps.front_mut()
            && let Bound::Included(id) = &sweep.from
        {
            sweep.from = Bound::Excluded(Arc::clone(id));
        }
    }

    /// Returns where to continue, if there is more.
    fn expire_some(&self, from: &Bound<Arc<str>>, turn: &mut Turn<'_>) -> Option<Bound<Arc<str>>> {
        let mut step = Step::default();
        for (id, group) in self.owners(from) {
            if let Some(next) = step.enter(&id) {
                return Some(next);
            }
            let mut all_expired = true;
            for (at, offset) in self.offsets.of_group(&id).into_iter().flatten() {
                let is_in_use = group.is_subscribed_to(&at.topic) || self.pending.has(&id, at);
                if is_in_use || !is_expired(group, offset, turn) {
                    all_expired = false;
                } else if step.is_full() {
                    return Some(Bound::Included(id));
                } else {
                    turn.write(offset_tombstone(&id, at));
                    step.tombstones += 1;
                }
            }
            if all_expired && !self.pending.has_any(&id) {
                for tombstone in group.end() {
                    turn.write(tombstone);
                    step.tombstones += 1;
                }
            }
        }
        None
    }

    /// Returns where to continue, if there is more.
    fn forget_some(
        &self,
        topics: &[DeletedTopic],
        from: &Bound<Arc<str>>,
        turn: &mut Turn<'_>,
    ) -> Option<Bound<Arc<str>>> {
        let is_gone = |at: &TopicPartition, offset: &CommittedOffset| {
            topics
                .iter()
                .any(|t| t.name == at.topic && is_same_life(t.id, offset.topic_id))
        };
        let mut step = Step::default();
        for id in self.groups_with_offsets(from) {
            if let Some(next) = step.enter(id) {
                return Some(next);
            }
            let offsets = self.offsets.of_group(id);
            let committed = offsets.into_iter().flatten();
            let committed = committed.filter(|(at, offset)| is_gone(at, offset));
            // A tombstone takes both, so one of a present topic protects the other.
            let pending = self.pending.of_group(id).filter(|(at, _)| {
                let committed = offsets.and_then(|offsets| offsets.get(*at));
                committed.is_none()
            });
            let pending = pending.filter_map(|(at, mut offsets)| {
                offsets.any(|offset| is_gone(at, offset)).then_some(at)
            });
            for at in committed.map(|(at, _)| at).chain(pending) {
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

impl Registry {
    /// The groups that have committed or pending offsets, from this id on, in the order of their ids.
    fn groups_with_offsets(&self, from: &Bound<Arc<str>>) -> impl Iterator<Item = &Arc<str>> {
        let mut committed = self.offsets.from(from).map(|(id, _)| id).peekable();
        let mut pending = self.pending.groups_from(from).peekable();
        std::iter::from_fn(move || match (committed.peek(), pending.peek()) {
            (Some(one), Some(other)) if one == other => {
                pending.next();
                committed.next()
            }
            (Some(one), Some(other)) if one > other => pending.next(),
            (Some(_), _) => committed.next(),
            (None, _) => pending.next(),
        })
    }
}

/// The progress of a step.
#[derive(Default)]
struct Step {
    groups: usize,
    tombstones: usize,
}

impl Step {
    /// Visits a group. If this step has done enough, the next step begins here.
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

fn is_expired(group: Owner<'_>, offset: &CommittedOffset, turn: &Turn<'_>) -> bool {
    match group.unused_since(offset) {
        None => false,
        Some(since) => match offset.expires {
            Some(expires) => turn.now >= expires,
            None => turn.now.millis_since(since) >= turn.settings.offsets_retention_ms,
        },
    }
}
