//! What a workload does to the disk, in order: enough to make any state from it that the disk may be in.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::log::disk::{Operation, Probe, Verdict};

/// A file or directory, whatever its name is.
pub(super) type Inode = u64;

/// A change that was made.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// An empty file or directory got its first name.
    Create {
        directory: Inode,
        name: String,
        node: Inode,
        is_directory: bool,
    },
    /// A name moved within its directory, over one that may have been there.
    Rename {
        directory: Inode,
        from: String,
        to: String,
    },
    Remove {
        directory: Inode,
        name: String,
    },
    Write {
        file: Inode,
        position: u64,
        bytes: Vec<u8>,
    },
    SetLength {
        file: Inode,
        length: u64,
    },
    Sync(Inode),
    SyncDirectory(Inode),
    SyncEverything,
}

/// A change of which more can be said once it was made.
#[derive(Debug)]
enum Pending {
    Create(PathBuf),
    Write {
        file: File,
        position: u64,
        length: usize,
    },
}

#[derive(Debug, Default)]
struct Trace {
    events: Vec<Event>,
    pending: Option<Pending>,
    /// Kept open, so that no inode is used for a second file.
    known: HashMap<Inode, File>,
}

/// Lets every change happen, but for the syncs, and notes it. One thread at a time may use its disk.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    trace: Mutex<Trace>,
}

impl Recorder {
    /// Knows what is below `root` already.
    pub(super) fn new(root: &Path) -> Self {
        let recorder = Self::default();
        recorder.with(|trace| trace.know(root));
        recorder
    }

    /// How many changes were made so far.
    pub(super) fn position(&self) -> usize {
        self.with(|trace| {
            trace.settle();
            trace.events.len()
        })
    }

    /// All changes so far.
    pub(super) fn events(&self) -> Vec<Event> {
        self.with(|trace| {
            trace.settle();
            trace.events.clone()
        })
    }

    fn with<T>(&self, run: impl FnOnce(&mut Trace) -> T) -> T {
        run(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Trace {
    fn know(&mut self, path: &Path) {
        let file = File::open(path).unwrap();
        let metadata = file.metadata().unwrap();
        self.known.insert(metadata.ino(), file);
        if metadata.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                self.know(&entry.unwrap().path());
            }
        }
    }

    /// Notes what has become of the last change.
    fn settle(&mut self) {
        match self.pending.take() {
            None => {}
            Some(Pending::Create(path)) => {
                let Ok(file) = File::open(&path) else { return };
                let metadata = file.metadata().unwrap();
                let node = metadata.ino();
                if self.known.insert(node, file).is_some() {
                    self.events.push(Event::SetLength {
                        file: node,
                        length: 0,
                    });
                } else {
                    let (directory, name) = place(&path);
                    let is_directory = metadata.is_dir();
                    self.events.push(Event::Create {
                        directory,
                        name,
                        node,
                        is_directory,
                    });
                }
            }
            Some(Pending::Write {
                file,
                position,
                length,
            }) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, position).unwrap();
                self.events.push(Event::Write {
                    file: inode(&file),
                    position,
                    bytes,
                });
            }
        }
    }

    fn note(&mut self, operation: &Operation<'_>) {
        let event = match *operation {
            Operation::CreateDirectory(path) | Operation::Create(path) => {
                self.pending = Some(Pending::Create(path.to_owned()));
                return;
            }
            Operation::Write {
                file,
                position,
                length,
            } => {
                self.pending = (length > 0).then(|| Pending::Write {
                    file: file.try_clone().unwrap(),
                    position,
                    length,
                });
                return;
            }
            Operation::SetLength { file, length } => Event::SetLength {
                file: inode(file),
                length,
            },
            Operation::Sync(file) => Event::Sync(inode(file)),
            // no content hangs on it
            Operation::SetTimes(_) => return,
            Operation::SyncDirectory(path) => {
                let Ok(metadata) = path.metadata() else {
                    return;
                };
                Event::SyncDirectory(metadata.ino())
            }
            Operation::SyncFileSystem(_) => Event::SyncEverything,
            Operation::Rename { from, to } => {
                let ((directory, from), (other, to)) = (place(from), place(to));
                assert_eq!(directory, other, "{from} moves to another directory");
                Event::Rename {
                    directory,
                    from,
                    to,
                }
            }
            Operation::Remove(path) => {
                let (directory, name) = place(path);
                Event::Remove { directory, name }
            }
        };
        self.events.push(event);
    }
}

impl Probe for Recorder {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        self.with(|trace| {
            trace.settle();
            trace.note(operation);
        });
        match operation {
            Operation::Sync(_) | Operation::SyncDirectory(_) | Operation::SyncFileSystem(_) => {
                Verdict::Pretend
            }
            _ => Verdict::Go,
        }
    }
}

fn inode(file: &File) -> Inode {
    file.metadata().unwrap().ino()
}

/// The directory that a path is in, and its name there.
fn place(path: &Path) -> (Inode, String) {
    let directory = path.parent().unwrap().metadata().unwrap().ino();
    let name = path.file_name().unwrap().to_str().unwrap();
    (directory, name.to_owned())
}
