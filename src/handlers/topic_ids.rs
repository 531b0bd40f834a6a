//! Topics by name in old versions and by id in new ones, with one look-up for both.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, KafkaUuid};
use crate::metadata::{Image, TopicImage};

/// Finds the topic that a request names: by id where the version has ids, else by name.
///
/// # Errors
/// The code with which each of the request's partitions is to be answered.
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

/// The same for what needs a right, which `permit` looks for. Who has no right to a topic that they name does not hear
/// whether there is one.
///
/// # Errors
/// The code with which each of the request's partitions is to be answered.
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

/// A topic's name as messages carry it.
pub(super) fn wire_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A topic's name that is not part of a frame: who waits with one keeps only that.
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
