//! Floor 4: replication of one partition, as pure machines.
//!
//! Owns: the rules by which a leader knows what is committed ([`Leader`]): the watermark, who is in sync, and the one
//! change of the ISR that it may have asked for.
//!
//! Must not: wait, read a clock, do I/O, or know how a follower is reached. Whoever owns the log of the partition
//! (the lane, in `partition`) calls the machine and carries out what it returns.
//!
//! ```text
//!   lane writes ---- appended ----> Leader ----> high watermark: acknowledgements, what consumers may read
//!   follower fetches - fetched ---> Leader ----> the same, and perhaps an AlterPartition to send
//!   a timer ---------- shrink ----> Leader ----> perhaps an AlterPartition to send
//!   controller ------- answered --> Leader ----> the new ISR, or the old one, or the same AlterPartition again
//!   image ------------ followed --> Leader ----> the ISR that the controller has recorded
//! ```
//! With one replica only `appended`, `followed` and `require` (another `min.insync.replicas`) are called. The others are called when followers can fetch.

mod leader;

pub use leader::{FollowerFetch, IsrAnswer, IsrChange, Leader, ReplicaSet, Term};
