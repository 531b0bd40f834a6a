//! What a log does not have any more, and the one line that says so.
//!
//! A log is what its files say together: each segment begins where the one before it ended, the last one reaches
//! what the checkpoints know of, and the first one begins where the leader epochs do. Where they contradict each
//! other, records are gone. Then
//!
//! - **what is whole is served**, as Kafka does: a broker that hides good records because of bad ones adds to the
//!   damage, and a file that is put back while the broker is stopped makes the log whole again;
//! - **no offset is given twice**: the log goes on at the highest offset that any file knows of, in a new segment, so that
//!   no consumer takes new records for old ones that it has seen;
//! - **nothing whole is deleted**: what lies below the recovery point stays where it is, however damaged; what lies
//!   above it, behind a gap that a crash has made, is set aside ([`super::names::set_aside_path`]), since a
//!   log is served in the order in which it was written;
//! - **every start says it**, for as long as the files show it.
//!
//! A partition is only refused where nobody can know what was there: in the place of a file stands something else
//! ([`super::LogError::NotAFile`]), or the log-start checkpoint speaks of offsets that never were.

use std::path::PathBuf;

use crate::base::{Offset, TopicPartition};

/// Records that are not served any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The first offset.
    pub first: Offset,
    /// The offset behind the last one.
    pub end: Offset,
    /// The file that is damaged or missing, or that holds them now.
    pub path: PathBuf,
    /// What became of them.
    pub kind: LossKind,
}

/// What became of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Where they should be, from this byte on, stands something else.
    Damaged {
        /// Where in the file.
        position: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file ends too early, or is not there.
    Missing,
    /// They are in a file of their own, which is no part of the log.
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
    /// What a reader has met, if this error is about damage.
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
                "records are gone: the file is damaged; what is whole around them is served, and no offset is given twice. Restore the file from a copy while the broker is stopped"
            ),
            LossKind::Missing => tracing::error!(
                %partition, first_lost, last_lost, %file,
                "records are gone: the file is missing or too short; what is there is served, and no offset is given twice. Put the file back while the broker is stopped"
            ),
            LossKind::SetAside(Some(SetAside {
                batches,
                records,
                bytes,
            })) => tracing::error!(
                %partition, first_lost, last_lost, %file, batches, records, bytes,
                "records have left the log: they lay behind what a crash has damaged, and were set aside; the log goes on behind them. To take them back rename the file to its first number and .log while the broker is stopped; else move it away"
            ),
            LossKind::SetAside(None) => tracing::error!(
                %partition, first_lost, last_lost, %file,
                "records are still set aside. To take them back rename the file to its first number and .log while the broker is stopped; else move it away"
            ),
        }
    }
}
