//! The leader epochs of a partition: the first offset of each (`leader-epoch-checkpoint`).
//!
//! Both columns grow strictly from entry to entry. Everything here is pure; the writer of the log stores the text.

use crate::base::{LeaderEpoch, Offset};

use super::checkpoint::{self, MalformedCheckpoint};

/// The file in the replica directory.
pub(crate) const FILE_NAME: &str = "leader-epoch-checkpoint";

/// A leader epoch and the offset at which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start: Offset,
}

/// The leader epochs of a partition, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// Reads the checkpoint's text.
    pub fn decode(text: &str) -> Result<Self, MalformedCheckpoint> {
        let mut epochs = Self::default();
        checkpoint::decode(text.as_bytes(), |[epoch, start]| {
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
            Ok(())
        })?;
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
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The latest leader epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The leader epoch at `offset`.
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

    /// Where the first known leader epoch begins.
    pub(super) fn first_offset(&self) -> Option<Offset> {
        self.entries.first().map(|entry| entry.start)
    }

    /// The lowest offset at which the two differ.
    pub(super) fn first_difference(&self, other: &Self) -> Option<Offset> {
        let same = self.entries.iter().zip(&other.entries);
        let same = same.take_while(|(one, other)| one == other).count();
        let next = [self.entries.get(same), other.entries.get(same)];
        next.into_iter().flatten().map(|entry| entry.start).min()
    }

    /// Notes that `epoch` begins at `start`, and drops entries that contradict it. Returns whether anything changed.
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

    /// Drops leader epochs that began at or above the new log end.
    pub fn truncate_from_end(&mut self, log_end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start < log_end);
        self.entries.len() != before
    }

    /// Lets the leader epoch at the new log start begin there, and drops those before it.
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

    /// Where `epoch` ended, with the greatest known leader epoch not above it; `None` if `epoch` is
    /// above all known ones.
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
    use proptest::collection::vec;
    use proptest::prelude::*;

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
    fn where_two_differ() {
        let some = epochs(&[(1, 0), (2, 10)]);
        let difference = |entries| some.first_difference(&epochs(entries));
        assert_eq!(difference(&[(1, 0), (2, 10)]), None);
        assert_eq!(difference(&[(1, 0), (2, 10), (3, 15)]), Some(Offset(15)));
        assert_eq!(difference(&[(1, 0)]), Some(Offset(10)));
        assert_eq!(difference(&[(1, 0), (3, 7)]), Some(Offset(7)));
        assert_eq!(difference(&[(0, 0), (2, 10)]), Some(Offset(0)));
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

    /// The same as a list of every offset's epoch: slow, and without anything to get wrong.
    #[derive(Clone, Debug)]
    struct Model {
        start: i64,
        /// The epoch of each offset from `start` on; the last one has no record yet where it is `open`.
        epochs: Vec<i32>,
        /// An epoch that has begun at the end and has no offset yet.
        open: Option<i32>,
    }

    impl Model {
        fn end(&self) -> i64 {
            self.start + i64::try_from(self.epochs.len()).unwrap()
        }

        fn entries(&self) -> Vec<(i32, i64)> {
            let mut entries: Vec<(i32, i64)> = Vec::new();
            let open = self.open.map(|epoch| (epoch, self.end()));
            let all = self.epochs.iter().copied().zip(self.start..).chain(open);
            for (epoch, offset) in all {
                if entries.last().is_none_or(|last| last.0 != epoch) {
                    entries.push((epoch, offset));
                }
            }
            entries
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A leader of this many epochs later takes over and writes so many records.
        Lead(i32, usize),
        TruncateEnd(prop::sample::Index),
        TruncateStart(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3_i32, 0..5_usize).prop_map(|(later, count)| Step::Lead(later, count)),
            1 => any::<prop::sample::Index>().prop_map(Step::TruncateEnd),
            1 => any::<prop::sample::Index>().prop_map(Step::TruncateStart),
        ]
    }

    proptest! {
        #[test]
        fn epochs_are_those_of_the_offsets(start in 0_i64..100, steps in vec(steps(), 1..30)) {
            let mut model = Model { start, epochs: Vec::new(), open: None };
            let mut epochs = LeaderEpochs::default();
            let mut latest = 0;
            for step in steps {
                match step {
                    Step::Lead(later, count) => {
                        latest += later;
                        if model.epochs.last() != Some(&latest) && model.open != Some(latest) {
                            // An epoch that wrote nothing leaves no trace.
                            model.open = Some(latest);
                        }
                        epochs.assign(LeaderEpoch(latest), Offset(model.end()));
                        let known = model.open.or_else(|| model.epochs.last().copied());
                        prop_assert_eq!(known, Some(latest));
                        if count > 0 {
                            model.open = None;
                        }
                        model.epochs.extend(std::iter::repeat_n(latest, count));
                    }
                    Step::TruncateEnd(to) => {
                        let kept = to.index(model.epochs.len() + 1);
                        // Nor does what has begun at the end stay: it may begin elsewhere now.
                        model.open = None;
                        model.epochs.truncate(kept);
                        epochs.truncate_from_end(Offset(model.end()));
                        latest += 1;
                    }
                    Step::TruncateStart(to) => {
                        let dropped = to.index(model.epochs.len() + 1);
                        if dropped == model.epochs.len() && model.open.is_none() {
                            // The epoch in force at the start stays, though it has no offset there yet.
                            model.open = model.epochs.last().copied();
                        }
                        model.epochs.drain(..dropped);
                        model.start += i64::try_from(dropped).unwrap();
                        epochs.truncate_from_start(Offset(model.start));
                    }
                }
                let entries: Vec<(i32, i64)> = epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start.0)).collect();
                prop_assert_eq!(&entries, &model.entries());
                prop_assert_eq!(LeaderEpochs::decode(&epochs.encode()), Ok(epochs.clone()));
                for (offset, epoch) in (model.start..).zip(&model.epochs) {
                    prop_assert_eq!(epochs.at(Offset(offset)), Some(LeaderEpoch(*epoch)));
                }
                check_ends(&epochs, &model)?;
            }
        }
    }

    /// An epoch ends where the first record or beginning of a later one is.
    fn check_ends(epochs: &LeaderEpochs, model: &Model) -> Result<(), TestCaseError> {
        let entries = model.entries();
        let end = Offset(model.end());
        let Some((latest, _)) = entries.last().copied() else {
            prop_assert_eq!(epochs.end_of(LeaderEpoch(0), end), None);
            return Ok(());
        };
        for asked in 0..=latest + 1 {
            let wanted = if asked > latest {
                None
            } else if asked == latest {
                Some((latest, end.0))
            } else {
                let known = entries.iter().rfind(|entry| entry.0 <= asked);
                let next = entries
                    .iter()
                    .find(|entry| entry.0 > asked)
                    .map_or(0, |entry| entry.1);
                Some((known.map_or(asked, |entry| entry.0), next))
            };
            let found = epochs.end_of(LeaderEpoch(asked), end);
            prop_assert_eq!(found.map(|(epoch, end)| (epoch.0, end.0)), wanted);
        }
        Ok(())
    }
}
