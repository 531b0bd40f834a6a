//! Replies: lists of parts that reach the socket without being copied together.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::header::ResponseHead;
use super::memory::Charge;
use crate::base::SharedCost;

/// The cost of a part besides its bytes.
const PART: usize = 64;
/// The expected size of a piece; about this much is produced ahead of the socket.
pub(super) const PIECE: usize = 64 * 1024;

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    /// Send this.
    Send(Parts),
    /// Send nothing: a produce with `acks=0`.
    Nothing,
    /// Send the answer, if there is one, and mute the connection for some time, as Kafka mutes a client that is above
    /// its quota. Started requests are answered meanwhile.
    Muting(Option<Parts>, Duration),
    /// Close the connection after the replies to earlier requests. The reason is for the log.
    Close(Cow<'static, str>),
}

impl Reply {
    /// Closes the connection because of `reason`.
    pub fn close(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(reason.into())
    }

    /// The same, and the connection is muted for `time` from its turn on.
    #[must_use]
    pub fn and_mute(self, time: Duration) -> Self {
        match self {
            Self::Send(parts) => Self::Muting(Some(parts), time),
            Self::Nothing => Self::Muting(None, time),
            Self::Muting(answer, before) => Self::Muting(answer, time.max(before)),
            close @ Self::Close(_) => close,
        }
    }

    /// The response, if there is one.
    pub const fn parts_mut(&mut self) -> Option<&mut Parts> {
        match self {
            Self::Send(parts) | Self::Muting(Some(parts), _) => Some(parts),
            Self::Muting(None, _) | Self::Nothing | Self::Close(_) => None,
        }
    }
}

impl From<Parts> for Reply {
    fn from(parts: Parts) -> Self {
        Self::Send(parts)
    }
}

/// A piece of a response.
#[derive(Debug)]
#[non_exhaustive]
pub enum Part {
    /// Bytes in memory: an encoded message, or record bytes shared with the log.
    Bytes(Bytes),
    /// A range of a file: an answer that nobody reads costs only a reference.
    File(FileRange),
    /// Bytes that are produced when the socket takes them.
    Pieces(Pieces),
}

/// A range of a file that does not change any more.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file.
    pub file: Arc<File>,
    /// The position of the first byte.
    pub position: u64,
    /// The number of bytes.
    pub length: usize,
}

impl FileRange {
    /// Reads the bytes (may block on the disk).
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(Bytes::from(bytes))
    }
}

/// A known number of bytes, produced piece by piece. The pieces must add up to that number: the size of the response
/// has been sent by then, so with another number the connection is closed.
pub struct Pieces {
    pub(super) length: usize,
    make: Box<dyn FnMut() -> Option<Bytes> + Send>,
}

impl Pieces {
    /// `length` bytes, which `make` returns in order. Pieces of about 64 KiB are a good size.
    pub fn new(length: usize, make: impl FnMut() -> Option<Bytes> + Send + 'static) -> Self {
        Self {
            length,
            make: Box::new(make),
        }
    }

    /// The next piece; `None` behind the last one.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        (self.make)()
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Part {
    /// The number of bytes of this part on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(range) => range.length,
            Self::Pieces(pieces) => pieces.length,
        }
    }

    /// Whether the part is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Part {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<BytesMut> for Part {
    fn from(bytes: BytesMut) -> Self {
        Self::Bytes(bytes.freeze())
    }
}

impl From<FileRange> for Part {
    fn from(range: FileRange) -> Self {
        Self::File(range)
    }
}

impl From<Pieces> for Part {
    fn from(pieces: Pieces) -> Self {
        Self::Pieces(pieces)
    }
}

/// A response: its header, and the parts of its body in order. The connection adds the size in front.
#[derive(Debug)]
pub struct Parts {
    correlation_id: i32,
    flexible: bool,
    parts: Vec<Part>,
    body: usize,
    /// The charge for the response until the socket has taken it.
    memory: Charge,
    /// What it shares with other responses.
    shared: Vec<Arc<SharedCost>>,
}

