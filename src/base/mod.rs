//! Floor 0: the words that every room uses. Nothing here does I/O or knows Kafka's messages.

pub mod clock;
pub mod code;
pub mod ids;
pub mod offset;
pub mod outcome;
pub mod pending;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use code::ErrorCode;
pub use ids::{DirectoryId, KafkaUuid, NodeId, ProducerEpoch, ProducerId, TopicId, TopicPartition};
pub use offset::{LeaderEpoch, Offset, Positions};
pub use outcome::{Outcome, TimerChange, Token};
pub use pending::Pending;
