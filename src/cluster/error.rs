//! Errors of a metadata log. One line each, with what an operator can do.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::Offset;
use crate::log::{AppendError, LogError};
use crate::metadata::LoadError;

use super::committed;

/// Why the metadata log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MetadataLogError {
    /// A disk error.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An error of the log.
    #[error("{0}")]
    Log(#[from] LogError),
    /// An append was refused.
    #[error("{0}")]
    Append(#[from] AppendError),
    /// Its contents are invalid.
    #[error("{0}; restore the metadata log from a copy")]
    Load(#[from] LoadError),
    /// A batch inside the log is damaged.
    #[error(
        "{path:?} is damaged at byte {position}: {reason}. Nothing was changed; restore the file from a copy, or \
         truncate it at that byte to go on without what follows"
    )]
    Damaged {
        /// The segment's file.
        path: PathBuf,
        /// The position of the batch.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A segment is missing, or has lost its end.
    #[error(
        "the records from offset {from} up to {to} are missing before {path:?}. Nothing was changed; restore them \
         from a copy"
    )]
    Gap {
        /// The segment after the gap.
        path: PathBuf,
        /// The end offset of the log before it.
        from: Offset,
        /// Its first offset.
        to: Offset,
    },
    /// The log has lost its end.
    #[error(
        "it ends at offset {end}, but it was on disk up to offset {committed}. Nothing was changed; restore it \
         from a copy, or remove {file} to go on without the missing records",
        file = committed::FILE
    )]
    Short {
        /// Its end offset.
        end: Offset,
        /// The offset up to which it was synced.
        committed: Offset,
    },
    /// The log has lost its end.
    #[error(
        "it ends at offset {end}, before the end of the snapshot {path:?}. Nothing was changed; restore its segments \
         from a copy, or move all of them away to go on from the snapshot"
    )]
    BehindSnapshot {
        /// The snapshot.
        path: PathBuf,
        /// The end offset of the log.
        end: Offset,
    },
    /// The log is missing.
    #[error(
        "it has no segment, although it is not new. Nothing was changed; restore it from a copy, or remove its \
         directory to start a cluster that has no topics"
    )]
    NoLog,
    /// The log has lost its beginning.
    #[error(
        "it begins at offset {first}, and there is no usable snapshot of what came before. Nothing was changed; \
         restore a snapshot from a copy"
    )]
    NoSnapshot {
        /// Its first offset.
        first: Offset,
    },
    /// A snapshot is damaged. It is skipped.
    #[error("it is damaged at byte {position}: {reason}")]
    DamagedSnapshot {
        /// The position.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A snapshot that is older than its name says.
    #[error("it holds an earlier state than its name says")]
    OldSnapshot,
    /// Something that is not a file has the name of a file.
    #[error("{path:?} is {kind} and not a file; put the file itself there")]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// Its kind.
        kind: &'static str,
    },
    /// A small file is invalid.
    #[error("{path:?} is malformed: {reason}; {cure}")]
    MalformedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What an operator can do.
        cure: &'static str,
    },
    /// The cluster has other controllers, and they must agree on the metadata.
    #[error(
        "its quorum has the voters {0:?}, but this broker only serves clusters whose single controller it is"
    )]
    OtherVoters(Vec<i32>),
    /// The metadata was written by a release that is unknown to this one.
    #[error("its metadata cannot be read: {0}")]
    MetadataVersion(String),
    /// A batch or a record cannot be decoded.
    #[error("metadata at or after offset {0}: {1}; restore the metadata log from a copy")]
    Malformed(Offset, String),
}

impl MetadataLogError {
    /// The error for a file that cannot be read, or is invalid.
    pub(super) fn of_file(path: &Path, error: io::Error, cure: &'static str) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            let (path, reason) = (path.to_owned(), error.to_string());
            return Self::MalformedFile { path, reason, cure };
        }
        Self::Io(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        ))
    }
}
