//! Single cases: what a model cannot say, and what must not happen.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::*;
use crate::base::{LeaderEpoch, ProducerEpoch, ProducerId};
use crate::log::AppendOrigin;
use crate::log::names::SegmentFile;
use crate::log::segment::Segment;
use crate::record::{BatchBuilder, BatchOptions, Batches, Codec};

fn one(key: &[u8], value: Option<&[u8]>) -> Bytes {
    of(BatchOptions::default(), key, value)
}

fn of(options: BatchOptions, key: &[u8], value: Option<&[u8]>) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    builder.push(Timestamp(900_000), Some(key), value, &[]);
    builder.finish()
}

/// A log of four closed segments and more: keys by turns, values of 100 bytes.
fn filled() -> TestLog {
    let mut test = TestLog::new(small_segments());
    for n in 0..15u8 {
        test.append(&one(&[b'k', n % 3], Some(&[n; 100]))).unwrap();
    }
    test.log.flush().unwrap();
    assert!(test.log.sealed.len() >= 4);
    test
}

fn clean(test: &mut TestLog) -> Cleaned {
    let now = test.now;
    compact(&mut test.log, None, now, LIMITS).unwrap().unwrap()
}

fn job(test: &mut TestLog) -> CompactionJob {
    let cleanable = cleanable(&test.log, None, test.now);
    test.log
        .compaction_job(&cleanable, LIMITS, [5, 6], test.now)
        .unwrap()
}

fn batches_of(segment: &Segment) -> Vec<crate::record::Batch> {
    let bytes = std::fs::read(segment.files.path(SegmentFile::Log)).unwrap();
    Batches::new(bytes.into()).map(Result::unwrap).collect()
}

#[test]
fn segments_become_one_and_readers_of_the_old_ones_read_on() {
    let mut test = filled();
    let old_view = test.log.view();
    // one whose files nobody has opened yet
    let before = seen(&test.log);
    let times: Vec<SystemTime> = test
        .log
        .sealed
        .iter()
        .enumerate()
        .map(|(n, segment)| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + n as u64);
            let file = std::fs::File::open(segment.files.path(SegmentFile::Log)).unwrap();
            file.set_modified(time).unwrap();
            time
        })
        .collect();
    let count = test.log.sealed.len();
    let cleaned = clean(&mut test);
    assert_eq!(cleaned.stats.keys, 3);
    assert_eq!(cleaned.to, test.log.active.segment.base());
    assert_eq!(cleaned.stats.records, (cleaned.to.0 as u64, 3));
    // what has become small fits together
    clean(&mut test);
    assert!(test.log.sealed.len() < count);
    let file = test.log.sealed[0].files.path(SegmentFile::Log);
    let modified = file.metadata().unwrap().modified().unwrap();
    assert!(times.contains(&modified));
    check_lookups(&test);
    // the old view reads the old files: batches, indexes and all
    let old: Vec<i64> = read_all(&old_view, Offset::ZERO, 300)
        .iter()
        .map(|batch| batch.header.base_offset.0)
        .collect();
    assert_eq!(
        old,
        before.iter().map(|seen| seen.offset).collect::<Vec<_>>()
    );
    for offset in 0..old_view.log_end().0 {
        let slice = old_view
            .locate(Offset(offset), old_view.log_end(), 1, true)
            .unwrap()
            .unwrap();
        let found = crate::record::Batch::parse(&slice.read().unwrap()).unwrap();
        assert_eq!(found.header.base_offset.0, offset);
        found.check_crc().unwrap();
    }
    // after that there is nothing to do, and nothing is exchanged
    let files = Arc::clone(&test.log.sealed[0].files);
    clean(&mut test);
    assert!(Arc::ptr_eq(&files, &test.log.sealed[0].files));
    let after = seen(&test.log);
    let test = test.reopen();
    assert_eq!(seen(&test.log), after);
    assert_eq!(test.report.indexes_rebuilt, 0);
}

