//! DescribeLogDirs: the log directories of this broker, and the replicas in them.

use std::collections::HashSet;
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, TopicPartition};
use crate::messages;
use crate::partition::{DescribedDirectory, DescribedReplica};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::requested::Numbered;
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk};
use super::topic_ids::wire_name;

/// First version with compact arrays.
const FLEXIBLE: i16 = 2;
/// The newest version that the protocol crate can write.
const NEWEST_KNOWN: i16 = 4;

pub(super) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;
    /// Version 5 added a field to the rows of the answer.
    const NEWEST: i16 = 5;

    async fn handle(call: Call, request: DescribeLogDirsRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Describe, Resource::CLUSTER) {
            return call.reply(&response(Vec::new()).with_error_code(code.0));
        }
        let directories = call.broker.partitions.describe_directories().await;
        let told: Vec<_> = told(&request, directories)
            .into_iter()
            .map(Arc::new)
            .collect();
        drop(request);
        let (count, version) = (told.len(), call.version);
        let rows = (0..count).flat_map(move |row| chunks(version, &told[row]));
        streamed::rows(&call, response, count, rows).await
    }
}

fn response(results: Vec<DescribeLogDirsResult>) -> DescribeLogDirsResponse {
    DescribeLogDirsResponse::default().with_results(results)
}

/// The contents of a directory's row: its selected replicas, grouped by topic.
struct Told {
    directory: DescribedDirectory,
    topics: Vec<Range<usize>>,
}

impl Told {
    fn replicas(&self) -> &[DescribedReplica] {
        self.directory
            .content
            .as_ref()
            .map_or(&[], |content| &content.replicas)
    }
}

/// The selected partitions.
enum Asked<'a> {
    All,
    Some(Numbered<'a>, HashSet<(usize, i32)>),
}

impl<'a> Asked<'a> {
    fn new(request: &'a DescribeLogDirsRequest) -> Self {
        let Some(topics) = &request.topics else {
            return Self::All;
        };
        let mut names = Numbered::default();
        let mut partitions = HashSet::new();
        for topic in topics {
            let name = names.number(topic.topic.as_str());
            partitions.extend(topic.partitions.iter().map(|number| (name, *number)));
        }
        Self::Some(names, partitions)
    }

    fn has(&self, partition: &TopicPartition) -> bool {
        match self {
            Self::All => true,
            Self::Some(names, asked) => names
                .find(&partition.topic)
                .is_some_and(|name| asked.contains(&(name, partition.partition))),
        }
    }
}

fn told(request: &DescribeLogDirsRequest, directories: Vec<DescribedDirectory>) -> Vec<Told> {
    let asked = Asked::new(request);
    let told = |mut directory: DescribedDirectory| {
        let mut topics: Vec<Range<usize>> = Vec::new();
        if let Some(content) = &mut directory.content {
            content
                .replicas
                .retain(|replica| asked.has(&replica.topic_partition));
            content.replicas.shrink_to_fit();
            // They are ordered by name.
            let same = |one: &DescribedReplica, next: &DescribedReplica| {
                one.topic_partition.topic == next.topic_partition.topic
            };
            for of_topic in content.replicas.chunk_by(same) {
                let begin = topics.last().map_or(0, |last| last.end);
                topics.push(begin..begin + of_topic.len());
            }
        }
        Told { directory, topics }
    };
    directories.into_iter().map(told).collect()
}

/// The row of a directory, topic by topic.
fn chunks(version: i16, told: &Arc<Told>) -> impl Iterator<Item = Chunk> + Clone + use<> {
    let row = |topics| result(&told.directory).with_topics(topics);
    let known = version.min(NEWEST_KNOWN);
    let (first, count, last) = match Around::new(known, version >= FLEXIBLE, row) {
        Ok(around) => (
            around.head(told.topics.len()),
            told.topics.len(),
            if version > NEWEST_KNOWN {
                // There is no setting yet that cordons a directory.
                around.tail_as(|tail| messages::end_of_directory(tail, false))
            } else {
                around.tail()
            },
        ),
        // It cannot be encoded at all, which shows when that is tried.
        Err(_) => (Chunk::row(row(Vec::new())), 0, Chunk::Bytes(Bytes::new())),
    };
    let told = Arc::clone(told);
    let topics =
        (0..count).map(move |at| Chunk::row(topic(&told.replicas()[told.topics[at].clone()])));
    once(first).chain(topics).chain(once(last))
}

