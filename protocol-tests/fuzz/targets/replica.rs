//! A replica directory as it may lie on a disk after anything: whole files of a broker, cut, mixed and
//! damaged. It is opened with recovery and without; what opens can be read, appended to, and opened again.
//!
//! An input is a byte of options and files, each a byte that says which, two bytes of base offset, and its
//! content behind a length of two bytes.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use zurau::fuzzed::base::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use zurau::fuzzed::config::TopicConfig;
use zurau::fuzzed::log::disk::{Operation, Probe, Verdict};
use zurau::fuzzed::log::{
    AppendOrigin, Disk, OpenOptions, PartitionLog, ProducerExpiration, ReadError,
};
use zurau::fuzzed::record::{Batch, BatchBuilder, BatchOptions, Batches};

use crate::input::Input;

const NAMES: [&str; 11] = [
    ".log",
    ".index",
    ".timeindex",
    ".snapshot",
    ".txnindex",
    ".log.swap",
    ".log.cleaned",
    ".log.deleted",
    ".index.swap",
    "leader-epoch-checkpoint",
    "partition.metadata",
];

/// Lets syncs be: nothing here outlives its process.
#[derive(Debug)]
struct NoSyncs;

impl Probe for NoSyncs {
    fn before(&self, _operation: &Operation<'_>) -> Verdict {
        Verdict::Pretend
    }
}

pub(crate) fn directory(bytes: &[u8]) {
    let mut input = Input(bytes);
    let options = input.byte();
    let directory = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary directory");
    let path = directory.path().join("topic-0");
    std::fs::create_dir(&path).expect("made");
    let topic_id = TopicId::METADATA_TOPIC;
    let mut clean = options & 1 != 0;
    write_files(&path, &mut input, options & 2 != 0);

    let recovery_point = Offset(i64::from(options >> 4) * 4);
    let mut end = None;
    for round in 0..2 {
        let open = OpenOptions {
            config: Arc::new(TopicConfig {
                segment_bytes: 2000,
                index_interval_bytes: 100,
                ..TopicConfig::default()
            }),
            clean_shutdown: clean,
            recovery_point,
            log_start: Offset(i64::from(options >> 2 & 3) * 3),
            topic_id,
            high_watermark: Offset::ZERO,
            producer_expiration: ProducerExpiration::new(86_400_000),
            now: Timestamp(1_800_000_000_000),
            disk: Disk::with_probe(Arc::new(NoSyncs)),
            jitter_seed: 0,
        };
        let mut log = match PartitionLog::open(&path, TopicPartition::new("topic", 0), open) {
            Ok((log, _)) => log,
            Err(error) => {
                // What opened once, and was closed, opens again.
                assert!(round == 0, "opened and closed, and then refused: {error}");
                return;
            }
        };
        let recovered = !clean;
        if let Some(end) = end {
            assert_eq!(log.log_end(), end, "the end moved while nobody wrote");
        }
        let checked = (recovered || round == 1).then_some(recovery_point);
        read(&log, checked);
        if round == 0 && recovered {
            append(&mut log, recovery_point);
        }
        end = Some(log.log_end());
        // A log that was taken for clean and is not may fail at its close; the broker then recovers.
        match log.close() {
            Ok(_) => clean = recovered,
            Err(_) => return,
        }
        if !recovered {
            // What was taken for clean without being so has promised nothing.
            return;
        }
    }
}

fn write_files(path: &Path, input: &mut Input<'_>, repair: bool) {
    while !input.is_empty() {
        let kind = NAMES[usize::from(input.byte()) % NAMES.len()];
        let offset = input.number(2);
        let mut content = input.piece().to_vec();
        if repair && kind.starts_with(".log") {
            repair_checksums(&mut content);
        }
        if repair && kind == ".snapshot" && content.len() >= 6 {
            let sum = crc32c::crc32c(&content[6..]);
            content[2..6].copy_from_slice(&sum.to_be_bytes());
        }
        let name = match kind.strip_prefix('.') {
            Some(_) => format!("{offset:020}{kind}"),
            None => kind.to_owned(),
        };
        std::fs::write(path.join(name), content).expect("written");
    }
}

/// Makes every batch one whose checksum is right, so that recovery does not stop at the first change.
fn repair_checksums(log: &mut [u8]) {
    let mut at = 0;
    let copy = Bytes::copy_from_slice(log);
    while let Ok(batch) = Batch::parse(&copy.slice(at.min(copy.len())..)) {
        let sum = batch.crc_with_header(&batch.header);
        log[at + 17..at + 21].copy_from_slice(&sum.to_be_bytes());
        at += batch.bytes.len();
    }
}

/// Everything that the log says it holds. What a recovery has checked, from an offset on, is whole and in order; below the
/// recovery point damage stays where it is.
fn read(log: &PartitionLog, checked: Option<Offset>) {
    let view = log.view();
    let mut next = log.log_start();
    while next < log.log_end() {
        let recovered = checked.is_some_and(|from| next >= from);
        let slice = match view.locate(next, log.log_end(), 1000, true) {
            Ok(Some(slice)) => slice,
            Ok(None) => break,
            // What is damaged is named, not served.
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::InvalidData => return,
            Err(error) => {
                assert!(!recovered, "offset {next} of {}: {error}", log.log_end());
                return;
            }
        };
        let Ok(bytes) = slice.read() else {
            assert!(!recovered, "offset {next} cannot be read");
            return;
        };
        let before = next;
        for batch in Batches::new(bytes) {
            let Ok(batch) = batch else {
                assert!(!recovered, "a broken batch behind {next}");
                return;
            };
            if recovered {
                batch.check_crc().expect("recovery has checked it");
                assert!(
                    batch.header.next_offset() > next,
                    "offsets do not grow at {next}"
                );
            }
            next = next.max(batch.header.next_offset());
        }
        if next <= before {
            assert!(!recovered, "a read at {before} brought nothing");
            return;
        }
    }
    let _ = view.offset_for_timestamp(Timestamp(1_799_999_999_000), log.log_end(), i32::MAX);
    let _ = view.offset_of_max_timestamp(i32::MAX);
}

fn append(log: &mut PartitionLog, recovery_point: Offset) {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.push(Timestamp(1_799_999_999_999), None, Some(b"new"), &[]);
    let epoch = log.view().latest_epoch().map_or(LeaderEpoch(0), |epoch| {
        LeaderEpoch(epoch.0.saturating_add(1))
    });
    let before = log.log_end();
    let now = Timestamp(1_800_000_000_000);
    if log
        .append_as_leader(&builder.finish(), epoch, AppendOrigin::Client, now)
        .is_ok()
    {
        assert_eq!(log.log_end(), before.next());
        read(log, Some(recovery_point));
    }
}
