//! Giving producers their last five batches back after a snapshot was loaded.
//!
//! Kafka's snapshot has room for the newest batch of each producer only. With nothing more, a client that
//! repeats an older one after a restart would be told that it is out of order. The batches themselves are
//! in the log, in all likelihood near the place that the snapshot stands for: their headers are read from
//! a tail of bounded size, and what leads without a gap to a producer's newest batch is put before it.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use crate::base::{Offset, ProducerId};
use crate::log::names::SegmentFile;
use crate::log::offset_index;
use crate::log::scan::{HeaderWalk, Step};
use crate::log::segment::Segment;
use crate::record::BatchHeader;
use crate::record::batch::{NO_SEQUENCE, sequence_after};

use super::state::{ProducerEntry, ProducerTable};

/// How far back the tail reaches, in steps of the offset index. Steps and not bytes, since large batches
/// are further apart and cost no more: only headers are read. With Kafka's interval of 4096 bytes between
/// entries this is at least 1 MiB, and for batches of 1 MiB the last 256 of them.
const TAIL_STEPS: u32 = 256;

/// What a larger interval of the index is measured with.
const USUAL_INTERVAL: u64 = 4096;

/// A segment counts for at least so many steps: opening its files is work as well.
const LEAST_STEPS: u32 = 32;

/// The tail's part in one segment.
struct Part<'a> {
    segment: &'a Segment,
    log: File,
    from: u64,
}

/// Completes the entries of `table`, which has just been read from a snapshot. `interval` is the topic's
/// `index.interval.bytes`.
pub(super) fn restore(
    table: &mut ProducerTable,
    segments: &[Segment],
    interval: u64,
) -> io::Result<()> {
    if table.iter().all(|(_, entry)| entry.batches().is_empty()) {
        return Ok(());
    }
    let mut histories = HashMap::new();
    for part in tail(segments, table.end(), interval)? {
        let mut walk = HeaderWalk::new(&part.log, part.from, part.segment.length);
        loop {
            match walk.step()? {
                Step::Batch(located) if located.header.base_offset < table.end() => {
                    note(&mut histories, table, &located.header);
                }
                Step::Batch(_) | Step::End => break,
                // whoever needs these bytes will complain; what is known of the producers is good
                Step::Bad { .. } => return Ok(()),
            }
        }
    }
    for (id, history) in histories {
        if let Some(mut entry) = table.get(id).copied()
            && entry.take_history(&history)
        {
            table.publish(id, entry);
        }
    }
    Ok(())
}

/// The last stretch of the log below `end`, oldest part first.
fn tail(segments: &[Segment], end: Offset, interval: u64) -> io::Result<Vec<Part<'_>>> {
    let scale = u32::try_from(interval / USUAL_INTERVAL).unwrap_or(u32::MAX);
    let mut steps = (TAIL_STEPS / scale.max(1)).max(1);
    let mut parts = Vec::new();
    let below = segments.partition_point(|segment| segment.base() < end);
    for segment in segments.iter().take(below).rev() {
        // files of its own: the segment's would stay open
        let open = |kind| File::open(segment.files.path(kind));
        let mut from = 0;
        let mut taken = 0;
        if segment.offset_entries > 0 {
            let index = open(SegmentFile::OffsetIndex)?;
            let entries =
                offset_index::count_up_to(&index, segment.base(), segment.offset_entries, end)?;
            taken = entries.min(steps);
            if entries > steps {
                from = offset_index::entry(&index, segment.base(), entries - steps)?.position;
            }
        }
        parts.push(Part {
            segment,
            log: open(SegmentFile::Log)?,
            from,
        });
        steps = steps.saturating_sub(taken.max(LEAST_STEPS));
        if steps == 0 {
            break;
        }
    }
    parts.reverse();
    Ok(parts)
}

/// Takes note of a batch of a producer that still is in the epoch of this batch.
fn note(
    histories: &mut HashMap<ProducerId, ProducerEntry>,
    table: &ProducerTable,
    header: &BatchHeader,
) {
    let is_current = table
        .get(header.producer_id)
        .is_some_and(|entry| entry.epoch == header.producer_epoch);
    if !is_current || header.attributes.is_control() || header.base_sequence == NO_SEQUENCE {
        return;
    }
    let history = histories
        .entry(header.producer_id)
        .or_insert(ProducerEntry::UNKNOWN);
    if sequence_after(history.last_sequence(), 1) != header.base_sequence {
        // the producer was forgotten in between, and began again
        *history = ProducerEntry::UNKNOWN;
    }
    history.add_batch(header);
}
