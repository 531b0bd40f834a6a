//! The lines in which claims wait that do not fit, one for each class of them.

use super::super::holder::Line;

/// By what is claimed, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Of a small connection, for a request that is there whole.
    Whole,
    /// Of a very small connection, for one that is arriving.
    Slight,
    /// Of a small connection, for one that is arriving.
    Small,
    Large,
}

/// The sooner it is over with a claim, the earlier it is looked at.
pub(super) const IN_TURN: [Class; 4] = [Class::Whole, Class::Slight, Class::Small, Class::Large];

/// Those who wait for room within the limits.
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

    /// Takes a claim out of whichever line it is in.
    pub(super) fn leave(&mut self, place: (u64, u64)) {
        for class in IN_TURN {
            self.of_mut(class).waiting.remove(&place);
        }
    }
}
