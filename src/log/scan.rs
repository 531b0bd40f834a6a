//! Walks over the batches of a segment file with a small buffer.
//!
//! [`HeaderWalk`] reads headers and skips bodies; [`BatchScan`] reads everything and checks the checksum. Neither
//! trusts a length: a batch must end within the given end.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use crate::base::Offset;
use crate::record::batch::LENGTH_OVERHEAD;
use crate::record::{Batch, BatchHeader, HEADER_SIZE};

use super::page_cache::{Access, ReadAt as _, Reading};
use super::resync;

/// Read at once by a header walk: room for an index interval of small batches. It is on the stack, since every read of a
/// client walks and should allocate nothing but what it answers.
const WALK_CHUNK: usize = 8 * 1024;

/// Read at once by a full scan.
const SCAN_CHUNK: usize = 1024 * 1024;

/// Batches up to this size are checked in memory.
const MOST_BUFFERED: usize = 16 * SCAN_CHUNK;

/// A batch's header and where the batch starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) position: u64,
    pub(crate) header: BatchHeader,
}

impl Located {
    /// Where the next batch starts.
    pub(crate) fn end(&self) -> u64 {
        self.position.saturating_add(self.header.size() as u64)
    }
}

/// The next thing in a file.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A whole batch.
    Batch(Located),
    /// The end was reached at a batch boundary.
    End,
    /// The bytes here are not a batch of this segment.
    Bad { position: u64, reason: String },
}

/// Walks from header to header.
pub(crate) struct HeaderWalk<'f> {
    file: Reading<'f>,
    position: u64,
    end: u64,
    buffer: [u8; WALK_CHUNK],
    buffered: Range<u64>,
}

impl<'f> HeaderWalk<'f> {
    /// A walk over the batches of `file` from `position` to `end`.
    pub(crate) const fn new(file: &'f File, position: u64, end: u64) -> Self {
        let access = Access::Disk;
        Self::over(Reading { file, access }, position, end)
    }

    /// The same with the access of `file`.
    pub(crate) const fn over(file: Reading<'f>, position: u64, end: u64) -> Self {
        Self {
            file,
            position,
            end,
            buffer: [0; WALK_CHUNK],
            buffered: 0..0,
        }
    }

