//! Snapshots of the metadata log: everything below an offset, as records between a header and a
//! footer, in a file that is named for that offset.

use std::fs;
use std::io;
use std::path::Path;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::metadata::{Image, Loader, MetadataRecord, snapshot};
use crate::record::control::{self, ControlPlace, ControlType};
use crate::record::{Batch, BatchBuilder, BatchOptions};
use crate::schema::Reader;

use super::batch_file::{BatchFile, Place, Step};
use super::error::MetadataLogError;
use super::feed::{LARGEST_BATCH, feed_batch};
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
    /// The snapshot of an empty log.
    pub(super) const FIRST: Self = Self {
        end: Offset::ZERO,
        epoch: LeaderEpoch(0),
    };

    pub(super) fn parse(name: &str) -> Option<Self> {
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

/// The contents of a snapshot.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Loaded {
    pub(super) image: Image,
    pub(super) quorum: Quorum,
    /// The timestamp of the last record that it includes.
    pub(super) log_time: Option<Timestamp>,
}

/// The records of `bootstrap.checkpoint`, a snapshot that Kafka's format tool leaves for the first start; empty when
/// there is no such file.
pub(super) fn bootstrap_records(path: &Path) -> Result<Vec<MetadataRecord>, MetadataLogError> {
    if !path.try_exists()? {
        return Ok(Vec::new());
    }
    let loaded = load(path, SnapshotName::FIRST).map_err(|error| {
        let cure = "restore it, or remove it to begin with the features of this release";
        MetadataLogError::of_file(path, invalid(error), cure)
    })?;
    Ok(snapshot::records(&loaded.image).collect())
}

/// Reads a snapshot. Its offsets are its own, and begin with 0; the leader epoch is that of its name.
pub(super) fn load(path: &Path, name: SnapshotName) -> Result<Loaded, MetadataLogError> {
    let damaged =
        |position: u64, reason: String| MetadataLogError::DamagedSnapshot { position, reason };
    let place = Place {
        offset: Offset::ZERO,
        epoch: name.epoch,
        last_epoch: name.epoch,
    };
    let mut file = BatchFile::open(path, place)?;
    let mut loader = Loader::new(Image::default());
    let mut quorum = Quorum::default();
    let (mut log_time, mut is_complete) = (None, false);
    loop {
        let batch = match file.step()? {
            Step::Batch(_) if is_complete => {
                return Err(damaged(0, "something follows its end".to_owned()));
            }
            Step::Batch(batch) => batch,
            Step::Bad(flaw) => return Err(damaged(flaw.position, flaw.reason)),
            Step::End => break,
        };
        match bound(&batch) {
            Some(Bound::Header(time)) if batch.header.base_offset == Offset::ZERO => {
                log_time = Some(time);
            }
            Some(Bound::Footer) => is_complete = true,
            _ => {}
        }
        feed_batch(&mut loader, &mut quorum, &batch, Offset::ZERO, |_| {})?;
    }
    if log_time.is_none() || !is_complete {
        let end = file.place().offset;
        return Err(damaged(
            0,
            format!("it is not complete: it ends behind record {end}"),
        ));
    }
    // Offsets within a snapshot are its own; its end offset is in its name.
    loader.skip_to(Offset(name.end.0.saturating_sub(1)), name.epoch);
    Ok(Loaded {
        image: loader.publish()?.0,
        quorum,
        log_time,
    })
}

