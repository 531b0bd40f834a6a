//! Checks records as they come out of their codec. The checks are those of [`super::iter`], but keys, values and
//! headers are skipped, so that memory does not depend on the uncompressed size of a batch.

use super::batch::{Batch, BatchError, BatchHeader, HEADER_SIZE};
use super::compress::{Codec, CodecError};
use super::fields::{Frame, Head, RecordError, RecordSource, check_headers};
use super::iter::Record;
use super::stream::{Limits, Stream, Target};
use super::varint::{Cursor, Fields};
use crate::base::{Offset, Timestamp};

/// The properties of a record that was checked and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedRecord {
    /// The effective timestamp, as in [`Record`].
    pub timestamp: Timestamp,
    /// Offset in the partition.
    pub offset: Offset,
    /// Distance from the batch's base offset.
    pub offset_delta: i32,
    /// Whether the key is not null.
    pub has_key: bool,
    /// Whether the value is not null.
    pub has_value: bool,
}

impl From<Record<'_>> for ScannedRecord {
    #[inline]
    fn from(record: Record<'_>) -> Self {
        Self {
            timestamp: record.timestamp,
            offset: record.offset,
            offset_delta: record.offset_delta,
            has_key: record.key.is_some(),
            has_value: record.value.is_some(),
        }
    }
}

impl Batch {
    /// Checks the records as they come out of the codec, within `limits`, without keeping them.
    pub fn scan(&self, limits: Limits) -> Result<RecordScan<'_>, BatchError> {
        Ok(RecordScan {
            window: Window::open(self, limits)?,
            frame: Frame::new(&self.header),
            most: i32::MAX,
        })
    }
}

/// Checks the records of a batch that is not compressed, and gives each to `each`. Fails where [`super::Records`]
/// would fail, but reads neither keys nor values.
///
/// Every produced record passes here, so this is one loop that moves only numbers.
///
/// # Errors
/// The first malformed record; the records before it have been given to `each`.
pub fn scan_plain(
    header: &BatchHeader,
    bytes: &[u8],
    mut each: impl FnMut(ScannedRecord),
) -> Result<(), RecordError> {
    let frame = Frame::new(header);
    let mut cursor = Cursor::new(bytes);
    for _ in 0..header.record_count {
        let length = cursor.varint().ok_or(RecordError::Missing)?;
        let body = cursor.bytes(length).ok_or(RecordError::Length(length))?;
        each(read_body(&frame, &mut Cursor::new(body))?);
    }
    match (header.record_count, cursor.left()) {
        (count @ ..0, _) => Err(RecordError::NegativeCount(count)),
        (_, 0) => Ok(()),
        (_, left) => Err(RecordError::LeftOver(left)),
    }
}

/// Iterates over the records of a batch as its stream is decompressed, see [`Batch::scan`]. Fails where
/// [`super::Records`] would fail on the decompressed bytes, or if these cannot be decompressed. Ends after the
/// first error. Only when it has ended without one is the whole stream known to be good.
pub struct RecordScan<'a> {
    window: Window<'a>,
    frame: Frame,
    /// The largest record that is taken.
    most: i32,
}

impl<'a> RecordScan<'a> {
    /// Takes no record of more than `most` bytes. Of a batch that is not compressed it takes all: their size has
    /// been seen in that of the batch.
    #[must_use]
    pub fn with_records_up_to(mut self, most: i32) -> Self {
        if self.window.is_compressed() {
            self.most = most;
        }
        self
    }

    /// Bytes that the stream has unpacked to so far.
    pub const fn unpacked(&self) -> usize {
        self.window.stream.unpacked()
    }

    /// Bytes that the scan holds now: its own buffer, and what its codec reserved.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.window.target.capacity() + self.window.stream.held()
    }

    /// Reads a record that continues after the piece in memory.
    fn read_across(&mut self, length: i32) -> Result<ScannedRecord, RecordError> {
        let left = usize::try_from(length).map_err(|_| RecordError::Length(length))?;
        let mut body = Passing {
            window: &mut self.window,
            left,
        };
        let record = read_body(&self.frame, &mut body);
        // Truncated by the end of the stream, in whichever field.
        if record.is_err() && self.window.end.is_some() {
            return Err(RecordError::Length(length));
        }
        record
    }
}

#[inline(always)]
fn read_body(frame: &Frame, body: &mut impl Fields) -> Result<ScannedRecord, RecordError> {
    let head = Head::read(body)?;
    check_headers(head.header_count, body)?;
    let (timestamp, offset) = frame.place(&head)?;
    Ok(ScannedRecord {
        timestamp,
        offset,
        offset_delta: head.offset_delta,
        has_key: head.key.is_some(),
        has_value: head.value.is_some(),
    })
}

