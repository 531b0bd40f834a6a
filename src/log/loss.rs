//! Records that a log has lost, and the one line that reports each loss.
//!
//! The files of a log must agree: each segment begins where the one before it ended, the last one reaches the offsets in
//! the checkpoints, and the first one begins where the leader epochs do. Where they contradict each other, records are
//! lost. Then
//!
//! - **intact records are served**, as in Kafka: hiding good records because of bad ones would add to the damage, and if
//!   the missing file is put back while the broker is stopped, the log is complete again;
//! - **no offset is used twice**: the log continues at the highest offset that any file knows, in a new segment, so that
//!   no consumer takes new records for old ones that it has already seen;
//! - **nothing intact is deleted**: everything below the recovery point stays in place, however damaged; records above
//!   it, after a gap that a crash has made, are set aside ([`super::names::set_aside_path`]), since a log is
//!   served in the order in which it was written;
//! - **every start reports it**, as long as the files show it.
//!
//! A partition is refused only if nobody can know what it contained: something else is in the place of a file
//! ([`super::LogError::NotAFile`]), or the log start checkpoint has an offset that was never written.

use std::path::PathBuf;

use crate::base::{Offset, TopicPartition};

/// Records that are no longer served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first offset.
    pub first: Offset,
    /// The offset after the last one.
    pub end: Offset,
    /// The file that is damaged or missing, or that holds them now.
    pub path: PathBuf,
    /// What happened to them.
    pub kind: LossKind,
}

/// What happened to lost records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// The file has other bytes in their place.
    Damaged {
        /// Where in the file.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file is too short or missing.
    Missing,
    /// They are in a file of their own, which is not part of the log.
    SetAside(Option<SetAside>),
}

/// How much was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Whole batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes in all.
    pub bytes: u64,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.end.0.saturating_sub(1);
        write!(f, "offsets {} to {last} cannot be read", self.first)?;
        if let LossKind::Damaged { position, reason } = &self.kind {
            write!(
                f,
                ": {} is damaged at byte {position}: {reason}",
                self.path.display()
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Loss {}

impl Loss {
    /// The loss that a reader has found, if this error is about one.
    pub fn met(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// One error line.
    pub fn tell(&self, partition: &TopicPartition) {
        let (first_lost, last_lost) = (self.first.0, self.end.0.saturating_sub(1));
        let file = self.path.display();
        match &self.kind {
            LossKind::Damaged { position, reason } => tracing::error!(
                %partition, first_lost, last_lost, %file, position, reason,
                "records are lost: the file is damaged. Intact records before and after them are served, and no offset is used twice. To restore them, stop the broker and replace the file with a good copy"
            ),
            LossKind::Missing => tracing::error!(
                %partition, first_lost, last_lost, %file,
                "records are lost: the file is missing or too short. The other records are served, and no offset is used twice. To restore them, stop the broker and put the file back"
            ),
            LossKind::SetAside(Some(SetAside {
                batches,
                records,
                bytes,
            })) => tracing::error!(
                %partition, first_lost, last_lost, %file, batches, records, bytes,
                "records were set aside, since a crash has damaged the log before them. The log continues after them. To restore them, stop the broker and rename the file to its first number and .log; otherwise move it away"
            ),
            LossKind::SetAside(None) => tracing::error!(
                %partition, first_lost, last_lost, %file,
                "records are still set aside. To restore them, stop the broker and rename the file to its first number and .log; otherwise move it away"
            ),
        }
    }
}
