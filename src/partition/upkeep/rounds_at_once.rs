//! `background.threads`: the maximum number of directories whose housekeeping runs at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// After this many skipped rounds in a row, a round is made in any case: a directory that hangs must not block
/// another one for ever.
pub(in crate::partition) const MOST_PASSED_OVER: u32 = 10;

/// The running rounds.
#[derive(Debug, Default)]
pub(in crate::partition) struct RoundsAtOnce(AtomicUsize);

/// A running round, until this is dropped.
#[derive(Debug)]
pub(in crate::partition) struct Turn<'a>(&'a AtomicUsize);

impl RoundsAtOnce {
    /// Permission for a round, if fewer than `most` are running.
    pub(in crate::partition) fn take(&self, most: usize) -> Option<Turn<'_>> {
        let one_more = |under_way: usize| (under_way < most).then_some(under_way + 1);
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, one_more).ok()?;
        Some(Turn(&self.0))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_are_allowed_now() {
        let rounds = RoundsAtOnce::default();
        let one = rounds.take(1).expect("a turn");
        assert!(rounds.take(1).is_none());
        let _two = rounds.take(2).expect("another is allowed");
        drop(one);
        assert!(rounds.take(1).is_none());
        assert!(rounds.take(2).is_some());
    }
}
