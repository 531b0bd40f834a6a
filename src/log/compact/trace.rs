//! How recovery distinguishes a gap that compaction has made from one that a crash has made.
//!
//! A segment can lose its tail in a crash while the next one keeps its name. Compaction leaves the same picture: a
//! segment that ends before the next one begins. But a cleaned segment is synced before it replaces the original, so
//! where compaction has certainly been, nothing is lost.

use std::path::Path;

use crate::base::{Offset, TopicPartition};
use crate::log::checkpoint;
use crate::record::BatchHeader;

use super::CHECKPOINT;

/// Looks for traces of compaction in one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactionTrace {
    /// Where the next batch begins, if nothing was removed there.
    next: Option<Offset>,
    found: bool,
}

impl CompactionTrace {
    /// The state before the first batch, which should begin at `next` if that is known.
    pub(crate) const fn new(next: Option<Offset>) -> Self {
        Self { next, found: false }
    }

    /// Notes a batch. Without compaction, batches and their records follow one another without a gap.
    pub(crate) fn note(&mut self, header: &BatchHeader) {
        self.found |= self.next.is_some_and(|next| next < header.base_offset)
            || i64::from(header.record_count) != i64::from(header.last_offset_delta) + 1
            || header.attributes.has_delete_horizon();
        self.next = Some(header.next_offset());
    }

    /// Whether the segment, which ends before the next one begins at `end`, has been compacted: judged by its
    /// batches, or because the cleaner checkpoint is at or above `end`.
    pub(crate) fn is_compacted(
        &self,
        replica: &Path,
        partition: &TopicPartition,
        end: Offset,
    ) -> bool {
        let checkpoint = || {
            let path = replica.parent()?.join(CHECKPOINT);
            let offsets = checkpoint::read_offsets(&path).ok()?.ok()?;
            offsets.get(partition).copied()
        };
        self.found || checkpoint().is_some_and(|clean| clean >= end)
    }
}
