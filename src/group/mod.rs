//! Floor 4: the group coordinator as a pure machine.
//!
//! A [`Registry`] is everything that one partition of `__consumer_offsets` says: classic groups and
//! committed offsets. Groups of types that are not served are kept as they are (`unserved.rs`). Questions go in;
//! records, replies and timer changes come out. There is no clock, chance, lock or I/O here, and nothing of Kafka's
//! messages.
//!
//! # Contract with the host
//!
//! 1. Load: [`Registry::replay`] every record of the partition and [`Registry::transaction_ended`] for every marker, in
//!    their order, then [`Registry::loaded`] once.
//! 2. Run: [`Registry::decide`] and [`Registry::timer_fired`], strictly one after another. Before the
//!    next of them, the records of the outcome are appended as one batch and each is replayed, and
//!    the timer changes are made, in their order. The replies leave when the records, or for an
//!    outcome without records all earlier ones, are committed. Reads wait for the same position.
//! 3. A timer that was cancelled or set anew must not fire for its old time.
//! 4. When an append fails, the host drops the registry, answers every token that it has not seen
//!    answered with a retriable error, and loads again. Nothing here is undone. Records that the host knows
//!    to be too large it neither appends nor replays: it makes the timer changes, asks by
//!    [`Registry::not_written`] what follows (`classic/provisional.rs`), and refuses what the outcome answers
//!    and what follows does not.
//! 5. Markers that are written later are told when they are in the log. Records of the same producer behind a marker
//!    are of its next transaction.
//! 6. [`Registry::topics_deleted`] is a decision, too.
//! 7. Before a decision the host says what [`Bounds`](crate::base::Bounds) it has.
//! 8. The tombstones of [`DeleteGroup`] and of a step that removes what nobody needs can be too
//!    many for one batch. They do not need each other, except that
//!    a group's own comes after those of its offsets, so they may be cut into several batches.
//!
//! # Hard and soft
//!
//! Hard is what the log says: committed offsets, and of each group the last generation that was
//! written, with members, protocol, leader and assignments, or without members. Only replay changes
//! it. Soft is what a restart may lose: who is joining, which requests wait, the generation whose
//! assignment is still to come. After a restart clients find their group stable in its last written
//! generation, or are told that they are unknown and join again.
//!
//! Written are: the birth of a group, the leader's assignment, the replacement of a static member
//! in a stable group, the departure of the last member, and the end of the group.
//!
//! # Bounded
//!
//! The metadata of members is kept as long as they are members, so it is counted and bounded (`memory.rs`). A join is
//! refused for good when its metadata does not fit into a batch of the log (`MESSAGE_TOO_LARGE`), when it does not fit
//! beside that of the other members (`GROUP_MAX_SIZE_REACHED`), or when this member alone would take more than half of
//! the memory for members (`MESSAGE_TOO_LARGE`). Clients report these errors and give up. When memory is short for the
//! moment, they are told to try again (`COORDINATOR_NOT_AVAILABLE`).
//!
//! # States of a classic group
//!
//! ```text
//!            first member joins                    all joined, or time is up
//!   Empty ------------------------> Preparing ------------------------------> Completing
//!     ^                             Rebalance <------------------------------ Rebalance
//!     |                              |  ^     somebody came, left, changed or      |
//!     +------------------------------+  |     did not sync                         |
//!        time is up, nobody is left     |                                          |
//!                                       | somebody came, left or changed,          | the leader's
//!                                       | the leader joined again                  | assignment is
//!                                       |                                          v written
//!                                       +-------------------------------------- Stable
//! ```
//!
//! [`StateName::may_follow`] is the same as a table. A group that does not exist is described as Dead.
//!
//! # Timers
//!
//! | key | set | when it fires |
//! | --- | --- | --- |
//! | `Session` | by every sign of life of a member | the member is removed, unless its request waits here |
//! | `Session` | when an id is given out for a member to come back with | the id is forgotten |
//! | `Join` | when a rebalance begins | the generation is formed of those who came |
//! | `Join` | when a group's first member comes | waits on if others came, else the same |
//! | `Sync` | when a generation is formed | those who did not ask for their assignment are removed |
//! | `Sweep` | when a step has removed what nobody needs, and there is more | the next step (`offsets/sweep.rs`) |
//!
//! # Reading order
//!
//! `command.rs`, `registry.rs`, `classic/mod.rs`, `classic/join.rs`, `classic/rebalance.rs`,
//! `classic/sync.rs`, `replay.rs`, `offsets/`; `records.rs` for the bytes, `memory.rs` and `admission.rs` for what
//! is bounded.

mod admission;
mod asks;
mod classic;
mod decide;
mod describe;
mod listing;
mod memory;
mod offsets;
mod records;
mod registry;
mod replay;
mod subscription;
#[cfg(test)]
mod tests;
mod undecided;
mod unserved;

pub use asks::{
    CommitOffsets, CommitOffsetsReply, DeleteGroup, DeleteOffsets, DeleteOffsetsReply,
    DeletedTopic, ExpireOffsets, Heartbeat, Join, JoinReply, JoinedMember, Leave, LeaveReply,
    Leaver, OffsetToCommit, Protocol, Sync, SyncReply,
};
pub use classic::StateName;
pub use decide::GroupAsk;
pub use describe::{DescribedMember, Description, NotDescribed};
pub use listing::{GROUP_TYPE, ListFilter, ListedGroup, Listing};
pub use offsets::FetchedOffset;
pub use registry::{Outcome, Registry, Settings, TimerKey};
pub use replay::ReplayError;
