//! Floor 4: the quorum of the metadata log, as a pure machine. The observer comes first: a broker that follows the log
//! and never votes.
//!
//! Owns: whom to ask next, what an answer means for the local log, the epoch and the leader, the high watermark, and the
//! voters by offset ([`Observer`]).
//!
//! Must not: wait, read a clock, do I/O, or know how a controller is reached and how its bytes look. Whoever owns the log
//! carries out what the machine returns, before it is called again.
//!
//! ```text
//!                 next                     the answer: answered              change
//!   log ---------------------> request ------------------------> Observer ----------------> log
//!   (its end, its epochs)      (Fetch, or a part of a snapshot)                (append, truncate, store, install)
//!                 next
//!    ---------------------> committed: apply up to here
//! ```
//!
//! # Invariants
//!
//! * The epoch never goes back, and an epoch has one leader.
//! * The high watermark never goes back, and is never above the log end. Nothing above it is applied.
//! * Nothing below the high watermark is ever truncated: a leader that wants it has lost committed records, and the
//!   machine stops for good ([`Fatal`]).
//! * At most one request is under way. An answer to another one changes nothing.
//! * Voters count from the offset at which they are written, committed or not, and are forgotten when that is truncated.

mod observer;
mod voters;

pub use observer::{
    Answered, Change, EpochEnd, Fatal, FetchAnswer, FetchRequest, LogView, Named, Next, Observer,
    Request, Settings, SnapshotAnswer, SnapshotId, SnapshotRequest, Target,
};
pub use voters::{Endpoint, Voter, Voters};
