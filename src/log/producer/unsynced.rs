//! A producer snapshot, from the moment that it is taken until it is on disk.
//!
//! ```text
//!   writer:   takes it -------------------------+---------------- withdraws, if the log is truncated or deleted
//!                                               |                       |
//!   anybody:                encodes -> creates, writes -> syncs         v
//!   state:    Taken ----------------------------+--> Written ----> Withdrawn (never written, or to be removed)
//! ```
//! With hundreds of thousands of producers a snapshot has megabytes. The writer of the log has other partitions to
//! serve, so it only copies the state, and a job of the log writes the file ([`SyncJob`](crate::log::sync_job::SyncJob)). A crash
//! before that costs a longer replay, from the previous snapshot.
//!
//! The state is locked while the file is created and written, so that a withdrawn snapshot is not created
//! later. The lock is not held during encoding or syncing.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::base::{Offset, lock};
use crate::log::disk::Disk;
use crate::log::names::SegmentFile;

use super::snapshot;
use super::state::ProducerPicture;

/// A snapshot that may not be on disk yet. Clones are the same snapshot.
#[derive(Clone, Debug)]
pub(crate) struct UnsyncedSnapshot {
    offset: Offset,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug)]
enum State {
    Taken(ProducerPicture),
    Written,
    Withdrawn,
}

impl UnsyncedSnapshot {
    /// A snapshot that has yet to be written.
    pub(crate) fn taken(picture: ProducerPicture) -> Self {
        Self {
            offset: picture.end(),
            state: Arc::new(Mutex::new(State::Taken(picture))),
        }
    }

    /// A snapshot whose file exists.
    pub(crate) fn written(offset: Offset) -> Self {
        Self {
            offset,
            state: Arc::new(Mutex::new(State::Written)),
        }
    }

    /// The offset that it was taken at.
    pub(crate) const fn offset(&self) -> Offset {
        self.offset
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether it has yet to be written.
    pub(crate) fn is_to_be_written(&self) -> bool {
        matches!(&*self.state(), State::Taken(_))
    }

    /// Withdraws the snapshot. Returns whether its file may exist; if not, it will never be created.
    pub(crate) fn withdraw(&self) -> bool {
        let before = std::mem::replace(&mut *self.state(), State::Withdrawn);
        matches!(before, State::Written)
    }

    /// Writes it if it has yet to be written. Returns its file if this call has written it.
    pub(crate) fn write(&self, disk: &Disk, directory: &Path) -> io::Result<Option<File>> {
        let picture = match &*self.state() {
            State::Taken(picture) => picture.clone(),
            State::Written | State::Withdrawn => return Ok(None),
        };
        let bytes = snapshot::encode(&picture);
        let mut state = self.state();
        if !matches!(&*state, State::Taken(_)) {
            return Ok(None);
        }
        let file = disk.create(&SegmentFile::ProducerSnapshot.path(directory, self.offset))?;
        disk.write_at(&file, &bytes, 0)?;
        *state = State::Written;
        Ok(Some(file))
    }

    /// Syncs its content, after writing it if necessary. The caller syncs the directory.
    pub(crate) fn sync(&self, disk: &Disk, directory: &Path) -> io::Result<()> {
        let written = self.write(disk, directory)?;
        if matches!(&*self.state(), State::Withdrawn) {
            return Ok(());
        }
        let file = match written {
            Some(file) => file,
            None => match disk.open(&SegmentFile::ProducerSnapshot.path(directory, self.offset)) {
                Ok(file) => file,
                // withdrawn in between: another one has replaced it
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && matches!(&*self.state(), State::Withdrawn) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
        };
        disk.sync(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ProducerId, Timestamp};
    use crate::log::disk::{Operation, Probe, Verdict};
    use crate::log::producer::ProducerTable;
    use crate::log::producer::state::ProducerEntry;

    fn taken(directory: &Path) -> (UnsyncedSnapshot, std::path::PathBuf) {
        let mut table = ProducerTable::empty_at(Offset(7));
        let entry = ProducerEntry {
            last_timestamp: Timestamp(1),
            ..ProducerEntry::UNKNOWN
        };
        table.publish(ProducerId(1), entry);
        let taken = UnsyncedSnapshot::taken(table.picture());
        // later batches are not in it
        table.publish(ProducerId(2), entry);
        let path = SegmentFile::ProducerSnapshot.path(directory, Offset(7));
        (taken, path)
    }

    #[test]
    fn it_is_written_once_and_says_what_was_so_when_it_was_taken() {
        let directory = tempfile::tempdir().unwrap();
        let (taken, path) = taken(directory.path());
        let disk = Disk::default();
        assert!(taken.is_to_be_written());
        assert!(taken.write(&disk, directory.path()).unwrap().is_some());
        assert!(taken.write(&disk, directory.path()).unwrap().is_none());
        taken.sync(&disk, directory.path()).unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(snapshot::decode(&bytes, Offset(7)).unwrap().len(), 1);
        assert!(taken.withdraw());
    }

    #[test]
    fn one_that_was_withdrawn_does_not_come_into_being() {
        let directory = tempfile::tempdir().unwrap();
        let (taken, path) = taken(directory.path());
        let of_a_job = taken.clone();
        assert!(!taken.withdraw());
        of_a_job.sync(&Disk::default(), directory.path()).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_somebody_else_removed_is_a_failure() {
        let directory = tempfile::tempdir().unwrap();
        let gone = UnsyncedSnapshot::written(Offset(7));
        assert!(gone.sync(&Disk::default(), directory.path()).is_err());
    }

    #[derive(Debug)]
    struct NoDescriptors;
    impl Probe for NoDescriptors {
        fn before(&self, _: &Operation<'_>) -> Verdict {
            Verdict::OutOfDescriptors
        }
    }

    #[test]
    fn without_a_descriptor_it_stays_to_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let (taken, _) = taken(directory.path());
        let scarce = Disk::with_probe(Arc::new(NoDescriptors));
        assert!(taken.sync(&scarce, directory.path()).is_err());
        assert!(taken.is_to_be_written());
        taken.sync(&Disk::default(), directory.path()).unwrap();
    }
}
