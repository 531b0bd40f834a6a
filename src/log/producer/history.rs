//! Restores the last five batches of producers after a snapshot was loaded.
//!
//! Kafka's snapshot holds only the newest batch of each producer. With that alone, a client that repeats an older
//! batch after a restart would get an out-of-order error. The batches themselves are in the log, most likely near the
//! offset of the snapshot. So their headers are read from a tail of limited size, and those that lead without a gap
//! to the newest batch of a producer are put before it.

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

/// The interval to which larger intervals are compared.
const USUAL_INTERVAL: u64 = 4096;

/// A segment counts for at least this many steps, since opening its files costs time as well.
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
                // whoever reads these bytes reports the error; the producer state is valid without them
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

/// Notes a batch of a producer that is still in the epoch of this batch.
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
        // the producer's state expired in between, and it started again
        *history = ProducerEntry::UNKNOWN;
    }
    history.add_batch(header);
}
