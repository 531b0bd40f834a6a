//! Chooses the log directory of a new replica.
//!
//! The first of these that applies: the directory that AlterReplicaLogDirs has asked for before the partition
//! existed; the directory in the image; the directory with the fewest replicas, counting moves in progress.
//!
//! If the image places a partition in a directory that is not online, the partition may be there. While any directory
//! is offline, such a partition is not created anew: when its directory comes back there would be two.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::DirectoryId;
use crate::partition::directory::HostedDirectory;

use super::manager::Shared;
use super::opening::ToOpen;

/// Chooses directories for a number of new replicas. Each choice counts the earlier ones.
pub(super) struct Placing<'a> {
    hosting: &'a Shared,
    found: HashMap<DirectoryId, usize>,
    /// Replicas by directory, counted when first needed.
    counts: Option<HashMap<DirectoryId, usize>>,
}

impl<'a> Placing<'a> {
    /// `found` are the replicas that exist but are not hosted yet.
    pub(super) const fn new(hosting: &'a Shared, found: HashMap<DirectoryId, usize>) -> Self {
        Self {
            hosting,
            found,
            counts: None,
        }
    }

    /// The directory for a new replica; `None` when it may not be created now.
    pub(super) fn choose(&mut self, wanted: &ToOpen) -> Option<Arc<HostedDirectory>> {
        let online: Vec<_> = self
            .hosting
            .places
            .directories()
            .filter(|directory| !directory.is_offline())
            .collect();
        let preferred = self.hosting.moves.take_preferred(&wanted.topic_partition);
        let named = preferred.unwrap_or(wanted.assigned);
        let chosen = match online.iter().find(|directory| directory.id() == named) {
            Some(directory) => Arc::clone(directory),
            None if wanted.assigned != DirectoryId::UNASSIGNED_DIRECTORY
                && self.hosting.places.has_offline_directories() =>
            {
                return None;
            }
            None => match online.as_slice() {
                [] => return None,
                [only] => Arc::clone(only),
                several => Arc::clone(self.emptiest(several)?),
            },
        };
        if let Some(counts) = &mut self.counts {
            *counts.entry(chosen.id()).or_default() += 1;
        }
        Some(chosen)
    }

    fn emptiest<'d>(
        &mut self,
        online: &[&'d Arc<HostedDirectory>],
    ) -> Option<&'d Arc<HostedDirectory>> {
        let (hosting, found) = (self.hosting, &self.found);
        let counts = self.counts.get_or_insert_with(|| {
            let mut counts = replicas_by_directory(hosting);
            for (directory, count) in found {
                *counts.entry(*directory).or_default() += count;
            }
            counts
        });
        // The first of several equal ones: the order of the configuration.
        online
            .iter()
            .min_by_key(|directory| counts.get(&directory.id()).copied().unwrap_or(0))
            .copied()
    }
}

fn replicas_by_directory(hosting: &Shared) -> HashMap<DirectoryId, usize> {
    let mut counts = HashMap::new();
    for place in hosting.places.hosted().values().flat_map(HashMap::values) {
        if let Some(directory) = place.directory() {
            *counts.entry(directory.id()).or_default() += 1;
        }
    }
    for moving in hosting.moves.all() {
        *counts.entry(moving.target.id()).or_default() += 1;
    }
    counts
}
