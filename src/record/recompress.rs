//! The records of a batch in another codec, for topics with a codec of their own.
//!
//! Records do not depend on the codec around them, so they are copied in a stream, and only one piece of them is held.
//! Kafka's clients use the first record's timestamp as the base of all others, and so does Kafka's leader when it
//! rewrites a batch: if a batch has another base, the timestamps are rewritten, and nothing else in a record changes.
//!
//! ```text
//!   varint   1 byte       varlong
//!  +--------+------------+-----------+----------------------------------------- - -
//!  | length | attributes | timestamp | offset delta, key, value, headers
//!  +--------+------------+-----------+----------------------------------------- - -
//!  |<- a head: written anew where --->|<- always copied as it is
//!  |   the base changes
//! ```

use std::cell::Cell;
use std::io::{self, Write};

use bytes::Bytes;

use super::batch::{Batch, BatchError, BatchHeader, HEADER_SIZE};
use super::compress::Compression;
use super::compressor::Compressor;
use super::fields::RecordError;
use super::scan::{Passing, ScanError, Window};
use super::stream::Limits;
use super::varint::{self, Fields};
use crate::base::Timestamp;

/// The new records of a batch.
#[derive(Clone, Debug)]
pub struct Recompressed {
    /// The new stream, unless it is larger than allowed.
    pub body: Option<Bytes>,
    /// Size of the new stream, or its size so far when it became too large.
    pub size: usize,
    /// What its timestamps are relative to.
    pub base_timestamp: Timestamp,
}

impl Batch {
    /// The records in another codec. They must have been checked (see [`Batch::scan`]), which also gives their
    /// uncompressed size; a caller that does not know it passes `None`.
    ///
    /// The result may have at most `most` bytes. Compression stops when it has more: the slowest levels need seconds
    /// for what a hostile batch can unpack to.
    pub fn recompress(
        &self,
        target: Compression,
        unpacked: Option<usize>,
        limits: Limits,
        most: usize,
    ) -> Result<Recompressed, RecompressError> {
        let mut window = Window::open(self, limits)?;
        self.recompress_in(&mut window, target, unpacked, most)
            .map_err(RecompressError::from)
    }

    fn recompress_in(
        &self,
        window: &mut Window<'_>,
        target: Compression,
        unpacked: Option<usize>,
        most: usize,
    ) -> Result<Recompressed, ScanError> {
        let rewrite = Rewrite {
            times: Times::new(&self.header),
            count: self.header.record_count,
        };
        let first = Head::read(window)?;
        let base_timestamp = rewrite.times.of(&first)?;
        let size = Cell::new(0);
        let likely = self.bytes.len().saturating_sub(HEADER_SIZE);
        let kept = Kept::up_to(most, likely, &size);
        let body = match rewrite.run(window, &first, target, unpacked, kept) {
            Ok(bytes) => Some(bytes.into()),
            Err(_) if size.get() > most => None,
            Err(error) => return Err(error),
        };
        Ok(Recompressed {
            body,
            size: size.get(),
            base_timestamp,
        })
    }
}

/// What is known of the records before they are copied.
struct Rewrite {
    times: Times,
    count: i32,
}

impl Rewrite {
    /// Copies the records; the head of the `first` was already read.
    fn run(
        &self,
        window: &mut Window<'_>,
        first: &Head,
        target: Compression,
        unpacked: Option<usize>,
        kept: Kept<'_>,
    ) -> Result<Vec<u8>, ScanError> {
        let base = self.times.of(first)?;
        // With the existing base, all other records stay as they are.
        let verbatim = self.times.append_time.is_none() && base == self.times.base;
        let head = first.encode(base, base)?;
        let size = unpacked
            .filter(|_| verbatim)
            .and_then(|size| size.checked_sub(first.size)?.checked_add(head.len()));
        let mut out = Compressor::open(target, kept, size)?;
        out.write(&head)?;
        if !verbatim {
            window.pass(first.rest, &mut out)?;
            for _ in 1..self.count {
                let head = Head::read(window)?;
                out.write(&head.encode(self.times.of(&head)?, base)?)?;
                window.pass(head.rest, &mut out)?;
            }
        }
        window.pass_all(&mut out)?;
        Ok(out.finish()?.bytes)
    }
}

