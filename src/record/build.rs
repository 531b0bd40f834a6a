//! CONTRACT STUB: writes batches of our own (internal topics, metadata log, tests).
use bytes::Bytes;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use super::compress::Codec;
/// Header fields of a batch to be built.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct BatchOptions {
    pub base_offset: Offset, pub leader_epoch: LeaderEpoch, pub codec: Codec,
    /// Some(t): LogAppendTime with this time
    pub log_append_time: Option<Timestamp>,
    pub producer_id: ProducerId, pub producer_epoch: ProducerEpoch, pub base_sequence: i32,
    pub transactional: bool, pub control: bool,
}
impl Default for BatchOptions { fn default() -> Self { todo!() } }
/// Builds one batch record by record.
pub struct BatchBuilder { _options: BatchOptions }
impl BatchBuilder {
    /// An empty batch.
    pub fn new(_options: BatchOptions) -> Self { todo!() }
    /// Adds a record.
    pub fn push(&mut self, _timestamp: Timestamp, _key: Option<&[u8]>, _value: Option<&[u8]>, _headers: &[super::Header<'_>]) { todo!() }
    /// Bytes so far, before compression.
    pub fn size(&self) -> usize { todo!() }
    /// The finished batch.
    pub fn finish(self) -> Bytes { todo!() }
}