#[test]
fn a_tombstone_stays_until_its_horizon_has_passed() {
    let mut test = TestLog::new(small_segments());
    test.append(&one(b"k", Some(&[1; 100]))).unwrap();
    test.append(&one(b"k", None)).unwrap();
    for n in 0..10 {
        test.append(&one(&[n], Some(&[1; 100]))).unwrap();
    }
    test.log.flush().unwrap();
    clean(&mut test);
    let header = batches_of(&test.log.sealed[0])[0].header;
    let horizon = test.now.plus_millis(DELETE_RETENTION_MS);
    assert_eq!(header.base_offset, Offset(1));
    assert_eq!(header.delete_horizon(), Some(horizon));
    assert_eq!(header.max_timestamp, Timestamp(900_000));
    let tombstone = |test: &TestLog| seen(&test.log).iter().any(|seen| seen.value.is_none());
    // the horizon stands, however often it is cleaned before
    test.now = horizon.plus_millis(-1);
    clean(&mut test);
    assert!(tombstone(&test));
    let header = batches_of(&test.log.sealed[0])[0].header;
    assert_eq!(header.delete_horizon(), Some(horizon));
    test.now = horizon;
    clean(&mut test);
    assert!(!tombstone(&test));
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_spreads_nowhere() {
    let length = filled().log.sealed[1].length;
    for position in 0..length {
        let mut test = filled();
        let segment = test.log.sealed[1].clone();
        let path = segment.files.path(SegmentFile::Log);
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).open(&path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, position).unwrap();
        byte[0] ^= 1 << (position % 8);
        file.write_all_at(&byte, position).unwrap();
        let files = test.files();
        let mut job = job(&mut test);
        // leader epochs are only known to fall nowhere
        let is_epoch = batches_of(&test.log.sealed[0])[0].bytes.len() as u64;
        if (12..16).contains(&(position % is_epoch)) {
            continue;
        }
        match job.map_keys(&Unhurried) {
            Err(CompactionError::Corrupt { offset, reason }) => {
                assert!(
                    offset >= segment.base() && offset <= segment.end,
                    "{position}: {offset} {reason}"
                );
            }
            other => panic!("a flip at {position} gave {other:?}"),
        }
        assert_eq!(test.files(), files);
        assert!(!test.log.disk.is_offline());
    }
}

