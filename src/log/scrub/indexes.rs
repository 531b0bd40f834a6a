//! Compares the indexes of a segment with its batches.

use crate::base::{Offset, Timestamp};
use crate::log::names::SegmentFile;
use crate::log::offset_index::OffsetEntry;
use crate::record::BatchHeader;

use super::Scrub;
use super::cold_file::{ColdFile, Halt};

impl Scrub<'_> {
    /// The first entry that points to a position after `position`. Those before it are skipped.
    pub(super) fn entry_behind(&mut self, position: u64) -> Result<Option<OffsetEntry>, Halt> {
        let Some(offsets) = &mut self.offsets else {
            return Ok(None);
        };
        loop {
            match offsets.peek() {
                Ok(Some(entry)) if entry.position <= position => offsets.pass(entry.offset),
                Ok(entry) => return Ok(entry),
                Err(error) => return self.unreadable_offsets(error).map(|()| None),
            }
        }
    }

    /// Checks that the entries up to the batch at `position` point to it and not to a position before it.
    pub(super) fn check_offset_entries(
        &mut self,
        position: u64,
        header: &BatchHeader,
    ) -> Result<(), Halt> {
        while let Some(offsets) = &mut self.offsets {
            let entry = match offsets.peek() {
                Ok(Some(entry)) if entry.position <= position => entry,
                Ok(_) => return Ok(()),
                Err(error) => return self.unreadable_offsets(error),
            };
            let reason = if entry.position < position {
                format!(
                    "the entry points to byte {}, where no batch starts",
                    entry.position
                )
            } else if offsets.entries_passed > 0 && entry.offset <= offsets.last_offset {
                format!(
                    "offset {} is not greater than that of the previous entry",
                    entry.offset
                )
            } else if entry.offset < header.base_offset || entry.offset >= self.segment.end {
                format!(
                    "the entry has offset {}, but the batch there begins with {}",
                    entry.offset, header.base_offset
                )
            } else {
                offsets.pass(entry.offset);
                continue;
            };
            self.give_up_offsets(reason);
        }
        Ok(())
    }

    /// Checks the timestamps of the entries for offsets up to this batch's last one.
    pub(super) fn check_time_entries(&mut self, header: &BatchHeader) -> Result<(), Halt> {
        let reached = self.largest.max(header.max_timestamp);
        while let Some(times) = &mut self.times {
            let entry = match times.peek() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(()),
                Err(error) => return self.unreadable_times(error),
            };
            let is_later_entry = header.last_offset() < entry.offset;
            let reason = if header.last_offset() <= entry.offset && reached > entry.timestamp {
                format!(
                    "the entry says that timestamps reach {} up to offset {}, but they reach {}",
                    entry.timestamp.0, entry.offset, reached.0
                )
            } else if is_later_entry {
                return Ok(());
            } else if entry.offset < self.segment.base()
                || times.entries_passed > 0
                    && (entry.timestamp <= times.last_timestamp || entry.offset < times.last_offset)
            {
                "the entry is not greater than the previous one".to_owned()
            } else if reached < entry.timestamp {
                format!(
                    "the entry says that timestamps reach {} at offset {}, but they reach {}",
                    entry.timestamp.0, entry.offset, reached.0
                )
            } else {
                times.last_timestamp = entry.timestamp;
                times.pass(entry.offset);
                continue;
            };
            self.give_up_times(reason);
        }
        Ok(())
    }

    /// Checks that the indexes end with the log.
    pub(super) fn check_ends(&mut self) -> Result<(), Halt> {
        if let Some(offsets) = &mut self.offsets {
            match offsets.peek() {
                Ok(None) => {}
                Ok(Some(entry)) => self.give_up_offsets(format!(
                    "the entry points to byte {}, where no batch starts",
                    entry.position
                )),
                Err(error) => self.unreadable_offsets(error)?,
            }
        }
        if let Some(times) = &mut self.times {
            let last = times.last_timestamp;
            match times.peek() {
                Ok(None) if last < self.largest && !self.is_active => {
                    let largest = self.largest;
                    self.give_up_times(format!(
                        "the index ends with timestamp {}, but the segment reaches {}",
                        last.0, largest.0
                    ));
                }
                Ok(None) => {}
                Ok(Some(entry)) => self.give_up_times(format!(
                    "the entry has offset {}, which the segment does not reach",
                    entry.offset
                )),
                Err(error) => self.unreadable_times(error)?,
            }
        }
        Ok(())
    }

    fn unreadable_offsets(&mut self, halt: Halt) -> Result<(), Halt> {
        self.give_up_offsets(halt.into_reason()?);
        Ok(())
    }

    fn unreadable_times(&mut self, halt: Halt) -> Result<(), Halt> {
        self.give_up_times(halt.into_reason()?);
        Ok(())
    }

    /// Notes what is wrong with the next entry. Entries after it are not checked.
    fn give_up_offsets(&mut self, reason: String) {
        if let Some(index) = self.offsets.take() {
            self.find(
                SegmentFile::OffsetIndex,
                index.position(),
                index.last_offset,
                reason,
            );
        }
    }

    fn give_up_times(&mut self, reason: String) {
        if let Some(index) = self.times.take() {
            self.find(
                SegmentFile::TimeIndex,
                index.position(),
                index.last_offset,
                reason,
            );
        }
    }
}

/// The entries of an index, one after the other.
pub(super) struct Entries<'s, E, const SIZE: usize> {
    file: ColdFile<'s>,
    base: Offset,
    decode: fn(&[u8], Offset) -> Option<E>,
    peeked: Option<E>,
    entries_passed: u64,
    /// The offset of the last entry that was read.
    last_offset: Offset,
    last_timestamp: Timestamp,
}

impl<'s, E: Copy, const SIZE: usize> Entries<'s, E, SIZE> {
    pub(super) const fn new(
        file: ColdFile<'s>,
        base: Offset,
        decode: fn(&[u8], Offset) -> Option<E>,
    ) -> Self {
        Self {
            file,
            base,
            decode,
            peeked: None,
            entries_passed: 0,
            last_offset: base,
            last_timestamp: Timestamp::NONE,
        }
    }

    /// Where the next entry is.
    const fn position(&self) -> u64 {
        self.entries_passed * SIZE as u64
    }

    /// The next entry, without moving past it.
    fn peek(&mut self) -> Result<Option<E>, Halt> {
        if self.peeked.is_none() && self.position() < self.file.length() {
            let mut bytes = [0; SIZE];
            self.file.read(self.position(), &mut bytes)?;
            self.peeked = (self.decode)(&bytes, self.base);
        }
        Ok(self.peeked)
    }

    /// Moves past the next entry, which is for `offset`.
    const fn pass(&mut self, offset: Offset) {
        self.peeked = None;
        self.entries_passed += 1;
        self.last_offset = offset;
    }
}
