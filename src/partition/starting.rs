//! The start: what the log directories hold and what the image asks for are brought together.

use crate::metadata::Image;

use super::adopting::Adopting;
use super::contents::Contents;
use super::inventory::{DisorderError, Inventory};
use super::manager::{Partitions, StartError};
use super::opening::{self, Batches, ToOpen};
use super::placing::Placing;

impl Partitions {
    /// Opens what the image places here: of that, what was found, and makes what was not.
    pub(super) fn open_what_the_image_places_here(
        &self,
        image: &Image,
        mut contents: Contents,
    ) -> Result<(), StartError> {
        let mut inventory = Inventory::default();
        for directory in &self.shared.directories {
            let found = contents.of(directory.path()).map_err(DisorderError::from);
            let sorted =
                found.and_then(|found| inventory.add(directory, found, image, self.shared.node));
            let Err(error) = sorted else {
                continue;
            };
            let mut others = self.directories().filter(|it| it.id() != directory.id());
            let may_go_on = error.is_of_the_disk() && others.any(|it| !it.is_offline());
            if !may_go_on {
                return Err(StartError::Directory {
                    directory: directory.path().display().to_string(),
                    reason: error.to_string(),
                });
            }
            directory.fail(&error);
        }
        let defaults = self.shared.config.now();
        let wanted = image
            .topics()
            .flat_map(|topic| self.lead_or_list(image, &defaults, topic));
        let wanted = wanted.collect();
        if !self.has_offline_directories() {
            inventory
                .put_futures_in_place()
                .map_err(|(directory, error)| StartError::Directory {
                    directory: directory.path().display().to_string(),
                    reason: error.to_string(),
                })?;
        }
        self.open_first(wanted, &inventory)?;
        self.resume_moves(inventory.into_futures());
        Ok(())
    }

    /// Opens what was found, and creates what was not.
    fn open_first(&self, wanted: Vec<ToOpen>, inventory: &Inventory) -> Result<(), StartError> {
        let mut batches = Batches::default();
        for directory in &self.shared.directories {
            let (context, _) = batches.of(self, directory);
            let read = context.read_checkpoints();
            read.unwrap_or_else(|error| directory.fail(&error));
        }
        if let Some(first) = self.shared.directories.first()
            && self.directories().all(|directory| directory.is_offline())
        {
            return Err(StartError::Directory {
                directory: first.path().display().to_string(),
                reason: "it cannot be read".to_owned(),
            });
        }
        let mut placing = Placing::new(self, inventory.counts());
        for wanted in wanted {
            let found = inventory.replica_of(&wanted.topic_partition).cloned();
            let wanted = ToOpen {
                has_this_id: found.as_ref().is_some_and(|found| found.has_this_id),
                ..wanted
            };
            let directory = found.map(|found| found.directory);
            let directory = directory.or_else(|| placing.choose(&wanted));
            match directory.filter(|directory| !directory.is_offline()) {
                Some(directory) => batches.of(self, &directory).1.push(wanted),
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
        Ok(())
    }
}
