//! The start of hosting. It reads what the directories hold, then decides whether that can be right. Only then does
//! it change anything in them.
//!
//! ```text
//!   checkpoints, replicas and their topic ids read
//!   many of which the metadata knows nothing?  ----> no start, nothing was changed
//!   directories taken over -> strays set aside, copies put in place -> logs opened, new ones made
//! ```

use std::sync::Arc;

use crate::partition::directory::HostedDirectory;

use super::adopting::Adopting;
use super::contents::Contents;
use super::inventory::{DisorderError, Inventory, Survey};
use super::manager::Partitions;
use super::opening::{self, Batches, ToOpen};
use super::placing::Placing;
use super::running::StartError;
use super::strays::{self, Known};

impl Partitions {
    pub(super) fn open_what_is_known(
        &self,
        known: &Known<'_>,
        contents: Contents,
    ) -> Result<(), StartError> {
        let image = known.image;
        let mut batches = Batches::default();
        let surveys = self.look_around(&mut batches, contents)?;
        strays::refuse_many(&surveys, known, &self.shared.environment.settings())?;
        let inventory = self.take_over(surveys, known)?;
        let defaults = self.shared.environment.settings();
        let wanted = image
            .topics()
            .flat_map(|topic| self.lead_or_list(image, &defaults, topic));
        let wanted = wanted.collect();
        self.open_first(wanted, batches, &inventory);
        self.moves().resume(inventory.into_futures());
        Ok(())
    }

    /// Reads the directories' checkpoints and lists their replicas.
    fn look_around(
        &self,
        batches: &mut Batches,
        mut contents: Contents,
    ) -> Result<Vec<Survey>, StartError> {
        let mut surveys = Vec::new();
        for directory in self.directories() {
            let (context, _) = batches.of(&self.shared, directory);
            let read = context.read_checkpoints();
            match read.and_then(|()| contents.of(directory.path())) {
                Ok(found) => surveys.push(Survey {
                    directory: Arc::clone(directory),
                    found,
                }),
                Err(error) => self.do_without(directory, &error.into())?,
            }
        }
        Ok(surveys)
    }

    /// Prepares the directories.
    fn take_over(&self, surveys: Vec<Survey>, known: &Known<'_>) -> Result<Inventory, StartError> {
        let mut inventory = Inventory::default();
        for survey in surveys {
            let directory = Arc::clone(&survey.directory);
            let taken = directory.log_directory().take_over();
            let taken = taken.map_err(DisorderError::from);
            let added =
                taken.and_then(|()| inventory.add(survey, known, self.shared.environment.node()));
            added.or_else(|error| self.do_without(&directory, &error))?;
        }
        if !self.places().has_offline_directories() {
            inventory
                .put_futures_in_place()
                .map_err(|(directory, error)| refused(&directory, &error.into()))?;
        }
        Ok(inventory)
    }

    /// Continues without a directory whose disk fails, if there is another one.
    fn do_without(
        &self,
        directory: &Arc<HostedDirectory>,
        error: &DisorderError,
    ) -> Result<(), StartError> {
        let mut others = self.directories().filter(|it| it.id() != directory.id());
        let may_go_on = error.is_of_the_disk() && others.any(|it| !it.is_offline());
        if !may_go_on {
            return Err(refused(directory, error));
        }
        directory.fail(error);
        Ok(())
    }

    /// Opens the replicas that were found, and creates those that were not.
    fn open_first(&self, wanted: Vec<ToOpen>, mut batches: Batches, inventory: &Inventory) {
        let mut placing = Placing::new(&self.shared, inventory.counts());
        for wanted in wanted {
            let found = inventory.replica_of(&wanted.topic_partition).cloned();
            let wanted = ToOpen {
                has_this_id: found.as_ref().is_some_and(|found| found.has_this_id),
                ..wanted
            };
            let directory = found.map(|found| found.directory);
            let directory = directory.or_else(|| placing.choose(&wanted));
            match directory.filter(|directory| !directory.is_offline()) {
                Some(directory) => batches.of(&self.shared, &directory).1.push(wanted),
                None => self.place_offline(&wanted),
            }
        }
        let unclean = self
            .directories()
            .filter(|directory| !directory.log_directory().had_clean_shutdown());
        for directory in unclean {
            let found = inventory.counts();
            opening::sync_found(directory, found.get(&directory.id()).copied());
        }
        self.adopt(opening::open_all(batches.0), Adopting::AtStart);
    }
}

fn refused(directory: &HostedDirectory, error: &DisorderError) -> StartError {
    StartError::Directory {
        directory: directory.path().display().to_string(),
        reason: error.to_string(),
    }
}
