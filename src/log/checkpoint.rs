//! Kafka's text checkpoints: a version, a count, and that many lines.
//!
//! ```text
//! 0                 version
//! 2                 number of entries
//! orders 0 1042     one entry a line: `topic partition offset`
//! orders 1 997
//! ```
//!
//! A checkpoint is replaced as a whole ([`Disk::replace`]). An empty file has no entries. A file is read line by line, so
//! that reading one that is not a checkpoint, of whatever size, ends at its first wrong line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use crate::base::{Offset, TopicPartition};

use super::disk::Disk;
use super::plain_file;

const VERSION: &str = "0";
/// No line is longer: a topic's name has at most 249 characters, a number 20 digits.
const LONGEST_LINE: u64 = 1024;

/// A malformed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed checkpoint: {0}")]
pub struct MalformedCheckpoint(pub String);

impl From<io::Error> for MalformedCheckpoint {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The text of a checkpoint with these lines.
pub(crate) fn encode(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Reads the lines of a checkpoint, each split into `FIELDS` columns. Stops at the first malformed line, and
/// holds one line at a time.
pub(crate) fn decode<const FIELDS: usize>(
    text: impl BufRead,
    mut entry: impl FnMut([&str; FIELDS]) -> Result<(), MalformedCheckpoint>,
) -> Result<(), MalformedCheckpoint> {
    let mut lines = Lines {
        text,
        line: Vec::new(),
        number: 0,
    };
    let Some(version) = lines.next()? else {
        return Ok(());
    };
    if version.trim() != VERSION {
        return Err(MalformedCheckpoint(format!("unknown version {version:?}")));
    }
    let count = lines.next()?.unwrap_or_default();
    let expected: u64 = count
        .trim()
        .parse()
        .map_err(|_| MalformedCheckpoint(format!("count {count:?} is not a number")))?;
    let mut entries: u64 = 0;
    while let Some(line) = lines.next()? {
        let mut columns = line.split_whitespace();
        let fields = std::array::from_fn(|_| columns.next().unwrap_or_default());
        if fields.iter().any(|field| field.is_empty()) || columns.next().is_some() {
            let number = lines.number;
            return Err(MalformedCheckpoint(format!(
                "line {number} does not have {FIELDS} fields"
            )));
        }
        entries += 1;
        if entries > expected {
            break;
        }
        entry(fields)?;
    }
    if entries != expected {
        let found = entries.min(expected.saturating_add(1));
        let more = if found > expected { " or more" } else { "" };
        return Err(MalformedCheckpoint(format!(
            "the second line says {expected} entries, but there are {found}{more}"
        )));
    }
    Ok(())
}

/// The lines of a file that may not be text.
struct Lines<R> {
    text: R,
    line: Vec<u8>,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<&str>, MalformedCheckpoint> {
        self.line.clear();
        self.number += 1;
        let number = self.number;
        let mut text = (&mut self.text).take(LONGEST_LINE);
        if text.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        let is_ended = self.line.ends_with(b"\n");
        if !is_ended && self.line.len() as u64 >= LONGEST_LINE {
            return Err(MalformedCheckpoint(format!("line {number} has no end")));
        }
        let line = std::str::from_utf8(&self.line)
            .map_err(|_| MalformedCheckpoint(format!("line {number} is no text")))?;
        Ok(Some(line.trim_end_matches(['\n', '\r'])))
    }
}

/// An entry's column as a number.
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Result<N, MalformedCheckpoint> {
    text.parse()
        .map_err(|_| MalformedCheckpoint(format!("{text:?} is not a number")))
}

/// An offset for each of several partitions.
pub type PartitionOffsets = BTreeMap<TopicPartition, Offset>;

/// Whether the file of log start offsets was replaced by that of recovery points or high watermarks, which has the same
/// format. Those name every partition of the directory, but log start offsets exist only for logs that were truncated at
/// their start. So log start offsets of all partitions, beside another file with fewer, are not real. Trusting them would
pub fn is_in_the_place_of_log_starts(
    log_starts: &PartitionOffsets,
    recovery_points: &PartitionOffsets,
    high_watermarks: &PartitionOffsets,
) -> bool {
    let mut others = recovery_points.keys().chain(high_watermarks.keys());
    let fewest = recovery_points.len().min(high_watermarks.len());
    log_starts.len() > fewest.max(1)
        && recovery_points.len().max(high_watermarks.len()) > 1
        && others.all(|partition| log_starts.contains_key(partition))
}

/// Reads the text of an offset checkpoint.
pub fn decode_offsets(text: impl BufRead) -> Result<PartitionOffsets, MalformedCheckpoint> {
    let mut offsets = PartitionOffsets::new();
    decode(text, |[topic, partition, offset]| {
        let topic_partition = TopicPartition::new(topic, number(partition)?);
        offsets.insert(topic_partition, Offset(number(offset)?));
        Ok(())
    })?;
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

/// Reads an offset checkpoint. A missing one has no entries.
///
/// # Errors
/// Of the kind [`io::ErrorKind::InvalidData`] if the path is not a file.
pub fn read_offsets(path: &Path) -> io::Result<Result<PartitionOffsets, MalformedCheckpoint>> {
    match plain_file::open(path) {
        Ok(file) => Ok(decode_offsets(BufReader::new(file))),
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
        assert_eq!(decode_offsets(text.as_bytes()), Ok(offsets));
        assert_eq!(decode_offsets(&b""[..]), Ok(PartitionOffsets::new()));
        assert_eq!(
            decode_offsets(&b"0\r\n1\r\na\t0   7\r\n"[..])
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn another_checkpoint_in_the_place_of_log_starts_is_recognised() {
        let of = |partitions: &[i32]| -> PartitionOffsets {
            let entries = partitions.iter();
            entries
                .map(|number| (TopicPartition::new("orders", *number), Offset(9)))
                .collect()
        };
        let (none, one, all) = (of(&[]), of(&[1]), of(&[0, 1, 2]));
        let is_one = is_in_the_place_of_log_starts;
        assert!(is_one(&all, &one, &all) && is_one(&all, &all, &one));
        assert!(is_one(&all, &none, &all) && is_one(&all, &all, &none));
        for ours in [&none, &one, &of(&[0, 2]), &all] {
            assert!(!is_one(ours, &all, &all), "{ours:?}");
        }
        // A file that was removed does not tell, nor does what is known of one partition alone.
        assert!(!is_one(&of(&[0, 2]), &none, &all) && !is_one(&of(&[0, 2]), &all, &none));
        assert!(!is_one(&all, &none, &none) && !is_one(&one, &none, &one));
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
            assert!(decode_offsets(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_checkpoint() {
        for bytes in [
            &b"\xff\xfe0\n"[..],
            b"0\n1\na\xff 0 1\n",
            &[0; 5000],
            b"0\n1\na \0 1\n",
        ] {
            assert!(decode_offsets(bytes).is_err(), "{bytes:?}");
        }
        let endless = [b"0\n1\na 0 ", &[b'1'; 5000][..]].concat();
        let error = decode_offsets(&endless[..]).unwrap_err();
        assert_eq!(error.to_string(), "malformed checkpoint: line 3 has no end");
        // of more entries than announced one is read
        let many = [b"0\n1\n", &b"a 0 1\n".repeat(1000)[..]].concat();
        let mut rest = &many[..];
        assert!(decode_offsets(&mut rest).is_err());
        assert_eq!(rest.len(), many.len() - b"0\n1\na 0 1\na 0 1\n".len());
    }

    #[test]
    fn a_file_of_a_terabyte_is_no_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(read_offsets(&path).unwrap().is_err());
        let error = read_offsets(directory.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
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
            proptest::prop_assert_eq!(decode_offsets(text.as_bytes()), Ok(offsets));
            // Cut anywhere it is not taken for another one, but that the last number may be shorter.
            let lines = text.lines().count();
            for cut in 1..text.len() {
                if let Ok(fewer) = decode_offsets(&text.as_bytes()[..cut]) {
                    proptest::prop_assert_eq!(fewer.len() + 2, lines);
                }
            }
        }
    }
}
