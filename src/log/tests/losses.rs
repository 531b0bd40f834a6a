//! Files of a log that are missing, cut, damaged or others: what is whole is served, no offset is given twice, and
//! what is gone is named.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::testing::{
    Checkpointed, batch, config, directory, file_names, open_as, quick_disk, read_all,
};
use crate::log::{AppendOrigin, LogError, Loss, LossKind, PartitionLog, RecoveryReport};

const NOW: Timestamp = Timestamp(1_000_000);
/// Batches of one record each.
const END: i64 = 20;
/// Bytes of each.
const SIZE: u64 = 118;

fn small_segments() -> TopicConfig {
    let mut config = config();
    config.segment_bytes = 600;
    config.index_interval_bytes = 150;
    config
}

/// A log that somebody has left, and what the checkpoints say of it.
struct Left {
    directory: tempfile::TempDir,
    config: TopicConfig,
    checkpointed: Checkpointed,
    /// Where its segments begin.
    bases: Vec<i64>,
}

/// How a start found it.
struct Found {
    log: PartitionLog,
    report: RecoveryReport,
    /// The offsets that can be read.
    offsets: Vec<i64>,
}

impl Left {
    fn cleanly() -> Self {
        Self::by(|log| {
            log.close().unwrap();
            Checkpointed {
                clean_shutdown: true,
                recovery_point: Offset(END),
                high_watermark: Offset(END),
                ..Checkpointed::default()
            }
        })
    }

    /// By a kill, when nothing had been synced.
    fn killed(high_watermark: i64) -> Self {
        Self::by(|_| Checkpointed {
            high_watermark: Offset(high_watermark),
            ..Checkpointed::default()
        })
    }

    fn by(end: impl FnOnce(PartitionLog) -> Checkpointed) -> Self {
        let (directory, config) = (directory(), small_segments());
        let fresh = Checkpointed::default();
        let (mut log, _) = open_as(directory.path(), &config, fresh, NOW, &quick_disk()).unwrap();
        for n in 0..END {
            let records = batch(&[900_000 + n], &[b'a' + n as u8; 50]);
            log.append_as_leader(&records, LeaderEpoch(0), AppendOrigin::Client, NOW)
                .unwrap();
        }
        let bases = log.sealed.iter().map(|segment| segment.base().0);
        let bases = bases.chain([log.active.segment.base().0]).collect();
        let checkpointed = end(log);
        Self {
            directory,
            config,
            checkpointed,
            bases,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("topic-0")
    }

    fn file(&self, segment: usize, kind: &str) -> PathBuf {
        self.path()
            .join(format!("{:020}.{kind}", self.bases[segment]))
    }

    fn open(&self) -> Result<Found, LogError> {
        let opened = open_as(
            self.directory.path(),
            &self.config,
            self.checkpointed,
            NOW,
            &quick_disk(),
        );
        let (log, report) = opened?;
        let mut offsets = Vec::new();
        for offset in 0..END {
            let view = log.view();
            let found = view.locate(Offset(offset).max(log.log_start()), log.log_end(), 1, true);
            let Ok(Some(slice)) = found else { continue };
            let read = crate::record::Batches::new(slice.read().unwrap()).next();
            if let Some(Ok(batch)) = read
                && batch.check_crc().is_ok()
                && batch.header.base_offset == Offset(offset)
            {
                offsets.push(offset);
            }
        }
        Ok(Found {
            log,
            report,
            offsets,
        })
    }

    /// Opens it, and checks what every start must see to: what is gone is named, and no offset is given twice.
    fn check(&self) -> Found {
        let mut found = self.open().unwrap();
        for offset in 0..END {
            let is_told = found
                .report
                .losses
                .iter()
                .any(|loss| (loss.first..loss.end).contains(&Offset(offset)));
            let is_read = found.offsets.contains(&offset);
            assert!(is_read || is_told, "{offset}: {:?}", found.report.losses);
        }
        let info = found
            .log
            .append_as_leader(
                &batch(&[950_000], b"new"),
                LeaderEpoch(0),
                AppendOrigin::Client,
                NOW,
            )
            .unwrap();
        assert_eq!(info.first_offset, Offset(END));
        let last = read_all(&found.log.view(), Offset(END), 1);
        assert_eq!(last.len(), 1);
        found
    }
}

fn ranges(losses: &[Loss]) -> Vec<(i64, i64)> {
    let mut ranges: Vec<_> = losses
        .iter()
        .map(|loss| (loss.first.0, loss.end.0))
        .collect();
    ranges.sort_unstable();
    ranges
}

fn flip(path: &Path, position: u64) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 4], position).unwrap();
}

fn both_ends() -> [fn() -> Left; 2] {
    [Left::cleanly, || Left::killed(END)]
}

#[test]
fn nothing_is_lost_where_nothing_happened() {
    for left in both_ends() {
        let found = left().check();
        assert_eq!(found.report.losses, []);
        assert_eq!(found.offsets, (0..END).collect::<Vec<_>>());
    }
}

