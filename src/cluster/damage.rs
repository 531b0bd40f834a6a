//! Tells a metadata log that a crash has torn from one that is damaged.

use std::fs;
use std::path::Path;

use bytes::Bytes;

use crate::record::{BatchHeader, Batches};

use super::metadata_log::MetadataLogError;

/// Refuses a log that is damaged anywhere but at its end. Each append was synced before the next, so
/// that a crash can tear only the last one. Recovery would cut the log at the first bad batch, and
/// with it topics of which the data is still there.
pub(super) fn refuse(directory: &Path) -> Result<(), MetadataLogError> {
    let mut segments = Vec::new();
    if directory.try_exists()? {
        for entry in fs::read_dir(directory)? {
            segments.push(entry?.path());
        }
    }
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.sort_unstable();
    let count = segments.len();
    for (number, path) in (1..).zip(segments) {
        let content = Bytes::from(fs::read(&path)?);
        let Some(position) = first_bad_batch(&content) else {
            continue;
        };
        let bad = content.slice(position..);
        if number < count || !is_torn(&bad) {
            return Err(MetadataLogError::Damaged { path, position });
        }
    }
    Ok(())
}

/// Where the first batch that is not whole begins.
fn first_bad_batch(content: &Bytes) -> Option<usize> {
    let mut position = 0;
    for batch in Batches::new(content.clone()) {
        match batch {
            Ok(batch) if batch.check_crc().is_ok() => position += batch.bytes.len(),
            _ => return Some(position),
        }
    }
    None
}

/// Whether a crash during the last append can have left these bytes: then no whole batch lies anywhere
/// behind the one that is not.
fn is_torn(bad: &Bytes) -> bool {
    (1..bad.len()).all(|start| !begins_with_batch(&bad.slice(start..)))
}

fn begins_with_batch(bytes: &Bytes) -> bool {
    // Most places are no beginning of a batch: the header says so before any checksum is made.
    let fits = BatchHeader::parse(bytes).is_ok_and(|header| header.size() <= bytes.len());
    fits && first_bad_batch(bytes) != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::record::{BatchBuilder, BatchOptions};

    fn log() -> Vec<u8> {
        let batch = |text: &[u8]| {
            let mut batch = BatchBuilder::new(BatchOptions::default());
            batch.push(Timestamp(1), None, Some(text), &[]);
            batch.finish()
        };
        [batch(b"first"), batch(b"second"), batch(b"third")].concat()
    }

    fn check(content: &[u8]) -> Result<(), MetadataLogError> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("00000000000000000000.log"), content).expect("writable");
        refuse(directory.path())
    }

    #[test]
    fn a_torn_end_is_for_recovery_to_cut() {
        let log = log();
        check(&log).expect("a whole log");
        check(&log[..log.len() - 3]).expect("a log that was torn");
        check(&[&log[..], &[0; 500]].concat()).expect("a log with space that was never filled");
        check(&[&log[..], &[0xa5; 500]].concat()).expect("a log with rubbish at its end");
    }

    #[test]
    fn damage_with_good_batches_behind_it_stops_the_start() {
        for position in [9, 17, 40, 63] {
            let mut log = log();
            log[position] ^= 0x10;
            assert!(
                matches!(
                    check(&log),
                    Err(MetadataLogError::Damaged { position: 0, .. })
                ),
                "byte {position}"
            );
        }
    }
}
