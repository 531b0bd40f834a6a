//! Floor 4: the transaction coordinator as a pure machine.
//!
//! A [`Registry`] is the state of one partition of `__transaction_state`: transactional ids, each with its producer id,
//! its epoch and its last transaction. The input are requests; the output are records, replies, timer changes and the
//! markers to write. There is no clock, randomness, lock or I/O here, and nothing of Kafka's messages.

mod asks;
mod ids;
mod registry;
mod state;

pub use asks::{
    AddPartitions, EndReply, EndTransaction, ExpireTransactionalIds, InitProducer, InitReply,
    MarkersReply, MarkersWritten, TxnError, VerifyPartitions, WriteMarkers,
};
pub use ids::ProducerIdAndEpoch;
pub use registry::{Outcome, Registry, Settings, TimerKey};
pub use state::StateName;
