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

/// An offset in a partition: the number of a record, or the place before it.
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

    /// How many offsets lie from `earlier` to this one.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a leadership of a partition, growing with every change of leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// Kafka's "epoch not known".
    pub const NONE: Self = Self(-1);

    /// Whether this names a leadership.
    pub const fn is_some(self) -> bool {
        self.0 >= 0
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The four positions of a partition as one consistent reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The oldest offset that may be read.
    pub log_start: Offset,
    /// The end of what `read_committed` consumers may see.
    pub last_stable: Offset,
    /// The end of what consumers may see: records below it survive the loss of the leader.
    pub high_watermark: Offset,
    /// Where the next record goes.
    pub log_end: Offset,
}

impl Positions {
    /// The same reading, after checking that the positions stand in order.
    ///
    /// # Panics
    /// When they do not: that is a fault of the writer of the partition, and going on would answer
    /// clients from a log that contradicts itself.
    #[must_use]
    pub fn checked(self) -> Self {
        let Self {
            log_start,
            last_stable,
            high_watermark,
            log_end,
        } = self;
        assert!(
            log_start <= last_stable && last_stable <= high_watermark && high_watermark <= log_end,
            "positions out of order: log start {log_start}, last stable {last_stable}, \
             high watermark {high_watermark}, log end {log_end}"
        );
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Offset, Positions};

    #[test]
    #[should_panic(expected = "positions out of order")]
    fn a_watermark_above_the_log_end_is_refused() {
        let _ = Positions {
            log_start: Offset(0),
            last_stable: Offset(3),
            high_watermark: Offset(9),
            log_end: Offset(8),
        }
        .checked();
    }
}
