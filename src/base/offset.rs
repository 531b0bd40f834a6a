//! Positions in a partition, and the order that holds between them.
//!
//! ```text
//!   log start        last stable     high watermark        log end
//!       |------------------|---------------|------------------|
//!       oldest record      first record    first record that  where the next
//!       that may be read   of the oldest   may still be lost  record goes
//!                          open transaction
//! ```

use std::fmt;

/// An offset in a partition: the number of a record, or the position before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset of an untouched partition.
    pub const ZERO: Self = Self(0);

    /// Kafka's "no offset".
    pub const NONE: Self = Self(-1);

    /// The offset `count` records later. Saturates, since counts come from outside.
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The offset that follows this one.
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number of offsets from `earlier` to this one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The leader epoch of a partition. It grows with every change of leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Kafka's "epoch not known".
    pub const NONE: Self = Self(-1);

    /// Whether this is a leader epoch and not [`LeaderEpoch::NONE`].
    pub const fn is_some(self) -> bool {
        self.0 >= 0
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The four positions of a partition, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The oldest offset that may be read.
    pub log_start: Offset,
    /// `read_committed` consumers see records below this.
    pub last_stable: Offset,
    /// Consumers see records below this: they survive the loss of the leader.
    pub high_watermark: Offset,
    /// Where the next record goes.
    pub log_end: Offset,
}

impl Positions {
    /// Positions in their order. The high watermark keeps within the log: a log that was cut, or whose start was
    /// raised, takes it along. The last stable offset is where the oldest open transaction begins, and never above
    /// the high watermark.
    pub fn in_order(
        log_start: Offset,
        first_unstable: Option<Offset>,
        high_watermark: Offset,
        log_end: Offset,
    ) -> Self {
        let log_end = log_end.max(log_start);
        let high_watermark = high_watermark.clamp(log_start, log_end);
        let last_stable = first_unstable.unwrap_or(high_watermark);
        Self {
            log_start,
            last_stable: last_stable.clamp(log_start, high_watermark),
            high_watermark,
            log_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Offset, Positions};

    #[test]
    fn positions_stand_in_order() {
        let in_order = |start, unstable: Option<i64>, watermark, end| {
            let unstable = unstable.map(Offset);
            let of = Positions::in_order(Offset(start), unstable, Offset(watermark), Offset(end));
            let Positions {
                log_start,
                last_stable,
                high_watermark,
                log_end,
            } = of;
            (log_start.0, last_stable.0, high_watermark.0, log_end.0)
        };
        assert_eq!(in_order(1, None, 5, 8), (1, 5, 5, 8));
        assert_eq!(in_order(1, Some(3), 5, 8), (1, 3, 5, 8));
        assert_eq!(
            in_order(1, Some(7), 5, 8),
            (1, 5, 5, 8),
            "not above the watermark"
        );
        assert_eq!(in_order(1, Some(0), 5, 8), (1, 1, 5, 8));
        assert_eq!(in_order(1, None, 9, 8), (1, 8, 8, 8), "the log was cut");
        assert_eq!(
            in_order(6, Some(3), 5, 8),
            (6, 6, 6, 8),
            "the log start was raised"
        );
    }
}
