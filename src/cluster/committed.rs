//! `metadata-offset-checkpoint`: up to where the metadata log is on the disk for certain.
//!
//! A log that has lost its end at the end of a batch looks whole, and so does one that is gone. So the log directory
//! says how long the log is, in the form of Kafka's checkpoints, which Kafka passes over:
//!
//! ```text
//! 0
//! 1
//! __cluster_metadata 0 00000000000000005310
//! ```
//! It is written after each write to the log, when that is synced, in place and without a sync of its own: that
//! costs next to nothing. After a kill it says exactly what was answered; after a loss of power it may say less, and
//! never more. Kafka, should it have the directory for a while, only adds to the log.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::base::{Offset, TopicPartition};
use crate::log::checkpoint::read_offsets;
use crate::log::{Disk, LogDirectory};

use super::error::MetadataLogError;
use super::metadata_log::TOPIC;

/// The file in the log directory.
pub(super) const FILE: &str = "metadata-offset-checkpoint";

const CURE: &str = "remove it if the metadata log is known to be whole";

/// What the file says; `None` when there is none.
pub(super) fn read(directory: &LogDirectory) -> Result<Option<Offset>, MetadataLogError> {
    let path = directory.path().join(FILE);
    let malformed = |error| MetadataLogError::of_file(&path, error, CURE);
    let offsets = read_offsets(&path).map_err(malformed)?;
    let offsets = offsets
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        .map_err(malformed)?;
    let committed = offsets.get(&TopicPartition::new(TOPIC, 0)).copied();
    if committed.is_none() && path.try_exists()? {
        let empty = io::Error::new(io::ErrorKind::InvalidData, "it has no entry");
        return Err(malformed(empty));
    }
    Ok(committed)
}

/// The file while the log is written.
pub(super) struct Committed {
    disk: Disk,
    path: PathBuf,
    /// Open once something is known.
    file: Option<File>,
}

impl Committed {
    /// The file in this directory.
    pub(super) fn of(directory: &LogDirectory) -> Self {
        Self {
            disk: directory.disk().clone(),
            path: directory.path().join(FILE),
            file: None,
        }
    }

    /// Everything below `offset` is synced.
    pub(super) fn note(&mut self, offset: Offset) -> io::Result<()> {
        let text = text(offset);
        if let Some(file) = &self.file {
            return self.disk.write_at(file, text.as_bytes(), 0);
        }
        // made anew, since it may have another length
        self.disk.replace(&self.path, text.as_bytes())?;
        self.file = Some(self.disk.open(&self.path)?);
        Ok(())
    }
}

/// Of the same length for every offset.
fn text(offset: Offset) -> String {
    format!("0\n1\n{TOPIC} 0 {:020}\n", offset.0)
}
