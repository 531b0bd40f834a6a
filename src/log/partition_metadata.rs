//! `partition.metadata`: the topic id of a replica directory.
//!
//! ```text
//! version: 0
//! topic_id: <22 characters of base64url>        no newline at the end
//! ```

use std::io;
use std::path::Path;

use crate::base::TopicId;

use super::disk::Disk;
use super::partition_log::LogError;
use super::plain_file;

pub(super) const FILE_NAME: &str = "partition.metadata";

/// The file has two short lines.
const LONGEST: u64 = 1024;

pub(super) fn encode(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

pub(super) fn decode(text: &str) -> Option<TopicId> {
    let mut lines = text.lines().map(|line| {
        line.split_once(':')
            .map(|(key, value)| (key.trim(), value.trim()))
    });
    let (version, id) = (lines.next()??, lines.next()??);
    let version: i32 = (version.0 == "version")
        .then(|| version.1.parse().ok())
        .flatten()?;
    let id: TopicId = (id.0 == "topic_id").then(|| id.1.parse().ok()).flatten()?;
    (version >= 0 && !id.is_zero() && lines.next().is_none()).then_some(id)
}

/// The topic id of a replica directory, or `None` if it was never written.
pub fn read_topic_id(directory: &Path) -> Result<Option<TopicId>, LogError> {
    let path = directory.join(FILE_NAME);
    match plain_file::read(&path, LONGEST) {
        Ok(content) => match std::str::from_utf8(&content).ok().and_then(decode) {
            Some(id) => Ok(Some(id)),
            None => Err(malformed(&path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(malformed(&path)),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a directory whose file, with this content, names another id.
pub(super) fn check(directory: &Path, content: &[u8], expected: TopicId) -> Result<(), LogError> {
    let found = std::str::from_utf8(content).ok().and_then(decode);
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(LogError::InconsistentTopicId {
            directory: directory.to_owned(),
            found,
            expected,
        }),
        None => Err(malformed(&directory.join(FILE_NAME))),
    }
}

/// Writes the id into a directory that has none, and syncs all names in the directory.
pub(super) fn write(disk: &Disk, directory: &Path, id: TopicId) -> io::Result<()> {
    disk.replace(&directory.join(FILE_NAME), encode(id).as_bytes())
}

fn malformed(path: &Path) -> LogError {
    LogError::Corrupt(format!(
        "{} is malformed; restore it from a copy, or from the {FILE_NAME} of another partition of the topic",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kafkas() {
        let text = encode(TopicId::METADATA_TOPIC);
        assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(decode(&text), Some(TopicId::METADATA_TOPIC));
        for text in [
            "",
            "version: 0",
            "version: -1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
            "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
            "topic_id: AAAAAAAAAAAAAAAAAAAAAQ\nversion: 0",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
