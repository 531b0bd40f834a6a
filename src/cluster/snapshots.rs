//! Snapshots of the metadata log: everything below an offset, as records between a header and a
//! footer, in a file that is named for that offset.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::metadata::{Image, Loader, MetadataRecord, snapshot};
use crate::record::control::{self, ControlPlace};
use crate::record::{Batch, BatchBuilder, BatchOptions, Batches};

use super::metadata_log::{DECOMPRESSED_LIMIT, MetadataLogError, feed_batch};
use super::quorum::Quorum;

/// Records go into batches of about this size, as Kafka writes them.
const BATCH_BYTES: usize = 1024 * 1024;

/// A snapshot's file name: the offset that it ends before, and the epoch of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SnapshotName {
    pub(super) end: Offset,
    pub(super) epoch: LeaderEpoch,
}

impl std::fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:020}-{:010}.checkpoint", self.end.0, self.epoch.0)
    }
}

impl SnapshotName {
    /// The snapshot of a log that has not begun.
    const FIRST: Self = Self {
        end: Offset::ZERO,
        epoch: LeaderEpoch(0),
    };

    fn parse(name: &str) -> Option<Self> {
        let (end, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        Some(Self {
            end: Offset(end.parse().ok()?),
            epoch: LeaderEpoch(epoch.parse().ok()?),
        })
    }
}

/// The snapshots in a directory, oldest first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<SnapshotName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().to_str().and_then(SnapshotName::parse));
    }
    names.sort_unstable();
    Ok(names)
}

/// What a snapshot holds, and where the log goes on after it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Loaded {
    pub(super) image: Image,
    pub(super) quorum: Quorum,
    pub(super) end: Offset,
}

/// The newest snapshot that can be read; an empty image when there is none.
pub(super) fn load_newest(directory: &Path) -> Result<Loaded, MetadataLogError> {
    for name in list(directory)?.into_iter().rev() {
        match load(&directory.join(name.to_string()), name) {
            Ok(loaded) => return Ok(loaded),
            Err(error) => {
                tracing::error!(snapshot = %name, %error, "metadata snapshot cannot be read: trying an older one")
            }
        }
    }
    Ok(Loaded::default())
}

/// The records of `bootstrap.checkpoint`, a snapshot that Kafka's format tool leaves beside the metadata
/// log for whoever begins it; none when there is no such file.
pub(super) fn bootstrap_records(path: &Path) -> Result<Vec<MetadataRecord>, MetadataLogError> {
    if !path.try_exists()? {
        return Ok(Vec::new());
    }
    let loaded = load(path, SnapshotName::FIRST)?;
    Ok(snapshot::records(&loaded.image).collect())
}

fn load(path: &Path, name: SnapshotName) -> Result<Loaded, MetadataLogError> {
    let content = Bytes::from(fs::read(path)?);
    let mut loader = Loader::new(Image::default());
    let mut quorum = Quorum::default();
    let mut is_complete = false;
    for batch in Batches::new(content) {
        let malformed = |error: &dyn std::fmt::Display| {
            MetadataLogError::Malformed(name.end, error.to_string())
        };
        let batch = batch.map_err(|error| malformed(&error))?;
        batch.check_crc().map_err(|error| malformed(&error))?;
        is_complete = is_footer(&batch);
        feed_batch(&mut loader, &mut quorum, &batch, Offset::ZERO)?;
    }
    if !is_complete {
        return Err(MetadataLogError::Malformed(
            name.end,
            "the snapshot has no end".to_owned(),
        ));
    }
    // Offsets within a snapshot are its own; what it stands for ends where its name says.
    loader.skip_to(Offset(name.end.0.saturating_sub(1)), name.epoch);
    Ok(Loaded {
        image: loader.publish()?.0,
        quorum,
        end: name.end,
    })
}

fn is_footer(batch: &Batch) -> bool {
    let is_footer = |bytes: Bytes| {
        let first = batch.records(&bytes).next();
        first.is_some_and(|record| {
            record.is_ok_and(|record| {
                control::ControlType::parse(record.key) == Ok(control::ControlType::SnapshotFooter)
            })
        })
    };
    batch.header.attributes.is_control()
        && batch.record_bytes(DECOMPRESSED_LIMIT).is_ok_and(is_footer)
}

