//! Kafka's text checkpoints: a version, a count, and that many lines.
//!
//! ```text
//! 0                 version
//! 2                 number of entries
//! orders 0 1042     one entry a line: `topic partition offset`
//! orders 1 997
//! ```
//!
//! Replaced as a whole ([`Disk::replace`]). An empty file has no entries.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::base::{Offset, TopicPartition};

use super::disk::Disk;

const VERSION: &str = "0";

/// A checkpoint whose text makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed checkpoint: {0}")]
pub struct MalformedCheckpoint(pub String);

/// The text of a checkpoint with these lines.
pub(crate) fn encode(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The lines of a checkpoint, each split into `fields` columns.
pub(crate) fn decode(text: &str, fields: usize) -> Result<Vec<Vec<&str>>, MalformedCheckpoint> {
    let mut lines = text.lines();
    let Some(version) = lines.next() else {
        return Ok(Vec::new());
    };
    if version.trim() != VERSION {
        return Err(MalformedCheckpoint(format!("unknown version {version:?}")));
    }
    let count = lines.next().unwrap_or_default();
    let expected: usize = count
        .trim()
        .parse()
        .map_err(|_| MalformedCheckpoint(format!("count {count:?} is not a number")))?;
    let mut entries = Vec::new();
    for line in lines {
        let entry: Vec<&str> = line.split_whitespace().collect();
        if entry.len() != fields {
            return Err(MalformedCheckpoint(format!(
                "line {line:?} has not {fields} fields"
            )));
        }
        entries.push(entry);
    }
    if entries.len() != expected {
        return Err(MalformedCheckpoint(format!(
            "{} entries where {expected} were announced",
            entries.len()
        )));
    }
    Ok(entries)
}

/// An entry's column as a number.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Result<N, MalformedCheckpoint> {
    text.parse()
        .map_err(|_| MalformedCheckpoint(format!("{text:?} is not a number")))
}

/// An offset for each of several partitions.
pub type PartitionOffsets = BTreeMap<TopicPartition, Offset>;

/// Reads the text of an offset checkpoint.
pub fn decode_offsets(text: &str) -> Result<PartitionOffsets, MalformedCheckpoint> {
    let mut offsets = PartitionOffsets::new();
    for entry in decode(text, 3)? {
        if let [topic, partition, offset] = entry[..] {
            let topic_partition = TopicPartition::new(topic, number(partition)?);
            offsets.insert(topic_partition, Offset(number(offset)?));
        }
    }
    Ok(offsets)
}

/// The text of an offset checkpoint.
pub fn encode_offsets(offsets: &PartitionOffsets) -> String {
    encode(offsets.iter().map(|(topic_partition, offset)| {
        let mut line = String::new();
        // writing to a string cannot fail
        let _ = write!(
            line,
            "{} {} {offset}",
            topic_partition.topic, topic_partition.partition
        );
        line
    }))
}

/// Reads an offset checkpoint; one that is not there has no entries.
pub fn read_offsets(path: &Path) -> io::Result<Result<PartitionOffsets, MalformedCheckpoint>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(decode_offsets(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(PartitionOffsets::new())),
        Err(error) => Err(error),
    }
}

/// Replaces an offset checkpoint.
pub fn write_offsets(disk: &Disk, path: &Path, offsets: &PartitionOffsets) -> io::Result<()> {
    disk.replace(path, encode_offsets(offsets).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        let offsets = PartitionOffsets::from([
            (TopicPartition::new("orders", 1), Offset(997)),
            (TopicPartition::new("orders", 0), Offset(1042)),
        ]);
        let text = encode_offsets(&offsets);
        assert_eq!(text, "0\n2\norders 0 1042\norders 1 997\n");
        assert_eq!(decode_offsets(&text), Ok(offsets));
        assert_eq!(decode_offsets(""), Ok(PartitionOffsets::new()));
        assert_eq!(decode_offsets("0\r\n1\r\na\t0   7\r\n").unwrap().len(), 1);
    }

    #[test]
    fn malformed_text_is_an_error() {
        for text in [
            "1\n0\n",
            "0\n",
            "0\nx\n",
            "0\n2\na 0 1\n",
            "0\n0\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 x\n",
        ] {
            assert!(decode_offsets(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recovery-point-offset-checkpoint");
        assert!(read_offsets(&path).unwrap().unwrap().is_empty());
        let offsets = PartitionOffsets::from([(TopicPartition::new("t", 0), Offset(1))]);
        write_offsets(&Disk::default(), &path, &offsets).unwrap();
        assert_eq!(read_offsets(&path).unwrap().unwrap(), offsets);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_offsets_survive_their_text(
            offsets in proptest::collection::btree_map(("[a-zA-Z0-9._-]{1,20}", 0..i32::MAX), 0..i64::MAX, 0..20),
        ) {
            let offsets: PartitionOffsets = offsets
                .into_iter()
                .map(|((topic, partition), offset)| (TopicPartition::new(topic.as_str(), partition), Offset(offset)))
                .collect();
            let text = encode_offsets(&offsets);
            proptest::prop_assert_eq!(decode_offsets(&text), Ok(offsets));
            // Cut anywhere it is not taken for another one, but that the last number may be shorter.
            let lines = text.lines().count();
            for cut in 1..text.len() {
                if let Ok(fewer) = decode_offsets(&text[..cut]) {
                    proptest::prop_assert_eq!(fewer.len() + 2, lines);
                }
            }
        }
    }
}
