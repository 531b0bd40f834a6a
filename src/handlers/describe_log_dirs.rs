//! DescribeLogDirs: the log directories of this broker, and what is in them.

use std::collections::HashSet;

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, TopicPartition};
use crate::partition::{DescribedDirectory, DescribedReplica};
use crate::wire::Reply;

use super::route::{Call, Handler};

pub(super) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;

    async fn handle(call: Call, request: DescribeLogDirsRequest) -> Reply {
        let directories = call.broker.partitions.describe_directories().await;
        call.reply(&response(&request, &directories))
    }
}

/// The partitions that are asked for.
enum Asked<'a> {
    All,
    Some(HashSet<(&'a str, i32)>),
}

impl<'a> Asked<'a> {
    fn new(request: &'a DescribeLogDirsRequest) -> Self {
        let Some(topics) = &request.topics else {
            return Self::All;
        };
        let partitions = topics.iter().flat_map(|topic| {
            let name = topic.topic.as_str();
            topic.partitions.iter().map(move |number| (name, *number))
        });
        Self::Some(partitions.collect())
    }

    fn has(&self, partition: &TopicPartition) -> bool {
        match self {
            Self::All => true,
            Self::Some(asked) => asked.contains(&(&*partition.topic, partition.partition)),
        }
    }
}

fn response(
    request: &DescribeLogDirsRequest,
    directories: &[DescribedDirectory],
) -> DescribeLogDirsResponse {
    let asked = Asked::new(request);
    let results = directories
        .iter()
        .map(|directory| result(directory, &asked));
    DescribeLogDirsResponse::default().with_results(results.collect())
}

fn result(directory: &DescribedDirectory, asked: &Asked<'_>) -> DescribeLogDirsResult {
    let path = directory.path.to_string_lossy().into_owned();
    let result = DescribeLogDirsResult::default().with_log_dir(StrBytes::from_string(path));
    let Some(content) = &directory.content else {
        return result.with_error_code(ErrorCode::KAFKA_STORAGE_ERROR.0);
    };
    let result = result.with_topics(topics(&content.replicas, asked));
    let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    match content.space {
        Some(space) => result
            .with_total_bytes(bytes(space.total))
            .with_usable_bytes(bytes(space.usable)),
        None => result,
    }
}

/// The replicas that are asked for, by topic; they come ordered by name.
fn topics(replicas: &[DescribedReplica], asked: &Asked<'_>) -> Vec<DescribeLogDirsTopic> {
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    let wanted = replicas
        .iter()
        .filter(|replica| asked.has(&replica.topic_partition));
    for replica in wanted {
        let name = &*replica.topic_partition.topic;
        if topics
            .last()
            .is_none_or(|topic| topic.name.as_str() != name)
        {
            let name = TopicName(StrBytes::from_string(name.to_owned()));
            topics.push(DescribeLogDirsTopic::default().with_name(name));
        }
        let partition = DescribeLogDirsPartition::default()
            .with_partition_index(replica.topic_partition.partition)
            .with_partition_size(i64::try_from(replica.size).unwrap_or(i64::MAX))
            .with_offset_lag(replica.offset_lag)
            .with_is_future_key(replica.is_future);
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;

    use super::super::fixture::over_the_wire;
    use super::*;
    use crate::log::Space;
    use crate::partition::DirectoryContent;

    fn directories() -> [DescribedDirectory; 2] {
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
        [("/a", Some(content)), ("/b", None)].map(|(path, content)| DescribedDirectory {
            path: path.into(),
            content,
        })
    }

    #[test]
    fn every_version_tells_what_it_can() {
        for version in 1..=4 {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let response = over_the_wire(&response(&request, &directories()), version);
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
    fn what_is_not_asked_for_is_not_told() {
        let topic = DescribableLogDirTopic::default()
            .with_topic(TopicName(StrBytes::from_static_str("orders")))
            .with_partitions(vec![1, 7]);
        let request = DescribeLogDirsRequest::default().with_topics(Some(vec![topic]));
        let response = response(&request, &directories());
        let topics = &response.results[0].topics;
        assert_eq!(topics.len(), 1);
        assert_eq!(topics[0].partitions.len(), 1);
    }
}
