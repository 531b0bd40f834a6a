//! The interface to the disk. Every change of a log directory goes through it, from any thread.
//!
//! This has two purposes. A failed change is final: after the first failure, every later change of the same directory
//! is refused, since nobody knows what a disk holds after a failed write or sync. And a [`Probe`] sees every change
//! before it happens, so that a test can fail, interrupt or crash the log at any of them.
//!
//! One failure is not final: a lack of file descriptors ([`is_out_of_descriptors`]). The system reports it before it
//! accesses the disk, so nothing was changed, and the disk is as good as before. Only opening a file can fail this
//! way, so a change of several steps opens all files that it needs before the first step.

use std::cell::Cell;
use std::fs::{File, FileTimes, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// A change that is about to be made.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each is the call of its name")]
#[allow(
    dead_code,
    reason = "only probes read the fields, and probes are for tests"
)]
pub enum Operation<'a> {
    CreateDirectory(&'a Path),
    Create(&'a Path),
    Write {
        file: &'a File,
        position: u64,
        length: usize,
    },
    SetLength {
        file: &'a File,
        length: u64,
    },
    SetTimes(&'a File),
    Sync(&'a File),
    SyncDirectory(&'a Path),
    SyncFileSystem(&'a Path),
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    Remove(&'a Path),
}

/// What a probe does with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "fuzzing")),
    expect(
        dead_code,
        reason = "only probes construct them, and probes are for tests"
    )
)]
pub enum Verdict {
    /// The change itself.
    Go,
    /// Nothing, and an error.
    Fail,
    /// The first bytes of a write, and an error.
    Tear(usize),
    /// Nothing, and no error, where the change is a sync.
    Pretend,
    /// Nothing, and the error of a system that has no descriptor left.
    OutOfDescriptors,
}

/// Watches changes and may stop them. For tests.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Called before each change.
    fn before(&self, operation: &Operation<'_>) -> Verdict;
}

/// Called with the reason of the first failure.
type FailureListener = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Shared {
    offline: AtomicBool,
    all_found_is_synced: AtomicBool,
    probe: Option<Arc<dyn Probe>>,
    listener: OnceLock<FailureListener>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("offline", &self.offline)
            .field("probe", &self.probe)
            .finish_non_exhaustive()
    }
}

/// The disk of one log directory. Clones go offline together.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    shared: Arc<Shared>,
}

/// The content of the `io::Error` of every change that is refused after a failure.
#[derive(Debug, thiserror::Error)]
#[error("the log directory is offline after an earlier disk error")]
pub struct DirectoryOffline;

impl DirectoryOffline {
    /// Whether this is the cause of `error`.
    pub(crate) fn caused(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// Whether the process or the system had no file descriptor left. Nothing was changed, and the same call may
/// succeed later.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

impl Disk {
    /// A disk whose changes `probe` watches.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn with_probe(probe: Arc<dyn Probe>) -> Self {
        Self {
            shared: Arc::new(Shared {
                probe: Some(probe),
                ..Shared::default()
            }),
        }
    }

    /// Whether a change has failed, so that nothing may be changed any more.
    pub fn is_offline(&self) -> bool {
        self.shared.offline.load(Ordering::Acquire)
    }

    /// Takes the directory offline, for a failure that was noticed elsewhere.
    pub fn take_offline(&self) {
        self.fail("a failure that left a log between two states");
    }

    /// Calls `listener` at the first failure, on the thread where it happens. There is one listener, and it
    /// must not wait for anything.
    pub fn on_failure(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        let is_first = self.shared.listener.set(Box::new(listener)).is_ok();
        debug_assert!(is_first, "a directory has one host");
    }

    /// Whether everything that existed before the first change of this process is certainly on disk.
    pub fn all_found_is_synced(&self) -> bool {
        self.shared.all_found_is_synced.load(Ordering::Acquire)
    }

    /// Notes that.
    pub fn note_all_found_is_synced(&self) {
        self.shared
            .all_found_is_synced
            .store(true, Ordering::Release);
    }

    fn fail(&self, reason: &str) {
        let was_offline = self.shared.offline.swap(true, Ordering::AcqRel);
        if let Some(listener) = self.shared.listener.get().filter(|_| !was_offline) {
            listener(reason);
        }
    }

    /// A change that a probe may skip: syncs are slow, and there are many tests.
    fn sync_change(
        &self,
        operation: &Operation<'_>,
        run: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let pretend = Cell::new(false);
        let verdict = |probe: &dyn Probe| {
            let verdict = probe.before(operation);
            pretend.set(verdict == Verdict::Pretend);
            verdict
        };
        self.change_as(operation, verdict, || {
            if pretend.get() { Ok(()) } else { run() }
        })
    }

    fn change<T>(
        &self,
        operation: &Operation<'_>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.change_as(operation, |probe| probe.before(operation), run)
    }

    fn change_as<T>(
        &self,
        operation: &Operation<'_>,
        verdict: impl FnOnce(&dyn Probe) -> Verdict,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.is_offline() {
            return Err(io::Error::other(DirectoryOffline));
        }
        let verdict = match &self.shared.probe {
            Some(probe) => verdict(&**probe),
            None => Verdict::Go,
        };
        let result = match verdict {
            Verdict::Go | Verdict::Pretend => run(),
            Verdict::Fail => Err(io::Error::other("failed by the probe")),
            Verdict::OutOfDescriptors => Err(rustix::io::Errno::MFILE.into()),
            Verdict::Tear(length) => {
                // the caller's closure writes everything, so a partial write is made by truncating it
                run().and_then(|_| tear(operation, length))
            }
        };
        if let Err(error) = &result
            && !is_out_of_descriptors(error)
        {
            tracing::error!(?operation, %error, "disk failure: the log directory goes offline");
            self.fail(&format!("{operation:?}: {error}"));
        }
        result
    }

    /// Creates a directory (not its parents).
    pub fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.change(&Operation::CreateDirectory(path), || {
            std::fs::create_dir(path)
        })
    }

    /// Creates an empty file for reading and writing, replacing an existing one.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.change(&Operation::Create(path), || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)
        })
    }

    /// Opens an existing file for reading and writing.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// Writes all of `bytes` at `position`.
    pub fn write_at(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        let operation = Operation::Write {
            file,
            position,
            length: bytes.len(),
        };
        self.change(&operation, || file.write_all_at(bytes, position))
    }

    /// Writes all of `slices` at `position`, with as few calls as the system allows.
    pub fn write_vectored_at(
        &self,
        file: &File,
        slices: &mut [IoSlice<'_>],
        position: u64,
    ) -> io::Result<()> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        self.change(
            &Operation::Write {
                file,
                position,
                length,
            },
            || write_all_vectored_at(file, slices, position),
        )
    }

    /// Truncates or extends a file.
    pub fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        self.change(&Operation::SetLength { file, length }, || {
            file.set_len(length)
        })
    }

    /// Sets the access and modification times of a file.
    pub fn set_times(&self, file: &File, times: FileTimes) -> io::Result<()> {
        self.change(&Operation::SetTimes(file), || file.set_times(times))
    }

    /// Makes a file's content durable.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.sync_change(&Operation::Sync(file), || file.sync_data())
    }

    /// Syncs everything in the file system of `file`, or reports that it may not be synced. The cause may be
    /// outside of this directory, so a failure is not final.
    pub fn sync_file_system(&self, file: &File, path: &Path) -> io::Result<()> {
        let probe = self.shared.probe.as_ref();
        match probe.map(|probe| probe.before(&Operation::SyncFileSystem(path))) {
            None | Some(Verdict::Go) => Ok(rustix::fs::syncfs(file)?),
            Some(Verdict::Pretend) => Ok(()),
            Some(_) => Err(io::Error::other("failed by the probe")),
        }
    }

    /// Opens a directory whose names will be synced. This changes nothing, so a missing directory is not a failure.
    pub fn open_directory(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    /// Makes the names in a directory durable.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.sync_change(&Operation::SyncDirectory(path), || {
            File::open(path)?.sync_all()
        })
    }

    /// Makes the names in `directory`, which was opened from `path`, durable.
    pub fn sync_open_directory(&self, directory: &File, path: &Path) -> io::Result<()> {
        self.sync_change(&Operation::SyncDirectory(path), || directory.sync_all())
    }

    /// Renames a file or directory, replacing an existing one.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(&Operation::Rename { from, to }, || {
            std::fs::rename(from, to)
        })
    }

    /// Renames a file if it exists.
    pub fn rename_if_present(&self, from: &Path, to: &Path) -> io::Result<bool> {
        self.change(&Operation::Rename { from, to }, || {
            match std::fs::rename(from, to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                result => result.map(|()| true),
            }
        })
    }

    /// Removes a file, which may be missing.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(&Operation::Remove(path), || {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        })
    }

    /// Replaces a small file as a whole: a reader after a crash finds the old or the new content.
    pub fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // opened before anything is changed, since there may be no descriptor left later
        let parent = match path.parent() {
            Some(parent) => Some((self.open_directory(parent)?, parent)),
            None => None,
        };
        self.put(path, content)?;
        parent.map_or(Ok(()), |(directory, parent)| {
            self.sync_open_directory(&directory, parent)
        })
    }

    /// [`Self::replace`] without syncing the directory: until somebody does, a crash may leave the old or the
    /// new content.
    pub fn put(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        let file = self.create(temporary)?;
        self.write_at(&file, content, 0)?;
        self.sync(&file)?;
        self.rename(temporary, path)
    }
}

