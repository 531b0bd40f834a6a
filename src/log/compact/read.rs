//! Reads the whole batches of a segment and checks them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::base::{LeaderEpoch, Offset};
use crate::config::TopicConfig;
use crate::log::names::SegmentFile;
use crate::log::segment::Segment;
use crate::record::{BatchHeader, Codec, HEADER_SIZE, RecordError};

use super::{CompactionError, Pace};

/// Reads the batches of a segment one after the other, in a buffer that grows only for a larger batch.
pub(super) struct SegmentBatches<'a> {
    file: File,
    segment: &'a Segment,
    pace: &'a dyn Pace,
    position: u64,
    buffer: Vec<u8>,
    buffer_start: u64,
    io_bytes: usize,
    least_offset: Offset,
    least_epoch: LeaderEpoch,
}

/// One batch.
#[derive(Clone, Copy)]
pub(super) struct WholeBatch<'b> {
    pub(super) header: BatchHeader,
    /// The whole batch, with its header.
    pub(super) bytes: &'b [u8],
}

impl<'b> WholeBatch<'b> {
    /// The bytes after the header.
    pub(super) fn body(&self) -> &'b [u8] {
        self.bytes.get(HEADER_SIZE..).unwrap_or_default()
    }

    /// How large its records may be: in a batch that is not compressed as large as they are.
    pub(super) fn most_record(&self, config: &TopicConfig) -> i32 {
        match self.header.attributes.codec() {
            Ok(Codec::None) => i32::MAX,
            _ => config.max_decompressed_message_bytes,
        }
    }

    /// An error about one of its records.
    pub(super) fn bad_record(&self, error: RecordError) -> CompactionError {
        match error {
            RecordError::TooLarge { .. } => CompactionError::Record {
                batch: self.header.base_offset,
                error,
            },
            error => self.corrupt(error),
        }
    }

    /// An error about this batch.
    pub(super) fn corrupt(&self, reason: impl std::fmt::Display) -> CompactionError {
        CompactionError::Corrupt {
            offset: self.header.base_offset,
            reason: reason.to_string(),
        }
    }
}

impl<'a> SegmentBatches<'a> {
    /// The batches of `segment`, or those from shortly before `from` on.
    pub(super) fn open(
        segment: &'a Segment,
        from: Offset,
        io_bytes: usize,
        pace: &'a dyn Pace,
    ) -> Result<Self, CompactionError> {
        // opened separately, since the segment's own file would stay open
        let file = File::open(segment.files.path(SegmentFile::Log))?;
        let position = if from > segment.base() {
            segment.walk_start(from)
        } else {
            0
        };
        Ok(Self {
            file,
            segment,
            pace,
            position,
            buffer: Vec::new(),
            buffer_start: position,
            io_bytes: io_bytes.max(HEADER_SIZE),
            least_offset: segment.base(),
            least_epoch: LeaderEpoch(i32::MIN),
        })
    }

    /// The next batch, with its format, length, checksum, and the order of offsets and epochs checked.
    pub(super) fn next(&mut self) -> Result<Option<WholeBatch<'_>>, CompactionError> {
        let left = self.segment.length.saturating_sub(self.position);
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER_SIZE as u64 {
            return Err(self.corrupt(format!("{left} bytes are no header")));
        }
        let header = match BatchHeader::parse(self.fill(HEADER_SIZE)?) {
            Ok(header) => header,
            Err(error) => return Err(self.corrupt(error.to_string())),
        };
        let size = header.size();
        if size as u64 > left {
            return Err(self.corrupt(format!("a batch of {size} bytes where {left} are left")));
        }
        let crc = header.crc_over(self.fill(size)?.get(HEADER_SIZE..size).unwrap_or_default());
        if crc != header.crc {
            let stored = header.crc;
            return Err(self.corrupt(format!(
                "stored crc {stored:#010x} differs from {crc:#010x}"
            )));
        }
        if header.base_offset < self.least_offset
            || header.last_offset_delta < 0
            || header.next_offset() > self.segment.end
        {
            return Err(self.corrupt(format!(
                "offsets {} to {}, but offsets from {} to {} were expected",
                header.base_offset,
                header.last_offset(),
                self.least_offset,
                self.segment.end.plus(-1)
            )));
        }
        if header.leader_epoch < self.least_epoch {
            return Err(self.corrupt(format!(
                "leader epoch {} after {}",
                header.leader_epoch, self.least_epoch
            )));
        }
        self.least_offset = header.next_offset();
        self.least_epoch = header.leader_epoch;
        let at = usize::try_from(self.position - self.buffer_start).unwrap_or(usize::MAX);
        self.position += size as u64;
        let bytes = self.buffer.get(at..at.saturating_add(size));
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(Some(WholeBatch { header, bytes }))
    }

    fn corrupt(&self, reason: String) -> CompactionError {
        let path = self.segment.files.path(SegmentFile::Log);
        CompactionError::Corrupt {
            offset: self.least_offset,
            reason: format!("{} at byte {}: {reason}", path.display(), self.position),
        }
    }

    /// At least `length` bytes from the current position, which are known to be in the segment.
    fn fill(&mut self, length: usize) -> Result<&[u8], CompactionError> {
        let at = usize::try_from(self.position - self.buffer_start).unwrap_or(usize::MAX);
        if self.buffer.len() < at.saturating_add(length) {
            let kept = self.buffer.len().saturating_sub(at);
            self.buffer.drain(..self.buffer.len() - kept);
            if self.buffer.capacity() > self.io_bytes.saturating_mul(4) {
                self.buffer.shrink_to(self.io_bytes);
            }
            let left = self.segment.length - self.position;
            let wanted = length
                .max(self.io_bytes)
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            self.pace.moved(wanted.saturating_sub(kept))?;
            self.buffer.resize(wanted, 0);
            let tail = self.buffer.get_mut(kept..).unwrap_or_default();
            let read = self.file.read_exact_at(tail, self.position + kept as u64);
            if let Err(error) = read {
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    return Err(self.corrupt("the file is shorter than it was".to_owned()));
                }
                return Err(error.into());
            }
            self.buffer_start = self.position;
            return Ok(&self.buffer);
        }
        Ok(self.buffer.get(at..).unwrap_or_default())
    }
}
