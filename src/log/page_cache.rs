//! Reads that may wait for the disk, and reads that may not.
//!
//! Most of what is asked for was written a moment ago, or was read by somebody else, and is in the page cache.
//! Whoever must not wait ([`Access::Memory`]) reads only that, and learns with [`io::ErrorKind::WouldBlock`]
//! that another thread has to do it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Disk,
    /// It may not: what is not in memory is [`io::ErrorKind::WouldBlock`].
    Memory,
}

/// Something to read from.
pub(crate) trait ReadAt {
    /// Fills `bytes` with what stands at `position`.
    fn fill(&self, bytes: &mut [u8], position: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn fill(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        self.read_exact_at(bytes, position)
    }
}

/// A file to be read with a certain access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'f> {
    pub(crate) file: &'f File,
    pub(crate) access: Access,
}

impl ReadAt for Reading<'_> {
    fn fill(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        match self.access {
            Access::Disk => self.file.fill(bytes, position),
            Access::Memory => read_cached(self.file, bytes, position),
        }
    }
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, bytes: &mut [u8], position: u64) -> io::Result<()> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let position = position.saturating_add(filled as u64);
        let slices = &mut [io::IoSliceMut::new(rest)];
        match preadv2(file, slices, position, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            // Some systems and file systems cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Whether it would block cannot be told here.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}
