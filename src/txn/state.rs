//! The states of a transactional id, and the allowed moves.

/// The state of a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateName {
    /// The producer has its id and epoch; there was no transaction since.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// The transaction will be committed; its markers are being written.
    PrepareCommit,
    /// The transaction will be aborted; its markers are being written.
    PrepareAbort,
    /// The last transaction is committed.
    CompleteCommit,
    /// The last transaction is aborted.
    CompleteAbort,
    /// The transactional id expires.
    Dead,
    /// The epoch grows so that the transaction can be aborted without its producer.
    PrepareEpochFence,
}

impl StateName {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// Its name in Kafka.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state with this name in Kafka.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Its number in records.
    pub const fn number(self) -> i8 {
        match self {
            Self::Empty => 0,
            Self::Ongoing => 1,
            Self::PrepareCommit => 2,
            Self::PrepareAbort => 3,
            Self::CompleteCommit => 4,
            Self::CompleteAbort => 5,
            Self::Dead => 6,
            Self::PrepareEpochFence => 7,
        }
    }

    /// The state with this number.
    pub fn from_number(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The states that may come after this one.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Empty => &[Self::Empty, Self::Ongoing, Self::PrepareAbort, Self::Dead],
            Self::Ongoing => &[
                Self::Ongoing,
                Self::PrepareCommit,
                Self::PrepareAbort,
                Self::PrepareEpochFence,
            ],
            Self::PrepareCommit => &[Self::CompleteCommit],
            Self::PrepareAbort => &[Self::CompleteAbort],
            Self::CompleteCommit | Self::CompleteAbort => {
                &[Self::Empty, Self::Ongoing, Self::PrepareAbort, Self::Dead]
            }
            Self::Dead => &[],
            Self::PrepareEpochFence => &[Self::PrepareAbort],
        }
    }

    /// Whether `self` may come after `before`.
    pub fn may_follow(self, before: Self) -> bool {
        before.next().contains(&self)
    }

    /// Whether there are records with this state. The others pass within a decision.
    pub const fn is_written(self) -> bool {
        !matches!(self, Self::Dead | Self::PrepareEpochFence)
    }

    /// Whether markers are being written.
    pub const fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether there is no transaction, so that the next one can begin and the transactional id can expire.
    pub const fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }
}
