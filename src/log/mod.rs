//! Floor 2: one partition on one disk. CONTRACT STUB.
pub mod partition_log;
pub mod reader;
pub use partition_log::{AppendError, AppendInfo, AppendOrigin, LogError, OpenOptions, PartitionLog, RecoveryReport};
pub use reader::{LogView, ReadError, ReadSlice};
