//! Members of a consumer group that speak the classic protocol: their JoinGroup (`classic_join.rs`), SyncGroup, Heartbeat
//! and LeaveGroup.
//!
//! Such a member has its epoch for a generation, and never leads. It takes one step towards its target (`reconcile.rs`)
//! with each join, as others do with each heartbeat, since only then it says what it owns.
//!
//! ```text
//!   JoinGroup       takes a step        answers the member's epoch as the generation
//!   SyncGroup       writes nothing      answers what the member has now
//!   Heartbeat       writes nothing      REBALANCE_IN_PROGRESS when there is a step to take: a newer target, partitions
//!                                       to give up, or that others have given up, or a new target to be made
//! ```
//!
//! | timer | set | when it fires |
//! | --- | --- | --- |
//! | `Session` | by each of these requests | the member is removed |
//! | `Rejoin` | when it is told to join again, until it does | the same |
//! | `MemberSync` | by its join, until it syncs | the same |
//!
//! What Kafka refuses with a message has only the code here: these answers have no place for a message.

use std::sync::Arc;

use super::draft::Draft;
use super::member::{ClassicMember, Member, MemberState};
use super::world::World;
use super::{ConsumerGroup, classic_join, embedded, leave};
use crate::base::ErrorCode;
use crate::group::asks::{Heartbeat, Join, JoinReply, Leaver, Sync, SyncReply};
use crate::group::registry::{Registry, Turn};

/// The protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";

/// The member that sends a request, if it speaks the classic protocol, and what it said as it joined.
fn sender<'a>(
    group: &'a ConsumerGroup,
    member: &str,
    instance: Option<&Arc<str>>,
    generation: i32,
) -> Result<(&'a Arc<Member>, &'a ClassicMember), ErrorCode> {
    let found = match instance {
        None => group.member(member),
        Some(instance) => group.static_member(instance),
    };
    let found = found.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    if *found.id != *member {
        return Err(ErrorCode::FENCED_INSTANCE_ID);
    }
    let classic = found.classic.as_ref();
    let classic = classic.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    if generation == found.epoch {
        Ok((found, classic))
    } else {
        Err(ErrorCode::ILLEGAL_GENERATION)
    }
}

fn heartbeat(group: &ConsumerGroup, ask: &Heartbeat, draft: &mut Draft) -> Result<(), ErrorCode> {
    let instance = ask.instance.as_ref();
    let (member, classic) = sender(group, &ask.member, instance, ask.generation)?;
    draft.begin_session(group.id(), &member.id, classic.session_timeout_ms);
    let has_step = member.epoch < group.target_epoch()
        || is_left_alone(group)
        || match member.state {
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !waits(group, member),
            MemberState::Stable | MemberState::Unknown => false,
        };
    if has_step {
        draft.await_rejoin(group.id(), member);
        return Err(ErrorCode::REBALANCE_IN_PROGRESS);
    }
    Ok(())
}

/// Whether a new target is due that only the join of a classic member can bring. (In Kafka such a group waits until
/// somebody joins for another reason.)
fn is_left_alone(group: &ConsumerGroup) -> bool {
    group.epoch() > group.target_epoch() && group.classic_count() == group.member_count()
}

/// Whether others still have what the member shall have.
fn waits(group: &ConsumerGroup, member: &Member) -> bool {
    let target = group.target(&member.id);
    let mut missing = target
        .iter()
        .flat_map(|target| target.iter())
        .filter(|(topic, partition)| !member.assigned.contains(*topic, *partition));
    missing.any(|(topic, partition)| group.owner_epoch(topic, partition).is_some())
}

