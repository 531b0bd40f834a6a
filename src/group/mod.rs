//! Floor 4: the group coordinator as a pure machine.
//!
//! A [`Registry`] is the state of one partition of `__consumer_offsets`: classic groups (`classic`), consumer groups of
//! KIP-848 (`consumer`) and committed offsets. Groups of types that are not served are kept unchanged (`unserved.rs`).
//! The input are requests and the cluster's metadata; the output are records, replies, timer changes and effects. There
//! is no clock, randomness, lock or I/O here, and nothing of Kafka's messages.
//!
//! # Contract with the host
//!
//! 1. Load: [`Registry::replay`] every record of the partition and [`Registry::transaction_ended`] for every marker, in
//!    their order, then [`Registry::loaded`] once.
//! 2. Run: [`Registry::decide`] and [`Registry::timer_fired`], strictly one after another. Before the next call, the
//!    records of the outcome are appended as one batch, each is replayed, and the timer changes are made, in their
//!    order. The replies are sent when the records are committed, or, for an outcome without records, all earlier
//!    ones. Reads wait for the same position.
//! 3. A timer that was cancelled or set again must not fire for its old time.
//! 4. When an append fails, the host drops the registry, answers every pending token with a retriable error, and
//!    loads again. Nothing here is undone. If the host knows that records are too large, it neither appends nor
//!    replays them: it makes the timer changes and calls [`Registry::not_written`] for what follows
//!    (`classic/provisional.rs`). Then it refuses the requests that the outcome has answered and what follows has
//!    not.
//! 5. Markers that are written later are passed on when they are in the log. Records of the same producer behind a
//!    marker belong to its next transaction. Records of a transaction may be refused by the log: [`Registry::settled`]
//!    tells of them and of those that are there, in the order of the log together with the markers.
//! 6. [`Registry::hear`] is a decision, too.
//! 7. Before each decision the host sets the [`Bounds`](crate::base::Bounds).
//! 8. [`DeleteGroup`] and the steps that remove unused groups and offsets can write more tombstones than fit in one
//!    batch. They do not need each other, except that a group's own comes after those of its offsets, so they may be
//!    split into several batches.
//!
//! # Hard and soft
//!
//! Hard state is in the log: committed offsets, those of open transactions (`offsets/pending.rs`), consumer groups as
//! a whole, and of each classic group the last written generation, with members, protocol, leader and assignments, or
//! without members. Only replay changes it. Soft state may be lost in a restart: joining clients, waiting requests, the
//! generation whose assignment is not written yet. After a restart clients find their group stable in its last written
//! generation, or get UNKNOWN_MEMBER_ID and join again.
//!
//! Of a classic group are written: its creation, the leader's assignment, the replacement of a static member while it
//! is stable, the departure of the last member, its end, and its change to a consumer group or from one.
//!
//! # Bounded
//!
//! The metadata of members is kept as long as they are members, so it is counted and bounded (`memory.rs`). A join is
//! refused permanently when its metadata does not fit into a batch of the log (`MESSAGE_TOO_LARGE`), when it does not
//! fit beside that of the other members (`GROUP_MAX_SIZE_REACHED`), or when this member alone would take more than
//! half of the memory for members (`MESSAGE_TOO_LARGE`). Clients report these errors and give up. When memory is
//! short only at present, clients are told to try again (`COORDINATOR_NOT_AVAILABLE`).
//!
//! Members of consumer groups have records of their own, so they need not fit beside each other; their memory is bounded
//! in the same way. As in Kafka, all that a decision about such a group writes must fit into one batch: a new target
//! assignment has a record for each member whose part of it changes.
//!
//! Offsets of open transactions are counted with the members, and may use half of the limit: there is no other bound on
//! the number of transactions, or on how long they take.
//!
//! # One id, one group
//!
//! A group has one type at a time. The log may say more for a moment:
//!
//! | in the log | counts as |
//! | --- | --- |
//! | only offsets | an empty classic group, until there is another record or no offset |
//! | records of a classic group, and of another type | the classic group. Kafka ends one before it begins the other |
//! | records of a consumer group, and of a type that is not served | the consumer group |
//!
//! An empty group gives way to one of another type, with its offsets.
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
//! [`StateName::may_follow`] has the same as a table. A group that does not exist is described as Dead. The states of
//! a consumer group follow from its epochs (`consumer`).
//!
//! # Timers
//!
//! | key | set | when it fires |
//! | --- | --- | --- |
//! | `Session` | by every request of a member | the member is removed, unless its request waits here |
//! | `Session` | when a member id is given out | the id is forgotten |
//! | `Revocation` | when a member of a consumer group must give up partitions | the member is removed |
//! | `Rejoin` | when a classic member of a consumer group is told to join again | the same |
//! | `MemberSync` | by the join of a classic member of a consumer group | the same |
//! | `Join` | when a rebalance begins | the generation is formed of those that have joined |
//! | `Join` | when a group's first member joins | waits longer if others have joined, else the same |
//! | `Sync` | when a generation is formed | members that have not sent a SyncGroup are removed |
//!
//! # Reading order
//!
//! `asks.rs`, `decide.rs`, `registry.rs`, `classic/mod.rs`, `classic/join.rs`, `classic/rebalance.rs`, `classic/sync.rs`,
//! `replay.rs`, `offsets/`; `consumer/mod.rs`, `consumer/replay.rs`, `consumer/commit.rs`; `records.rs` for the bytes,
//! `memory.rs` and `admission.rs` for the limits.

mod admission;
mod asks;
mod assignor;
mod classic;
mod consumer;
mod decide;
mod describe;
mod listing;
mod memory;
mod news;
mod offsets;
mod records;
mod registry;
mod replay;
mod subscription;
#[cfg(test)]
mod tests;
mod topics_hash;
mod unserved;

pub use asks::{
    CommitInTransaction, CommitOffsets, CommitOffsetsReply, DeleteGroup, DeleteOffsets,
    DeleteOffsetsReply, ExpireOffsets, Heartbeat, Join, JoinReply, JoinedMember, Leave, LeaveReply,
    Leaver, OffsetToCommit, Protocol, Sync, SyncReply,
};
pub use classic::StateName;
pub use consumer::{
    ConsumerDescription, ConsumerHeartbeat, ConsumerHeartbeatReply, DescribedConsumerMember,
    Expressions, ExpressionsResolved, GroupEffect,
};
pub use decide::GroupAsk;
pub use describe::{DescribedMember, Description, NotDescribed};
#[cfg(test)]
pub use listing::GROUP_TYPE;
pub use listing::{ListFilter, ListedGroup, Listing};
pub use news::GroupNews;
pub use offsets::FetchedOffset;
pub use registry::{Outcome, Registry, Settings, TimerKey};
pub use replay::ReplayError;
