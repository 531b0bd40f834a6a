//! `metadata-offset-checkpoint`: the offset up to which the metadata log is certainly on the disk.
//!
//! A log that has lost its end at a batch boundary looks complete, and so does a log that is missing. So the log
//! directory records the length of the log, in the format of Kafka's checkpoints, which Kafka ignores:
//!
//! ```text
//! 0
//! 1
//! __cluster_metadata 0 00000000000000005310
//! ```
//! It is written after each write to the log, when that is synced, in place and without a sync of its own: this costs
//! almost nothing. After a kill it has exactly the confirmed offset; after a power loss it may have a lower one, but
//! never a higher one. If Kafka uses the directory for a while, it only adds to the log.

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

/// The offset in the file; `None` when there is no file.
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
    /// Open once an offset is known.
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
        // created again, since it may have another length
        self.disk.replace(&self.path, text.as_bytes())?;
        self.file = Some(self.disk.open(&self.path)?);
        Ok(())
    }
}

/// The text has the same length for every offset.
fn text(offset: Offset) -> String {
    format!("0\n1\n{TOPIC} 0 {:020}\n", offset.0)
}
