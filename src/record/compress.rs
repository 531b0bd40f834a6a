//! CONTRACT STUB: codecs.
use bytes::Bytes;
/// A batch's codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codec { None, Gzip, Snappy, Lz4, Zstd }
impl Codec {
    /// Decompresses, refusing to produce more than `limit` bytes.
    pub fn decompress(self, _bytes: &[u8], _limit: usize) -> Result<Bytes, CodecError> { todo!() }
    /// Compresses at Kafka's default level, in the containers Kafka uses.
    pub fn compress(self, _bytes: &[u8]) -> Result<Bytes, CodecError> { todo!() }
}
/// Why bytes could not be (de)compressed (helper: refine).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodecError(pub String);
