//! Extracts size-prefixed frames from a byte stream.
//!
//! ```text
//!   ┌────────┬─────────────── size bytes ───────────────┐
//!   │ i32    │ api key, version, correlation id, ...    │
//!   └────────┴──────────────────────────────────────────┘
//! ```
//!
//! The size is checked as soon as its four bytes are there. Memory is then used for the bytes that have arrived, not
//! for the claimed size: a claim of 100 MB with ten bytes behind it costs one chunk. The caller of a read says how
//! much may be read ([`FrameReader::wanted`] returns how much is useful), and charges it ([`super::memory`]).
//!
//! - Small frames share the buffer that they were read into. The smallest are copied out of it, so that a few bytes
//!   that are kept for longer do not keep 64 KiB in memory.
//! - A large frame is read to its end and no further. It has a buffer of its own, which is handed on with it.
//! - A connection that has already delivered a frame of some size may have that much at once for its next one, so a
//!   producer's megabyte frames are read without copies between buffers. From a megabyte on, room for the whole frame
//!   is reserved: as address space, since the allocator does not touch it.
//! - A frame above 2 MiB is read into a mapping of its own ([`MappedFrame`]). All of it is reserved at once, but only
//!   as address space: the system provides a page when bytes arrive in it. So it never moves, and it is unmapped with
//!   its last slice. An allocator would keep freed memory for a while, and buffers that grow by doubling would add up
//!   to far more than is counted.
//! - While a connection waits for bytes, its buffer is no larger than needed for them.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use memmap2::{MmapMut, MmapOptions};
use tokio::io::AsyncReadExt as _;

use super::header::RequestPrefix;
use super::stream::Stream;

/// The size of the size field.
const SIZE_FIELD: usize = 4;
/// Space for one read of a quiet connection.
const SMALL_CHUNK: usize = 8 * 1024;
/// Space for one read of a busy connection. A frame above it is large.
pub(super) const LARGE_CHUNK: usize = 64 * 1024;
/// Frames up to this size are copied out of the buffer.
const COPIED: usize = 2 * 1024;
/// Up to here, memory is reserved for a size that the peer has delivered before.
const PROVEN_LIMIT: usize = 4 * 1024 * 1024;
/// A frame above this has a mapping of its own.
const MAPPED: usize = 2 * 1024 * 1024;
/// When this many bytes of a frame have arrived, room for all of it is reserved, and it is read in steps of this
/// size.
const LARGEST_STEP: usize = 1024 * 1024;

/// A size field that is invalid for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// Larger than `socket.request.max.bytes`.
    #[error("a request of {size} bytes is larger than socket.request.max.bytes, which is {limit}{}", hint(*size))]
    TooLarge {
        /// The value of the size field.
        size: i32,
        /// The limit.
        limit: usize,
    },
    /// Negative, or too small for a request's prefix.
    #[error("{size} is not a valid request size{}", hint(*size))]
    TooSmall {
        /// The value of the size field.
        size: i32,
    },
}

/// Recognises other protocols by their first four bytes, as a hint for the operator.
fn hint(size: i32) -> &'static str {
    match &size.to_be_bytes() {
        [0x16, 0x03, ..] => " (it looks like TLS)",
        b"GET " | b"POST" | b"PUT " | b"HEAD" => " (it looks like HTTP)",
        _ => "",
    }
}

/// A very large frame, including its size field, that is arriving or has arrived.
#[derive(Debug)]
struct MappedFrame {
    map: MmapMut,
    arrived: usize,
}

impl MappedFrame {
    /// Room for `length` bytes, which start with `beginning`.
    fn new(length: usize, beginning: &[u8]) -> io::Result<Self> {
        let mut map = MmapOptions::new()
            .len(length)
            .no_reserve_swap()
            .map_anon()?;
        // A huge page would be allocated for its first byte. Where there are no huge pages, there is nothing to
        // disable.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::NoHugePage);
        let arrived = beginning.len();
        let target = map.get_mut(..arrived);
        target
            .ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(beginning);
        Ok(Self { map, arrived })
    }

    /// Room for the next `most` bytes, or for the missing ones.
    fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.arrived.saturating_add(most).min(self.map.len());
        self.map.get_mut(self.arrived..end).unwrap_or_default()
    }
}

impl AsRef<[u8]> for MappedFrame {
    fn as_ref(&self) -> &[u8] {
        self.map.get(..self.arrived).unwrap_or_default()
    }
}