#[test]
fn a_bit_that_flips_between_the_two_readings_leaves_the_segments_alone() {
    let mut test = filled();
    let mut job = job(&mut test);
    job.map_keys(&Unhurried).unwrap();
    let path = test.log.sealed[2].files.path(SegmentFile::Log);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[80] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = test.files();
    let mut broken = 0;
    while let Some(group) = job.next_group() {
        let base = group.base();
        let files = test.log.create_cleaned(group).unwrap().unwrap();
        match job.clean(files, &Unhurried) {
            Ok(cleaned) => assert!(test.log.compacted(cleaned).unwrap()),
            Err(CompactionError::Corrupt { .. }) => {
                test.log.discard_cleaned(base).unwrap();
                broken += 1;
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(broken, 1);
    assert!(test.files().iter().all(|name| !name.ends_with(".cleaned")));
    assert!(before.iter().any(|name| path.ends_with(name)));
}

#[test]
fn after_a_truncation_or_retention_nothing_is_exchanged() {
    for truncate in [true, false] {
        let mut test = filled();
        let mut job = job(&mut test);
        job.map_keys(&Unhurried).unwrap();
        let group = job.next_group().unwrap();
        let files = test.log.create_cleaned(group.clone()).unwrap().unwrap();
        let cleaned = job.clean(files, &Unhurried).unwrap();
        if truncate {
            // the newest records of the keys are gone: the older ones have to stay
            test.log.truncate(Offset(13)).unwrap();
        } else {
            let log = &mut test.log;
            let second = log.sealed[1].base();
            log.raise_log_start(second, log.log_end()).unwrap();
            assert_eq!(log.apply_retention(log.log_end(), test.now).unwrap(), 1);
        }
        let before = seen(&test.log);
        assert!(!test.log.compacted(cleaned).unwrap());
        assert_eq!(seen(&test.log), before);
        assert!(test.log.create_cleaned(group).unwrap().is_none());
        let leftover = |name: &String| name.ends_with(".cleaned");
        assert!(!test.files().iter().any(leftover));
        assert!(!test.log.disk.is_offline());
    }
}

#[test]
fn a_job_whose_directory_was_renamed_harms_nobody() {
    let mut test = filled();
    let disk = test.log.disk.clone();
    let mut late = job(&mut test);
    let mut job = job(&mut test);
    job.map_keys(&Unhurried).unwrap();
    let group = job.next_group().unwrap();
    let files = test.log.create_cleaned(group).unwrap().unwrap();
    let TestLog { log, .. } = test;
    log.mark_deleted().unwrap();
    assert!(matches!(
        job.clean(files, &Unhurried),
        Err(CompactionError::Gone)
    ));
    assert!(matches!(
        late.map_keys(&Unhurried),
        Err(CompactionError::Gone)
    ));
    assert!(!disk.is_offline());
}

#[test]
fn it_stops_when_it_is_told_to() {
    struct Until(std::sync::atomic::AtomicUsize);
    impl Pace for Until {
        fn moved(&self, bytes: usize) -> Result<(), Stopped> {
            use std::sync::atomic::Ordering::SeqCst;
            self.0
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(bytes))
                .map(drop)
                .map_err(|_| Stopped)
        }
    }
    let all = filled().log.sealed_bytes as usize;
    for bytes in [0, 500, all - 1, all, all + 100] {
        let mut test = filled();
        let mut job = job(&mut test);
        let pace = Until(bytes.into());
        let mapped = job.map_keys(&pace);
        if let Err(error) = mapped {
            assert!(matches!(error, CompactionError::Stopped));
            continue;
        }
        let files = test.log.create_cleaned(job.next_group().unwrap());
        let cleaned = job.clean(files.unwrap().unwrap(), &pace);
        assert!(matches!(cleaned, Err(CompactionError::Stopped)), "{bytes}");
    }
}

#[test]
fn only_what_is_synced_stable_closed_and_old_enough_is_touched() {
    let mut test = filled();
    let log = &test.log;
    let all = Standing {
        checkpoint: None,
        last_stable: log.log_end(),
        recovery_point: log.log_end(),
        now: test.now,
    };
    let bases: Vec<Offset> = log.sealed.iter().map(Segment::base).collect();
    let view = log.view();
    let of = |standing: Standing| CleanableLog::of(&view, log.config(), &standing).unwrap();
    assert_eq!(of(all).end, log.active.segment.base());
    assert_eq!(of(all).dirty_ratio(), 1.0);
    // within the third segment: it is not touched
    let within = bases[2].next();
    for standing in [
        Standing {
            last_stable: within,
            ..all
        },
        Standing {
            recovery_point: within,
            ..all
        },
    ] {
        assert_eq!(of(standing).end, bases[2]);
    }
    let some = of(Standing {
        checkpoint: Some(bases[1]),
        ..all
    });
    assert_eq!(some.clean_bytes, log.sealed[0].length);
    assert_eq!(
        some.cleanable_bytes,
        log.sealed_bytes - log.sealed[0].length
    );
    assert_eq!((some.first_dirty, some.reset_to), (bases[1], None));
    // checkpoints outside of the log begin anew
    for outside in [log.log_end().next(), Offset(-1)] {
        let reset = of(Standing {
            checkpoint: Some(outside),
            ..all
        });
        assert_eq!(reset.reset_to, Some(Offset::ZERO));
    }
    // lags: the records are 100 seconds old
    let with = |change: fn(&mut crate::config::TopicConfig)| {
        let mut config = small_segments();
        change(&mut config);
        CleanableLog::of(&view, &config, &all).unwrap()
    };
    assert_eq!(
        with(|config| config.min_compaction_lag_ms = 99_999).end,
        of(all).end
    );
    assert_eq!(
        with(|config| config.min_compaction_lag_ms = 100_001).end,
        bases[0]
    );
    assert_eq!(
        with(|config| config.max_compaction_lag_ms = 99_000).overdue_ms,
        1000
    );
    assert_eq!(
        with(|config| config.max_compaction_lag_ms = 101_000).overdue_ms,
        0
    );

    // an open transaction in the second segment
    let transactional = BatchOptions {
        producer_id: ProducerId(5),
        producer_epoch: ProducerEpoch(0),
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    };
    let records = of_transaction(transactional);
    let now = test.now;
    let info = test
        .log
        .append_as_leader(&records, LeaderEpoch(0), AppendOrigin::Coordinator, now)
        .unwrap();
    for n in 0..10 {
        test.append(&one(&[n], Some(&[1; 100]))).unwrap();
    }
    test.log.flush().unwrap();
    let job = job(&mut test);
    assert!(job.end <= info.first_offset);
}

fn of_transaction(options: BatchOptions) -> Bytes {
    of(options, b"in a transaction", Some(b"v"))
}

#[test]
fn batches_larger_than_the_buffers_and_maps_smaller_than_a_batch() {
    let mut config = small_segments();
    config.segment_bytes = 100_000;
    let mut test = TestLog::new(config);
    for round in 0..6u32 {
        let codec = Codec::from_id((round % 5) as i16).unwrap();
        let mut builder = BatchBuilder::new(BatchOptions {
            codec,
            ..BatchOptions::default()
        });
        for n in 0..500u32 {
            let value = [n as u8; 100];
            builder.push(
                Timestamp(900_000),
                Some(&n.to_be_bytes()),
                Some(&value),
                &[],
            );
        }
        test.append(&builder.finish()).unwrap();
        let filler = one(&round.to_be_bytes(), Some(&[0; 99_000]));
        test.append(&filler).unwrap();
    }
    test.log.flush().unwrap();
    let expected = table(&seen(&test.log));
    let mut point = None;
    let limits = CompactionLimits {
        map_bytes: 24 * 120,
        map_load_factor: 1.0,
        io_bytes: 64,
    };
    let mut rounds = 0;
    while let Some(cleaned) = compact(&mut test.log, point, test.now, limits).unwrap() {
        assert!(point.is_none_or(|point| cleaned.to > point));
        assert!(cleaned.stats.keys <= 120);
        point = Some(cleaned.to);
        rounds += 1;
        assert_eq!(table(&seen(&test.log)), expected);
    }
    assert!(rounds > 5, "{rounds}");
    assert_eq!(point, Some(test.log.active.segment.base()));
    let keys: Vec<Vec<u8>> = seen(&test.log)
        .into_iter()
        .filter(|seen| seen.offset < point.unwrap_or_default().0)
        .filter_map(|seen| seen.key)
        .collect();
    let mut distinct = keys.clone();
    distinct.sort();
    distinct.dedup();
    // what a round has kept as newest of its own keys, the next may know newer ones of
    assert_eq!(keys.len(), distinct.len());
}

#[test]
fn the_last_batch_of_a_producer_stays_as_a_bare_header() {
    let mut test = TestLog::new(small_segments());
    let options = |sequence| BatchOptions {
        producer_id: ProducerId(1),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        codec: Codec::Zstd,
        ..BatchOptions::default()
    };
    for sequence in 0..4 {
        let records = of(options(sequence), b"k", Some(&[1; 100]));
        test.append(&records).unwrap();
    }
    for n in 0..12 {
        test.append(&one(b"k", Some(&[n; 100]))).unwrap();
    }
    test.log.flush().unwrap();
    clean(&mut test);
    let left: Vec<(i64, i32)> = batches_of(&test.log.sealed[0])
        .iter()
        .map(|batch| (batch.header.base_offset.0, batch.header.record_count))
        .collect();
    assert_eq!(left[0], (3, 0));
    // it stays as long as the producer is known
    clean(&mut test);
    let mut test = test.crash(|path| {
        for name in crate::log::testing::file_names(path) {
            if name.ends_with(".snapshot") {
                std::fs::remove_file(path.join(name)).unwrap();
            }
        }
    });
    let again = test.append(&of(options(3), b"k", Some(&[1; 100]))).unwrap();
    assert!(again.duplicate);
    // and goes when it is not
    test.log.flush().unwrap();
    test.log.expire_producers(Timestamp(i64::MAX));
    clean(&mut test);
    let bare = |batch: &crate::record::Batch| batch.header.base_offset == Offset(3);
    assert!(!batches_of(&test.log.sealed[0]).iter().any(bare));
}

#[test]
fn the_active_segment_is_closed_when_its_records_must_not_wait_any_longer() {
    let mut config = small_segments();
    config.max_compaction_lag_ms = 5000;
    let append = |compact: bool| {
        let mut config = config.clone();
        config.cleanup_policy.compact = compact;
        let mut test = TestLog::new(config);
        for timestamp in [900_000, 905_000, 905_001] {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.push(Timestamp(timestamp), Some(b"k"), Some(b"v"), &[]);
            test.append(&builder.finish()).unwrap();
        }
        test.log.segment_count()
    };
    assert_eq!(append(true), 2);
    assert_eq!(append(false), 1);
}

#[test]
fn a_record_that_is_too_large_by_now_ends_the_compaction_unless_it_is_not_compressed() {
    for (codec, is_too_large) in [(Codec::Gzip, true), (Codec::None, false)] {
        let mut test = TestLog::new(small_segments());
        for n in 0..15u8 {
            let options = BatchOptions {
                codec,
                ..BatchOptions::default()
            };
            test.append(&of(options, &[b'k', n % 3], Some(&[n; 500])))
                .unwrap();
        }
        test.log.flush().unwrap();
        let mut config = test.config.clone();
        config.max_decompressed_message_bytes = 100;
        test.log.set_config(Arc::new(config));
        let mut job = job(&mut test);
        let mapped = job.map_keys(&Unhurried);
        assert_eq!(
            matches!(mapped, Err(CompactionError::Record { .. })),
            is_too_large,
            "{codec}: {mapped:?}"
        );
        assert_eq!(mapped.is_ok(), !is_too_large);
    }
}
