//! Loading a machine: every record of its partition is replayed in order, from the first to the end of the log. It is
//! the same replay as in normal operation, so state changes in only one way.

use std::sync::Arc;

use crate::base::{Offset, ProducerId, Replayed, Timestamp, TransactionEnd};
use crate::log::{LogView, ReadError};
use crate::partition::Replica;
use crate::record::control::EndTransactionMarker;
use crate::record::{Batch, BatchError, Batches, Record, RecordError, Records};

use super::machine::Machine;

/// A decompressed batch of an internal topic is never near this size; a larger one is considered corrupt.
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

/// Replays the partition up to `end` into `machine`, reading `load_bytes` at a time. Blocks on the disk: not for a runtime thread.
pub(super) fn load<M: Machine>(
    mut machine: M,
    replica: &Arc<Replica>,
    end: Offset,
    load_bytes: usize,
    now: Timestamp,
) -> Result<M, LoadError> {
    let published = replica.published();
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
    tracing::debug!(
        partition = %replica.topic_partition(), records,
        "coordinator loaded"
    );
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
    let header = &batch.header;
    let offset = header.base_offset;
    let bytes = batch
        .record_bytes(DECOMPRESSED_LIMIT)
        .map_err(|error| LoadError::Batch(offset, error))?;
    let is_transactional = header.attributes.is_transactional();
    let producer = Some(header.producer_id).filter(|_| is_transactional);
    let mut count = 0;
    for record in Records::new(header, &bytes) {
        let record = record.map_err(|error| LoadError::Record(offset, error))?;
        if header.attributes.is_control() {
            end_transaction(machine, header.producer_id, &record, now);
        } else {
            replay_record(machine, &record, producer, now);
        }
        count += 1;
    }
    Ok(count)
}

fn end_transaction<M: Machine>(
    machine: &mut M,
    producer: ProducerId,
    record: &Record<'_>,
    now: Timestamp,
) {
    match EndTransactionMarker::parse(record) {
        Ok(Some(marker)) => {
            let end = TransactionEnd {
                producer,
                is_committed: marker.committed,
                place: record.offset,
            };
            machine.transaction_ended(&end, now);
        }
        Ok(None) => {}
        Err(error) => {
            crate::base::limited!(
                warn,
                "control record of an internal topic cannot be read: skipped",
                offset = %record.offset,
                %error
            );
        }
    }
}

/// A record that cannot be parsed is logged and skipped: refusing to serve the whole partition would lose more.
fn replay_record<M: Machine>(
    machine: &mut M,
    record: &Record<'_>,
    producer: Option<ProducerId>,
    now: Timestamp,
) {
    let offset = record.offset;
    let Some(key) = record.key else {
        crate::base::limited!(warn, "record without a key in an internal topic: skipped", %offset);
        return;
    };
    let record = Replayed {
        key,
        value: record.value,
        producer,
        place: offset,
    };
    if let Err(error) = machine.replay(&record, now) {
        crate::base::limited!(
            warn,
            "record of an internal topic cannot be read: skipped",
            %offset,
            %error
        );
    }
}
