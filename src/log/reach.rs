//! The end of a segment that was not read: found from its indexes and its last batches. A start that trusts the
//! segments as they are uses it to notice a segment that is missing, truncated or replaced.

use std::io;

use crate::base::{Offset, Timestamp};
use crate::record::BatchHeader;

use super::names::SegmentFile;
use super::scan::{HeaderWalk, Step};
use super::segment::Segment;
use super::{offset_index, time_index};

impl Segment {
    /// The offset after its last batch. `None` if the log does not end with a whole batch, or the indexes contradict
    /// the log: then the whole segment must be read.
    pub(super) fn end_of_content(&self, index_interval: u64) -> io::Result<Option<Offset>> {
        let base = self.base();
        if self.length == 0 {
            return Ok(self.is_empty().then_some(base));
        }
        let last_entry = match self.offset_entries.checked_sub(1) {
            Some(number) => {
                let index = self.files.open_to_read(SegmentFile::OffsetIndex)?;
                Some(offset_index::entry(&index, base, number)?)
            }
            None => None,
        };
        let start = last_entry.map_or(0, |entry| entry.position);
        let log = self.files.open_to_read(SegmentFile::Log)?;
        let mut walk = HeaderWalk::new(&log, start, self.length);
        // no batch that the entry is for begins above its offset
        let mut most = last_entry.map(|entry| entry.offset);
        let (mut end, mut largest, mut last_position) = (base, Timestamp::NONE, 0);
        loop {
            match walk.step()? {
                Step::End => break,
                Step::Bad { .. } => return Ok(None),
                Step::Batch(located) => {
                    let header = &located.header;
                    if header.base_offset < end
                        || header.last_offset_delta < 0
                        || most.take().is_some_and(|most| header.base_offset > most)
                    {
                        return Ok(None);
                    }
                    end = header.next_offset();
                    largest = largest.max(header.max_timestamp);
                    last_position = located.position;
                }
            }
        }
        if last_entry.is_some_and(|entry| end <= entry.offset)
            || (last_entry.is_none() && last_position > index_interval)
        {
            return Ok(None);
        }
        let times = match self.time_entries {
            0 => Timestamp::NONE,
            entries => {
                let index = self.files.open_to_read(SegmentFile::TimeIndex)?;
                time_index::last(&index, base, entries)?.timestamp
            }
        };
        Ok((times >= largest).then_some(end))
    }

    /// Calls back with the headers of its batches, as long as they follow one another.
    pub(super) fn for_each_header(&self, mut show: impl FnMut(&BatchHeader)) -> io::Result<()> {
        let log = self.files.open_to_read(SegmentFile::Log)?;
        let mut walk = HeaderWalk::new(&log, 0, self.length);
        while let Step::Batch(located) = walk.step()? {
            show(&located.header);
        }
        Ok(())
    }
}
