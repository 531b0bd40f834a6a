//! Loading a machine: every record of its partition, from the first to the high watermark, replayed
//! in order. The same replay as in normal operation, so there is one way for state to change.

use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::log::{LogView, ReadError};
use crate::partition::Replica;
use crate::record::{Batch, BatchError, Batches, RecordError, Records};

use super::host::Machine;

/// A decompressed batch of an internal topic is never near this; more is taken for corrupt.
const DECOMPRESSED_LIMIT: usize = 256 * 1024 * 1024;

/// Why a partition could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("cannot read at offset {0}: {1}")]
    Read(Offset, ReadError),
    #[error("cannot read at offset {0}: {1}")]
    Io(Offset, std::io::Error),
    #[error("batch at or after offset {0}: {1}")]
    Batch(Offset, BatchError),
    #[error("record in the batch at offset {0}: {1}")]
    Record(Offset, RecordError),
}

/// Replays the whole partition into `machine`, reading `load_bytes` at a time. Blocks on the disk: not for a runtime thread.
pub(super) fn load<M: Machine>(
    mut machine: M,
    replica: &Arc<Replica>,
    load_bytes: usize,
    now: Timestamp,
) -> Result<M, LoadError> {
    let published = replica.published();
    let end = published.positions.high_watermark;
    let mut next = published.positions.log_start;
    let mut records = 0_u64;
    while next < end {
        let Some(chunk) = read_chunk(&published.view, next, end, load_bytes)? else {
            break;
        };
        for batch in Batches::new(chunk) {
            let batch = batch.map_err(|error| LoadError::Batch(next, error))?;
            records += replay_batch(&mut machine, &batch, now)?;
            next = batch.header.next_offset();
        }
    }
    tracing::debug!(partition = %replica.topic_partition(), records, "coordinator state loaded");
    Ok(machine)
}

fn read_chunk(
    view: &LogView,
    next: Offset,
    end: Offset,
    load_bytes: usize,
) -> Result<Option<bytes::Bytes>, LoadError> {
    let slice = view
        .locate(next, end, load_bytes, true)
        .map_err(|error| LoadError::Read(next, error))?;
    slice
        .map(|slice| slice.read().map_err(|error| LoadError::Io(next, error)))
        .transpose()
}

fn replay_batch<M: Machine>(
    machine: &mut M,
    batch: &Batch,
    now: Timestamp,
) -> Result<u64, LoadError> {
    // Control batches end transactions, which this machine's records are not part of yet.
    if batch.header.attributes.is_control() {
        return Ok(0);
    }
    let offset = batch.header.base_offset;
    let bytes = batch
        .record_bytes(DECOMPRESSED_LIMIT)
        .map_err(|error| LoadError::Batch(offset, error))?;
    let mut count = 0;
    for record in Records::new(&batch.header, &bytes) {
        let record = record.map_err(|error| LoadError::Record(offset, error))?;
        replay_record(machine, &record, now);
        count += 1;
    }
    Ok(count)
}

/// One record that cannot be understood is reported and passed over: refusing to serve all groups of
/// the partition for it would lose more than it keeps.
fn replay_record<M: Machine>(machine: &mut M, record: &crate::record::Record<'_>, now: Timestamp) {
    let Some(key) = record.key else {
        tracing::warn!(offset = %record.offset, "record without a key in an internal topic: passed over");
        return;
    };
    if let Err(error) = machine.replay(key, record.value, now) {
        tracing::warn!(offset = %record.offset, %error, "record of an internal topic cannot be read: passed over");
    }
}
