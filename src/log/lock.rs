//! The lock of a log directory.
//!
//! Kafka locks the file `.lock` in it. This broker does so too, in both ways that exist: `flock` against other
//! processes of its own kind, and the record lock that Kafka's JVM takes. A file can be removed while it is locked,
//! and the next process would then create and lock another one. So the directory itself is locked as well, since it
//! cannot be replaced unnoticed while it is in use.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, fcntl_lock, flock};
use rustix::io::Errno;

use super::directory::DirectoryError;
use super::plain_file;

const FILE_NAME: &str = ".lock";

/// The lock of a log directory. It is held as long as this value lives.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
    _directory: File,
}

impl DirectoryLock {
    /// Locks the directory at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, DirectoryError> {
        let lock_path = path.join(FILE_NAME);
        let directory = File::open(path).map_err(|source| not_writable(path, source))?;
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            // Some network file systems lock only files that can be written to.
            Ok(()) | Err(Errno::BADF | Errno::INVAL | Errno::NOTSUP | Errno::NOLCK) => {}
            Err(errno) => return Err(refused(path, path, errno)),
        }
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = plain_file::opened(&lock_path, &options)
            .map_err(|error| DirectoryError::of_file(&lock_path, error, "remove it"))?;
        for lock in [
            flock(&file, FlockOperation::NonBlockingLockExclusive),
            fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive),
        ] {
            lock.map_err(|errno| refused(path, &lock_path, errno))?;
        }
        Ok(Self {
            file,
            _directory: directory,
        })
    }

    /// A file in the directory that is open since it was locked.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }
}

fn refused(directory: &Path, locked: &Path, errno: Errno) -> DirectoryError {
    match errno {
        Errno::AGAIN | Errno::ACCESS => DirectoryError::AlreadyLocked {
            path: directory.to_owned(),
        },
        errno => not_writable(locked, errno.into()),
    }
}

fn not_writable(path: &Path, source: std::io::Error) -> DirectoryError {
    DirectoryError::NotWritable {
        path: path.to_owned(),
        source,
    }
}
