use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::log::testing::{TestLog, batch, config, file_names};
use crate::record::batch::LENGTH_OVERHEAD;

const VALUE: &[u8] = &[b'v'; 90];

/// Three sealed segments, with an index entry for every other batch or so, of one and of two records.
fn log() -> TestLog {
    let mut config = config();
    (config.segment_bytes, config.index_interval_bytes) = (4096, 300);
    let mut log = TestLog::new(config);
    for number in 0.. {
        let time = 1_000 + number % 7 * 10 + number;
        let times = [time, time + 1];
        let times = if number % 3 == 0 {
            &times[..]
        } else {
            &times[..1]
        };
        log.append(&batch(times, VALUE)).unwrap();
        if log.log.view().sealed.len() == 3 {
            return log;
        }
    }
    log
}

fn keep_going(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn findings(segment: &ViewedSegment) -> Vec<Finding> {
    match segment.scrub(&keep_going) {
        Scrubbed::Whole(findings) => findings,
        other => panic!("{other:?}"),
    }
}

/// The middle one.
fn segment(log: &TestLog) -> ViewedSegment {
    log.log.view().segments().nth(1).unwrap()
}

fn path(segment: &ViewedSegment, kind: SegmentFile) -> PathBuf {
    segment.segment.files.path(kind)
}

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    with(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn headers(segment: &ViewedSegment) -> Vec<(u64, BatchHeader)> {
    let bytes = std::fs::read(path(segment, SegmentFile::Log)).unwrap();
    let (mut headers, mut position) = (Vec::new(), 0);
    while position < bytes.len() {
        let header = BatchHeader::parse(&bytes[position..]).unwrap();
        headers.push((position as u64, header));
        position += header.size();
    }
    headers
}

#[test]
fn what_was_written_is_found_good_to_the_last_byte() {
    let log = log();
    for segment in log.log.view().segments() {
        let read = Cell::new(0);
        let pace = |bytes| {
            read.set(read.get() + bytes);
            ControlFlow::Continue(())
        };
        assert!(matches!(segment.scrub(&pace), Scrubbed::Whole(findings) if findings.is_empty()));
        let size = |kind| path(&segment, kind).metadata().unwrap().len();
        let [kind, ..] = SegmentFile::OF_SEGMENT;
        assert_eq!(kind, SegmentFile::Log);
        let all: u64 = SegmentFile::OF_SEGMENT[..3]
            .iter()
            .map(|kind| size(*kind))
            .sum();
        assert_eq!(read.get(), all);
        let is_indexed = size(SegmentFile::OffsetIndex) > 32 && size(SegmentFile::TimeIndex) > 24;
        assert!(is_indexed || segment.is_active);
    }
}

#[test]
fn every_bit_of_a_log_counts_and_is_reported_where_it_is() {
    let log = log();
    let segment = segment(&log);
    let file = path(&segment, SegmentFile::Log);
    let headers = headers(&segment);
    for (at, (position, header)) in headers.iter().enumerate() {
        let batch = *position as usize..*position as usize + header.size();
        for byte in batch {
            let bit = byte % 8;
            change(&file, |bytes| bytes[byte] ^= 1 << bit);
            let found = findings(&segment);
            change(&file, |bytes| bytes[byte] ^= 1 << bit);
            let field = byte - *position as usize;
            // the leader epoch is under no checksum
            if (LENGTH_OVERHEAD..LENGTH_OVERHEAD + 4).contains(&field) {
                assert_eq!(found, [], "byte {byte}");
                continue;
            }
            assert_eq!(found.len(), 1, "byte {byte}: {found:?}");
            assert_eq!(found[0].path, file);
            // an offset that is under no checksum may be that of the batch before
            let before = if field < 8 {
                &headers[at.saturating_sub(1)].1
            } else {
                header
            };
            let doubt = before.base_offset..=header.base_offset;
            assert!(doubt.contains(&found[0].offset), "byte {byte}: {found:?}");
            if field >= 8 {
                assert_eq!(found[0].position, *position);
            }
        }
    }
    assert_eq!(findings(&segment), []);
}

#[test]
fn behind_a_bad_batch_the_checks_go_on() {
    let log = log();
    let segment = segment(&log);
    let headers = headers(&segment);
    let damaged = [2, headers.len() - 6];
    change(&path(&segment, SegmentFile::Log), |bytes| {
        for at in damaged {
            bytes[headers[at].0 as usize + 70] ^= 4;
        }
    });
    let found = findings(&segment);
    let places: Vec<_> = found
        .iter()
        .map(|finding| (finding.position, finding.offset))
        .collect();
    let wanted = damaged.map(|at| (headers[at].0, headers[at].1.base_offset));
    assert_eq!(places, wanted);
    assert!(found[0].reason.contains("crc"), "{found:?}");

    change(&path(&segment, SegmentFile::Log), |bytes| bytes.fill(0));
    let found = findings(&segment);
    assert!(found.len() > 2 && found.len() <= MOST_FINDINGS, "{found:?}");
}

/// A bit of an index is found, or nobody who looks something up notices it.
#[test]
fn an_index_that_leads_astray_is_found() {
    let log = log();
    let segment = segment(&log);
    let headers = headers(&segment);
    for kind in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        let file = path(&segment, kind);
        let (mut found_count, size) = (0, file.metadata().unwrap().len() as usize);
        for bit in 0..size * 8 {
            change(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            let found = findings(&segment);
            if found.is_empty() {
                for (position, header) in &headers {
                    for offset in header.base_offset.0..=header.last_offset().0 {
                        let start = segment.segment.walk_start(Offset(offset));
                        assert!(start <= *position, "{kind:?} bit {bit}");
                        assert!(headers.iter().any(|(position, _)| *position == start));
                    }
                    check_times(&segment, &headers, header.max_timestamp);
                }
            } else {
                found_count += 1;
                assert_eq!((found.len(), &found[0].path), (1, &file));
                let entry = match kind {
                    SegmentFile::OffsetIndex => offset_index::ENTRY_SIZE,
                    _ => time_index::ENTRY_SIZE,
                };
                // at the entry itself, or where one behind it does not fit
                let starts = bit / 8 / entry * entry;
                assert!(
                    found[0].position >= starts as u64,
                    "{kind:?} bit {bit}: {found:?}"
                );
            }
            change(&file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        }
        assert!(
            found_count > size * 7,
            "{kind:?}: {found_count} of {}",
            size * 8
        );
    }
}

/// Nothing at or after a time lies where a search for it does not look.
fn check_times(segment: &ViewedSegment, headers: &[(u64, BatchHeader)], time: Timestamp) {
    let index = segment.segment.files.time_index().unwrap();
    let entries = segment.segment.time_entries;
    let before = time_index::before(&index, segment.base(), entries, time).unwrap();
    let first = headers
        .iter()
        .find(|(_, header)| header.max_timestamp >= time)
        .unwrap();
    assert!(before.is_none_or(|entry| entry.offset < first.1.last_offset()));
    assert!(
        time_index::last(&index, segment.base(), entries)
            .unwrap()
            .timestamp
            >= time
    );
}

#[test]
fn files_that_end_early_or_are_not_there() {
    let log = log();
    let segment = segment(&log);
    for kind in &SegmentFile::OF_SEGMENT[..3] {
        let file = path(&segment, *kind);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
        let found = findings(&segment);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (&found[0].path, found[0].position),
            (&file, bytes.len() as u64 - 5)
        );
        std::fs::remove_file(&file).unwrap();
        let found = findings(&segment);
        assert_eq!((found.len(), &found[0].path), (1, &file), "{found:?}");
        std::fs::write(&file, &bytes).unwrap();
    }
    assert_eq!(findings(&segment), []);
}

#[test]
fn a_segment_that_goes_is_no_finding() {
    let log = log();
    let segment = segment(&log);
    assert!(log.log.view().has(&segment));
    let moved = log.directory.path().join("elsewhere");
    std::fs::rename(log.path(), &moved).unwrap();
    assert!(matches!(segment.scrub(&keep_going), Scrubbed::Gone));
    std::fs::rename(&moved, log.path()).unwrap();

    // another takes its place while it is read
    change(&path(&segment, SegmentFile::Log), |bytes| bytes[70] ^= 1);
    let pace = |_| {
        segment.segment.files.retire().unwrap();
        ControlFlow::Continue(())
    };
    assert!(matches!(segment.scrub(&pace), Scrubbed::Gone));
    let reopened = log.reopen();
    assert!(!reopened.log.view().has(&segment));
}

#[test]
fn the_pace_can_end_it() {
    let log = log();
    let segment = segment(&log);
    assert!(matches!(
        segment.scrub(&|_| ControlFlow::Break(())),
        Scrubbed::Stopped
    ));
}

#[test]
fn nothing_is_changed_or_kept_open() {
    let log = log().reopen();
    let before = file_names(&log.path());
    let segment = segment(&log);
    assert_eq!(findings(&segment), []);
    assert_eq!(file_names(&log.path()), before);
    let directory = log.path();
    let is_open = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = segment.base().0.to_string();
        std::fs::read_link(entry.unwrap().path()).is_ok_and(|path| {
            path.starts_with(&directory) && path.to_string_lossy().contains(&name)
        })
    };
    assert!(!std::fs::read_dir("/proc/self/fd").unwrap().any(is_open));
}
