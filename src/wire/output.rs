//! The answers that are being sent.
//!
//! Bytes in memory are sent in vectored writes. The kernel sends a range of a file if the stream supports that;
//! otherwise it is read block by block. Pieces are produced as the socket takes them. So an answer that the peer does
//! not take only costs its parts in memory, which its charge pays for.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::disk::{DiskRead, Disks, Residency, residency};
use super::header::ResponseHead;
use super::memory::Charge;
use super::reply::{FileRange, PIECE, Part, Parts, Pieces, TooLarge};
use super::stream::Stream;

/// Slices handed to one write. Linux takes 1024; this many already hide the cost of the call.
const SLICES: usize = 64;
/// With this many bytes waiting in memory, no further reply is collected before some have been written.
const FULL: usize = 256 * 1024;
/// The same for bytes that are not in memory: how far it is useful to run ahead of the peer.
const FULL_UNSENT: usize = 1024 * 1024;
/// The capacity in segments that is kept when all have been written.
const KEPT: usize = 1024;
/// How much is probed in the page cache, and then sent, at once. A socket takes little more.
const CHUNK: usize = 256 * 1024;
/// How long bytes found in the page cache are assumed to be still there: recently used memory is not evicted, and
/// probing again at each pause of the peer costs more than the copy that it saves.
const REMEMBERED: Duration = Duration::from_secs(1);
/// How much is read into the page cache at once.
const COLD_CHUNK: usize = 512 * 1024;

/// Why an answer could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    /// The peer or the socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// Our side failed: the answer cannot be finished, so the connection must be closed.
    #[error("{0}")]
    Broken(String),
}

/// The replies that are being written, in order. Parts are shared with their creators and are dropped as soon as the
/// socket has taken them.
pub(super) struct Output {
    segments: VecDeque<Segment>,
    /// Bytes of the segments that are in memory.
    memory: usize,
    /// Bytes of all segments.
    unsent: usize,
    /// Whether the stream may still hold bytes that it has taken, as an encrypting one does.
    unflushed: bool,
    disks: Arc<Disks>,
}

enum Segment {
    Head(ResponseHead),
    Bytes(Bytes),
    File(Sending),
    Pieces(Pieces),
    /// The end of an answer, and the charge that it held until here.
    End(#[expect(dead_code, reason = "it is held to be dropped")] Charge),
}

/// A range of a file that is being sent.
struct Sending {
    range: FileRange,
    /// How many of the bytes from here on were found in the page cache, or read into it.
    cached: usize,
    /// The time of that.
    looked: Instant,
    /// Whether the file system can tell what is in the page cache.
    tells: bool,
    /// Whether the kernel sends it.
    by_kernel: bool,
    read: Option<DiskRead>,
}

impl Sending {
    fn new(range: FileRange) -> Self {
        Self {
            range,
            cached: 0,
            looked: Instant::now(),
            tells: true,
            by_kernel: true,
            read: None,
        }
    }

    fn advance(&mut self, count: usize) {
        self.range.position = self.range.position.saturating_add(count as u64);
        self.range.length = self.range.length.saturating_sub(count);
        self.cached = self.cached.saturating_sub(count);
    }

    /// Whether the page cache may have changed meanwhile, since the peer was slow.
    fn is_to_be_looked_for_again(&self) -> bool {
        self.tells && self.looked.elapsed() >= REMEMBERED
    }

    /// Its next bytes, up to `most`.
    fn next(&self, most: usize) -> FileRange {
        FileRange {
            length: self.range.length.min(most),
            ..self.range.clone()
        }
    }

    fn broken(&self, error: impl fmt::Display) -> OutputError {
        let FileRange {
            position, length, ..
        } = self.range;
        OutputError::Broken(format!(
            "an answer cannot be sent: {length} bytes of a file from position {position} on: {error}"
        ))
    }
}

impl Segment {
    /// Its bytes in memory.
    fn chunk(&self) -> &[u8] {
        match self {
            Self::Head(head) => head.chunk(),
            Self::Bytes(bytes) => bytes.chunk(),
            Self::File(_) | Self::Pieces(_) | Self::End(_) => &[],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Head(head) => head.advance(count),
            Self::Bytes(bytes) => bytes.advance(count),
            Self::File(sending) => sending.advance(count),
            Self::Pieces(_) | Self::End(_) => {}
        }
    }

