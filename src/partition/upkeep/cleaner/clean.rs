//! Cleaning one log.

use std::sync::mpsc;
use std::time::Instant;

use crate::base::Offset;
use crate::log::compact::{
    CompactionError, CompactionJob, CompactionLimits, CompactionStats, Group,
};
use crate::log::{LogError, is_out_of_descriptors};
use crate::partition::lane::Hosted;
use crate::partition::replica::Replica;
use crate::record::RecordError;

use super::pace::{CleanerPace, may_be_cleaned};
use super::{Chosen, Shared, key_of};

/// Why cleaning a log ended early.
enum Ended {
    /// The next attempt may succeed; nothing is logged.
    Quietly,
    /// The owner of the log has failed to do its part, and has handled the failure.
    AtTheOwner,
    /// While the job ran.
    InTheJob(CompactionError),
}

impl From<CompactionError> for Ended {
    fn from(error: CompactionError) -> Self {
        match error {
            CompactionError::Stopped | CompactionError::Gone => Self::Quietly,
            other => Self::InTheJob(other),
        }
    }
}

/// Runs an operation in the lane of a log. `None`: it is not hosted any more.
fn ask<T: Send + 'static>(
    replica: &Replica,
    what: impl FnOnce(&mut Hosted) -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = mpsc::channel();
    replica.operate(move |hosted| {
        drop(answer.send(what(hosted)));
    });
    answered.recv().ok()
}

/// The same for changes of the log: the lane handles their failures.
fn ask_for_change<T: Send + 'static>(
    replica: &Replica,
    change: impl FnOnce(&mut Hosted) -> Result<T, LogError> + Send + 'static,
) -> Result<T, Ended> {
    let result = ask(replica, |hosted| {
        change(hosted).inspect_err(|error| hosted.note_failure("compaction", error))
    });
    result.ok_or(Ended::Quietly)?.map_err(|_| Ended::AtTheOwner)
}

impl Shared {
    /// Cleans a log as far as possible. Returns whether there was progress.
    pub(super) fn clean(&self, chosen: &Chosen, limits: CompactionLimits) -> bool {
        let replica = &*chosen.replica;
        let began = Instant::now();
        let from = chosen.cleanable.first_dirty;
        match self.run_job(chosen, limits) {
            Ok(Some((to, stats))) => {
                let mut state = self.state();
                state.clean.set(key_of(replica), to);
                state.clean.store(&self.places);
                drop(state);
                tell(replica, from, to, &stats, began);
                self.tidy(replica);
                to > from
            }
            Ok(None) | Err(Ended::Quietly | Ended::AtTheOwner) => false,
            Err(Ended::InTheJob(error)) => {
                self.note_failure(replica, error);
                false
            }
        }
    }

    fn run_job(
        &self,
        chosen: &Chosen,
        limits: CompactionLimits,
    ) -> Result<Option<(Offset, CompactionStats)>, Ended> {
        let replica = &*chosen.replica;
        let (cleanable, now) = (chosen.cleanable, chosen.now);
        let job = ask(replica, move |hosted| {
            hosted
                .log
                .compaction_job(&cleanable, limits, rand::random(), now)
        });
        let Some(mut job) = job.flatten() else {
            return Ok(None);
        };
        let pace = CleanerPace {
            signal: &self.signal,
            rate: &self.rate,
            config: self.environment.config(),
            replica,
        };
        job.map_keys(&pace)?;
        while let Some(group) = job.next_group() {
            if !clean_group(replica, &mut job, group, &pace)? {
                return Ok(None);
            }
        }
        Ok(Some((job.cleaned_to(), job.stats())))
    }

    /// Does what Kafka's cleaner does besides: removes segments below the log start, and applies deletion by
    /// retention.
    fn tidy(&self, replica: &Replica) {
        let now = self.environment.now();
        replica.operate(move |hosted| {
            hosted.apply_retention(now);
        });
    }

    fn note_failure(&self, replica: &Replica, error: CompactionError) {
        let partition = replica.topic_partition();
        if let CompactionError::Record {
            error: RecordError::TooLarge { most, .. },
            ..
        } = &error
        {
            return self.state().set_aside_for_size(replica, *most, &error);
        }
        match error {
            CompactionError::Io(error) if is_out_of_descriptors(&error) => {
                crate::base::limited!(warn, "not compacted: no file descriptor left", %partition, %error);
            }
            CompactionError::Io(error) if replica.directory().is_offline() => replica
                .directory()
                .fail(&format_args!("compaction of {partition}: {error}")),
            // the data cannot be read, or is invalid: nothing of it has been changed
            error => self.state().set_aside(replica, &error),
        }
    }
}

/// False when the log has changed, so nothing was exchanged.
fn clean_group(
    replica: &Replica,
    job: &mut CompactionJob,
    group: Group,
    pace: &CleanerPace<'_>,
) -> Result<bool, Ended> {
    let base = group.base();
    let files = ask_for_change(replica, |hosted| hosted.log.create_cleaned(group))?;
    let Some(files) = files else {
        return Ok(false);
    };
    match job.clean(files, pace) {
        Ok(cleaned) => ask_for_change(replica, move |hosted| {
            // checked in the lane, where a move is settled as well: it may have begun since the last piece was
            // written
            if may_be_cleaned(&hosted.replica) {
                return hosted.log.compacted(cleaned);
            }
            hosted.log.discard_cleaned(base)?;
            Ok(false)
        }),
        Err(error) => {
            ask_for_change(replica, move |hosted| hosted.log.discard_cleaned(base))?;
            Err(error.into())
        }
    }
}

fn tell(replica: &Replica, from: Offset, to: Offset, stats: &CompactionStats, began: Instant) {
    let partition = replica.topic_partition();
    crate::base::limited!(
        info,
        "log compacted",
        %partition,
        %from,
        %to,
        keys = stats.keys,
        map_was_full = stats.map_was_full,
        bytes_before = stats.bytes.0,
        bytes_after = stats.bytes.1,
        records_before = stats.records.0,
        records_after = stats.records.1,
        took = ?began.elapsed()
    );
    if stats.invalid_records > 0 {
        let records = stats.invalid_records;
        crate::base::limited!(
            warn,
            "records without a key were dropped from a compacted log",
            %partition,
            records
        );
    }
}