#[test]
fn a_log_that_is_missing_is_named_and_the_others_are_served() {
    for left in both_ends() {
        let segments = left().bases.len();
        for segment in 0..segments {
            for with_indexes in [false, true] {
                let left = left();
                let log = left.file(segment, "log");
                std::fs::remove_file(&log).unwrap();
                if with_indexes {
                    for kind in ["index", "timeindex", "snapshot"] {
                        drop(std::fs::remove_file(left.file(segment, kind)));
                    }
                }
                let found = left.check();
                let first = left.bases[segment];
                let end = left.bases.get(segment + 1).copied().unwrap_or(END);
                assert_eq!(ranges(&found.report.losses), [(first, end)], "{segment}");
                assert_eq!(found.report.losses[0].kind, LossKind::Missing);
                if !with_indexes {
                    assert_eq!(found.report.losses[0].path, log);
                }
                assert_eq!(found.offsets.len() as i64, END - (end - first));
            }
        }
    }
}

#[test]
fn a_log_that_is_cut_or_empty_is_named_and_the_others_are_served() {
    for left in both_ends() {
        let segments = left().bases.len();
        for segment in 0..segments {
            for length in [0, 1, SIZE - 1, SIZE, SIZE + 100] {
                let left = left();
                let log = left.file(segment, "log");
                let file = std::fs::File::options().write(true).open(&log).unwrap();
                file.set_len(length).unwrap();
                let found = left.check();
                let end = left.bases.get(segment + 1).copied().unwrap_or(END);
                let [loss] = &found.report.losses[..] else {
                    panic!("{:?}", found.report.losses);
                };
                assert_eq!((loss.end.0, &loss.path), (end, &log), "{segment} {length}");
            }
        }
    }
}

#[test]
fn whatever_is_flipped_in_a_log_is_named_or_read_as_damaged() {
    for left in both_ends() {
        let kept = left();
        for segment in 0..kept.bases.len() {
            let length = std::fs::metadata(kept.file(segment, "log")).unwrap().len();
            for position in (0..length).step_by(3) {
                let left = left();
                flip(&left.file(segment, "log"), position);
                let mut found = left.open().unwrap();
                // what the start did not read, readers and the scrub do
                for offset in (0..END).filter(|offset| !found.offsets.contains(offset)) {
                    let view = found.log.view();
                    let told = found.report.losses.iter();
                    let is_told = told
                        .chain(met(&view, offset).iter())
                        .any(|loss| (loss.first..loss.end).contains(&Offset(offset)))
                        || scrub_finds(&view, offset);
                    assert!(
                        is_told,
                        "segment {segment}, byte {position}: {offset} is gone"
                    );
                }
                assert!(
                    found.offsets.len() as i64 >= END - 2,
                    "byte {position}: {:?}",
                    found.offsets
                );
                let records = batch(&[950_000], b"new");
                let info = found
                    .log
                    .append_as_leader(&records, LeaderEpoch(0), AppendOrigin::Client, NOW)
                    .unwrap();
                assert!(info.first_offset >= Offset(END), "{}", info.first_offset);
            }
        }
    }
}

/// What a reader at the offset meets.
fn met(view: &crate::log::LogView, offset: i64) -> Option<Loss> {
    match view.locate(Offset(offset), view.log_end(), 1, true) {
        Err(crate::log::ReadError::Io(error)) => Loss::met(&error).cloned(),
        _ => None,
    }
}

fn scrub_finds(view: &crate::log::LogView, offset: i64) -> bool {
    let mut segments = view.segments();
    segments.any(|segment| {
        let scrubbed = segment.scrub(&|_| std::ops::ControlFlow::Continue(()));
        let crate::log::Scrubbed::Whole(findings) = scrubbed else {
            return false;
        };
        let mut findings = findings.iter();
        findings.any(|finding| (finding.offset..finding.end).contains(&Offset(offset)))
    })
}

#[test]
fn an_index_that_is_removed_takes_no_record_with_it() {
    for left in both_ends() {
        let left = left();
        flip(&left.file(1, "log"), SIZE + 70);
        std::fs::remove_file(left.file(1, "index")).unwrap();
        let found = left.check();
        let damaged = left.bases[1] + 1;
        assert_eq!(ranges(&found.report.losses), [(damaged, damaged + 1)]);
        assert_eq!(found.offsets.len() as i64, END - 1);
    }
}

#[test]
fn an_index_that_leads_astray_is_not_followed() {
    let left = Left::cleanly();
    for segment in 0..left.bases.len() - 1 {
        let length = std::fs::metadata(left.file(segment, "index"))
            .unwrap()
            .len();
        for position in 0..length {
            flip(&left.file(segment, "index"), position);
            let found = left.open().unwrap();
            assert_eq!(
                found.offsets,
                (0..END).collect::<Vec<_>>(),
                "{segment} {position}"
            );
            drop(found);
            flip(&left.file(segment, "index"), position);
        }
    }
}

