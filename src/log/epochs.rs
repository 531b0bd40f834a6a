//! Leader epochs of a partition: the first offset of each leadership (`leader-epoch-checkpoint`).
//!
//! Both columns grow strictly from entry to entry. Everything here is pure; the writer of the log
//! stores the text.

use crate::base::{LeaderEpoch, Offset};

use super::checkpoint::{self, MalformedCheckpoint};

/// The file in the replica directory.
pub(crate) const FILE_NAME: &str = "leader-epoch-checkpoint";

/// A leadership and the offset at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leadership.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start: Offset,
}

/// The leaderships of a partition, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// Reads the checkpoint's text.
    pub fn decode(text: &str) -> Result<Self, MalformedCheckpoint> {
        let mut epochs = Self::default();
        for line in checkpoint::decode(text, 2)? {
            if let [epoch, start] = line[..] {
                let entry = EpochEntry {
                    epoch: LeaderEpoch(checkpoint::number(epoch)?),
                    start: Offset(checkpoint::number(start)?),
                };
                let grows = epochs
                    .entries
                    .last()
                    .is_none_or(|last| last.epoch < entry.epoch && last.start < entry.start);
                if !grows || !entry.epoch.is_some() || entry.start < Offset::ZERO {
                    return Err(MalformedCheckpoint(format!(
                        "epoch {epoch} at {start} is out of order"
                    )));
                }
                epochs.entries.push(entry);
            }
        }
        Ok(epochs)
    }

    /// The checkpoint's text.
    pub fn encode(&self) -> String {
        checkpoint::encode(
            self.entries
                .iter()
                .map(|entry| format!("{} {}", entry.epoch, entry.start)),
        )
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The latest leadership.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The leadership in force at `offset`.
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        Some(self.entries.get(after.checked_sub(1)?)?.epoch)
    }

    /// Whether [`Self::assign`] would change anything.
    pub fn is_news(&self, epoch: LeaderEpoch, start: Offset) -> bool {
        epoch.is_some()
            && self
                .entries
                .last()
                .is_none_or(|last| last.epoch != epoch || start < last.start)
    }

    /// Notes that `epoch` begins at `start`; entries that contradict it go. Returns whether anything changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if !self.is_news(epoch, start) {
            return false;
        }
        while self
            .entries
            .last()
            .is_some_and(|last| last.epoch >= epoch || last.start >= start)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start });
        true
    }

    /// Drops leaderships that began at or above the new log end.
    pub fn truncate_from_end(&mut self, log_end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start < log_end);
        self.entries.len() != before
    }

    /// Lets the leadership in force at the new log start begin there, and drops those before it.
    pub fn truncate_from_start(&mut self, log_start: Offset) -> bool {
        let at_or_below = self
            .entries
            .partition_point(|entry| entry.start <= log_start);
        let Some(last) = at_or_below.checked_sub(1) else {
            return false;
        };
        let changed = last > 0
            || self
                .entries
                .first()
                .is_some_and(|entry| entry.start != log_start);
        self.entries.drain(..last);
        if let Some(first) = self.entries.first_mut() {
            first.start = log_start;
        }
        changed
    }

    /// Where `epoch` ended, with the greatest known leadership not above it; `None` when `epoch` is
    /// above all that are known.
    pub fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if epoch == LeaderEpoch::NONE {
            return None;
        }
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end));
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let higher = self.entries.get(above)?;
        let known = above
            .checked_sub(1)
            .and_then(|index| self.entries.get(index));
        Some((known.map_or(epoch, |entry| entry.epoch), higher.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let entries = entries.iter().map(|&(epoch, start)| EpochEntry {
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
        });
        LeaderEpochs {
            entries: entries.collect(),
        }
    }

    #[test]
    fn the_text_is_kafkas() {
        let some = epochs(&[(0, 0), (3, 17)]);
        assert_eq!(some.encode(), "0\n2\n0 0\n3 17\n");
        assert_eq!(LeaderEpochs::decode(&some.encode()), Ok(some));
        assert!(LeaderEpochs::decode("0\n2\n3 0\n3 17\n").is_err());
        assert!(LeaderEpochs::decode("0\n1\n-1 0\n").is_err());
    }

    #[test]
    fn assigning_drops_what_contradicts() {
        let mut some = epochs(&[(1, 0), (2, 10), (4, 20)]);
        assert!(!some.assign(LeaderEpoch(4), Offset(25)));
        assert!(!some.assign(LeaderEpoch::NONE, Offset(25)));
        assert!(some.assign(LeaderEpoch(5), Offset(20)));
        assert_eq!(some, epochs(&[(1, 0), (2, 10), (5, 20)]));
        assert!(some.assign(LeaderEpoch(2), Offset(5)));
        assert_eq!(some, epochs(&[(1, 0), (2, 5)]));
    }

    #[test]
    fn truncation_at_both_ends() {
        let mut some = epochs(&[(1, 0), (2, 10), (4, 20)]);
        assert!(some.truncate_from_end(Offset(20)));
        assert_eq!(some, epochs(&[(1, 0), (2, 10)]));
        assert!(some.truncate_from_start(Offset(12)));
        assert_eq!(some, epochs(&[(2, 12)]));
        assert!(!some.truncate_from_start(Offset(12)));
        assert!(!some.truncate_from_start(Offset(3)));
    }

    #[test]
    fn the_end_of_an_epoch() {
        let some = epochs(&[(2, 10), (4, 20)]);
        let end = |epoch| some.end_of(LeaderEpoch(epoch), Offset(33));
        assert_eq!(end(4), Some((LeaderEpoch(4), Offset(33))));
        assert_eq!(end(3), Some((LeaderEpoch(2), Offset(20))));
        assert_eq!(end(1), Some((LeaderEpoch(1), Offset(10))));
        assert_eq!(end(5), None);
        assert_eq!(end(-1), None);
        assert_eq!(some.at(Offset(9)), None);
        assert_eq!(some.at(Offset(19)), Some(LeaderEpoch(2)));
    }
}
