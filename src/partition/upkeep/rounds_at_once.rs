//! `background.threads`: in how many directories at a time the housekeeping goes on.

use std::sync::atomic::{AtomicUsize, Ordering};

/// So many rounds in a row go by before one is made in any case: what hangs elsewhere must not hold up a directory
/// for ever.
pub(in crate::partition) const MOST_PASSED_OVER: u32 = 10;

/// The rounds that are under way.
#[derive(Debug, Default)]
pub(in crate::partition) struct RoundsAtOnce(AtomicUsize);

/// A round that is under way until this is dropped.
#[derive(Debug)]
pub(in crate::partition) struct Turn<'a>(&'a AtomicUsize);

impl RoundsAtOnce {
    /// A turn, if fewer than `most` are under way.
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
