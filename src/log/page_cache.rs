//! Reads that may wait for the disk, and reads that may not.
//!
//! Most data that is read was written or read a moment ago and is in the page cache. A caller that must not wait
//! ([`Access::Memory`]) reads only from there; [`io::ErrorKind::WouldBlock`] means that another thread has to read
//! it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Disk,
    /// It may not: data that is not in memory gives [`io::ErrorKind::WouldBlock`].
    Memory,
}

/// Something to read from.
pub(crate) trait ReadAt {
    /// Fills `bytes` from `position` on.
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

/// Here nobody can know whether it would block.
#[cfg(not(target_os = "linux"))]
fn read_cached(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}
