//! Zurau: a Kafka broker in one binary.
//!
//! Stock Kafka clients talk to it, Apache Kafka's own tools read its disk, and it keeps Kafka's words
//! for Kafka's things. This page is the map.
//!
//! # Six truths
//!
//! 1. The bytes on the wire are the bytes on disk. A produced batch is checked, its base offset and
//!    leader epoch are patched, and it is stored; it leaves again untouched. (A topic may ask for another
//!    codec or for the broker's timestamps; then the batch is made anew once, before it is stored.)
//! 2. The disk layout is Kafka's, byte for byte.
//! 3. One log, several machines. Cluster metadata, consumer groups and transactions are state machines
//!    whose only memory is a Kafka log: a machine decides, its host appends and replays the records, and
//!    answers only when they are committed. Loading is the same replay.
//! 4. Order first, answer later. A request's place is fixed as it is taken off the socket; its answer
//!    is a future; a connection writes answers in request order.
//! 5. A reply waits for a position or an event, never for a sleep or a poll.
//! 6. Bytes from outside never panic, never allocate by their own claim, never block a runtime
//!    thread. A failed disk write is final for its log directory; the rest goes on.
//!
//! # Floors
//!
//! A module imports only from strictly lower floors; `scripts/check` enforces the table and what each
//! floor must not know. Where a lower floor must reach up it declares a trait, and [`broker`]
//! supplies it.
//!
//! | floor | module | what it is | must not know |
//! | --- | --- | --- | --- |
//! | 0 | [`base`] | ids, typed offsets, error codes, clock, ordered pending queue, questions to machines and their outcomes, completions, locks, limits for log lines | any other room |
//! | 1 | [`record`] | record batches as bytes: header view, lazy iterator, builder, control batches, codecs | tokio, messages |
//! | 1 | [`wire`] | framing, request prefix, connection loop, listeners | which APIs exist |
//! | 1 | [`schema`] | the primitive types of Kafka's record schemas as bytes, in old and flexible versions | tokio, messages |
//! | 1 | [`config`] | one table of definitions, layers of sources, typed views, what is in force now | tokio |
//! | 2 | [`log`] | one partition on one disk: preparing appends, segments, indexes, recovery, retention, compaction, producer state, epochs | tokio, messages |
//! | 2 | [`messages`] | messages of Kafka's that are newer than the protocol crate | tokio |
//! | 2 | [`security`] | who asks, and what they may do: principals, Kafka's operations and resource types, the authorizer | tokio, messages |
//! | 3 | [`metadata`] | immutable image, delta, metadata records, snapshot | tokio |
//! | 4 | [`group`] | classic and consumer groups, committed offsets: a pure machine | tokio, clock, chance, I/O |
//! | 4 | [`txn`] | transactional ids and their transactions: a pure machine | the same |
//! | 4 | [`controller`] | topics, placement, configs, features: a pure machine | the same |
//! | 4 | [`raft`] | the quorum of the metadata log, as an observer; a pure machine | the same |
//! | 4 | [`replication`] | a partition's leader: watermark, ISR; a pure machine | the same |
//! | 5 | [`partition`] | hosts logs: preparation, storage lanes, leadership, fetches and their sessions, waiters, housekeeping, cleaner | messages |
//! | 5 | [`cluster`] | hosts the controller over `__cluster_metadata`, publishes the image and the settings, this broker's registration | messages |
//! | 6 | [`coordinator`] | hosts machines on internal topics (groups on `__consumer_offsets`, transactions on `__transaction_state`): load, run, append, replay, park; timers; markers | messages |
//! | 7 | [`handlers`] | one file per API, one route table, error mapping | disk, locks, spawn |
//! | 8 | [`broker`], [`cli`] | composition root, start and stop; command line | |
//!
//! Rooms that will be built when they are needed: `metrics` (1).
//!
//! # Reading order
//!
//! A produce from socket to disk, in ten minutes: [`wire`] (its page shows a connection's queue), then
//! `wire/connection/reading.rs`, `handlers/router.rs` and `handlers/produce.rs`, [`partition::Replica::append`],
//! [`partition::preparation`] (where records are unpacked and compressed), `partition/lane.rs` (the drain),
//! `partition/hosted.rs` (a log and its role), [`log::RecordSet::prepare`] and [`log::PartitionLog::append`],
//! and back through `partition/role.rs` and `partition/waiters.rs`.
//!
//! A fetch: `handlers/fetch.rs`, [`partition::sessions`], [`partition::fetch`] (its page says which partitions are
//! read, and what an answer holds), `partition/waiters.rs`, `log/reader.rs`, and out through
//! `handlers/fetch_response.rs`.
//!
//! A join: `handlers/join_group.rs`, [`coordinator`] (its page shows the cycle): `coordinator/hosts.rs`, `host.rs` and
//! `active.rs`; then `group/decide.rs`, `group/classic/join.rs` and `rebalance.rs`. A commit goes the same way, from
//! `handlers/offset_commit.rs` to `group/offsets/commit.rs`.
//!
//! A heartbeat of a member that the broker assigns: the same way to `group/consumer/deciding.rs` and `heartbeat.rs`; the
//! topics of its regular expression come from `coordinator/groups/lookup.rs`.
//!
//! A transaction: `handlers/init_producer_id.rs`, `coordinator/transactions.rs` and the cycle of [`coordinator`]; then
//! [`txn`] (its page shows the states). Its end: `handlers/end_txn.rs`, `txn/end.rs`, `coordinator/transactions/carrier.rs`
//! (which writes the markers), `partition/markers.rs` and `log/producer`, and back to the coordinator.
//!
//! A topic: `handlers/create_topics.rs`, `handlers/ask.rs`, [`cluster`], `controller/topics.rs`, then
//! `broker/startup.rs` (where image and partitions meet) and [`partition::Partitions::follow`].
//!
//! What a stranger's request may cost, and how long answers leave: `handlers/metered.rs` and
//! `handlers/streamed.rs`.
//!
//! Who may do what: `handlers/authorize.rs` and [`security::Authorizer`]. `handlers/checks.rs` lists what each API asks
//! for; tests hold the handlers to it.
//!
//! A record of an internal topic: `group/records.rs` or `metadata/record.rs` for its fields, [`schema`]
//! for their bytes, [`record`] for the batch around it.

// Private, so that the compiler sees what nobody uses: within a room `pub` is for other rooms, `pub(super)` for the room.
mod base;
mod cluster;
mod config;
mod controller;
mod coordinator;
mod group;
mod handlers;
mod log;
mod messages;
mod metadata;
mod partition;
mod record;
mod schema;

// For `main.rs`.
pub mod broker;
pub mod cli;

// These have what only a cluster, rights and throttles will use.
pub mod raft;
pub mod replication;
pub mod security;
pub mod txn;
pub mod wire;

/// What the fuzz targets reach.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzed {
    pub mod base {
        pub use crate::base::*;
    }
    pub mod config {
        pub use crate::config::*;
    }
    pub mod group {
        pub use crate::group::*;
    }
    pub mod log {
        pub use crate::log::*;
    }
    pub mod metadata {
        pub use crate::metadata::*;
    }
    pub mod record {
        pub use crate::record::*;
    }
}
