//! How dirty a log is, and how far it may be cleaned, by its published view and without its owner.

use std::fs::File;
use std::io;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::names::SegmentFile;
use crate::log::reader::LogView;
use crate::log::scan::{HeaderWalk, Step};
use crate::log::segment::Segment;

/// What the assessment depends on besides the log.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The first offset that is not clean, as the cleaner checkpoint has it.
    pub checkpoint: Option<Offset>,
    /// Nothing at or above this is cleaned: a transaction may be open there, or a replica may lack it.
    pub last_stable: Offset,
    /// Nothing above this is cleaned, since recovery may scan it. It must be on disk when the compaction begins.
    pub recovery_point: Offset,
    /// The time now.
    pub now: Timestamp,
}

/// A log as the cleaner sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanableLog {
    /// The first offset that is not clean.
    pub first_dirty: Offset,
    /// The checkpoint was outside of the log; this is the right value.
    pub reset_to: Option<Offset>,
    /// The base of the first segment that must not be cleaned.
    pub end: Offset,
    /// Bytes of the segments below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of those above that may be cleaned.
    pub cleanable_bytes: u64,
    /// How long a record has waited beyond `max.compaction.lag.ms`.
    pub overdue_ms: i64,
}

impl CleanableLog {
    /// Assesses a log. May read a header of each dirty segment, and the ends of time indexes.
    pub fn of(view: &LogView, config: &TopicConfig, standing: &Standing) -> io::Result<Self> {
        let (first_dirty, reset_to) = first_dirty(view, standing.checkpoint);
        let dirty_from = view
            .sealed
            .partition_point(|segment| segment.end <= first_dirty);
        let dirty = view.sealed.get(dirty_from..).unwrap_or_default();

        let mut bound = standing.last_stable.min(standing.recovery_point);
        let lag = config.min_compaction_lag_ms.max(0);
        if lag > 0 {
            for segment in dirty {
                if segment.largest_or_modified()? > standing.now.plus_millis(-lag) {
                    bound = bound.min(segment.base());
                    break;
                }
            }
        }
        let bound = bound.max(first_dirty);
        let touchable = view.sealed.partition_point(|segment| segment.end <= bound);
        let end = view.sealed.get(touchable).unwrap_or(&view.active).base();
        let bytes = |segments: &[Segment]| segments.iter().map(|segment| segment.length).sum();
        let below = view
            .sealed
            .partition_point(|segment| segment.base() < first_dirty);
        Ok(Self {
            first_dirty,
            reset_to,
            end,
            clean_bytes: bytes(view.sealed.get(..below).unwrap_or_default()),
            cleanable_bytes: bytes(view.sealed.get(dirty_from..touchable).unwrap_or_default()),
            overdue_ms: overdue_ms(dirty, config, standing.now)?,
        })
    }

    /// The fraction of bytes that are dirty.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.cleanable_bytes);
        if total == 0 {
            return 0.0;
        }
        // what is lost beyond 2^53 bytes does not matter
        self.cleanable_bytes as f64 / total as f64
    }

    /// Whether the log is to be cleaned now.
    pub fn is_due(&self, config: &TopicConfig) -> bool {
        let is_overdue = self.overdue_ms > 0;
        self.cleanable_bytes > 0
            && (is_overdue || self.dirty_ratio() > config.min_cleanable_dirty_ratio)
    }
}

fn first_dirty(view: &LogView, checkpoint: Option<Offset>) -> (Offset, Option<Offset>) {
    let start = view.log_start();
    match checkpoint {
        Some(offset) if offset < start || offset > view.log_end() => (start, Some(start)),
        Some(offset) => (offset, None),
        None => (start, None),
    }
}

fn overdue_ms(dirty: &[Segment], config: &TopicConfig, now: Timestamp) -> io::Result<i64> {
    let lag = config.max_compaction_lag_ms.max(0);
    if lag == i64::MAX {
        return Ok(0);
    }
    let mut oldest: Option<Timestamp> = None;
    for segment in dirty {
        if let Some(first) = first_timestamp(segment)?.filter(|first| *first > Timestamp(0)) {
            oldest = Some(oldest.map_or(first, |oldest| oldest.min(first)));
        }
    }
    let until = now.plus_millis(-lag);
    Ok(oldest.map_or(0, |oldest| until.millis_since(oldest).max(0)))
}

/// Max timestamp of the first batch.
fn first_timestamp(segment: &Segment) -> io::Result<Option<Timestamp>> {
    let file = match File::open(segment.files.path(SegmentFile::Log)) {
        // retention was faster
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    Ok(match HeaderWalk::new(&file, 0, segment.length).step()? {
        Step::Batch(located) => Some(located.header.max_timestamp),
        Step::End | Step::Bad { .. } => None,
    })
}