#[test]
fn a_log_of_another_segment_is_none() {
    for left in both_ends() {
        let left = left();
        let (one, other) = (left.file(0, "log"), left.file(1, "log"));
        let aside = left.path().join("aside");
        for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
            std::fs::rename(from, to).unwrap();
        }
        let found = left.check();
        assert_eq!(
            ranges(&found.report.losses),
            [(0, left.bases[1]), (left.bases[1], left.bases[2])]
        );
        drop(found);
        // back in their places, all is as it was
        for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
            std::fs::rename(from, to).unwrap();
        }
        let found = left.open().unwrap();
        assert_eq!(found.offsets, (0..END).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_set_aside_can_be_taken_back() {
    let left = Left::killed(0);
    flip(&left.file(1, "log"), SIZE + 70);
    let found = left.open().unwrap();
    let damaged = left.bases[1] + 1;
    assert_eq!(found.offsets, (0..damaged).collect::<Vec<_>>());
    assert_eq!(found.log.log_end(), Offset(END));
    let losses = &found.report.losses;
    assert_eq!(ranges(losses)[0].0, damaged);
    let count = |loss: &Loss| match loss.kind {
        LossKind::SetAside(Some(how_much)) => how_much.records,
        _ => 0,
    };
    assert_eq!(
        losses.iter().map(count).sum::<u64>(),
        (END - damaged - 1).unsigned_abs()
    );
    drop(found);
    for name in file_names(&left.path()) {
        if let Some((first, _)) = name
            .split_once('-')
            .filter(|_| name.ends_with(".set-aside"))
        {
            let plain = left.path().join(format!("{first}.log"));
            std::fs::rename(left.path().join(&name), plain).unwrap();
        }
    }
    let left = Left {
        checkpointed: Checkpointed {
            recovery_point: Offset(END),
            ..left.checkpointed
        },
        ..left
    };
    let found = left.check();
    assert_eq!(ranges(&found.report.losses), [(damaged, damaged + 1)]);
}

#[test]
fn links_are_followed_and_what_is_no_file_is_refused() {
    for kind in ["log", "index", "timeindex"] {
        let left = Left::cleanly();
        let (path, elsewhere) = (left.file(1, kind), left.directory.path().join("elsewhere"));
        std::fs::rename(&path, &elsewhere).unwrap();
        let is_refused = || {
            let refused = left.open().err();
            matches!(refused, Some(LogError::NotAFile { path: named, .. }) if named == path)
        };
        std::fs::create_dir(&path).unwrap();
        assert!(is_refused(), "a directory");
        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("nothing", &path).unwrap();
        assert!(is_refused(), "a link to nothing");
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(is_refused(), "a FIFO");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(left.check().report.losses, []);
    }
}

#[test]
fn files_without_end_are_not_read_without_end() {
    for left in both_ends() {
        for segment in [0, 2] {
            for kind in ["log", "index", "timeindex"] {
                let left = left();
                let path = left.file(segment, kind);
                let file = std::fs::File::options().write(true).open(path).unwrap();
                file.set_len(1 << 40).unwrap();
                let found = left.check();
                assert_eq!(found.report.losses, [], "{kind}");
            }
        }
    }
}

#[test]
fn retention_that_was_broken_off_is_no_loss() {
    let left = Left::cleanly();
    for kind in ["log", "index", "timeindex"] {
        let path = left.file(0, kind);
        let mut deleted = path.clone().into_os_string();
        deleted.push(".deleted");
        std::fs::rename(path, deleted).unwrap();
        if kind == "log" {
            continue;
        }
    }
    for _ in 0..2 {
        let found = left.open().unwrap();
        assert_eq!(
            (found.report.losses.len(), found.log.log_start().0),
            (0, left.bases[1])
        );
    }
}

#[test]
fn a_log_start_that_was_never_reached_is_not_believed() {
    let left = Left::cleanly();
    let left = Left {
        checkpointed: Checkpointed {
            log_start: Offset(END + 100),
            ..left.checkpointed
        },
        ..left
    };
    let before = file_names(&left.path());
    assert!(matches!(left.open(), Err(LogError::Corrupt(_))));
    assert_eq!(file_names(&left.path()), before);
}

#[test]
fn leader_epochs_are_made_anew_from_the_batches() {
    for content in [None, Some(""), Some("0\n1\nx"), Some("\u{1}")] {
        let left = Left::cleanly();
        let path = left.path().join("leader-epoch-checkpoint");
        match content {
            None => std::fs::remove_file(&path).unwrap(),
            Some(content) => std::fs::write(&path, content).unwrap(),
        }
        let found = left.check();
        assert_eq!(found.log.view().epoch_at(Offset(0)), Some(LeaderEpoch(0)));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n0 0\n");
    }
}
