//! A file that is read once, from start to end, without a trace in the page cache.
//!
//! For each chunk, the system is first asked which pages are in memory. Those are in use by somebody and stay. Pages
//! that had to be read from disk (the question starts that) are dropped at once. If the system cannot distinguish the
//! two, nothing is dropped. The file is opened for this purpose only, so that the readahead of other readers does not
//! suffer.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;

/// Read at once, from multiples of this: whole pages.
const CHUNK: u64 = 256 * 1024;

/// Called with the number of bytes that were read. May wait, or end the scrub.
pub type Pace<'p> = &'p dyn Fn(u64) -> ControlFlow<()>;

/// Why reading stops.
#[derive(Debug)]
pub(super) enum Halt {
    /// The pace asked for it.
    Stopped,
    /// The segment no longer exists.
    Gone,
    /// The disk.
    Failed(io::Error),
}

impl Halt {
    /// Only a failure of the disk is a finding.
    pub(super) fn into_reason(self) -> Result<String, Self> {
        match self {
            Self::Failed(error) => Ok(format!("cannot be read: {error}")),
            other => Err(other),
        }
    }
}

/// The first bytes of a file, as many as count.
pub(super) struct ColdFile<'p> {
    file: File,
    length: u64,
    chunk: Vec<u8>,
    chunk_start: u64,
    pace: Pace<'p>,
}

impl<'p> ColdFile<'p> {
    /// `length` bytes of `file`, which nobody else reads through this descriptor.
    pub(super) fn new(file: File, length: u64, pace: Pace<'p>) -> Self {
        #[cfg(target_os = "linux")]
        {
            // Readahead would bring in what the next chunk then finds "in memory".
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random);
        }
        Self {
            file,
            length,
            chunk: Vec::new(),
            chunk_start: 0,
            pace,
        }
    }

    /// How many bytes count.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` from `position` on.
    pub(super) fn read(&mut self, position: u64, bytes: &mut [u8]) -> Result<(), Halt> {
        let mut rest = bytes;
        self.for_each(position, position + rest.len() as u64, |piece| {
            let (filled, left) = std::mem::take(&mut rest).split_at_mut(piece.len());
            filled.copy_from_slice(piece);
            rest = left;
        })
    }

    /// Hands over all bytes from `start` to `end`, piece by piece.
    pub(super) fn for_each(
        &mut self,
        start: u64,
        end: u64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Halt> {
        let mut position = start;
        while position < end {
            let piece = self.from(position)?;
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX);
            let piece = piece.get(..wanted).unwrap_or(piece);
            if piece.is_empty() {
                return Err(Halt::Failed(io::ErrorKind::UnexpectedEof.into()));
            }
            take(piece);
            position += piece.len() as u64;
        }
        Ok(())
    }

    /// The bytes from `position` to the end of its chunk.
    fn from(&mut self, position: u64) -> Result<&[u8], Halt> {
        let is_here =
            |start: u64, length: usize| (start..start + length as u64).contains(&position);
        if !is_here(self.chunk_start, self.chunk.len()) {
            self.load(position - position % CHUNK)?;
        }
        let at = usize::try_from(position - self.chunk_start).unwrap_or(usize::MAX);
        Ok(self.chunk.get(at..).unwrap_or_default())
    }

    fn load(&mut self, start: u64) -> Result<(), Halt> {
        let length = self.length.saturating_sub(start).min(CHUNK);
        self.chunk
            .resize(usize::try_from(length).unwrap_or_default(), 0);
        self.chunk_start = start;
        if let Err(error) = read_and_leave_no_trace(&self.file, start, &mut self.chunk) {
            self.chunk.clear();
            return Err(Halt::Failed(error));
        }
        match (self.pace)(length) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }
}

