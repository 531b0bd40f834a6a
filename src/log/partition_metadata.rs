//! `partition.metadata`: which topic id a replica directory belongs to.
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

const FILE_NAME: &str = "partition.metadata";

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

/// The topic id that a replica directory belongs to, or `None` where that was never written.
pub fn read_topic_id(directory: &Path) -> Result<Option<TopicId>, LogError> {
    let path = directory.join(FILE_NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => match decode(&text) {
            Some(id) => Ok(Some(id)),
            None => Err(LogError::Corrupt(format!(
                "{} is malformed",
                path.display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the id into a directory that has none; refuses a directory with another one.
pub(super) fn ensure(disk: &Disk, directory: &Path, expected: TopicId) -> Result<(), LogError> {
    if expected.is_zero() {
        return Ok(());
    }
    match read_topic_id(directory)? {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(LogError::InconsistentTopicId {
            directory: directory.to_owned(),
            found,
            expected,
        }),
        None => Ok(disk.replace(&directory.join(FILE_NAME), encode(expected).as_bytes())?),
    }
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
