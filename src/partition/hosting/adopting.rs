//! Hands opened logs to the lanes that will write them, and enters their partitions into the places.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::manager::Partitions;
use super::opening::{Opened, ToOpen};
use super::places::{HostedTopics, Opening, Place, Unreadable};
use crate::partition::lane::{Hosted, Slot};
use crate::partition::moves::assignment::Assignment;
use crate::partition::replica::{Replica, ReplicaParts};
use crate::partition::role::Role;

/// Why logs were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adopting {
    /// The broker starts: no partition has a place yet.
    AtStart,
    /// The partitions are new, and have places as [`Opening`].
    Created,
    /// The partitions could not be opened before, and have places as [`Unreadable`].
    Again,
}

impl Partitions {
    pub(super) fn adopt(&self, opened: Vec<Result<Opened, Box<Unreadable>>>, adopting: Adopting) {
        for opened in opened {
            // The thread that follows the image finds either the old place or the new one.
            let mut hosted = self.places().hosted_mut();
            let wanted = match &opened {
                Ok(opened) => &opened.wanted,
                Err(unreadable) => &unreadable.wanted,
            };
            let now = match adopting {
                Adopting::AtStart => Some(wanted.clone()),
                Adopting::Created | Adopting::Again => wanted_now(&hosted, wanted),
            };
            match (now, opened) {
                (Some(now), Ok(opened)) => self.adopt_log(&mut hosted, opened, &now),
                (Some(now), Err(unreadable)) => {
                    let unreadable = Unreadable {
                        wanted: now.clone(),
                        ..*unreadable
                    };
                    put(&mut hosted, &now, Place::Unreadable(Box::new(unreadable)));
                }
                // A partition that was deleted meanwhile has no place any more. If it existed before, its deletion
                // comes next.
                (None, Ok(opened)) if adopting == Adopting::Created => {
                    drop(hosted);
                    self.remove_unwanted(opened);
                }
                (None, _) => {}
            }
        }
    }

    fn adopt_log(&self, hosted: &mut HostedTopics, opened: Opened, now: &ToOpen) {
        let Opened {
            directory,
            mut log,
            high_watermark,
            ..
        } = opened;
        if now.assigned != directory.id() {
            self.shared
                .assignments
                .send(Assignment::new(now, directory.id()));
        }
        directory.note_replicas_changed();
        let slot = Slot(self.shared.next_slot.fetch_add(1, Ordering::Relaxed));
        let lane = directory.lane_of(slot).clone();
        log.set_config(Arc::clone(&now.config));
        let mut role = Role::new(self.shared.environment.node(), high_watermark);
        role.follow(&now.leadership, &mut log, self.shared.environment.now());
        let replica = Arc::new(Replica::new(ReplicaParts {
            topic_partition: now.topic_partition.clone(),
            topic_id: now.topic_id,
            node: self.shared.environment.node(),
            directory,
            lane: lane.clone(),
            slot,
            preparation: Arc::clone(&self.shared.preparation),
            leadership: now.leadership.clone(),
            config: Arc::clone(&now.config),
            published: role.state_of(&log),
            transactions: Arc::clone(log.transactions()),
        }));
        // The lane knows the log before anyone can send it an append.
        lane.adopt(slot, Hosted::new(log, role, Arc::clone(&replica)));
        put(hosted, now, Place::Open(replica));
    }

    pub(super) fn place(&self, wanted: &ToOpen, place: Place) {
        put(&mut self.places().hosted_mut(), wanted, place);
    }
}

/// The desired state of a partition that has waited for its log; `None` when it was deleted.
fn wanted_now(hosted: &HostedTopics, wanted: &ToOpen) -> Option<ToOpen> {
    let places = hosted.get(&wanted.topic_id)?;
    match places.get(&wanted.topic_partition.partition)? {
        Place::Opening(Opening { wanted, .. }) => Some(wanted.clone()),
        Place::Unreadable(unreadable) => Some(unreadable.wanted.clone()),
        Place::Open(_) | Place::Offline => None,
    }
}

fn put(hosted: &mut HostedTopics, wanted: &ToOpen, place: Place) {
    hosted
        .entry(wanted.topic_id)
        .or_default()
        .insert(wanted.topic_partition.partition, place);
}