/// Extracts the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// The frame at the front, if it is very large. `buffer` is then empty.
    mapped: Option<MappedFrame>,
    buffer: BytesMut,
    /// An upper bound for the size of the allocation that `buffer` is in.
    allocated: usize,
    limit: usize,
    /// Space for the next read: it depends on how full the last reads were.
    chunk: usize,
    /// The size of the largest frame so far, up to a limit: reserved without waiting for the bytes.
    proven: usize,
}

impl FrameReader {
    /// Reads frames of up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            mapped: None,
            buffer: BytesMut::new(),
            allocated: 0,
            limit,
            chunk: SMALL_CHUNK,
            proven: 0,
        }
    }

    /// The size of the frame at the front, once its size field has arrived.
    pub(super) fn next_size(&self) -> Result<Option<usize>, FrameError> {
        let Some(field) = self.front().first_chunk::<SIZE_FIELD>() else {
            return Ok(None);
        };
        let claimed = i32::from_be_bytes(*field);
        match usize::try_from(claimed) {
            Ok(size) if size > self.limit => Err(FrameError::TooLarge {
                size: claimed,
                limit: self.limit,
            }),
            Ok(size) if size >= RequestPrefix::SIZE => Ok(Some(size)),
            _ => Err(FrameError::TooSmall { size: claimed }),
        }
    }

    /// The bytes that have arrived and do not belong to an extracted frame.
    fn front(&self) -> &[u8] {
        match &self.mapped {
            Some(mapped) => mapped.as_ref(),
            None => &self.buffer,
        }
    }

    /// The number of bytes that have arrived and do not belong to an extracted frame.
    pub(super) fn arrived(&self) -> usize {
        self.front().len()
    }

    /// Whether the frame at the front, of `size` bytes, is complete.
    pub(super) fn is_complete(&self, size: usize) -> bool {
        self.arrived()
            .checked_sub(SIZE_FIELD)
            .is_some_and(|arrived| arrived >= size)
    }

    /// The beginning of the frame at the front.
    pub(super) fn prefix(&self) -> Option<RequestPrefix> {
        RequestPrefix::parse(self.front().get(SIZE_FIELD..)?)
    }

    /// The frame at the front, of `size` bytes, if it is complete.
    pub(super) fn whole(&self, size: usize) -> Option<&[u8]> {
        self.front().get(SIZE_FIELD..SIZE_FIELD.checked_add(size)?)
    }

    /// Takes the frame at the front, of `size` bytes, if it is complete.
    pub(super) fn take(&mut self, size: usize) -> Option<Bytes> {
        if !self.is_complete(size) {
            return None;
        }
        if let Some(mapped) = self.mapped.take() {
            self.proven = self.proven.max(size).min(PROVEN_LIMIT);
            return Some(Bytes::from_owner(mapped).slice(SIZE_FIELD..));
        }
        self.buffer.advance(SIZE_FIELD);
        if size <= COPIED {
            let frame = self.buffer.get(..size).map(Bytes::copy_from_slice);
            self.buffer.advance(size);
            return frame;
        }
        self.proven = self.proven.max(size).min(PROVEN_LIMIT);
        let frame = self.buffer.split_to(size).freeze();
        if size > LARGE_CHUNK {
            self.move_rest();
        }
        Some(frame)
    }

    /// The size of the next read, if that many bytes may be read. It is larger when there is `plenty` of memory.
    pub(super) fn wanted(&self, plenty: bool) -> usize {
        let missing = self.missing();
        if self.is_large() {
            let step = self.arrived().clamp(self.chunk, LARGEST_STEP);
            let proven = if plenty { self.proven } else { 0 };
            missing.min(step.max(proven))
        } else {
            missing.max(self.chunk)
        }
    }

    /// How many bytes of the frame at the front are missing; 0 when its size is unknown.
    pub(super) fn missing(&self) -> usize {
        match self.next_size() {
            Ok(Some(size)) => size
                .saturating_add(SIZE_FIELD)
                .saturating_sub(self.arrived()),
            _ => 0,
        }
    }

    /// Whether the frame at the front is large.
    pub(super) fn is_large(&self) -> bool {
        matches!(self.next_size(), Ok(Some(size)) if size > LARGE_CHUNK)
    }

    /// Allocates the frame at the front, if it is very large. An error means that this has failed.
    pub(super) fn map_large(&mut self) -> io::Result<()> {
        if self.mapped.is_none()
            && let Ok(Some(size)) = self.next_size()
            && size > MAPPED
        {
            let length = size.saturating_add(SIZE_FIELD);
            self.mapped = Some(MappedFrame::new(length, &self.buffer)?);
            self.buffer = BytesMut::new();
            self.allocated = 0;
        }
        Ok(())
    }

    /// Reads once, up to `most` bytes (not 0). Returns zero at the end of the stream.
    pub(super) fn poll_fill<S>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
        most: usize,
    ) -> Poll<io::Result<usize>>
    where
        S: Stream,
    {
        if stream.poll_readable(context)?.is_pending() {
            self.give_back();
            return Poll::Pending;
        }
        let most = most.min(self.wanted(true));
        if let Some(mapped) = &mut self.mapped {
            let Poll::Ready(count) = pin!(stream.read(mapped.room(most))).poll(context)? else {
                return Poll::Pending;
            };
            mapped.arrived = mapped.arrived.saturating_add(count);
            return Poll::Ready(Ok(count));
        }
        self.make_room(most);
        let room = self.buffer.capacity().saturating_sub(self.buffer.len());
        let mut target = (&mut self.buffer).limit(room.min(most));
        // The future has no state of its own, so it can be created again for each poll.
        let Poll::Ready(count) = pin!(stream.read_buf(&mut target)).poll(context)? else {
            self.give_back();
            return Poll::Pending;
        };
        if count == room.min(self.chunk) {
            self.chunk = self.chunk.saturating_mul(2).min(LARGE_CHUNK);
        } else if count < self.chunk / 4 {
            self.chunk = (self.chunk / 2).max(SMALL_CHUNK);
        }
        Poll::Ready(Ok(count))
    }

    /// Makes room for the next read, of up to `most` bytes.
    fn make_room(&mut self, most: usize) {
        let arrived = self.buffer.len();
        let room = self.buffer.capacity().saturating_sub(arrived);
        // Half a chunk is enough for a read of small frames, so that they are not moved too often.
        let least = if self.is_large() {
            most
        } else {
            self.missing().max(self.chunk / 2).min(most)
        };
        if room < least {
            let whole = if arrived >= LARGEST_STEP {
                self.missing()
            } else {
                0
            };
            self.buffer.reserve(most.max(whole));
            self.allocated = self.buffer.capacity();
        }
    }

    /// Frees a buffer that is much larger than its contents. A large frame that is arriving keeps its own buffer.
    fn give_back(&mut self) {
        let (held, allocated) = (self.buffer.len(), self.allocated);
        if held == 0 && allocated > 0 {
            self.buffer = BytesMut::new();
            self.allocated = 0;
        } else if allocated > SMALL_CHUNK && held <= allocated / 4 && !self.is_large() {
            self.move_rest();
        }
    }

    /// Moves the arrived bytes to an allocation of their own.
    fn move_rest(&mut self) {
        self.buffer = BytesMut::from(&*self.buffer);
        self.allocated = self.buffer.capacity();
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameError, FrameReader, LARGE_CHUNK, MAPPED, MappedFrame};
    use bytes::{BufMut as _, Bytes, BytesMut};
    use proptest::prelude::*;
    use std::future::poll_fn;
    use tokio_test_stream::Chopped;

    /// A stream that gives its bytes in the pieces that a test wants.
    mod tokio_test_stream {
        use std::collections::VecDeque;
        use std::io;
        use std::pin::Pin;
        use std::task::{Context, Poll};
        use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

        pub(super) struct Chopped(pub(super) VecDeque<Vec<u8>>);

        impl crate::wire::stream::Stream for Chopped {}

        impl AsyncWrite for Chopped {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(bytes.len()))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }

        impl AsyncRead for Chopped {
            fn poll_read(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                target: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                if let Some(mut piece) = self.0.pop_front() {
                    let count = piece.len().min(target.remaining());
                    let rest = piece.split_off(count);
                    target.put_slice(&piece);
                    if !rest.is_empty() {
                        self.0.push_front(rest);
                    }
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for frame in frames {
            stream.put_i32(i32::try_from(frame.len()).unwrap());
            stream.extend_from_slice(frame);
        }
        stream
    }

    /// All frames of `stream`, and the reader's largest buffer.
    async fn read_all(
        stream: &mut Chopped,
        limit: usize,
    ) -> (Result<Vec<Bytes>, FrameError>, usize) {
        let mut reader = FrameReader::new(limit);
        let mut frames = Vec::new();
        let mut capacity = 0;
        loop {
            match reader.next_size() {
                Err(error) => return (Err(error), capacity),
                Ok(Some(size)) => {
                    if let Some(frame) = reader.take(size) {
                        frames.push(frame);
                        continue;
                    }
                }
                Ok(None) => {}
            }
            reader.map_large().unwrap();
            let most = reader.wanted(true);
            let count = poll_fn(|context| reader.poll_fill(context, stream, most))
                .await
                .unwrap();
            capacity = capacity.max(reader.buffer.capacity());
            if count == 0 {
                return (Ok(frames), capacity);
            }
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    proptest! {
        #[test]
        fn frames_survive_any_chopping(
            lengths in prop::collection::vec(prop_oneof![8usize..300, 8usize..200_000], 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let frames: Vec<Vec<u8>> = lengths
                .iter()
                .enumerate()
                .map(|(number, length)| (0..*length).map(|at| (at * 31 + number) as u8).collect())
                .collect();
            let stream = encode(&frames);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.push(stream.len());
            cuts.sort_unstable();
            let mut from = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                if cut > from {
                    pieces.push(stream[from..cut].to_vec());
                    from = cut;
                }
            }
            let (read, _) = run(read_all(&mut Chopped(pieces.into()), 1 << 20));
            prop_assert_eq!(read.unwrap(), frames);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = run(read_all(&mut Chopped([bytes].into()), 1 << 20));
        }
    }

    #[test]
    fn a_claim_without_bytes_costs_one_chunk() {
        let mut stream = BytesMut::new();
        stream.put_i32(100 * 1024 * 1024);
        stream.put_bytes(1, 100);
        let (frames, capacity) = run(read_all(
            &mut Chopped([stream.to_vec()].into()),
            100 * 1024 * 1024,
        ));
        assert!(frames.unwrap().is_empty());
        assert!(capacity <= LARGE_CHUNK, "{capacity} bytes for a hundred");
    }

    #[test]
    fn the_buffer_stays_near_what_has_arrived() {
        let mut stream = BytesMut::new();
        stream.put_i32(100 * 1024 * 1024);
        stream.put_bytes(1, 1_000_000);
        let (_, capacity) = run(read_all(
            &mut Chopped([stream.to_vec()].into()),
            100 * 1024 * 1024,
        ));
        assert!(capacity <= 4_000_000, "{capacity} bytes for a million");
    }

    #[test]
    fn very_large_frames_do_not_move_and_leave_nothing_behind() {
        let frames: Vec<Vec<u8>> = [MAPPED + 1, 100, MAPPED, 5 * MAPPED + 77, MAPPED + 1]
            .iter()
            .map(|length| (0..*length).map(|at| (at % 251) as u8).collect())
            .collect();
        let stream = encode(&frames);
        for piece in [10_001, 3_000_000, stream.len()] {
            let pieces = stream.chunks(piece).map(<[u8]>::to_vec);
            let (read, capacity) = run(read_all(&mut Chopped(pieces.collect()), 100 << 20));
            assert!(read.unwrap() == frames, "in pieces of {piece}");
            assert!(
                capacity <= 2 * MAPPED,
                "{capacity} bytes beside the mappings"
            );
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_an_error() {
        assert!(MappedFrame::new(isize::MAX as usize, b"1234").is_err());
    }

    #[test]
    fn sizes_that_no_request_has_are_refused() {
        for (size, expected) in [
            (-1, FrameError::TooSmall { size: -1 }),
            (i32::MIN, FrameError::TooSmall { size: i32::MIN }),
            (0, FrameError::TooSmall { size: 0 }),
            (7, FrameError::TooSmall { size: 7 }),
            (
                1001,
                FrameError::TooLarge {
                    size: 1001,
                    limit: 1000,
                },
            ),
            (
                i32::MAX,
                FrameError::TooLarge {
                    size: i32::MAX,
                    limit: 1000,
                },
            ),
        ] {
            let (read, _) = run(read_all(
                &mut Chopped([size.to_be_bytes().to_vec()].into()),
                1000,
            ));
            assert_eq!(read, Err(expected));
        }
    }

    #[test]
    fn strangers_are_named() {
        let size = i32::from_be_bytes(*b"GET ");
        let text = FrameError::TooLarge { size, limit: 1000 }.to_string();
        assert!(text.ends_with("(it looks like HTTP)"), "{text}");
    }
}