    /// The next batch.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(Step::End);
        }
        if left < HEADER_SIZE as u64 {
            return Ok(Step::Bad {
                position: self.position,
                reason: format!("{left} bytes are too few for a batch header"),
            });
        }
        let parsed = BatchHeader::parse(self.header_bytes()?);
        Ok(match parsed {
            Ok(header) if header.size() as u64 > left => Step::Bad {
                position: self.position,
                reason: format!(
                    "a batch of {} bytes, but only {left} are left",
                    header.size()
                ),
            },
            Ok(header) => {
                let located = Located {
                    position: self.position,
                    header,
                };
                self.position = located.end();
                Step::Batch(located)
            }
            Err(error) => Step::Bad {
                position: self.position,
                reason: error.to_string(),
            },
        })
    }

    /// Like [`Self::step`] for a file that is known to be good: anything else is an error.
    pub(crate) fn next_good(&mut self) -> io::Result<Option<Located>> {
        match self.step()? {
            Step::Batch(located) => Ok(Some(located)),
            Step::End => Ok(None),
            Step::Bad { position, reason } => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("bad batch at position {position}: {reason}"),
            )),
        }
    }

    /// The next batch with offsets in this range, after any damage.
    pub(crate) fn next_behind_damage(
        &mut self,
        offsets: &Range<Offset>,
    ) -> io::Result<Option<Located>> {
        match self.step()? {
            Step::Batch(located) => Ok(Some(located)),
            Step::End => Ok(None),
            Step::Bad { position, .. } => self.resume(position, offsets),
        }
    }

    /// Looks for a whole batch with these offsets after a bad one at `position`, and continues after it.
    pub(crate) fn resume(
        &mut self,
        position: u64,
        offsets: &Range<Offset>,
    ) -> io::Result<Option<Located>> {
        if self.file.access == Access::Memory {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let found = resync::next_whole(self.file.file, position + 1..self.end, offsets)?;
        self.position = found.as_ref().map_or(self.end, Located::end);
        Ok(found)
    }

    /// The offset at which the next batch begins, if it is in this range. The walk does not move.
    pub(crate) fn next_begins_in(&mut self, offsets: Range<Offset>) -> io::Result<Option<Offset>> {
        let position = self.position;
        let next = self.step()?;
        self.position = position;
        Ok(match next {
            Step::Batch(next) => {
                Some(next.header.base_offset).filter(|next| offsets.contains(next))
            }
            Step::End | Step::Bad { .. } => None,
        })
    }

    fn header_bytes(&mut self) -> io::Result<&[u8]> {
        let ends_too_early = self.position + HEADER_SIZE as u64 > self.buffered.end;
        if self.position < self.buffered.start || ends_too_early {
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let (chunk, _) = self.buffer.split_at_mut(left.min(WALK_CHUNK));
            self.buffered = 0..0;
            self.file.fill(chunk, self.position)?;
            self.buffered = self.position..self.position + chunk.len() as u64;
        }
        let of_buffer = |position: u64| usize::try_from(position - self.buffered.start);
        let range = of_buffer(self.position)
            .ok()
            .zip(of_buffer(self.buffered.end).ok());
        range
            .and_then(|(from, to)| self.buffer.get(from..to))
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads the whole batch at `located`.
pub(crate) fn read_batch(file: &File, located: &Located) -> io::Result<Batch> {
    let mut bytes = vec![0; located.header.size()];
    file.read_exact_at(&mut bytes, located.position)?;
    Ok(Batch {
        header: located.header,
        bytes: Bytes::from(bytes),
    })
}

/// Reads every byte and checks every batch, as after an unclean stop.
pub(crate) struct BatchScan<'f> {
    file: &'f File,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_start: u64,
    base: Offset,
    least_offset: Offset,
    /// No offset may be at or above this one.
    below: Offset,
}

impl<'f> BatchScan<'f> {
    /// A scan of `file` from its start to `end`, with `buffer` (reused from segment to segment). No offset may
    /// be below `base`, or at or above `below`.
    pub(crate) fn new(
        file: &'f File,
        end: u64,
        base: Offset,
        below: Offset,
        mut buffer: Vec<u8>,
    ) -> Self {
        buffer.clear();
        Self {
            file,
            position: 0,
            end,
            buffer,
            buffer_start: 0,
            base,
            least_offset: base,
            below,
        }
    }

    /// Continues at `position`, a batch boundary; no batch from there on may begin below `least_offset`.
    pub(crate) fn go_to(&mut self, position: u64, least_offset: Offset) {
        self.position = position;
        self.buffer_start = position;
        self.buffer.clear();
        self.least_offset = least_offset;
    }

    /// Gives the buffer back.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// The next batch, checked: length, format, checksum, offsets above those before it.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left == 0 {
            return Ok(Step::End);
        }
        let bad = |reason: String| Ok(Step::Bad { position, reason });
        if left < HEADER_SIZE as u64 {
            return bad(format!("{left} bytes are too few for a batch header"));
        }
        let header = match BatchHeader::parse(self.fill(HEADER_SIZE)?) {
            Ok(header) => header,
            Err(error) => return bad(error.to_string()),
        };
        if header.size() as u64 > left {
            return bad(format!(
                "a batch of {} bytes, but only {left} are left",
                header.size()
            ));
        }
        let crc = self.crc_of(&header)?;
        if crc != header.crc {
            return bad(format!(
                "stored crc {:#010x} differs from {crc:#010x}",
                header.crc
            ));
        }
        let least_offset = self.least_offset;
        if header.base_offset < least_offset || header.last_offset_delta < 0 {
            return bad(format!(
                "offset {}, but at least {least_offset} was expected",
                header.base_offset
            ));
        }
        if header.last_offset() >= self.below {
            return bad(format!(
                "offset {} in a segment that ends before {}",
                header.last_offset(),
                self.below
            ));
        }
        if header.base_offset > least_offset
            && let Some(next) = self.misplaced_by(&header)?
        {
            return bad(format!(
                "offset {}, but {least_offset} was expected, and the next batch begins with {next}",
                header.base_offset
            ));
        }
        if i32::try_from(header.last_offset().since(self.base)).is_err() {
            return bad(format!(
                "offset {} is too far from the segment's base",
                header.last_offset()
            ));
        }
        let located = Located { position, header };
        self.position = located.end();
        self.least_offset = header.next_offset();
        Ok(Step::Batch(located))
    }

    /// The checksum of the batch at the current position, which is known to be in the file. The length may be wrong, so that
    /// much is not allocated.
    fn crc_of(&mut self, header: &BatchHeader) -> io::Result<u32> {
        if header.size() > MOST_BUFFERED {
            let (position, header) = (self.position, *header);
            return resync::crc_of(self.file, &Located { position, header });
        }
        let bytes = self.fill(header.size())?;
        let body = bytes.get(HEADER_SIZE..header.size()).unwrap_or_default();
        Ok(header.crc_over(body))
    }

    /// The checksum does not cover the base offset. If there is a gap before this batch, and the next batch is in that gap,
    /// this offset is wrong. Returns where the next batch begins in that case.
    fn misplaced_by(&self, header: &BatchHeader) -> io::Result<Option<Offset>> {
        let position = self.position.saturating_add(header.size() as u64);
        let mut behind = HeaderWalk::new(self.file, position, self.end);
        behind.next_begins_in(self.least_offset..header.base_offset)
    }

    /// At least `length` bytes from the current position, which are known to be in the file.
    fn fill(&mut self, length: usize) -> io::Result<&[u8]> {
        let at = usize::try_from(self.position - self.buffer_start).unwrap_or(usize::MAX);
        if self.buffer.len() < at.saturating_add(length) {
            let kept = self.buffer.len().saturating_sub(at);
            if kept > 0 {
                self.buffer.copy_within(at.., 0);
            }
            let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
            let wanted = length.max(SCAN_CHUNK).min(left);
            self.buffer.resize(wanted, 0);
            let tail = self.buffer.get_mut(kept..).unwrap_or_default();
            self.file.read_exact_at(tail, self.position + kept as u64)?;
            self.buffer_start = self.position;
            return Ok(&self.buffer);
        }
        Ok(self.buffer.get(at..).unwrap_or_default())
    }
}

/// Whether the bytes at `position` are a message of one of the old formats (magic 0 or 1) with a good
/// checksum: data, and not an incomplete write.
pub(crate) fn is_old_format(file: &File, position: u64, end: u64) -> io::Result<bool> {
    /// offset, size, CRC, magic
    const OLD_HEADER: usize = LENGTH_OVERHEAD + 4 + 1;
    let left = end.saturating_sub(position);
    let mut header = [0; OLD_HEADER];
    if left < OLD_HEADER as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut header, position)?;
    let [.., s0, s1, s2, s3, c0, c1, c2, c3, magic] = header;
    let size = u64::from(u32::from_be_bytes([s0, s1, s2, s3]));
    let stored = u32::from_be_bytes([c0, c1, c2, c3]);
    // an old message is at least CRC, magic, attributes, key length and value length
    if magic > 1 || size < 14 || size > left - LENGTH_OVERHEAD as u64 {
        return Ok(false);
    }
    let mut rest = vec![0; usize::try_from(size - 4).unwrap_or(0)];
    file.read_exact_at(&mut rest, position + LENGTH_OVERHEAD as u64 + 4)?;
    let mut crc = flate2::Crc::new();
    crc.update(&rest);
    Ok(crc.sum() == stored)
}
