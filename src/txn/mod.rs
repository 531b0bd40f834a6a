//! Floor 4: the transaction coordinator as a pure machine.
//!
//! A [`Registry`] is the state of one partition of `__transaction_state`: transactional ids, each with its producer id,
//! its epoch and its last transaction. The input are requests; the output are records, replies, timer changes and the
//! markers to write. There is no clock, randomness, lock or I/O here, and nothing of Kafka's messages.
//!
//! # Contract with the host
//!
//! 1. Load: [`Registry::replay`] every record of the partition in order, then [`Registry::loaded`] once.
//! 2. Run: [`Registry::decide`] and [`Registry::timer_fired`], strictly one after another. Before the next call, the
//!    records of the outcome are appended as one batch, each is replayed, and the timer changes are made, in their
//!    order. Replies leave and effects are carried out when the records are committed, or, for an outcome without
//!    records, all earlier ones. Reads wait for the same position.
//! 3. A timer that was cancelled or set again must not fire for its old time.
//! 4. The effect [`WriteMarkers`] is carried out until every partition has its marker or does not exist any more. Then
//!    [`MarkersWritten`] is asked, again and again until it is answered.
//! 5. When an append fails, the host drops the registry, answers every pending request with a retriable error, and
//!    loads again. Nothing here is undone: no request waits in the machine, and [`Registry::loaded`] repeats the
//!    effects that are not done. If the host knows that records are too large, it neither appends nor replays them:
//!    it makes the timer changes and calls [`Registry::not_written`].
//! 6. Before each decision the host sets the [`Bounds`](crate::base::Bounds), and when it changes,
//!    the level of `transaction.version` ([`Registry::set_version`]).
//!
//! # States
//!
//! At rest are Empty, CompleteCommit and CompleteAbort.
//!
//! ```text
//!             partitions are added       EndTxn commits              all markers are written
//!   at rest ----------------------> Ongoing ----------> PrepareCommit ---------------------> CompleteCommit
//!      |                            |  |  ^
//!      |                            |  |  +-- more partitions
//!      |                            |  |
//!      |                            |  |  EndTxn aborts              all markers are written
//!      |                            |  +--------------> PrepareAbort ----------------------> CompleteAbort
//!      |                            |                     ^      ^
//!      |                            +-> PrepareEpochFence-+      |
//!      |                                InitProducerId, or       |
//!      |                                the time is up           |
//!      |         EndTxn aborts, from version 2 on                |
//!      +---------------------------------------------------------+
//!      +------------ InitProducerId ------------> Empty
//!      +--- nobody has used it for too long ----> Dead
//! ```
//!
//! | from | to |
//! | --- | --- |
//! | Empty | Empty, Ongoing, PrepareAbort, Dead |
//! | Ongoing | Ongoing, PrepareCommit, PrepareAbort, PrepareEpochFence |
//! | PrepareCommit | CompleteCommit |
//! | PrepareAbort | CompleteAbort |
//! | CompleteCommit, CompleteAbort | Empty, Ongoing, PrepareAbort, Dead |
//! | PrepareEpochFence | PrepareAbort |
//! | Dead | |
//!
//! [`StateName::may_follow`] is the same table. Dead and PrepareEpochFence pass within a decision: a record never has
//! them.
//!
//! # What always holds
//!
//! * The ids of a transactional id only grow: its epoch, or its producer id with epoch 0 after the last epoch.
//! * At most one client has the present producer id and epoch, unless it is the one that has lost the answer.
//! * What is decided stays: a Prepare state is only followed by the Complete state of the same kind, with the same
//!   partitions marked. A reply to EndTxn leaves after the decision is committed.
//! * Between a Prepare state and its Complete state nothing else happens: requests get `ConcurrentTransactions`.
//! * Each record of a transactional id has a later time than the one before. So the time of a Prepare record tells it
//!   from every other, and a late [`MarkersWritten`] cannot complete another transaction.
//!
//! # Versions
//!
//! What a client may do depends on the version of its request ([`AddPartitions::client_version`] and
//! [`EndTransaction::client_version`]), not on the level of the cluster. That level says which records are written,
//! and whether the producer of a transaction that the coordinator aborts may go on.
//!
//! # Where it differs from Kafka
//!
//! * A request behind one whose record is being written sees the state after it. Kafka answers it
//!   `CONCURRENT_TRANSACTIONS`.
//! * An abort without partitions writes its two records in one batch.
//! * When the coordinator aborts in the last epoch of a producer id, the new id is in the record of the completion
//!   alone, not in that of the decision. No client can tell.
//! * An EndTxn of version 2 counts as a repeated one only if the transaction has ended under version 2. Otherwise its
//!   answer could give a client the epoch of another.
//! * The answer to InitProducerId can be lost any number of times after a change of the producer id. A former epoch of
//!   an exhausted producer id is fenced. A transactional id that fits no record is an invalid request. For the last
//!   two, Kafka has `UNKNOWN_SERVER_ERROR`.
//!
//! # Hard and soft
//!
//! Hard state is in the log, and only replay changes it. Soft is the epoch before the present one, which Kafka does
//! not write either: after a restart, InitProducerId with a former epoch is fenced even if its answer was lost.
//!
//! # Bounded
//!
//! A transactional id is kept until it expires, with the partitions of its open transaction; anyone with the right to
//! do so may have any number of them. So their memory is counted: a new transactional id and new partitions are
//! refused for the time being (`NoMemory`) if all partitions together would exceed [`Settings::max_bytes`]. Every
//! record has all partitions of its transaction; they are refused permanently (`TooLarge`) if they do not fit into
//! one batch of the log. The end of a transaction needs no more than its beginning.
//!
//! # Timers
//!
//! | key | set | when it fires |
//! | --- | --- | --- |
//! | `Transaction` | when a transaction begins, and by loading | it is aborted, its producer fenced |
//! | `Sweep` | between two steps of the removal of unused transactional ids | the next step |
//!
//! # Reading order
//!
//! `asks.rs`, `state.rs`, `decide.rs`, `registry.rs`, `init.rs`, `membership.rs`, `end.rs`, `replay.rs`, `expiry.rs`;
//! `changes.rs` and `records.rs` for what is written.

mod asks;
mod changes;
mod decide;
mod describe;
mod end;
mod expiry;
mod ids;
mod init;
mod listing;
mod membership;
mod partitions;
mod records;
mod registry;
mod replay;
mod state;
#[cfg(test)]
mod tests;
mod transactions;

pub use asks::{
    AddPartitions, EndReply, EndTransaction, ExpireTransactionalIds, InitProducer, InitReply,
    MarkersReply, MarkersWritten, TxnError, VerifyPartitions, WriteMarkers,
};
pub use decide::TransactionAsk;
pub use describe::Description;
pub use ids::ProducerIdAndEpoch;
pub use listing::{ListFilter, ListedTransaction, Listing};
pub use partitions::Partitions;
pub use registry::{Outcome, Registry, Settings, TimerKey};
pub use replay::ReplayError;
pub use state::StateName;