/// A directory without its topics.
fn result(directory: &DescribedDirectory) -> DescribeLogDirsResult {
    let path = directory.path.to_string_lossy().into_owned();
    let result = DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(path));
    let Some(content) = &directory.content else {
        return result.with_error_code(ErrorCode::KAFKA_STORAGE_ERROR.0);
    };
    let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    match content.space {
        Some(space) => result
            .with_total_bytes(bytes(space.total))
            .with_usable_bytes(bytes(space.usable)),
        None => result,
    }
}

/// The replicas of one topic.
fn topic(replicas: &[DescribedReplica]) -> DescribeLogDirsTopic {
    let name = replicas
        .first()
        .map_or("", |replica| &*replica.topic_partition.topic);
    let partition = |replica: &DescribedReplica| {
        DescribeLogDirsPartition::default()
            .with_partition_index(replica.topic_partition.partition)
            .with_partition_size(i64::try_from(replica.size).unwrap_or(i64::MAX))
            .with_offset_lag(replica.offset_lag)
            .with_is_future_key(replica.is_future)
    };
    DescribeLogDirsTopic::default()
        .with_name(wire_name(name))
        .with_partitions(replicas.iter().map(partition).collect())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;

    use kafka_protocol::messages::TopicName;

    use super::*;
    use crate::log::Space;
    use crate::partition::DirectoryContent;

    fn directories() -> Vec<DescribedDirectory> {
        let replica = |topic: &str, partition, is_future| DescribedReplica {
            topic_partition: TopicPartition::new(topic, partition),
            size: 700,
            offset_lag: if is_future { 3 } else { 0 },
            is_future,
        };
        let content = DirectoryContent {
            space: Some(Space {
                total: 1000,
                usable: 300,
            }),
            replicas: vec![
                replica("audit", 0, false),
                replica("orders", 0, false),
                replica("orders", 1, true),
            ],
        };
        [("/a", Some(content)), ("/b", None)]
            .map(|(path, content)| DescribedDirectory {
                path: path.into(),
                content,
            })
            .into()
    }

    fn received(request: &DescribeLogDirsRequest, version: i16) -> DescribeLogDirsResponse {
        let told: Vec<_> = told(request, directories())
            .into_iter()
            .map(Arc::new)
            .collect();
        let rows = told.iter().flat_map(|told| chunks(version, told));
        streamed::received(version, response, told.len(), rows)
    }

    #[test]
    fn every_version_tells_what_it_can() {
        for version in 1..=4 {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let response = received(&request, version);
            let [first, second] = response.results.as_slice() else {
                panic!("two directories: {response:?}");
            };
            assert_eq!((first.error_code, first.log_dir.as_str()), (0, "/a"));
            let names: Vec<_> = first
                .topics
                .iter()
                .map(|topic| topic.name.as_str())
                .collect();
            assert_eq!(names, ["audit", "orders"]);
            let moving = &first.topics[1].partitions[1];
            assert_eq!(
                (
                    moving.partition_index,
                    moving.partition_size,
                    moving.offset_lag
                ),
                (1, 700, 3)
            );
            assert!(moving.is_future_key && !first.topics[1].partitions[0].is_future_key);
            let space = (first.total_bytes, first.usable_bytes);
            assert_eq!(space, if version >= 4 { (1000, 300) } else { (-1, -1) });
            assert_eq!(second.error_code, ErrorCode::KAFKA_STORAGE_ERROR.0);
            assert!(second.topics.is_empty());
        }
    }

    #[test]
    fn version_5_says_that_no_directory_is_cordoned() {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        for told in told(&request, directories()).into_iter().map(Arc::new) {
            let four = streamed::written(4, chunks(4, &told));
            let five = streamed::written(4, chunks(5, &told));
            // What follows are the flag and the tagged fields.
            assert_eq!(five.strip_suffix(&[0]), Some(&four[..]));
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_told() {
        let topic = DescribableLogDirTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("orders")))
            .with_partitions(vec![1, 7]);
        let request = DescribeLogDirsRequest::default().with_topics(Some(vec![topic]));
        let response = received(&request, 4);
        let topics = &response.results[0].topics;
        assert_eq!(topics.len(), 1);
        assert_eq!(topics[0].partitions.len(), 1);
    }
}
