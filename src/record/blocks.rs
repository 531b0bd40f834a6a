//! Writers of formats with blocks of a fixed size. They collect input of any size, so that the same bytes give the
//! same stream however they are divided.

use std::io::Write;

use super::compress::{Codec, CodecError};

/// A format of a start, blocks that follow their sizes, and an end.
pub(super) trait BlockFormat {
    const CODEC: Codec;
    /// Bytes of a block before compression; the last one may be smaller.
    const BLOCK: usize;
    const START: &'static [u8];
    const END: &'static [u8];

    /// The most bytes that a compressed block of `size` bytes may need.
    fn most_packed(size: usize) -> usize;

    /// Compresses one block to the start of `packed`.
    fn pack(&mut self, bytes: &[u8], packed: &mut [u8]) -> Result<Packed, CodecError>;
}

/// How a block is stored.
pub(super) struct Packed {
    /// Its size in the form that the format writes before it.
    pub(super) head: [u8; 4],
    /// Its compressed size; `None` if it is stored uncompressed.
    pub(super) size: Option<usize>,
}

/// Writes a stream block by block.
pub(super) struct BlockWriter<W, F> {
    out: W,
    format: F,
    /// Bytes that do not fill a block yet.
    waiting: Vec<u8>,
    packed: Vec<u8>,
}

impl<W: Write, F: BlockFormat> BlockWriter<W, F> {
    pub(super) fn open(format: F, mut out: W) -> Result<Self, CodecError> {
        put::<F>(&mut out, F::START)?;
        Ok(Self {
            out,
            format,
            waiting: Vec::new(),
            packed: Vec::new(),
        })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), CodecError> {
        if !self.waiting.is_empty() {
            let room = F::BLOCK.saturating_sub(self.waiting.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() < F::BLOCK {
                return Ok(());
            }
            self.flush()?;
        }
        let blocks = bytes.chunks_exact(F::BLOCK);
        self.waiting.extend_from_slice(blocks.remainder());
        for block in blocks {
            self.block(block)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W, CodecError> {
        self.flush()?;
        put::<F>(&mut self.out, F::END)?;
        Ok(self.out)
    }

    fn flush(&mut self) -> Result<(), CodecError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.block(&waiting)?;
        }
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    fn block(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let room = F::most_packed(bytes.len());
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        let room = self.packed.get_mut(..room).unwrap_or_default();
        let Packed { head, size } = self.format.pack(bytes, room)?;
        put::<F>(&mut self.out, &head)?;
        let stored = match size {
            Some(size) => self.packed.get(..size).unwrap_or_default(),
            None => bytes,
        };
        put::<F>(&mut self.out, stored)
    }
}

fn put<F: BlockFormat>(out: &mut impl Write, bytes: &[u8]) -> Result<(), CodecError> {
    out.write_all(bytes)
        .map_err(|error| F::CODEC.malformed(error))
}
