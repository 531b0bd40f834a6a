//! A copy of a log holds the same batches, whatever the sizes in which they came, and knows the same.

use bytes::Bytes;
use proptest::prelude::*;

use super::crash::failing_after;
use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::testing::{config, directory, open, producer_batch, quick_disk, read_all};
use crate::log::{AppendError, AppendOrigin, Disk, LogError, PartitionLog};
use crate::record::Batch;

const NOW: Timestamp = Timestamp(1_000_000);

fn sized(segment_bytes: i32) -> TopicConfig {
    let mut config = config();
    config.segment_bytes = segment_bytes;
    config.index_interval_bytes = 150;
    config
}

fn empty(
    path: &std::path::Path,
    config: &TopicConfig,
    disk: &Disk,
) -> Result<PartitionLog, LogError> {
    Ok(open(path, config, false, Offset(0), Offset(0), NOW, disk)?.0)
}

/// A batch as another replica has it: at this offset, of this epoch.
fn stored(at: i64, epoch: i32, producer: i64, sequence: i32) -> Bytes {
    let sent = producer_batch(
        producer,
        0,
        sequence,
        &[900_000 + at, 900_001 + at],
        &[b'x'; 60],
    );
    let mut header = Batch::parse(&sent).unwrap().header;
    header.base_offset = Offset(at);
    header.leader_epoch = LeaderEpoch(epoch);
    [&header.encode()[..], &sent[header.encode().len()..]]
        .concat()
        .into()
}

/// A log with gaps, as compaction leaves it.
fn source(path: &std::path::Path, gaps: &[i64]) -> PartitionLog {
    let mut log = empty(path, &sized(600), &quick_disk()).unwrap();
    let mut at = 0;
    for (n, gap) in (0..).zip(gaps) {
        let batch = stored(at + gap, n / 5, i64::from(n % 2), n / 2 * 2);
        log.append_as_follower(&batch, NOW).unwrap();
        at += gap + 2;
    }
    log.sync_whole().unwrap();
    log
}

fn copy(source: &PartitionLog, log: &mut PartitionLog, chunk: usize) -> Result<(), AppendError> {
    let view = source.view();
    while let Some(slice) = view
        .locate(log.log_end(), view.log_end(), chunk, true)
        .unwrap()
    {
        log.append_as_follower(&slice.read().unwrap(), NOW)?;
    }
    log.take_over(source, NOW)?;
    Ok(())
}

fn bytes(log: &PartitionLog) -> Vec<Bytes> {
    let batches = read_all(&log.view(), log.log_start(), 10_000);
    batches.into_iter().map(|batch| batch.bytes).collect()
}

fn assert_same(log: &PartitionLog, source: &PartitionLog) {
    assert_eq!(bytes(log), bytes(source));
    assert_eq!(
        (log.log_start(), log.log_end(), log.recovery_point()),
        (source.log_start(), source.log_end(), source.log_end())
    );
    assert_eq!(log.epochs, source.epochs);
    assert_eq!(log.producers, source.producers);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_copy_is_the_same(
        gaps in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 1..20_i64, 1 => Just(3_000_000_000_i64)], 1..30),
        chunk in 1..2000_usize,
        segment in 200..3000_i32,
    ) {
        let (one, other) = (directory(), directory());
        let mut from = source(one.path(), &gaps);
        from.assign_epoch(LeaderEpoch(90));
        let mut log = empty(other.path(), &sized(segment), &quick_disk()).unwrap();
        copy(&from, &mut log, chunk).unwrap();
        assert_same(&log, &from);
        // under its new name, and after a crash
        log.rename(&other.path().join("named")).unwrap();
        prop_assert_eq!(bytes(&log), bytes(&from));
        let next = log.log_end();
        log.append_as_leader(&producer_batch(7, 0, 0, &[5], b"on"), LeaderEpoch(90), AppendOrigin::Client, NOW).unwrap();
        let recovery_point = log.sync_whole().unwrap();
        drop(log);
        std::fs::rename(other.path().join("named"), other.path().join("topic-0")).unwrap();
        let (log, report) = open(other.path(), &sized(segment), false, recovery_point, Offset(0), NOW, &quick_disk()).unwrap();
        prop_assert_eq!(report.bytes_truncated, 0);
        prop_assert_eq!(log.log_end(), next.next());
        prop_assert_eq!(&bytes(&log)[..gaps.len()], &bytes(&from)[..]);
    }
}

#[test]
fn what_is_out_of_order_or_damaged_is_refused_and_what_came_before_it_stays() {
    let directory = directory();
    let mut log = empty(directory.path(), &sized(1000), &quick_disk()).unwrap();
    let good = stored(4, 1, 1, 0);
    let mut damaged = stored(6, 1, 1, 2).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let refused = log.append_as_follower(&[&good[..], &damaged].concat().into(), NOW);
    assert!(
        matches!(refused, Err(AppendError::CorruptMessage(_))),
        "{refused:?}"
    );
    assert_eq!(bytes(&log), std::slice::from_ref(&good));
    for at in [0, 4, 5] {
        let refused = log.append_as_follower(&stored(at, 1, 1, 2), NOW);
        assert!(
            matches!(refused, Err(AppendError::InvalidRecord { .. })),
            "{refused:?}"
        );
    }
    let short = stored(6, 1, 1, 2);
    let refused = log.append_as_follower(&short.slice(..short.len() - 1), NOW);
    assert!(
        matches!(refused, Err(AppendError::CorruptMessage(_))),
        "{refused:?}"
    );
    log.append_as_follower(&short, NOW).unwrap();
    assert_eq!(log.log_end(), Offset(8));
}

#[test]
fn a_tail_without_batches_is_kept_by_name() {
    let (one, other) = (directory(), directory());
    let mut from = source(one.path(), &[0, 0, 0]);
    from.roll(from.log_end(), NOW).unwrap();
    from.truncate_fully(Offset(40)).unwrap();
    let mut log = empty(other.path(), &sized(1000), &quick_disk()).unwrap();
    log.append_as_follower(&stored(0, 0, 0, 0), NOW).unwrap();
    log.take_over(&from, NOW).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(40), Offset(40)));
    drop(log);
    let (log, _) = open(
        other.path(),
        &sized(1000),
        false,
        Offset(40),
        Offset(40),
        NOW,
        &quick_disk(),
    )
    .unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(40), Offset(40)));
}

#[test]
fn a_copy_that_dies_at_any_change_goes_on_where_it_was() {
    let home = directory();
    let gaps = [0, 0, 3, 0, 0, 0, 7, 0, 0, 1, 0, 0];
    let from = source(home.path(), &gaps);
    let mut whole = false;
    let mut changes = 0;
    while !whole {
        for tear in [None, Some(0), Some(100)] {
            let directory = directory();
            let (disk, _) = failing_after(changes, tear);
            let first = empty(directory.path(), &sized(500), &disk);
            let died = first
                .map_err(AppendError::from)
                .and_then(|mut log| copy(&from, &mut log, 400));
            whole |= died.is_ok();
            let mut log = empty(directory.path(), &sized(500), &quick_disk()).unwrap();
            assert!(
                bytes(&from).starts_with(&bytes(&log)),
                "after {changes} changes"
            );
            copy(&from, &mut log, 400).unwrap();
            assert_same(&log, &from);
        }
        changes += 1;
    }
    assert!(changes > 20, "only {changes} changes");
}
