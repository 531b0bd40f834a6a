//! Transactions whose markers are in the log and not committed yet.
//!
//! A marker above the watermark may be lost with its leader, and the transaction end otherwise. So readers of
//! committed records may not pass the first of such a transaction's records either.

use std::collections::{BTreeMap, VecDeque};

use crate::base::Offset;

/// By their markers, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct EndedTransactions {
    /// The offset of the marker, and the first offset of the transaction.
    by_marker: VecDeque<(Offset, Offset)>,
    /// The first offsets, each with its marker.
    by_first: BTreeMap<Offset, Offset>,
}

impl EndedTransactions {
    /// A marker at `marker` has ended the transaction that began at `first`.
    pub(crate) fn note(&mut self, marker: Offset, first: Offset) {
        self.by_marker.push_back((marker, first));
        self.by_first.insert(first, marker);
    }

    /// The first offset of the oldest one whose marker is at or above `high_watermark`.
    pub(crate) fn first_above(&self, high_watermark: Offset) -> Option<Offset> {
        let mut oldest_first = self.by_first.iter();
        oldest_first
            .find(|(_, marker)| **marker >= high_watermark)
            .map(|(first, _)| *first)
    }

    /// Forgets those whose markers are below `high_watermark`.
    pub(crate) fn forget_below(&mut self, high_watermark: Offset) {
        while let Some((marker, first)) = self.by_marker.front().copied()
            && marker < high_watermark
        {
            self.by_marker.pop_front();
            self.by_first.remove(&first);
        }
    }

    /// The log was cut at `log_end`: what markers above it have ended is open again.
    pub(crate) fn cut(&mut self, log_end: Offset) {
        while let Some((marker, first)) = self.by_marker.back().copied()
            && marker >= log_end
        {
            self.by_marker.pop_back();
            self.by_first.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_unstable_until_its_marker_is_committed() {
        let mut ended = EndedTransactions::default();
        ended.note(Offset(10), Offset(4));
        ended.note(Offset(11), Offset(2));
        let first = |ended: &EndedTransactions, watermark| ended.first_above(Offset(watermark));
        assert_eq!(first(&ended, 10), Some(Offset(2)));
        assert_eq!(first(&ended, 11), Some(Offset(2)));
        assert_eq!(first(&ended, 12), None);
        ended.cut(Offset(11));
        assert_eq!(first(&ended, 10), Some(Offset(4)));
        ended.forget_below(Offset(11));
        assert_eq!(first(&ended, 0), None);
    }
}
