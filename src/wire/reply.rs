//! What is sent back: a list of parts that reach the socket without being copied together.

use std::borrow::Cow;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::header::ResponseHead;

/// The answer to one request.
#[derive(Debug)]
pub enum Reply {
    /// Send this.
    Send(Parts),
    /// Send nothing: a produce with `acks=0`.
    Nothing,
    /// Close the connection after the replies to earlier requests; for the log, why.
    Close(Cow<'static, str>),
}

impl Reply {
    /// Closes the connection because of `reason`.
    pub fn close(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(reason.into())
    }
}

impl From<Parts> for Reply {
    fn from(parts: Parts) -> Self {
        Self::Send(parts)
    }
}

/// A piece of a response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Part {
    /// Bytes in memory: an encoded message, or record bytes shared with the log.
    Bytes(Bytes),
}

impl Part {
    /// Bytes that this part puts on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the part puts nothing on the wire.
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

/// A response: its header, and the parts of its body in order. The connection puts the size in
/// front.
#[derive(Clone, Debug)]
pub struct Parts {
    correlation_id: i32,
    flexible: bool,
    parts: Vec<Part>,
    body: usize,
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

    /// The request that is answered.
    pub const fn correlation_id(&self) -> i32 {
        self.correlation_id
    }

    /// Bytes of the response after its size field: what the size field says.
    pub const fn size(&self) -> usize {
        self.body
            .saturating_add(ResponseHead::header_size(self.flexible))
    }

    /// The parts of the body.
    pub fn body(&self) -> &[Part] {
        &self.parts
    }

    /// The body in one piece. It copies: for tests and tools, not for the way to the socket.
    pub fn body_bytes(&self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.body);
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => whole.put_slice(bytes),
            }
        }
        whole.freeze()
    }

    /// Takes the response apart for writing. Fails when its size does not fit Kafka's size field.
    pub(super) fn split(self) -> Result<(ResponseHead, Vec<Part>), TooLarge> {
        let size = i32::try_from(self.size()).map_err(|_| TooLarge { size: self.size() })?;
        Ok((
            ResponseHead::new(size, self.correlation_id, self.flexible),
            self.parts,
        ))
    }
}

/// A response of more than two gigabytes.
#[derive(Debug, thiserror::Error)]
#[error("a response of {size} bytes does not fit the size field")]
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
        assert_eq!(parts.body_bytes(), "headrecords");
        let (head, parts) = parts.split().unwrap();
        assert_eq!(head.chunk(), [0, 0, 0, 16, 0, 0, 0, 3, 0]);
        assert_eq!(parts.len(), 2, "empty parts are left out");
    }
}