    /// Whether all of it was sent.
    fn is_done(&self) -> bool {
        match self {
            Self::Head(_) | Self::Bytes(_) => self.chunk().is_empty(),
            Self::File(sending) => sending.range.length == 0,
            Self::Pieces(pieces) => pieces.length == 0,
            Self::End(_) => true,
        }
    }
}

impl Output {
    pub(super) const fn new(disks: Arc<Disks>) -> Self {
        Self {
            segments: VecDeque::new(),
            memory: 0,
            unsent: 0,
            unflushed: false,
            disks,
        }
    }

    /// Appends a reply.
    pub(super) fn push(&mut self, parts: Parts) -> Result<(), TooLarge> {
        let (head, parts, charge) = parts.split()?;
        self.hold(Segment::Head(head));
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.hold(Segment::Bytes(bytes)),
                Part::File(range) => {
                    self.unsent = self.unsent.saturating_add(range.length);
                    self.segments.push_back(Segment::File(Sending::new(range)));
                }
                Part::Pieces(pieces) => {
                    self.unsent = self.unsent.saturating_add(pieces.length);
                    self.segments.push_back(Segment::Pieces(pieces));
                }
            }
        }
        self.segments.push_back(Segment::End(charge));
        Ok(())
    }

    fn hold(&mut self, segment: Segment) {
        let length = segment.chunk().len();
        self.memory = self.memory.saturating_add(length);
        self.unsent = self.unsent.saturating_add(length);
        self.segments.push_back(segment);
    }

    /// Whether everything has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty() && !self.unflushed
    }

    /// Whether further replies should wait.
    pub(super) const fn is_full(&self) -> bool {
        self.memory >= FULL || self.unsent >= FULL_UNSENT
    }

    /// Whether it waits for a disk, and not for the peer.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.segments.front(), Some(Segment::File(sending)) if sending.read.is_some())
    }

    /// Drops everything that has not been written: nobody will read it.
    pub(super) fn clear(&mut self) {
        *self = Self::new(Arc::clone(&self.disks));
    }

    /// Writes once, as much as the stream takes, or flushes the stream. Returns how many bytes it took.
    pub(super) fn poll_write<S: Stream>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<usize, OutputError>> {
        if self.segments.is_empty() {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.unflushed = false;
            return Poll::Ready(Ok(0));
        }
        self.make_pieces()?;
        let count = match self.segments.front_mut() {
            Some(Segment::File(_)) => ready!(self.poll_file(context, stream))?,
            _ => ready!(self.poll_memory(context, stream))?,
        };
        self.unflushed = true;
        self.advance(count);
        Poll::Ready(Ok(count))
    }

    /// Produces pieces where they are next, as many as the socket may take at once.
    fn make_pieces(&mut self) -> Result<(), OutputError> {
        let mut ahead = 0usize;
        let mut index = 0usize;
        while ahead < PIECE && index < SLICES {
            let Some(segment) = self.segments.get_mut(index) else {
                break;
            };
            match segment {
                Segment::File(_) => break,
                Segment::Pieces(pieces) if pieces.length > 0 => {
                    let piece = next_piece(pieces)?;
                    self.memory = self.memory.saturating_add(piece.len());
                    self.segments.insert(index, Segment::Bytes(piece));
                    continue;
                }
                segment => ahead = ahead.saturating_add(segment.chunk().len()),
            }
            index = index.saturating_add(1);
        }
        Ok(())
    }

    /// Writes what is in memory before the next range of a file.
    fn poll_memory<S: Stream>(
        &self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0usize;
        let mut file_follows = false;
        for segment in &self.segments {
            file_follows = matches!(segment, Segment::File(_));
            if file_follows || matches!(segment, Segment::Pieces(pieces) if pieces.length > 0) {
                break;
            }
            if !segment.is_done() {
                let Some(slot) = slices.get_mut(used) else {
                    break;
                };
                *slot = IoSlice::new(segment.chunk());
                used = used.saturating_add(1);
            }
        }
        let slices = slices.get(..used).unwrap_or_default();
        let count = ready!(stream.poll_write_slices(context, slices, file_follows))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(count))
    }

    /// Sends from the range of a file at the front. Sends nothing if a block was read into memory, which is then at
    /// the front.
    fn poll_file<S: Stream>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<usize, OutputError>> {
        let Some(Segment::File(sending)) = self.segments.front_mut() else {
            return Poll::Ready(Ok(0));
        };
        loop {
            if let Some(read) = &mut sending.read {
                let read = ready!(read.as_mut().poll(context));
                sending.read = None;
                let bytes = read.map_err(|error| sending.broken(error))?;
                if bytes.is_empty() {
                    sending.cached = sending.range.length.min(COLD_CHUNK);
                    sending.looked = Instant::now();
                } else {
                    sending.advance(bytes.len());
                    self.memory = self.memory.saturating_add(bytes.len());
                    self.segments.push_front(Segment::Bytes(bytes));
                    return Poll::Ready(Ok(0));
                }
            }
            if !S::SENDS_FILES || !sending.by_kernel {
                sending.read = Some(self.disks.read(sending.range.clone()));
                continue;
            }
            if sending.cached == 0 || sending.is_to_be_looked_for_again() {
                let next = sending.next(CHUNK);
                match residency(&next.file, next.position, next.length) {
                    Residency::Cached => {
                        sending.cached = next.length;
                        sending.looked = Instant::now();
                    }
                    found => {
                        sending.tells = found == Residency::Cold;
                        sending.read = Some(self.disks.warm(sending.next(COLD_CHUNK)));
                        continue;
                    }
                }
            }
            let FileRange { file, position, .. } = &sending.range;
            let length = sending.cached.min(CHUNK);
            match stream.poll_send_file(context, file, *position, length) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => {
                    let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Err(sending.broken(ended)));
                }
                Poll::Ready(Ok(count)) => return Poll::Ready(Ok(count)),
                Poll::Ready(Err(error)) if is_of_file(&error) => sending.by_kernel = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// The stream has taken `count` bytes.
    fn advance(&mut self, mut count: usize) {
        self.unsent = self.unsent.saturating_sub(count);
        while let Some(front) = self.segments.front_mut() {
            let in_memory = front.chunk().len();
            let taken = match front {
                Segment::File(sending) => sending.range.length.min(count),
                _ => in_memory.min(count),
            };
            self.memory = self.memory.saturating_sub(taken.min(in_memory));
            front.advance(taken);
            count = count.saturating_sub(taken);
            if !front.is_done() {
                return;
            }
            self.segments.pop_front();
        }
        if self.segments.capacity() > KEPT {
            self.segments = VecDeque::new();
        }
    }
}

