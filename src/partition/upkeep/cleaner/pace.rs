//! The pace of a cleaner, and what stops its work on a log.

use std::time::Instant;

use crate::config::CurrentConfig;
use crate::log::compact::{Pace, Stopped};
use crate::partition::replica::Replica;
use crate::partition::upkeep::rate::{LEAST_WAIT, Rate};
use crate::partition::upkeep::workers::{Signal, Woken};

/// Limits the cleaning of one partition to the common rate, and stops it.
pub(super) struct CleanerPace<'a> {
    pub(super) signal: &'a Signal,
    pub(super) rate: &'a Rate,
    pub(super) config: &'a CurrentConfig,
    pub(super) replica: &'a Replica,
}

impl Pace for CleanerPace<'_> {
    fn moved(&self, bytes: usize) -> Result<(), Stopped> {
        let mut bytes = bytes;
        loop {
            let calls = self.signal.calls();
            let most = self.config.now().cleaner().max_bytes_per_second;
            let wait = self.rate.wait_for(bytes, most, Instant::now());
            if wait < LEAST_WAIT || self.signal.wait(wait, calls) != Woken::LookAgain {
                break;
            }
            bytes = 0;
        }
        if self.signal.has_ended() || !may_be_cleaned(self.replica) {
            return Err(Stopped);
        }
        Ok(())
    }
}

/// Whether the partition may be compacted at present. Not while it moves to another directory: the copy may already
/// have the record that a tombstone deletes, and would keep it when the tombstone is removed.
pub(super) fn may_be_cleaned(replica: &Replica) -> bool {
    replica.config().cleanup_policy.compact
        && !replica.directory().is_offline()
        && !replica.is_moving()
}
