//! The voters of the quorum, by the offset from which they count.

use std::sync::Arc;

use crate::base::{DirectoryId, NodeId, Offset};

/// Where a controller listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host, as written.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// A controller that votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Its node id.
    pub id: NodeId,
    /// Its metadata directory; the zero id if the configuration names the voters.
    pub directory: DirectoryId,
    /// Where it is reached by brokers; `None` if it has no endpoint of their listener's name.
    pub endpoint: Option<Endpoint>,
}

/// The sets of voters in the log, oldest first, behind the one that the configuration names.
#[derive(Clone, Debug, Default)]
pub struct Voters {
    configured: Vec<Voter>,
    /// Ascending by offset.
    written: Vec<(Offset, Vec<Voter>)>,
}

impl Voters {
    /// Those that the configuration names (`controller.quorum.voters`); empty if the log names them.
    pub const fn new(configured: Vec<Voter>) -> Self {
        Self {
            configured,
            written: Vec::new(),
        }
    }

    /// The set that is in force.
    pub fn current(&self) -> &[Voter] {
        self.written
            .last()
            .map_or(&self.configured, |(_, voters)| voters)
    }

    /// A set is written at `offset`.
    pub fn write(&mut self, offset: Offset, voters: Vec<Voter>) {
        self.truncate(offset);
        self.written.push((offset, voters));
    }

    /// The log ends at `end` now.
    pub fn truncate(&mut self, end: Offset) {
        self.written.retain(|(offset, _)| *offset < end);
    }

    /// What is written below `committed` cannot be undone: only the newest of those sets is kept.
    pub fn forget_before(&mut self, committed: Offset) {
        let kept = self
            .written
            .iter()
            .rposition(|(offset, _)| *offset < committed);
        self.written.drain(..kept.unwrap_or(0));
    }

    /// The log begins anew with a snapshot that names `voters`, or none.
    pub fn restart(&mut self, at: Offset, voters: Option<Vec<Voter>>) {
        self.written.clear();
        if let Some(voters) = voters {
            self.written.push((at, voters));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::KafkaUuid;

    fn voters(ids: &[i32]) -> Vec<Voter> {
        let voter = |id: &i32| Voter {
            id: NodeId(*id),
            directory: KafkaUuid::ZERO,
            endpoint: None,
        };
        ids.iter().map(voter).collect()
    }

    fn ids(voters: &Voters) -> Vec<i32> {
        voters.current().iter().map(|voter| voter.id.0).collect()
    }

    #[test]
    fn a_set_counts_as_soon_as_it_is_written_until_it_is_truncated() {
        let mut all = Voters::new(voters(&[1]));
        assert_eq!(ids(&all), [1]);
        all.write(Offset(5), voters(&[1, 2]));
        all.write(Offset(9), voters(&[2, 3]));
        assert_eq!(ids(&all), [2, 3]);
        all.truncate(Offset(9));
        assert_eq!(ids(&all), [1, 2]);
        all.truncate(Offset(5));
        assert_eq!(ids(&all), [1]);
    }

    #[test]
    fn the_newest_committed_set_is_kept() {
        let mut all = Voters::default();
        for (offset, id) in [(2, 1), (5, 2), (9, 3)] {
            all.write(Offset(offset), voters(&[id]));
        }
        all.forget_before(Offset(6));
        assert_eq!(all.written.len(), 2);
        all.truncate(Offset(7));
        assert_eq!(ids(&all), [2]);
    }

    #[test]
    fn a_snapshot_replaces_everything_that_was_written() {
        let mut all = Voters::new(voters(&[1]));
        all.write(Offset(5), voters(&[2]));
        all.restart(Offset(20), Some(voters(&[3])));
        assert_eq!(ids(&all), [3]);
        all.restart(Offset(30), None);
        assert_eq!(ids(&all), [1]);
    }
}
