//! The assignment of a classic consumer (`ConsumerProtocolAssignment`). Its leader makes it in a classic group, the
//! coordinator in a consumer group. Topics have names there, and ids here.

use bytes::Bytes;

use super::Assignment;
use crate::metadata::Image;
use crate::schema::{DecodeError, Reader, Writer};

/// The newest version. All have the same fields.
const NEWEST: i16 = 3;

/// Why an assignment of a classic group cannot be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It is not such an assignment.
    Malformed,
    /// An assignor of the consumers' own has put something into it.
    HasUserData,
}

impl From<DecodeError> for NotTaken {
    fn from(_: DecodeError) -> Self {
        Self::Malformed
    }
}

/// The partitions of an assignment, without those of topics that are not there.
pub(super) fn read(bytes: &[u8], image: &Image) -> Result<Assignment, NotTaken> {
    let mut reader = Reader::new(bytes);
    if reader.int16()? < 0 {
        return Err(NotTaken::Malformed);
    }
    let topics = reader.array(|reader| {
        let topic = reader.string::<String>()?;
        Ok((topic, reader.array(Reader::int32)?))
    })?;
    if reader
        .nullable_bytes()?
        .is_some_and(|data| !data.is_empty())
    {
        return Err(NotTaken::HasUserData);
    }
    let topics = topics.into_iter().filter_map(|(name, partitions)| {
        let topic = image.topic(&name)?;
        Some((topic.id, partitions))
    });
    Ok(Assignment::new(topics))
}

/// An assignment in the version in which the member has sent this metadata, or the newest.
pub(super) fn write(assignment: &Assignment, image: &Image, metadata: &[u8]) -> Bytes {
    let version = Reader::new(metadata).int16().unwrap_or(0);
    let mut writer = Writer::starting_with(version.clamp(0, NEWEST), false);
    let topics = assignment.topics();
    let topics = topics
        .filter_map(|(topic, partitions)| Some((&image.topic_by_id(topic)?.name, partitions)));
    let mut topics: Vec<_> = topics.collect();
    topics.sort();
    writer.array(&topics, |writer, (name, partitions)| {
        writer.string(name);
        writer.array(partitions, |writer, partition| writer.int32(*partition));
    });
    writer.nullable_bytes(None);
    writer.into_bytes().into()
}