/// Produces the next piece.
fn next_piece(pieces: &mut Pieces) -> Result<Bytes, OutputError> {
    let broken = |text: String| Err(OutputError::Broken(text));
    let left = pieces.length;
    let Some(piece) = pieces.next() else {
        return broken(format!("an answer was {left} bytes shorter than announced"));
    };
    if piece.is_empty() || piece.len() > left {
        let length = piece.len();
        return broken(format!(
            "an answer continued with {length} bytes, but {left} were announced"
        ));
    }
    pieces.length = left.saturating_sub(piece.len());
    if pieces.length == 0 && pieces.next().is_some() {
        return broken("an answer was longer than announced".to_owned());
    }
    Ok(piece)
}

/// Whether sending failed because of the file. The file is then read instead: this works if its file system only
/// cannot send; otherwise it returns the proper error.
fn is_of_file(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    !matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::NotConnected
            | Kind::TimedOut
    )
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("memory", &self.memory)
            .field("unsent", &self.unsent)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::wire::reply::Parts;
    use bytes::{Bytes, BytesMut};
    use std::future::poll_fn;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn parts_arrive_whole_through_a_narrow_pipe() {
        let mut output = Output::new(Arc::default());
        let mut expected = BytesMut::new();
        for number in 0..200i32 {
            let mut parts = Parts::message(number, 1, Bytes::from(vec![number as u8; 11]));
            parts.push(Bytes::from(vec![7; number as usize]));
            expected.extend_from_slice(&(5 + 11 + number).to_be_bytes());
            expected.extend_from_slice(&number.to_be_bytes());
            expected.extend_from_slice(&[0]);
            expected.extend_from_slice(&[number as u8; 11]);
            expected.extend_from_slice(&vec![7; number as usize]);
            output.push(parts).unwrap();
        }
        let (mut near, mut far) = tokio::io::duplex(13);
        let writer = async {
            while !output.is_empty() {
                poll_fn(|context| output.poll_write(context, &mut near))
                    .await
                    .unwrap();
            }
            drop(near);
        };
        let mut read = Vec::new();
        let (_, result) = tokio::join!(writer, far.read_to_end(&mut read));
        result.unwrap();
        assert_eq!(read, expected);
        assert_eq!((output.memory, output.unsent), (0, 0));
    }
}