impl Parts {
    /// A response to request `correlation_id` that begins with `body`; more parts may follow. The
    /// header version is that of the API and its version: 0, or 1 in flexible versions (but always
    /// 0 for ApiVersions).
    pub fn message(correlation_id: i32, header_version: i16, body: impl Into<Part>) -> Self {
        let mut parts = Self {
            correlation_id,
            flexible: header_version >= 1,
            parts: Vec::with_capacity(1),
            body: 0,
            memory: Charge::default(),
            shared: Vec::new(),
        };
        parts.push(body);
        parts
    }

    /// Adds a part at the end.
    pub fn push(&mut self, part: impl Into<Part>) {
        let part = part.into();
        if !part.is_empty() {
            self.body = self.body.saturating_add(part.len());
            self.parts.push(part);
        }
    }

    /// The memory that the response needs until the socket has taken it: bytes, the next piece, and a little for each
    /// part.
    pub fn needs(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(_) => 0,
            Part::Pieces(pieces) => pieces.length.min(PIECE),
        };
        let parts = self.parts.iter();
        parts.fold(PART, |sum, part| {
            sum.saturating_add(of_part(part)).saturating_add(PART)
        })
    }

    /// The part of it that is not charged yet.
    pub(super) fn unpaid(&self) -> usize {
        self.needs().saturating_sub(self.memory.bytes())
    }

    /// Lets the response hold `memory` until the socket has taken it.
    pub fn hold(&mut self, memory: Charge) {
        self.memory.merge(memory);
    }

    /// Charges the connection for something that the response shares with others, unless one of them has paid for it.
    /// A part of the response must keep the shared object alive.
    pub fn share(&mut self, cost: Arc<SharedCost>) {
        self.shared.push(cost);
    }

    /// Lets `charge` pay for what the response shares and nobody has paid for.
    pub(super) fn pay_shared(&mut self, charge: impl Fn(usize) -> Charge) {
        for cost in self.shared.drain(..) {
            cost.pay(&charge);
        }
    }

    /// The correlation id of the request.
    pub const fn correlation_id(&self) -> i32 {
        self.correlation_id
    }

    /// The value of the size field: the bytes after it.
    pub const fn size(&self) -> usize {
        self.body
            .saturating_add(ResponseHead::header_size(self.flexible))
    }

    /// The parts of the body.
    pub fn body(&self) -> &[Part] {
        &self.parts
    }

    /// The body in one piece. It copies, and reads files: for tests and tools, not for sending.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn into_body_bytes(self) -> io::Result<Bytes> {
        let mut whole = BytesMut::with_capacity(self.body);
        for part in self.parts {
            match part {
                Part::Bytes(bytes) => whole.put_slice(&bytes),
                Part::File(range) => whole.put_slice(&range.read()?),
                Part::Pieces(mut pieces) => {
                    while let Some(piece) = pieces.next() {
                        whole.put_slice(&piece);
                    }
                }
            }
        }
        Ok(whole.freeze())
    }

    /// Takes the response apart for writing. Fails when its size does not fit in Kafka's size field.
    pub(super) fn split(self) -> Result<(ResponseHead, Vec<Part>, Charge), TooLarge> {
        let size = i32::try_from(self.size()).map_err(|_| TooLarge { size: self.size() })?;
        Ok((
            ResponseHead::new(size, self.correlation_id, self.flexible),
            self.parts,
            self.memory,
        ))
    }
}

/// A response of more than two gigabytes.
#[derive(Debug, thiserror::Error)]
#[error("a response of {size} bytes does not fit in its size field")]
pub(super) struct TooLarge {
    size: usize,
}

#[cfg(test)]
mod tests {
    use super::Parts;
    use bytes::{Buf as _, Bytes};

    #[test]
    fn the_size_counts_header_and_all_parts() {
        let mut parts = Parts::message(3, 1, Bytes::from_static(b"head"));
        parts.push(Bytes::new());
        parts.push(Bytes::from_static(b"records"));
        assert_eq!(parts.size(), 5 + 4 + 7);
        assert_eq!(parts.body().len(), 2, "empty parts are left out");
        let (head, parts, _) = parts.split().unwrap();
        assert_eq!(head.chunk(), [0, 0, 0, 16, 0, 0, 0, 3, 0]);
        assert_eq!(parts.len(), 2);
    }
}
