//! Reads a file of batches, such as the metadata log and its snapshots: complete batches, one after another, without
//! gaps.
//!
//! The checksum of a batch does not cover its base offset and leader epoch. In a log that is never compacted that is
//! no problem: each batch begins where the one before it ends, and leader epochs never decrease. So a flipped bit is
//! found wherever it is.
//!
//! Holds one batch at a time, however long the file is.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset};
use crate::log::plain_file;
use crate::record::{Batch, BatchHeader, HEADER_SIZE};

use super::feed::LARGEST_BATCH;

/// Positions in a segment are 31-bit numbers.
const LONGEST_FILE: u64 = i32::MAX as u64;

/// How many bytes are searched at a time.
const WINDOW: usize = 1024 * 1024;

/// The byte of a batch's header with the magic number.
const FORMAT_AT: usize = 16;

/// The expected offset and leader epochs of the next batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: Offset,
    /// No batch has an older leader epoch.
    pub(super) epoch: LeaderEpoch,
    /// No batch has a newer one.
    pub(super) last_epoch: LeaderEpoch,
}

/// A flaw of a file, and its position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) position: u64,
    pub(super) reason: String,
    /// Whether it may be the last write, torn by a crash.
    pub(super) may_be_torn: bool,
}

/// The next item of the file.
pub(super) enum Step {
    Batch(Batch),
    End,
    Bad(Flaw),
}

/// The file during reading.
pub(super) struct BatchFile {
    file: BufReader<File>,
    length: u64,
    position: u64,
    place: Place,
}

impl BatchFile {
    /// Reads the file from its beginning, which must be at `place`.
    ///
    /// # Errors
    /// Of the kind [`io::ErrorKind::InvalidData`] when it is not a file, or longer than any segment.
    pub(super) fn open(path: &Path, place: Place) -> io::Result<Self> {
        let file = plain_file::open(path)?;
        let length = file.metadata()?.len();
        if length > LONGEST_FILE {
            let reason =
                format!("it has {length} bytes, and no such file has more than {LONGEST_FILE}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(Self {
            file: BufReader::with_capacity(WINDOW / 8, file),
            length,
            position: 0,
            place,
        })
    }

    /// The expected place of the next batch.
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// The position of the next batch.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Continues at `position`, where a batch with the next expected place begins.
    pub(super) fn go_to(&mut self, position: u64) -> io::Result<()> {
        self.position = self.file.seek(SeekFrom::Start(position))?;
        Ok(())
    }

    /// The next batch, checked.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        let left = self.length.saturating_sub(self.position);
        if left == 0 {
            return Ok(Step::End);
        }
        let bad = |reason: String| {
            Ok(Step::Bad(Flaw {
                position: self.position,
                reason,
                may_be_torn: true,
            }))
        };
        if left < HEADER_SIZE as u64 {
            return bad(format!("{left} bytes are no batch"));
        }
        let mut bytes = vec![0; HEADER_SIZE];
        self.file.read_exact(&mut bytes)?;
        let header = match BatchHeader::parse(&bytes) {
            Ok(header) => header,
            Err(error) => return bad(error.to_string()),
        };
        let size = header.size();
        if size as u64 > left || size > LARGEST_BATCH {
            return bad(format!("a batch of {size} bytes where {left} are left"));
        }
        bytes.resize(size, 0);
        self.file
            .read_exact(bytes.get_mut(HEADER_SIZE..).unwrap_or_default())?;
        let bytes = Bytes::from(bytes);
        let batch = Batch { header, bytes };
        if let Err(error) = batch.check_crc() {
            return bad(error.to_string());
        }
        if let Err(reason) = self.place.check(&header) {
            return Ok(Step::Bad(Flaw {
                position: self.position,
                reason,
                may_be_torn: false,
            }));
        }
        self.position += size as u64;
        self.place = Place {
            offset: header.next_offset(),
            epoch: header.leader_epoch,
            ..self.place
        };
        Ok(Step::Batch(batch))
    }

    /// Whether there is a complete batch behind a flaw: then the flaw is no torn write.
    pub(super) fn has_batch_behind(&self, flaw: &Flaw) -> io::Result<bool> {
        let file = self.file.get_ref();
        let mut buffer = Vec::new();
        let mut start = flaw.position.saturating_add(1);
        while start.saturating_add(HEADER_SIZE as u64) <= self.length {
            let left = usize::try_from(self.length - start).unwrap_or(usize::MAX);
            buffer.resize(left.min(WINDOW), 0);
            file.read_exact_at(&mut buffer, start)?;
            for (at, bytes) in (start..).zip(buffer.windows(HEADER_SIZE)) {
                // most positions are no beginning of a batch: one byte shows that
                if bytes.get(FORMAT_AT) == Some(&2) && self.begins_batch(bytes, at)? {
                    return Ok(true);
                }
            }
            start += (buffer.len() - (HEADER_SIZE - 1)) as u64;
        }
        Ok(false)
    }

    fn begins_batch(&self, header: &[u8], at: u64) -> io::Result<bool> {
        let Ok(header) = BatchHeader::parse(header) else {
            return Ok(false);
        };
        let size = header.size();
        if size > LARGEST_BATCH || size as u64 > self.length - at {
            return Ok(false);
        }
        let mut bytes = vec![0; size];
        self.file.get_ref().read_exact_at(&mut bytes, at)?;
        let bytes = Bytes::from(bytes);
        Ok(Batch { header, bytes }.check_crc().is_ok())
    }
}

impl Place {
    fn check(&self, header: &BatchHeader) -> Result<(), String> {
        let Self {
            offset,
            epoch,
            last_epoch,
        } = *self;
        if header.base_offset != offset || header.last_offset_delta < 0 {
            let found = header.base_offset;
            return Err(format!(
                "a batch of offset {found} where {offset} comes next"
            ));
        }
        let found = header.leader_epoch;
        if found < epoch {
            return Err(format!(
                "a batch of leader epoch {found} behind one of {epoch}"
            ));
        }
        if found > last_epoch {
            return Err(format!(
                "a batch of leader epoch {found}, and none above {last_epoch} is known"
            ));
        }
        Ok(())
    }
}
