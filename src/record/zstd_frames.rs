//! Zstd frames, one after another as Kafka's reader takes them.
//!
//! A frame header gives the window, that is, how far back its matches reach. A reader that works piece by piece must
//! hold that much: 2 MiB at Kafka's default level, 8 MiB at level 19, 128 MiB at level 22. Zstd reserves the window of
//! the header but touches it only as output appears, so the memory is the smaller of window and output. Hence two
//! limits: a window above 128 MiB is refused at once, as in Java; and a frame with a window above the caller's limit may
//! not produce more output than that limit.

use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer, get_error_name};

use super::compress::{Codec, CodecError};
use super::stream::Target;

const MAGIC: u32 = 0xFD2F_B528;
/// Frames without content have sixteen magic numbers.
const SKIPPABLE: u32 = 0x184D_2A50;
const SKIPPABLE_MASK: u32 = 0xFFFF_FFF0;
/// The largest window that zstd-jni accepts, as a power of two.
const WINDOW_LOG_MOST: u32 = 27;
/// The memory of a decompressor besides its window: tables and a buffer for compressed blocks.
const TABLES: usize = 1024 * 1024;

/// A stream of frames.
pub(super) struct ZstdFrames<'a> {
    context: DCtx<'static>,
    rest: &'a [u8],
    state: State,
    /// Bytes of output so far.
    unpacked: usize,
    most_held: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Even an empty stream has a frame.
    Start,
    Within,
    Between,
}

impl<'a> ZstdFrames<'a> {
    /// Opens a stream that may require at most `most_held` bytes to be held.
    pub(super) fn open(bytes: &'a [u8], most_held: usize) -> Result<Self, CodecError> {
        let mut context = DCtx::try_create().ok_or_else(|| malformed("no memory"))?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MOST))
            .map_err(failed)?;
        Ok(Self {
            context,
            rest: bytes,
            state: State::Start,
            unpacked: 0,
            most_held,
        })
    }

    /// Unpacks at most `piece` bytes; false at the end.
    pub(super) fn unpack(&mut self, target: &mut Target, piece: usize) -> Result<bool, CodecError> {
        if self.state != State::Within {
            if self.rest.is_empty() && self.state == State::Between {
                return Ok(false);
            }
            check_magic(self.rest)?;
        }
        let mut input = InBuffer::around(self.rest);
        let mut output = OutBuffer::around(target.room(piece));
        let hint = self
            .context
            .decompress_stream(&mut output, &mut input)
            .map_err(failed)?;
        let (read, written) = (input.pos(), output.pos());
        if read == 0 && written == 0 {
            return Err(malformed("cut off"));
        }
        self.rest = self.rest.get(read..).unwrap_or_default();
        self.state = if hint == 0 {
            State::Between
        } else {
            State::Within
        };
        target.fill(written);
        self.unpacked = self.unpacked.saturating_add(written);
        if self.unpacked > self.most_held && self.held() > self.most_held.saturating_add(TABLES) {
            return Err(CodecError::TooLarge {
                limit: self.most_held,
            });
        }
        Ok(true)
    }

    /// Bytes that the decompressor has reserved.
    pub(super) fn held(&self) -> usize {
        self.context.sizeof()
    }
}

/// Refuses the formats before zstd 1.0, which no Kafka client has ever written and whose decompressors have other
/// limits.
fn check_magic(bytes: &[u8]) -> Result<(), CodecError> {
    let magic = bytes
        .first_chunk::<4>()
        .map(|magic| u32::from_le_bytes(*magic))
        .ok_or_else(|| malformed("cut off"))?;
    if magic == MAGIC || magic & SKIPPABLE_MASK == SKIPPABLE {
        Ok(())
    } else {
        Err(malformed("bad magic"))
    }
}

fn failed(code: ErrorCode) -> CodecError {
    malformed(get_error_name(code))
}

fn malformed(reason: impl std::fmt::Display) -> CodecError {
    Codec::Zstd.malformed(reason)
}
