//! Reads bytes of files that are not in the page cache, on threads that may wait for a disk: a runtime thread must
//! not.
//!
//! The number of concurrent reads on a device is limited ([`PER_DEVICE`]), so a device that hangs uses up neither the
//! threads nor the turns of other devices.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::base::lock;

use super::reply::FileRange;

/// The maximum number of concurrent reads on one device.
const PER_DEVICE: usize = 16;
/// The size of one read, and of its buffer.
const BLOCK: usize = 64 * 1024;
/// The distance of the bytes that are probed in the page cache. The system reads and drops more than a page at a
/// time.
const STEP: usize = 64 * 1024;

/// Whether bytes of a file are in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residency {
    /// They are, as far as the probes show.
    Cached,
    /// Some are not.
    Cold,
    /// The file system cannot tell.
    Unknown,
}

/// Whether the `length` bytes of `file` from `position` on can be read without waiting for a disk.
#[cfg(target_os = "linux")]
pub(super) fn residency(file: &File, position: u64, length: usize) -> Residency {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let last = length.saturating_sub(1);
    for at in (0..last).step_by(STEP).chain([last]) {
        let mut byte = [0];
        let mut target = [io::IoSliceMut::new(&mut byte)];
        let position = position.saturating_add(at as u64);
        match preadv2(file, &mut target, position, ReadWriteFlags::NOWAIT) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Residency::Cold,
            Err(_) => return Residency::Unknown,
        }
    }
    Residency::Cached
}

/// Whether the `length` bytes of `file` from `position` on can be read without waiting for a disk.
#[cfg(not(target_os = "linux"))]
pub(super) fn residency(_: &File, _: u64, _: usize) -> Residency {
    Residency::Unknown
}

/// A pending read.
pub(super) type DiskRead = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// The turns for the devices.
#[derive(Debug, Default)]
pub(super) struct Disks {
    /// Held for a few instructions.
    turns: Mutex<HashMap<u64, Arc<Semaphore>>>,
}

impl Disks {
    /// Reads `range` into the page cache. Returns no bytes.
    pub(super) fn warm(&self, range: FileRange) -> DiskRead {
        self.run(range, |range| {
            let mut block = vec![0; BLOCK.min(range.length)];
            let mut done = 0;
            while done < range.length {
                let rest = range.length.saturating_sub(done).min(block.len());
                let Some(target) = block.get_mut(..rest) else {
                    break;
                };
                let position = range.position.saturating_add(done as u64);
                range.file.read_exact_at(target, position)?;
                done = done.saturating_add(rest);
            }
            Ok(Bytes::new())
        })
    }

    /// Reads the beginning of `range`, up to the size of one read.
    pub(super) fn read(&self, mut range: FileRange) -> DiskRead {
        range.length = range.length.min(BLOCK);
        self.run(range, |range| range.read())
    }

    /// Runs `work` when its device has a turn for it. If the caller stops waiting, the work is still finished, and
    /// keeps its turn until then.
    fn run(
        &self,
        range: FileRange,
        work: impl FnOnce(FileRange) -> io::Result<Bytes> + Send + 'static,
    ) -> DiskRead {
        let turns = match range.file.metadata() {
            Ok(metadata) => self.of(metadata.dev()),
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        Box::pin(async move {
            let turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            let work = move || {
                let result = work(range);
                drop(turn);
                result
            };
            tokio::task::spawn_blocking(work)
                .await
                .map_err(io::Error::other)?
        })
    }

    fn of(&self, device: u64) -> Arc<Semaphore> {
        let mut turns = lock(&self.turns);
        let turns = turns
            .entry(device)
            .or_insert_with(|| Arc::new(Semaphore::new(PER_DEVICE)));
        Arc::clone(turns)
    }
}

#[cfg(test)]
mod tests {
    use super::{Disks, PER_DEVICE, Residency, residency};
    use crate::wire::FileRange;
    use std::io::{self, Write as _};
    use std::sync::{Arc, mpsc};

    fn range(length: usize) -> FileRange {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
        file.write_all(&bytes).unwrap();
        FileRange {
            file: Arc::new(file),
            position: 1000,
            length,
        }
    }

    #[tokio::test]
    async fn what_was_just_written_or_read_is_not_cold() {
        let range = range(150_000);
        assert_eq!(Disks::default().warm(range.clone()).await.unwrap(), "");
        let found = residency(&range.file, range.position, range.length);
        assert_ne!(found, Residency::Cold);
    }

    #[tokio::test]
    async fn a_read_gives_the_beginning_and_a_file_that_is_too_short_an_error() {
        let disks = Disks::default();
        let bytes = disks.read(range(150_000)).await.unwrap();
        let expected: Vec<u8> = (1000..1000 + super::BLOCK)
            .map(|at| (at % 251) as u8)
            .collect();
        assert!(bytes == expected);
        let error = disks.warm(range(199_001)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_device_that_hangs_is_given_so_many_threads_and_no_more() {
        let disks = Disks::default();
        let (started, starts) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let jobs: Vec<_> = (0..PER_DEVICE + 5)
            .map(|_| {
                let (started, gate) = (started.clone(), Arc::clone(&gate));
                let job = disks.run(range(1), move |_| {
                    started.send(()).unwrap();
                    let _ = gate.lock().unwrap().recv();
                    Ok(bytes::Bytes::new())
                });
                tokio::spawn(job)
            })
            .collect();
        let starts = tokio::task::spawn_blocking(move || {
            for _ in 0..PER_DEVICE {
                starts.recv().unwrap();
            }
            assert!(starts.try_recv().is_err());
            starts
        })
        .await
        .unwrap();
        drop(release);
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        assert_eq!(starts.try_iter().count(), 5);
    }
}
