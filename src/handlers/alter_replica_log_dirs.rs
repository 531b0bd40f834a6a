//! AlterReplicaLogDirs: moves replicas of this broker between its log directories.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName,
};

use crate::base::{ErrorCode, TopicId, TopicPartition};
use crate::metadata::Image;
use crate::partition::WantedDirectory;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::requested::Numbered;
use super::route::{Call, Handler};
use super::text::domain_text;

pub(super) struct AlterReplicaLogDirs;

impl Handler for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;

    async fn handle(call: Call, request: AlterReplicaLogDirsRequest) -> Reply {
        let image = call.broker.cluster.image();
        let wanted = wanted(&request, &image);
        let asked: Vec<_> = wanted
            .iter()
            .map(|wanted| (wanted.topic_partition.clone(), wanted.topic_id.is_some()))
            .collect();
        if let Err(code) = call.permit(Operation::Alter, Resource::CLUSTER) {
            let refused = asked.iter().map(|(partition, _)| (partition, code));
            return call.reply(&response(refused));
        }
        let results = call.broker.partitions.alter_directories(wanted).await;
        let codes = results
            .into_iter()
            .zip(&asked)
            .map(|(result, (partition, topic_is_known))| {
                let is_known = *topic_is_known && is_known(&image, partition);
                match result {
                    Ok(()) => ErrorCode::NONE,
                    Err(error) => errors::of_alter_directory(error, is_known),
                }
            });
        let codes: Vec<_> = codes.collect();
        call.reply(&response(
            asked.iter().map(|(partition, _)| partition).zip(codes),
        ))
    }
}

fn is_known(image: &Image, partition: &TopicPartition) -> bool {
    let topic = image.topic(&partition.topic);
    topic.is_some_and(|topic| topic.partition(partition.partition).is_some())
}

/// The requested moves. If a partition is named with several directories, the last one counts.
fn wanted(request: &AlterReplicaLogDirsRequest, image: &Image) -> Vec<WantedDirectory> {
    let mut wanted: Vec<WantedDirectory> = Vec::new();
    let mut places = HashMap::new();
    let mut names = Numbered::default();
    // A name and a path may be long: all their partitions share them.
    let mut shared: Vec<(Arc<str>, Option<TopicId>)> = Vec::new();
    for directory in &request.dirs {
        let path: Arc<str> = domain_text(&directory.path);
        for topic in &directory.topics {
            let name = names.number(&topic.name);
            if name == shared.len() {
                let id = image.topic(&topic.name).map(|topic| topic.id);
                shared.push((domain_text(&topic.name), id));
            }
            let (topic_name, topic_id) = &shared[name];
            for partition in &topic.partitions {
                let path = Arc::clone(&path);
                let place = *places.entry((name, *partition)).or_insert(wanted.len());
                match wanted.get_mut(place) {
                    Some(again) => again.path = path,
                    None => wanted.push(WantedDirectory {
                        topic_partition: TopicPartition::new(Arc::clone(topic_name), *partition),
                        topic_id: *topic_id,
                        path,
                    }),
                }
            }
        }
    }
    wanted
}

/// One row for each topic, in the order of their first occurrence.
fn response<'a>(
    results: impl Iterator<Item = (&'a TopicPartition, ErrorCode)>,
) -> AlterReplicaLogDirsResponse {
    let mut topics: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    let mut places = HashMap::new();
    // Partitions share the name of their topic, so that it is not looked up again for each of them.
    let mut known = HashMap::new();
    for (partition, code) in results {
        let place = *known.entry(partition.topic.as_ptr()).or_insert_with(|| {
            *places.entry(&*partition.topic).or_insert_with(|| {
                let name = TopicName(partition.topic.to_string().into());
                topics.push(AlterReplicaLogDirTopicResult::default().with_topic_name(name));
                topics.len() - 1
            })
        });
        topics[place].partitions.push(
            AlterReplicaLogDirPartitionResult::default()
                .with_partition_index(partition.partition)
                .with_error_code(code.0),
        );
    }
    AlterReplicaLogDirsResponse::default().with_results(topics)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::alter_replica_log_dirs_request::{
        AlterReplicaLogDir, AlterReplicaLogDirTopic,
    };
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture;
    use super::*;

    fn directory(path: &'static str, topics: &[(&'static str, &[i32])]) -> AlterReplicaLogDir {
        let topics = topics.iter().map(|(name, partitions)| {
            AlterReplicaLogDirTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(partitions.to_vec())
        });
        AlterReplicaLogDir::default()
            .with_path(StrBytes::from_static_str(path))
            .with_topics(topics.collect())
    }

    #[test]
    fn the_last_directory_of_a_partition_counts() {
        for version in 1..=2 {
            let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![
                directory("/a", &[("orders", &[0, 1]), ("new", &[0])]),
                directory("/b", &[("orders", &[1])]),
            ]);
            let request = fixture::over_the_wire(&request, version);
            let wanted = wanted(&request, &fixture::image());
            let told: Vec<_> = wanted
                .iter()
                .map(|it| (it.topic_partition.to_string(), &*it.path))
                .collect();
            let expected = [("orders-0", "/a"), ("orders-1", "/b"), ("new-0", "/a")];
            assert_eq!(
                told,
                expected.map(|(partition, path)| (partition.to_owned(), path))
            );
            assert!(wanted[0].topic_id.is_some() && wanted[2].topic_id.is_none());
        }
    }

    #[test]
    fn every_version_has_one_row_for_each_topic() {
        let names = [("a", 0), ("b", 3), ("a", 1)];
        let partitions = names.map(|(topic, partition)| TopicPartition::new(topic, partition));
        let codes = [
            ErrorCode::NONE,
            ErrorCode::LOG_DIR_NOT_FOUND,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ];
        for version in 1..=2 {
            let response = response(partitions.iter().zip(codes));
            let response = fixture::over_the_wire(&response, version);
            let rows: Vec<_> = response
                .results
                .iter()
                .map(|topic| {
                    let codes = topic
                        .partitions
                        .iter()
                        .map(|partition| partition.error_code);
                    (topic.topic_name.as_str(), codes.collect::<Vec<_>>())
                })
                .collect();
            assert_eq!(rows, [("a", vec![0, 56]), ("b", vec![57])]);
        }
    }
}