impl RecordSource for RecordScan<'_> {
    type Record = ScannedRecord;
    type Error = ScanError;

    #[inline]
    fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }

    #[inline]
    fn read(&mut self) -> Result<ScannedRecord, ScanError> {
        let mut ahead = Passing {
            window: &mut self.window,
            left: usize::MAX,
        };
        let Some(length) = ahead.varint() else {
            return Err(self.window.failure(RecordError::Missing));
        };
        if length > self.most {
            let (size, most) = (length, self.most);
            return Err(RecordError::TooLarge { size, most }.into());
        }
        // Most records lie within a piece, where they are read from a slice.
        let record = match self.window.take(length) {
            Some(body) => read_body(&self.frame, &mut Cursor::new(body)),
            None => self.read_across(length),
        };
        record.map_err(|error| self.window.failure(error))
    }

    fn left_over(&mut self) -> Result<usize, ScanError> {
        while self.window.in_hand().is_empty() && self.window.refill() {}
        match self.window.in_hand().len() {
            // Nothing is left, unless the stream is broken.
            0 => match self.window.end.take() {
                Some(Err(error)) => Err(error.into()),
                _ => Ok(0),
            },
            left => Ok(left),
        }
    }
}

impl Iterator for RecordScan<'_> {
    type Item = Result<ScannedRecord, ScanError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

impl std::iter::FusedIterator for RecordScan<'_> {}

/// The piece of a stream that is in memory.
pub(super) struct Window<'a> {
    stream: Stream<'a>,
    target: Target,
    /// The first byte that has not been taken.
    at: usize,
    /// How the stream ended, once it has.
    end: Option<Result<(), CodecError>>,
}

impl<'a> Window<'a> {
    /// At the start of a batch's records.
    pub(super) fn open(batch: &'a Batch, limits: Limits) -> Result<Self, BatchError> {
        let codec = batch.header.attributes.codec()?;
        let body = batch.bytes.get(HEADER_SIZE..).unwrap_or_default();
        // Compaction can leave a header without records, which is not a stream of any codec.
        let codec = if body.is_empty() { Codec::None } else { codec };
        Ok(Self {
            stream: Stream::open(codec, body, limits)?,
            target: Target::default(),
            at: 0,
            end: None,
        })
    }

    fn is_compressed(&self) -> bool {
        self.stream.codec() != Codec::None
    }

    #[inline]
    pub(super) fn in_hand(&self) -> &[u8] {
        self.target.filled_from(self.at)
    }

    /// The next `length` bytes, if all of them are in memory.
    #[inline]
    pub(super) fn take(&mut self, length: i32) -> Option<&[u8]> {
        let length = usize::try_from(length).ok()?;
        let taken = self.target.filled_from(self.at).get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// Replaces the piece, which has been used up, by the next one, which may be empty; false at the end.
    pub(super) fn refill(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.target.clear();
        self.at = 0;
        match self.stream.unpack(&mut self.target) {
            Ok(true) => return true,
            Ok(false) => self.end = Some(Ok(())),
            Err(error) => {
                // Output of a broken stream is not used.
                self.target.clear();
                self.end = Some(Err(error));
            }
        }
        false
    }

    /// How the stream ended, once [`Window::refill`] has returned false.
    pub(super) fn ended(&mut self) -> Result<(), ScanError> {
        match self.end.take() {
            Some(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Why there is no record: `error`, unless the stream is broken.
    #[cold]
    pub(super) fn failure(&mut self, error: RecordError) -> ScanError {
        match self.end.take() {
            Some(Err(error)) => error.into(),
            _ => error.into(),
        }
    }
}

/// The next `left` bytes of a stream.
pub(super) struct Passing<'w, 'a> {
    window: &'w mut Window<'a>,
    left: usize,
}

impl<'w, 'a> Passing<'w, 'a> {
    pub(super) const fn new(window: &'w mut Window<'a>, left: usize) -> Self {
        Self { window, left }
    }
}

impl Fields for Passing<'_, '_> {
    type Bytes = ();

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if let Some(&byte) = self.window.in_hand().first() {
                self.window.at += 1;
                return Some(byte);
            }
            if !self.window.refill() {
                return None;
            }
        }
    }

    fn bytes(&mut self, length: i32) -> Option<()> {
        let mut length = usize::try_from(length).ok()?;
        self.left = self.left.checked_sub(length)?;
        loop {
            let taken = self.window.in_hand().len().min(length);
            self.window.at += taken;
            length -= taken;
            if length == 0 {
                return Some(());
            }
            if !self.window.refill() {
                return None;
            }
        }
    }

    #[inline]
    fn left(&self) -> usize {
        self.left
    }
}

/// Why the records of a batch may not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The stream cannot be decompressed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The decompressed bytes are not the records that the batch header describes.
    #[error(transparent)]
    Record(#[from] RecordError),
}
