//! Floor 0: the types that every room uses. Nothing here does I/O or knows Kafka's messages;
//! [`log_limit`] hands its lines to `tracing`.

pub mod ask;
pub mod clock;
pub mod code;
pub mod completion;
pub mod ids;
pub mod java;
pub mod locks;
pub mod log_limit;
pub mod offset;
pub mod outcome;
pub(crate) mod pattern;
pub mod pending;
pub mod shared_cost;
pub(crate) mod shared_map;
#[cfg(test)]
pub(crate) mod test_host;

pub use ask::Ask;
#[cfg(test)]
pub use clock::FixedClock;
pub use clock::{Clock, SystemClock, Timestamp};
pub use code::ErrorCode;
pub use completion::Completion;
pub use ids::{
    DirectoryId, KafkaUuid, NodeId, ProducerEpoch, ProducerId, TopicId, TopicPartition,
    TransactionVersion,
};
pub use java::java_hash;
pub use locks::{lock, read, write};
pub use log_limit::LogLimit;
pub(crate) use log_limit::limited;
pub use offset::{LeaderEpoch, Offset, Positions};
pub use outcome::{
    Bounds, KeyValue, Outcome, Replayed, SealedReply, TimerChange, Token, Transaction,
    TransactionEnd,
};
pub use pending::Pending;
pub use shared_cost::SharedCost;
pub(crate) use shared_map::SharedMap;
