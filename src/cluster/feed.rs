//! Feeds batches of metadata records to a loader.

use crate::base::Offset;
use crate::metadata::{Loader, MetadataRecord};
use crate::record::Batch;

use super::error::MetadataLogError;
use super::quorum::Quorum;

/// No batch of metadata comes near this size, even decompressed.
pub(super) const LARGEST_BATCH: usize = 256 * 1024 * 1024;

/// Feeds the records of a batch at and after `from`; `note` sees each of them.
pub(super) fn feed_batch(
    loader: &mut Loader,
    quorum: &mut Quorum,
    batch: &Batch,
    from: Offset,
    mut note: impl FnMut(&MetadataRecord),
) -> Result<(), MetadataLogError> {
    let header = &batch.header;
    let malformed = |error: &dyn std::fmt::Display| {
        MetadataLogError::Malformed(header.base_offset, error.to_string())
    };
    let bytes = batch
        .record_bytes(LARGEST_BATCH)
        .map_err(|error| malformed(&error))?;
    if header.attributes.is_control() {
        quorum.note(batch, &bytes, from);
        loader.skip_to(header.last_offset(), header.leader_epoch);
        return Ok(());
    }
    for record in batch.records(&bytes) {
        let record = record.map_err(|error| malformed(&error))?;
        if record.offset >= from {
            let value = record
                .value
                .ok_or_else(|| malformed(&"a record without a value"))?;
            let decoded = MetadataRecord::decode(value).map_err(|error| malformed(&error))?;
            note(&decoded);
            loader.feed(decoded, record.offset, header.leader_epoch)?;
        }
    }
    Ok(())
}
