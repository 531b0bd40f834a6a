//! The queues of claims that do not fit, one for each class.

use super::super::holder::Line;

/// The class of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A small connection, for a request that has arrived completely.
    Whole,
    /// A very small connection, for a request that is arriving.
    Slight,
    /// A small connection, for a request that is arriving.
    Small,
    Large,
}

/// The sooner a claim will be over, the earlier its queue is served.
pub(super) const IN_TURN: [Class; 4] = [Class::Whole, Class::Slight, Class::Small, Class::Large];

/// The claims that wait for room within the limits.
#[derive(Debug, Default)]
pub(super) struct Lines {
    whole: Line,
    slight: Line,
    small: Line,
    large: Line,
}

impl Lines {
    pub(super) const fn of(&self, class: Class) -> &Line {
        match class {
            Class::Whole => &self.whole,
            Class::Slight => &self.slight,
            Class::Small => &self.small,
            Class::Large => &self.large,
        }
    }

    pub(super) const fn of_mut(&mut self, class: Class) -> &mut Line {
        match class {
            Class::Whole => &mut self.whole,
            Class::Slight => &mut self.slight,
            Class::Small => &mut self.small,
            Class::Large => &mut self.large,
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Line> {
        IN_TURN.into_iter().map(|class| self.of(class))
    }

    /// Removes a claim from its queue.
    pub(super) fn leave(&mut self, place: (u64, u64)) {
        for class in IN_TURN {
            self.of_mut(class).waiting.remove(&place);
        }
    }
}
