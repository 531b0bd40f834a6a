//! Topics by name in old versions and by id in new ones, with one lookup for both.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, KafkaUuid};
use crate::metadata::{Image, TopicImage};

/// Looks up the topic of a request: by id if the version has ids, else by name.
///
/// # Errors
/// The code for each of the request's partitions.
pub(super) fn find<'a>(
    image: &'a Image,
    name: &str,
    id: Uuid,
    by_id: bool,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    if by_id {
        image
            .topic_by_id(KafkaUuid(id))
            .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        image
            .topic(name)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

/// The same with a check of a right by `permit`. A client without the right to a topic that it names does not learn
/// whether the topic exists.
///
/// # Errors
/// The code for each of the request's partitions.
pub(super) fn find_permitted<'a>(
    image: &'a Image,
    name: &str,
    id: Uuid,
    by_id: bool,
    permit: impl FnOnce(&str) -> Result<(), ErrorCode>,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    if by_id {
        let topic = find(image, name, id, by_id)?;
        permit(&topic.name)?;
        Ok(topic)
    } else {
        permit(name)?;
        find(image, name, id, by_id)
    }
}

/// A topic's name, for a message.
pub(super) fn wire_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A topic's name that is not part of a frame, so that a waiting request does not keep the frame.
pub(super) fn owned_name(name: &TopicName) -> TopicName {
    wire_name(name)
}

/// The same topic, if it has this partition.
///
/// # Errors
/// The code for a partition that does not exist.
pub(super) fn with_partition(
    topic: &Arc<TopicImage>,
    partition: i32,
) -> Result<&Arc<TopicImage>, ErrorCode> {
    topic
        .partition(partition)
        .map(|_| topic)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}
