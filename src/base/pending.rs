//! Things that wait for a position to be reached, kept in the order in which they were admitted.

use std::collections::VecDeque;

/// An ordered queue of values, each waiting for a position `P`. Values are released from the front as the
/// position advances. Positions never decrease from front to back, so a value that needs no more than
/// its predecessors (for example, a refusal that was decided from state that is not yet durable) waits for
/// them too.
#[derive(Debug)]
pub struct Pending<P, T> {
    queue: VecDeque<(P, T)>,
}

impl<P, T> Default for Pending<P, T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }
}

impl<P: Ord + Copy, T> Pending<P, T> {
    /// Admits `value`, to be released once `position` is reached, and never before what was
    /// admitted earlier.
    pub fn admit(&mut self, position: P, value: T) {
        let position = self
            .queue
            .back()
            .map_or(position, |(last, _)| position.max(*last));
        self.queue.push_back((position, value));
    }

    /// Removes and returns, in order, everything that waited for `reached` or less.
    pub fn release(&mut self, reached: P) -> impl Iterator<Item = T> + '_ {
        let count = self
            .queue
            .partition_point(|(position, _)| *position <= reached);
        self.queue.drain(..count).map(|(_, value)| value)
    }

    /// Removes and returns everything: the positions will never be reached.
    pub fn abandon(&mut self) -> impl Iterator<Item = T> + '_ {
        self.queue.drain(..).map(|(_, value)| value)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;

    #[test]
    fn values_leave_in_order_and_not_before_their_position() {
        let mut pending = Pending::default();
        pending.admit(5, "first");
        pending.admit(3, "needs less but came later");
        pending.admit(8, "last");
        assert_eq!(pending.release(4).count(), 0);
        assert_eq!(
            pending.release(5).collect::<Vec<_>>(),
            ["first", "needs less but came later"]
        );
        assert_eq!(pending.abandon().collect::<Vec<_>>(), ["last"]);
        assert!(pending.is_empty());
    }
}
