//! Which segments retention deletes.
//!
//! Segments are deleted oldest first, and only if they are entirely below the high watermark:
//! 1. segments below the log start offset, with any policy;
//! 2. with `cleanup.policy=delete`, segments beyond `retention.bytes`;
//! 3. with the same policy, segments whose newest record is older than `retention.ms`.
//!
//! If all would be deleted, a new active segment is started first, so that the log end offset is preserved.

use std::io;
use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;

use super::partition_log::{LogError, PartitionLog};
use super::segment::Segment;

/// A segment as retention sees it, oldest first, the active one last.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The next segment's base, or the log end.
    end: Offset,
    size: u64,
}

/// How many of the oldest segments may be deleted. `largest` returns the largest timestamp of one of them; it is
/// called only if it matters.
fn removable(
    candidates: &[Candidate],
    log_start: Offset,
    high_watermark: Offset,
    config: &TopicConfig,
    now: Timestamp,
    largest: impl Fn(usize) -> io::Result<Timestamp>,
) -> io::Result<usize> {
    let last = candidates.len().saturating_sub(1);
    let committed = candidates
        .iter()
        .take_while(|candidate| candidate.end <= high_watermark)
        .count();
    let mut count = candidates
        .iter()
        .take(committed.min(last))
        .take_while(|candidate| candidate.end <= log_start)
        .count();
    if !config.cleanup_policy.delete {
        return Ok(count);
    }
    let may_go = |at: usize| {
        at < committed
            && candidates
                .get(at)
                .is_some_and(|segment| at != last || segment.size > 0)
    };

    if let Ok(retained) = u64::try_from(config.retention_bytes) {
        let size: u64 = candidates
            .iter()
            .skip(count)
            .map(|segment| segment.size)
            .sum();
        let mut excess = size.saturating_sub(retained);
        while let Some(segment) = candidates
            .get(count)
            .filter(|segment| may_go(count) && segment.size <= excess)
        {
            // an empty log exactly at its limit has nothing to delete
            if excess == 0 {
                break;
            }
            excess -= segment.size;
            count += 1;
        }
    }
    if config.retention_ms >= 0 {
        while may_go(count) && now.millis_since(largest(count)?) > config.retention_ms {
            count += 1;
        }
    }
    Ok(count)
}

impl PartitionLog {
    /// Retention by time, size and log start offset: renames the segments to delete to `.deleted` and returns
    /// their number. [`Self::delete_expired_files`] unlinks them.
    pub fn apply_retention(
        &mut self,
        high_watermark: Offset,
        now: Timestamp,
    ) -> Result<usize, LogError> {
        self.latest_time = self.latest_time.max(now);
        let segments: Vec<&Segment> = self
            .sealed
            .iter()
            .chain(std::iter::once(&self.active.segment))
            .collect();
        let candidates: Vec<Candidate> = segments
            .iter()
            .map(|segment| Candidate {
                end: segment.end,
                size: segment.length,
            })
            .collect();
        let largest = |at: usize| {
            segments.get(at).map_or(Ok(Timestamp(i64::MAX)), |segment| {
                segment.largest_or_modified()
            })
        };
        let count = removable(
            &candidates,
            self.log_start,
            high_watermark,
            &self.config,
            now,
            largest,
        )?;
        if count == 0 {
            return Ok(0);
        }
        if count > self.sealed.len() {
            self.roll(self.log_end, now)?;
        }
        // the producers of deleted segments are preserved in later snapshots, which must be on disk first
        self.flush()?;
        // steps that can fail for lack of a descriptor come before the segments are removed
        let next = self.sealed.get(count).unwrap_or(&self.active.segment);
        self.set_log_start(next.base());
        let deleted: Vec<Segment> = Arc::make_mut(&mut self.sealed).drain(..count).collect();
        self.sealed_bytes = self.sealed.iter().map(|segment| segment.length).sum();
        self.mark_segments_deleted(deleted)?;
        self.sync_names()?;
        let first = self.first_segment_base();
        self.change_epochs(|epochs| epochs.truncate_from_start(first))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::config;

    /// Four segments of 100 bytes with ten records each; the largest timestamps are 1000, 2000, ...
    fn count(log_start: i64, high_watermark: i64, config: &TopicConfig, now: i64) -> usize {
        let candidates: Vec<Candidate> = (1..=4)
            .map(|n| Candidate {
                end: Offset(10 * n),
                size: 100,
            })
            .collect();
        let largest = |at: usize| Ok(Timestamp(1000 * (at as i64 + 1)));
        removable(
            &candidates,
            Offset(log_start),
            Offset(high_watermark),
            config,
            Timestamp(now),
            largest,
        )
        .unwrap()
    }

    #[test]
    fn by_log_start() {
        let mut config = config();
        config.cleanup_policy.delete = false;
        assert_eq!(count(9, 40, &config, 0), 0);
        assert_eq!(count(25, 40, &config, 0), 2);
        assert_eq!(count(25, 15, &config, 0), 1);
        assert_eq!(count(40, 40, &config, 0), 3, "never the active one");
    }

    #[test]
    fn by_size() {
        let mut config = config();
        config.retention_bytes = 250;
        assert_eq!(count(0, 40, &config, 0), 1);
        config.retention_bytes = 300;
        assert_eq!(count(0, 40, &config, 0), 1);
        config.retention_bytes = 0;
        assert_eq!(count(0, 40, &config, 0), 4);
        assert_eq!(count(0, 39, &config, 0), 3);
        config.retention_bytes = -1;
        assert_eq!(count(0, 40, &config, 0), 0);
    }

    #[test]
    fn by_time() {
        let mut config = config();
        config.retention_ms = 500;
        assert_eq!(count(0, 40, &config, 1500), 0);
        assert_eq!(count(0, 40, &config, 1501), 1);
        assert_eq!(count(0, 40, &config, 9999), 4);
        assert_eq!(count(0, 40, &config, 2501), 2);
        config.retention_ms = -1;
        assert_eq!(count(0, 40, &config, i64::MAX), 0);
    }
}