#[cfg(target_os = "linux")]
fn read_and_leave_no_trace(file: &File, start: u64, bytes: &mut [u8]) -> io::Result<()> {
    use std::num::NonZeroU64;

    use rustix::fs::{Advice, fadvise};

    let (in_memory, can_tell) = read_from_memory(file, start, bytes)?;
    let rest = bytes.get_mut(in_memory..).unwrap_or_default();
    let Some(length) = NonZeroU64::new(rest.len() as u64) else {
        return Ok(());
    };
    let start = start + in_memory as u64;
    file.read_exact_at(rest, start)?;
    if can_tell {
        // only advice: otherwise the pages are dropped when somebody needs the memory
        let _ = fadvise(file, start, Some(length), Advice::DontNeed);
    }
    Ok(())
}

/// How many bytes are in the page cache (they are then in `bytes`), and whether the system can say so at all.
#[cfg(target_os = "linux")]
fn read_from_memory(file: &File, start: u64, bytes: &mut [u8]) -> io::Result<(usize, bool)> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let mut target = [io::IoSliceMut::new(rest)];
        let position = start + filled as u64;
        match preadv2(file, &mut target, position, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok((filled, true)),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok((filled, false)),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok((filled, true))
}

#[cfg(not(target_os = "linux"))]
fn read_and_leave_no_trace(file: &File, start: u64, bytes: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(bytes, start)
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use rustix::fs::{Advice, fadvise};

    use super::*;

    /// A file of four chunks, none of which is in memory, as far as that can be had.
    fn cold_file() -> File {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &vec![7; 4 * CHUNK as usize]).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        fadvise(&file, 0, None, Advice::Random).unwrap();
        file
    }

    /// Whether each chunk is in memory. To ask brings them in.
    fn in_memory(file: &File) -> Vec<bool> {
        let is_there = |chunk| {
            let mut bytes = vec![0; 4096];
            read_from_memory(file, chunk * CHUNK, &mut bytes).unwrap().0 > 0
        };
        (0..4).map(is_there).collect()
    }

    #[test]
    fn what_was_in_memory_stays_there_and_the_rest_does_not_come() {
        if in_memory(&cold_file()).contains(&true) {
            eprintln!(
                "not tested: what this file system has in memory cannot be told or thrown out"
            );
            return;
        }
        // The question sets the reading of a chunk going. Where this thread is put aside just then, the chunk has arrived
        // when it goes on, and counts as one that was there. That is chance; a fault shows every time.
        let mut found = (0..50).map(|_| left_in_memory());
        let as_it_should = |left: Vec<_>| left == [false, false, true, false];
        assert!(found.any(as_it_should));
    }

    /// What is in memory once the file has been read, of which somebody used the third chunk.
    fn left_in_memory() -> Vec<bool> {
        let file = cold_file();
        let mut used = vec![0; CHUNK as usize];
        file.read_exact_at(&mut used, 2 * CHUNK).unwrap();
        let mut read = 0;
        let pace = |_| ControlFlow::Continue(());
        ColdFile::new(file.try_clone().unwrap(), 4 * CHUNK, &pace)
            .for_each(5, 4 * CHUNK, |piece| {
                assert!(piece.iter().all(|byte| *byte == 7));
                read += piece.len() as u64;
            })
            .unwrap();
        assert_eq!(read, 4 * CHUNK - 5);
        in_memory(&file)
    }

    #[test]
    fn any_stretch_can_be_read_and_none_behind_the_end() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..CHUNK + 100).map(|at| (at % 251) as u8).collect();
        io::Write::write_all(&mut file, &content).unwrap();
        let pace = |_| ControlFlow::Continue(());
        let mut cold = ColdFile::new(file, CHUNK + 100, &pace);
        for (start, length) in [(0, 8), (CHUNK - 4, 8), (90, 10), (CHUNK + 92, 8)] {
            let mut bytes = vec![0; length];
            cold.read(start, &mut bytes).unwrap();
            let start = start as usize;
            assert_eq!(bytes, content[start..start + length]);
        }
        let mut bytes = [0; 8];
        let behind = cold.read(CHUNK + 96, &mut bytes);
        assert!(matches!(behind, Err(Halt::Failed(_))));
    }
}