fn encode(image: &Image, quorum: &Quorum, epoch: LeaderEpoch, now: Timestamp) -> Vec<u8> {
    let mut content = Vec::new();
    let mut next = Offset::ZERO;
    let place = |base_offset| ControlPlace {
        base_offset,
        leader_epoch: epoch,
        timestamp: now,
    };
    let header = control::snapshot_header(place(next), now, quorum.records());
    content.extend_from_slice(&header);
    next = quorum.records().fold(next.next(), |next, _| next.next());
    let mut records = snapshot::records(image).peekable();
    while records.peek().is_some() {
        let options = BatchOptions {
            base_offset: next,
            leader_epoch: epoch,
            ..BatchOptions::default()
        };
        let mut batch = BatchBuilder::new(options);
        while batch.size() < BATCH_BYTES {
            let Some(record) = records.next() else { break };
            batch.push(now, None, Some(&record.encode()), &[]);
            next = next.next();
        }
        content.extend_from_slice(&batch.finish());
    }
    content.extend_from_slice(&control::snapshot_footer(place(next)));
    content
}

/// Writes a snapshot of `image`. It has its name only when all of it is on the disk.
pub(super) fn write(
    directory: &Path,
    image: &Image,
    quorum: &Quorum,
    now: Timestamp,
) -> io::Result<()> {
    let name = SnapshotName {
        end: image.offset().next(),
        epoch: image.epoch(),
    };
    let path = directory.join(name.to_string());
    let part = path.with_extension("checkpoint.part");
    let mut file = fs::File::create(&part)?;
    io::Write::write_all(&mut file, &encode(image, quorum, name.epoch, now))?;
    file.sync_all()?;
    fs::rename(&part, &path)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataRecord;
    use crate::metadata::record::{FeatureLevel, Topic};

    fn image() -> Image {
        let feature = FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30,
        };
        let topics = (0..3).map(|number| {
            MetadataRecord::Topic(Topic {
                name: format!("topic-{number}"),
                topic_id: crate::base::TopicId::random(),
            })
        });
        let records: Vec<_> = std::iter::once(MetadataRecord::FeatureLevel(feature))
            .chain(topics)
            .collect();
        let applied = Image::default().apply(&records, Offset(41), LeaderEpoch(7));
        applied.expect("records that fit together").0
    }

    #[test]
    fn the_newest_snapshot_that_is_whole_is_loaded() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut quorum = Quorum::default();
        let header = control::snapshot_header(
            ControlPlace {
                base_offset: Offset::ZERO,
                leader_epoch: LeaderEpoch(7),
                timestamp: Timestamp(1),
            },
            Timestamp(1),
            [(control::ControlType::KraftVersion, &[0, 0, 0, 1, 0][..])].into_iter(),
        );
        for batch in Batches::new(header) {
            let batch = batch.expect("a batch");
            let bytes = batch.record_bytes(DECOMPRESSED_LIMIT).expect("readable");
            quorum.note(&batch, &bytes, Offset::ZERO);
        }
        assert_eq!(quorum.version(), Ok(1));
        let expected = Loaded {
            image: image(),
            quorum,
            end: Offset(42),
        };
        let Loaded { image, quorum, .. } = &expected;
        write(directory.path(), image, quorum, Timestamp(1)).expect("writable");
        assert_eq!(load_newest(directory.path()).expect("readable"), expected);

        let whole = directory
            .path()
            .join("00000000000000000042-0000000007.checkpoint");
        let content = fs::read(&whole).expect("readable");
        let cut = directory
            .path()
            .join("00000000000000000050-0000000007.checkpoint");
        fs::write(cut, &content[..content.len() - 20]).expect("writable");
        assert_eq!(load_newest(directory.path()).expect("readable"), expected);

        assert_eq!(bootstrap_records(&whole).expect("readable").len(), 4);
        let missing = directory.path().join("bootstrap.checkpoint");
        assert!(bootstrap_records(&missing).expect("none").is_empty());
    }
}