/// Truncates a write that was just made to its first `kept` bytes.
fn tear<T>(operation: &Operation<'_>, kept: usize) -> io::Result<T> {
    if let Operation::Write {
        file,
        position,
        length,
    } = *operation
        && file.metadata()?.len() == position.saturating_add(length as u64)
    {
        file.set_len(position.saturating_add(kept.min(length) as u64))?;
    }
    Err(io::Error::other("torn by the probe"))
}

fn write_all_vectored_at(
    file: &File,
    mut slices: &mut [IoSlice<'_>],
    mut position: u64,
) -> io::Result<()> {
    // the kernel takes at most this many slices in one call
    const MOST_SLICES: usize = 1024;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let window = &slices[..slices.len().min(MOST_SLICES)];
        match rustix::io::pwritev(file, window, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut slices, written);
                position += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct FailSyncs;
    impl Probe for FailSyncs {
        fn before(&self, operation: &Operation<'_>) -> Verdict {
            match operation {
                Operation::Sync(_) => Verdict::Fail,
                Operation::Write { length: 5, .. } => Verdict::Tear(2),
                _ => Verdict::Go,
            }
        }
    }

    #[test]
    fn a_failure_is_final() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::with_probe(Arc::new(FailSyncs));
        let file = disk.create(&directory.path().join("file")).unwrap();
        disk.write_at(&file, b"abc", 0).unwrap();
        assert!(disk.sync(&file).is_err());
        assert!(disk.is_offline());
        let refused = disk.write_at(&file, b"abc", 3).unwrap_err();
        assert!(
            refused
                .get_ref()
                .is_some_and(|inner| inner.is::<DirectoryOffline>())
        );
        assert_eq!(file.metadata().unwrap().len(), 3);
    }

    #[test]
    fn a_write_can_be_torn() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::with_probe(Arc::new(FailSyncs));
        let file = disk.create(&directory.path().join("file")).unwrap();
        disk.write_at(&file, b"abc", 0).unwrap();
        assert!(disk.write_at(&file, b"defgh", 3).is_err());
        assert_eq!(
            std::fs::read(directory.path().join("file")).unwrap(),
            b"abcde"
        );
    }

    #[test]
    fn vectored_writes_of_any_number_of_slices() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let path = directory.path().join("file");
        let file = disk.create(&path).unwrap();
        let parts: Vec<Vec<u8>> = (0..3000u32)
            .map(|n| n.to_be_bytes()[..(n % 5) as usize].to_vec())
            .collect();
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        disk.write_vectored_at(&file, &mut slices, 0).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), parts.concat());
    }
}
