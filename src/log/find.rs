//! Finding the batch of an offset in a segment, even if the index or the bytes before the batch are damaged.
//!
//! ```text
//!   .index             ^       points to a batch that begins at or below its offset; if not, the entry is wrong
//!                              and the segment is read from its first byte
//!   .log      |batch|batch|bat?h|batch|batch|
//!                          1     2            1: an error that names the offsets; 2: found as if nothing were wrong
//! ```
//! The result is an error and not the next good batch: a consumer that silently skipped damaged records would take them
//! for compacted.

use std::io;

use crate::base::Offset;

use super::loss::{Loss, LossKind};
use super::names::SegmentFile;
use super::page_cache::{Access, Reading};
use super::scan::{HeaderWalk, Located, Step};
use super::segment::Segment;

impl Segment {
    /// The first batch whose last offset is at or above `offset`.
    pub(crate) fn find(&self, offset: Offset) -> io::Result<Option<Located>> {
        self.find_from(Access::Disk, self.walk_start(offset), offset)
    }

    /// The same, searched from `start`, where a batch begins that is not above `offset`.
    pub(crate) fn find_from(
        &self,
        access: Access,
        start: u64,
        offset: Offset,
    ) -> io::Result<Option<Located>> {
        let log = self.files.log_by(access)?;
        let reading = || Reading { file: &log, access };
        if start > 0 {
            let first = HeaderWalk::over(reading(), start, self.length).step()?;
            let is_there = match first {
                Step::Batch(first) => first.header.base_offset <= offset,
                Step::End | Step::Bad { .. } => false,
            };
            if !is_there {
                let index = self.files.path(SegmentFile::OffsetIndex);
                crate::base::limited!(
                    error,
                    "the index points to a position where no such batch begins: the segment is read without it. Stop the broker and remove the file; the next start rebuilds it",
                    offset = offset.0,
                    position = start,
                    file = %index.display()
                );
                return self.walk_to(reading(), 0, offset);
            }
        }
        self.walk_to(reading(), start, offset)
    }

    fn walk_to(
        &self,
        reading: Reading<'_>,
        start: u64,
        offset: Offset,
    ) -> io::Result<Option<Located>> {
        let mut walk = HeaderWalk::over(reading, start, self.length);
        let mut expected = self.base();
        // bytes right before this batch that are not a batch
        let mut damage: Option<(u64, String)> = None;
        loop {
            let located = match walk.step()? {
                Step::End => return Ok(None),
                Step::Batch(located) => located,
                Step::Bad { position, reason } => {
                    damage.get_or_insert((position, reason));
                    match walk.resume(position, &(expected..self.end))? {
                        Some(located) => located,
                        None => return self.nothing_behind(damage, offset),
                    }
                }
            };
            let header = &located.header;
            if header.base_offset > offset
                && let Some(next) = walk.next_begins_in(expected..header.base_offset)?
            {
                // the checksum does not cover the base offset, so this one is wrong
                let reason = format!(
                    "offset {}, but the next batch begins with {next}",
                    header.base_offset
                );
                damage.get_or_insert((located.position, reason));
                continue;
            }
            if header.last_offset() < offset {
                expected = expected.max(header.next_offset());
                damage = None;
                continue;
            }
            return match damage {
                Some(damage) if header.base_offset > offset => {
                    Err(self.damaged(damage, expected, header.base_offset))
                }
                _ => Ok(Some(located)),
            };
        }
    }

    /// No intact batch follows the damage in this segment: its records are lost, and the log continues with the next
    /// segment.
    fn nothing_behind(
        &self,
        damage: Option<(u64, String)>,
        offset: Offset,
    ) -> io::Result<Option<Located>> {
        match damage {
            Some(damage) if offset < self.end => Err(self.damaged(damage, offset, self.end)),
            _ => Ok(None),
        }
    }

    fn damaged(&self, (position, reason): (u64, String), first: Offset, end: Offset) -> io::Error {
        let loss = Loss {
            first,
            end,
            path: self.files.path(SegmentFile::Log),
            kind: LossKind::Damaged { position, reason },
        };
        io::Error::new(io::ErrorKind::InvalidData, loss)
    }
}
