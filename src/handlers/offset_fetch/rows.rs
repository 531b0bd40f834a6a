//! The rows of an answer, in the format of its version.

use std::iter::once;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::super::streamed::{Around, Chunk, Unencodable};
use super::super::text::{wire_group, wire_text};
use super::{Answer, Partition, Topic, WITH_MANY_GROUPS, WITH_TOPIC_IDS};

/// First version with compact arrays.
const FLEXIBLE: i16 = 6;
/// A topic whose offsets are larger than this is sent offset by offset.
const AT_ONCE: usize = 16 * 1024;

/// One group, in versions with several groups.
pub(super) fn of_group(
    version: i16,
    told: &Arc<Answer>,
) -> impl Iterator<Item = Chunk> + Clone + use<> {
    let group = OffsetFetchResponseGroup::default()
        .with_group_id(wire_group(&told.group))
        .with_error_code(told.code.0);
    let with_topics = |topics| group.clone().with_topics(topics);
    let (first, count, last) = match Around::new(version, version >= FLEXIBLE, with_topics) {
        Ok(around) => (
            around.head(told.topics.len()),
            told.topics.len(),
            around.tail(),
        ),
        // It cannot be encoded at all, which shows when that is tried.
        Err(_) => (Chunk::row(group), 0, Chunk::Bytes(Bytes::new())),
    };
    let told = Arc::clone(told);
    let topics = (0..count).flat_map(move |topic| of_topic(version, &told, topic));
    once(first).chain(topics).chain(once(last))
}

/// One topic of a group.
pub(super) fn of_topic(
    version: i16,
    told: &Arc<Answer>,
    topic: usize,
) -> impl Iterator<Item = Chunk> + Clone + use<> {
    let asked = &told.topics[topic];
    let apart = (weight(asked) > AT_ONCE)
        .then(|| around(version, asked).ok())
        .flatten();
    let (first, count, last) = match apart {
        Some(around) => {
            let count = asked.partitions.len();
            (around.head(count), count, around.tail())
        }
        None => (whole(version, asked), 0, Chunk::Bytes(Bytes::new())),
    };
    let told = Arc::clone(told);
    let partitions = (0..count).map(move |at| {
        let partition = &told.topics[topic].partitions[at];
        if version >= WITH_MANY_GROUPS {
            Chunk::row(partition_row(partition))
        } else {
            Chunk::row(old_partition_row(partition))
        }
    });
    once(first).chain(partitions).chain(once(last))
}

/// The approximate size of the offsets.
fn weight(topic: &Topic) -> usize {
    let partitions = topic.partitions.iter();
    partitions
        .map(|partition| 32 + partition.metadata.len())
        .sum()
}

fn around(version: i16, topic: &Topic) -> Result<Around, Unencodable> {
    if version >= WITH_MANY_GROUPS {
        Around::new(version, version >= FLEXIBLE, |rows| {
            topic_row(version, topic, rows)
        })
    } else {
        Around::new(version, version >= FLEXIBLE, |rows| {
            old_topic_row(topic, rows)
        })
    }
}

fn whole(version: i16, topic: &Topic) -> Chunk {
    let partitions = topic.partitions.iter();
    if version >= WITH_MANY_GROUPS {
        Chunk::row(topic_row(
            version,
            topic,
            partitions.map(partition_row).collect(),
        ))
    } else {
        Chunk::row(old_topic_row(
            topic,
            partitions.map(old_partition_row).collect(),
        ))
    }
}

fn topic_row(
    version: i16,
    topic: &Topic,
    partitions: Vec<OffsetFetchResponsePartitions>,
) -> OffsetFetchResponseTopics {
    let row = OffsetFetchResponseTopics::default().with_partitions(partitions);
    if version >= WITH_TOPIC_IDS {
        row.with_topic_id(topic.id)
    } else {
        row.with_name(topic.name.clone())
    }
}

fn partition_row(partition: &Partition) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition.number)
        .with_committed_offset(partition.offset.0)
        .with_committed_leader_epoch(partition.epoch.0)
        .with_metadata(Some(wire_text(&partition.metadata)))
        .with_error_code(partition.code.0)
}

fn old_topic_row(
    topic: &Topic,
    partitions: Vec<OffsetFetchResponsePartition>,
) -> OffsetFetchResponseTopic {
    OffsetFetchResponseTopic::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions)
}

fn old_partition_row(partition: &Partition) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition::default()
        .with_partition_index(partition.number)
        .with_committed_offset(partition.offset.0)
        .with_committed_leader_epoch(partition.epoch.0)
        .with_metadata(Some(wire_text(&partition.metadata)))
        .with_error_code(partition.code.0)
}