/// Why the records of a batch cannot be stored in another codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecompressError {
    /// Their codec is unknown, or their stream is malformed.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// They cannot be read or written.
    #[error(transparent)]
    Records(#[from] ScanError),
}

/// Where the effective timestamps of records come from.
struct Times {
    base: Timestamp,
    append_time: Option<Timestamp>,
}

impl Times {
    fn new(header: &BatchHeader) -> Self {
        Self {
            base: header.base_timestamp,
            append_time: header
                .attributes
                .is_log_append_time()
                .then_some(header.max_timestamp),
        }
    }

    fn of(&self, head: &Head) -> Result<Timestamp, RecordError> {
        match self.append_time {
            Some(time) => Ok(time),
            None => self
                .base
                .0
                .checked_add(head.timestamp_delta)
                .map(Timestamp)
                .ok_or(RecordError::Field("timestamp delta")),
        }
    }
}

/// A record up to its timestamp.
struct Head {
    timestamp_delta: i64,
    /// Bytes that the head took.
    size: usize,
    /// Bytes of the record after the head.
    rest: usize,
}

impl Head {
    fn read(window: &mut Window<'_>) -> Result<Self, ScanError> {
        Self::take(window).map_err(|error| window.failure(error))
    }

    fn take(window: &mut Window<'_>) -> Result<Self, RecordError> {
        let mut ahead = Passing::new(window, usize::MAX);
        let length = ahead.varint().ok_or(RecordError::Missing)?;
        let length_size = usize::MAX - ahead.left();
        let length = usize::try_from(length).map_err(|_| RecordError::Length(length))?;
        let mut body = Passing::new(window, length);
        body.byte().ok_or(RecordError::Field("attributes"))?;
        let timestamp_delta = body
            .varlong()
            .ok_or(RecordError::Field("timestamp delta"))?;
        let rest = body.left();
        Ok(Self {
            timestamp_delta,
            size: length_size + (length - rest),
            rest,
        })
    }

    /// The head with `timestamp` relative to `base`.
    fn encode(&self, timestamp: Timestamp, base: Timestamp) -> Result<Vec<u8>, RecordError> {
        let delta = timestamp
            .0
            .checked_sub(base.0)
            .ok_or(RecordError::Field("timestamp delta"))?;
        let length = (1 + varint::size(delta)).saturating_add(self.rest);
        let mut head = Vec::with_capacity(16);
        varint::put(&mut head, i64::try_from(length).unwrap_or(i64::MAX));
        // Attributes, of which none is defined.
        head.push(0);
        varint::put(&mut head, delta);
        Ok(head)
    }
}

impl Window<'_> {
    /// Copies the next `length` bytes.
    fn pass<W: Write>(
        &mut self,
        mut length: usize,
        out: &mut Compressor<W>,
    ) -> Result<(), ScanError> {
        while length > 0 {
            let most = i32::try_from(length.min(self.in_hand().len())).unwrap_or(i32::MAX);
            let piece = self.take(most).unwrap_or_default();
            length -= piece.len();
            out.write(piece)?;
            if length > 0 && !self.refill() {
                return Err(self.failure(RecordError::Missing));
            }
        }
        Ok(())
    }

    /// Copies everything up to the end, which must be valid.
    fn pass_all<W: Write>(&mut self, out: &mut Compressor<W>) -> Result<(), ScanError> {
        loop {
            out.write(self.in_hand())?;
            if !self.refill() {
                return self.ended();
            }
        }
    }
}

/// Accepts bytes up to a limit, and counts them.
struct Kept<'a> {
    bytes: Vec<u8>,
    size: &'a Cell<usize>,
    most: usize,
}

impl<'a> Kept<'a> {
    /// With room for as much as is likely.
    fn up_to(most: usize, likely: usize, size: &'a Cell<usize>) -> Self {
        Self {
            bytes: Vec::with_capacity(likely.min(most)),
            size,
            most,
        }
    }
}

impl Write for Kept<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size.set(self.size.get().saturating_add(bytes.len()));
        if self.size.get() > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