fn invalid(error: MetadataLogError) -> io::Error {
    match error {
        MetadataLogError::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

/// The control records at the beginning and the end of a snapshot.
enum Bound {
    /// With the timestamp of the last record that it includes.
    Header(Timestamp),
    Footer,
}

fn bound(batch: &Batch) -> Option<Bound> {
    if !batch.header.attributes.is_control() {
        return None;
    }
    let bytes = batch.record_bytes(LARGEST_BATCH).ok()?;
    let first = batch.records(&bytes).next()?.ok()?;
    match ControlType::parse(first.key).ok()? {
        ControlType::SnapshotHeader => {
            let mut reader = Reader::flexible(first.value?);
            reader.int16().ok()?;
            reader
                .int64()
                .ok()
                .map(|time| Bound::Header(Timestamp(time)))
        }
        ControlType::SnapshotFooter => Some(Bound::Footer),
        _ => None,
    }
}

/// A snapshot to be written.
pub(super) struct Snapshot<'a> {
    pub(super) image: &'a Image,
    pub(super) quorum: &'a Quorum,
    /// The timestamp of the last record in the image.
    pub(super) log_time: Timestamp,
}

impl Snapshot<'_> {
    const fn name(&self) -> SnapshotName {
        SnapshotName {
            end: self.image.offset().next(),
            epoch: self.image.epoch(),
        }
    }

    fn encode(&self, now: Timestamp) -> Vec<u8> {
        let epoch = self.name().epoch;
        let mut content = Vec::new();
        let mut next = Offset::ZERO;
        let place = |base_offset| ControlPlace {
            base_offset,
            leader_epoch: epoch,
            timestamp: now,
        };
        let header = control::snapshot_header(place(next), self.log_time, self.quorum.records());
        content.extend_from_slice(&header);
        next = self
            .quorum
            .records()
            .fold(next.next(), |next, _| next.next());
        let mut records = snapshot::records(self.image).peekable();
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

    /// Writes it. It gets its name only when all of it is on the disk.
    pub(super) fn write(&self, directory: &Path, now: Timestamp) -> io::Result<()> {
        let path = directory.join(self.name().to_string());
        let part = path.with_extension("checkpoint.part");
        // a file that a crash has left there
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::File::create_new(&part)?;
        io::Write::write_all(&mut file, &self.encode(now))?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        fs::File::open(directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataRecord;
    use crate::metadata::record::{FeatureLevel, Topic};

    fn image(epoch: LeaderEpoch) -> Image {
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
        let applied = Image::default().apply(&records, Offset(41), epoch);
        applied.expect("records that fit together").0
    }

    fn quorum() -> Quorum {
        let place = ControlPlace {
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch(7),
            timestamp: Timestamp(1),
        };
        let version = [(ControlType::KraftVersion, &[0, 0, 0, 1, 0][..])];
        let header = control::snapshot_header(place, Timestamp(1), version.into_iter());
        let mut quorum = Quorum::default();
        let batch = Batch::parse(&header).expect("a batch");
        quorum.note(&batch, &batch.body(), Offset::ZERO);
        quorum
    }

    #[test]
    fn what_was_written_is_loaded() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let expected = Loaded {
            image: image(LeaderEpoch(7)),
            quorum: quorum(),
            log_time: Some(Timestamp(5)),
        };
        assert_eq!(expected.quorum.version(), Ok(1));
        let snapshot = Snapshot {
            image: &expected.image,
            quorum: &expected.quorum,
            log_time: Timestamp(5),
        };
        snapshot
            .write(directory.path(), Timestamp(6))
            .expect("writable");
        let names = list(directory.path()).expect("readable");
        let path = directory.path().join(names[0].to_string());
        assert!(path.ends_with("00000000000000000042-0000000007.checkpoint"));
        assert_eq!(load(&path, names[0]).expect("whole"), expected);
        let other = SnapshotName {
            epoch: LeaderEpoch(8),
            ..names[0]
        };
        assert!(load(&path, other).is_err(), "of another leadership");
    }

    #[test]
    fn what_kafka_wants_to_stand_first_is_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("bootstrap.checkpoint");
        assert!(bootstrap_records(&path).expect("none").is_empty());
        let snapshot = Snapshot {
            image: &image(LeaderEpoch(0)),
            quorum: &Quorum::default(),
            log_time: Timestamp(0),
        };
        let content = snapshot.encode(Timestamp(0));
        fs::write(&path, &content).expect("writable");
        assert_eq!(bootstrap_records(&path).expect("readable").len(), 4);
        fs::write(&path, &content[..content.len() - 20]).expect("writable");
        let line = bootstrap_records(&path).expect_err("cut").to_string();
        assert!(
            line.contains("bootstrap.checkpoint") && line.contains("remove it"),
            "{line}"
        );
    }
}