fn sync(
    world: &World,
    group: &ConsumerGroup,
    ask: &Sync,
    draft: &mut Draft,
) -> Result<SyncReply, ErrorCode> {
    let instance = ask.instance.as_ref();
    let (member, classic) = sender(group, &ask.member, instance, ask.generation)?;
    let first = classic.protocols.first();
    let is_other =
        |said: &Option<Arc<str>>, known: Option<&str>| said.is_some() && said.as_deref() != known;
    if is_other(&ask.protocol_type, Some(CONSUMER))
        || is_other(&ask.protocol, first.map(|first| &*first.name))
    {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    // One that gives partitions up must do that first, and joins again when it has.
    let is_behind = group.target_epoch() > member.epoch;
    if is_behind && member.state != MemberState::UnrevokedPartitions {
        draft.await_rejoin(group.id(), member);
        return Err(ErrorCode::REBALANCE_IN_PROGRESS);
    }
    draft.end_sync(group.id(), &member.id);
    draft.begin_session(group.id(), &member.id, classic.session_timeout_ms);
    let metadata = first.map(|first| &first.metadata[..]).unwrap_or_default();
    let assigned = member.assigned.partitions();
    Ok(SyncReply {
        error: ErrorCode::NONE,
        protocol_type: ask.protocol_type.clone(),
        protocol: ask.protocol.clone(),
        assignment: embedded::write(&assigned, &world.image, metadata),
    })
}

/// Members leave, or an administrator removes them, whichever protocol they speak.
fn leave_group(
    world: &mut World,
    group: &ConsumerGroup,
    leavers: Vec<Leaver>,
    draft: &mut Draft,
) -> Vec<(Leaver, ErrorCode)> {
    let mut leaving: Vec<Arc<Member>> = Vec::new();
    let mut results = Vec::with_capacity(leavers.len());
    for leaver in leavers {
        let error = match leaving_member(group, &leaver) {
            Ok(member) => {
                if !leaving.iter().any(|one| one.id == member.id) {
                    leaving.push(Arc::clone(member));
                }
                ErrorCode::NONE
            }
            Err(error) => error,
        };
        results.push((leaver, error));
    }
    if !leaving.is_empty() {
        leave::remove(world, group, &leaving, draft);
    }
    results
}

fn leaving_member<'a>(
    group: &'a ConsumerGroup,
    leaver: &Leaver,
) -> Result<&'a Arc<Member>, ErrorCode> {
    let Some(instance) = &leaver.instance else {
        let member = group.member(&leaver.member);
        return member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID);
    };
    match group.static_member(instance) {
        None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
        Some(owner) if !leaver.member.is_empty() && owner.id != leaver.member => {
            Err(ErrorCode::FENCED_INSTANCE_ID)
        }
        Some(owner) => Ok(owner),
    }
}

/// What is asked of a group that is a consumer group with members. Otherwise, `None`.
impl Registry {
    pub(in crate::group) fn join_consumer_group(
        &mut self,
        ask: &Join,
        turn: &mut Turn<'_>,
    ) -> Option<JoinReply> {
        let mut draft = Draft::default();
        let group = self.consumers.get(&ask.group)?;
        if group.is_empty() {
            return None;
        }
        Some(
            match classic_join::join(&mut self.world, group, ask, turn.now, &mut draft) {
                Ok(reply) => {
                    self.carry(&ask.group, draft, turn);
                    reply
                }
                Err(error) => JoinReply::refused("", error),
            },
        )
    }

    pub(in crate::group) fn sync_consumer_group(
        &mut self,
        ask: &Sync,
        turn: &mut Turn<'_>,
    ) -> Option<SyncReply> {
        let mut draft = Draft::default();
        let group = self.consumers.get(&ask.group)?;
        let reply = sync(&self.world, group, ask, &mut draft);
        self.carry(&ask.group, draft, turn);
        Some(reply.unwrap_or_else(SyncReply::refused))
    }

    pub(in crate::group) fn heartbeat_consumer_group(
        &mut self,
        ask: &Heartbeat,
        turn: &mut Turn<'_>,
    ) -> Option<ErrorCode> {
        let mut draft = Draft::default();
        let group = self.consumers.get(&ask.group)?;
        let reply = heartbeat(group, ask, &mut draft);
        self.carry(&ask.group, draft, turn);
        Some(reply.err().unwrap_or(ErrorCode::NONE))
    }

    pub(in crate::group) fn leave_consumer_group(
        &mut self,
        group: &Arc<str>,
        leavers: Vec<Leaver>,
        turn: &mut Turn<'_>,
    ) -> Vec<(Leaver, ErrorCode)> {
        let mut draft = Draft::default();
        let Some(there) = self.consumers.get(group) else {
            let unknown = |leaver| (leaver, ErrorCode::UNKNOWN_MEMBER_ID);
            return leavers.into_iter().map(unknown).collect();
        };
        let results = leave_group(&mut self.world, there, leavers, &mut draft);
        self.carry(group, draft, turn);
        results
    }

    /// A classic member had time enough to join again, or to ask for its assignment.
    pub(super) fn fence_late_classic_member(
        &mut self,
        id: &Arc<str>,
        member: &str,
        turn: &mut Turn<'_>,
    ) {
        let Some(group) = self.consumers.get(id) else {
            return;
        };
        let member = group.member(member).filter(|member| member.is_classic());
        if let Some(member) = member.map(Arc::clone) {
            let mut draft = Draft::default();
            leave::remove(&mut self.world, group, &[member], &mut draft);
            self.carry(id, draft, turn);
        }
    }
}
