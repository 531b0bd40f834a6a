//! Bytes on their way to the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::header::ResponseHead;
use super::reply::{Part, Parts, TooLarge};

/// Slices handed to one write. Linux takes 1024; this many already hide the cost of the call.
const SLICES: usize = 64;
/// With this much waiting, no further reply is collected before some has been written.
const FULL: usize = 256 * 1024;

/// The replies that are being written, in order. Parts are shared with whoever made them and are
/// dropped as soon as the socket has taken them.
#[derive(Debug, Default)]
pub(super) struct Output {
    segments: VecDeque<Segment>,
    bytes: usize,
    /// Whether the stream may still hold bytes that it has taken, as an encrypting one does.
    unflushed: bool,
}

#[derive(Debug)]
enum Segment {
    Head(ResponseHead),
    Bytes(Bytes),
}

impl Segment {
    fn chunk(&self) -> &[u8] {
        match self {
            Self::Head(head) => head.chunk(),
            Self::Bytes(bytes) => bytes.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Head(head) => head.advance(count),
            Self::Bytes(bytes) => bytes.advance(count),
        }
    }
}

impl Output {
    /// Appends a reply.
    pub(super) fn push(&mut self, parts: Parts) -> Result<(), TooLarge> {
        let (head, parts, _memory) = parts.split()?;
        self.bytes = self.bytes.saturating_add(head.remaining());
        self.segments.push_back(Segment::Head(head));
        for part in parts {
            self.bytes = self.bytes.saturating_add(part.len());
            match part {
                Part::Bytes(bytes) => self.segments.push_back(Segment::Bytes(bytes)),
                Part::File(range) => {
                    let bytes = range.read().unwrap_or_default();
                    self.segments.push_back(Segment::Bytes(bytes));
                }
                Part::Pieces(mut pieces) => {
                    while let Some(piece) = pieces.next() {
                        self.segments.push_back(Segment::Bytes(piece));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether everything has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty() && !self.unflushed
    }

    /// Whether further replies should wait.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    /// Forgets what has not been written: nobody will read it.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes once, as much as the stream takes, or makes the stream pass on what it has taken.
    pub(super) fn poll_write<S>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        if self.segments.is_empty() {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.unflushed = false;
            return Poll::Ready(Ok(()));
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0usize;
        for (slot, segment) in slices.iter_mut().zip(&self.segments) {
            *slot = IoSlice::new(segment.chunk());
            used = used.saturating_add(1);
        }
        let written = slices.get(..used).unwrap_or_default();
        let count = ready!(Pin::new(stream).poll_write_vectored(context, written))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unflushed = true;
        self.advance(count);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes = self.bytes.saturating_sub(count);
        while let Some(front) = self.segments.front_mut() {
            let length = front.chunk().len();
            if count < length {
                front.advance(count);
                return;
            }
            count = count.saturating_sub(length);
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::wire::reply::Parts;
    use bytes::{Bytes, BytesMut};
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn parts_arrive_whole_through_a_narrow_pipe() {
        let mut output = Output::default();
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
        assert_eq!(output.bytes, 0);
    }
}
