//! DescribeTopicPartitions: topics in pages, for tools that look at clusters with many partitions.
//!
//! Topics are ordered by name. A page ends after a number of partitions, and its cursor says where the next page
//! begins.

use std::collections::BTreeSet;

use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};

use crate::base::{ErrorCode, NodeId};
use crate::controller::is_internal;
use crate::metadata::{Image, PartitionImage, TopicImage};
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::authorize::Rights;
use super::cluster_view::{ClusterView, Leader, wire_id, wire_ids};
use super::errors;
use super::route::{Call, Handler};
use super::topic_ids::wire_name;

pub(super) struct DescribeTopicPartitions;

impl Handler for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;

    async fn handle(call: Call, request: DescribeTopicPartitionsRequest) -> Reply {
        let image = call.broker.cluster.image();
        let config = &call.broker.config;
        let view = ClusterView::new(&image, config, &call.peer);
        call.reply(&response(
            &request,
            &image,
            &view,
            &call.rights(),
            config.max_request_partition_size_limit,
        ))
    }
}

fn response(
    request: &DescribeTopicPartitionsRequest,
    image: &Image,
    view: &ClusterView<'_>,
    rights: &Rights,
    most_partitions: i32,
) -> DescribeTopicPartitionsResponse {
    let cursor = request
        .cursor
        .as_ref()
        .map(|cursor| (&*cursor.topic_name.0, cursor.partition_index));
    let (first_topic, first_partition) = cursor.unwrap_or_default();
    let is_listed = request
        .topics
        .iter()
        .any(|topic| &*topic.name.0 == first_topic);
    if first_partition < 0 || (cursor.is_some() && !request.topics.is_empty() && !is_listed) {
        return refusal(request);
    }
    let room = most_partitions.min(request.response_partition_limit);
    let mut page = Page {
        view,
        rights,
        room: usize::try_from(room).unwrap_or(0).max(1),
        response: DescribeTopicPartitionsResponse::default(),
    };
    let start = |name: &str| {
        if name == first_topic {
            usize::try_from(first_partition).unwrap_or(0)
        } else {
            0
        }
    };
    if request.topics.is_empty() {
        let topics = image
            .topics()
            .skip_while(|topic| &*topic.name < first_topic);
        for topic in topics.filter(|topic| may_see(rights, &topic.name)) {
            if page.is_over_before(&topic.name) || page.is_over_in(topic, start(&topic.name)) {
                break;
            }
        }
    } else {
        let names: BTreeSet<&str> = request.topics.iter().map(|topic| &*topic.name.0).collect();
        let mut denied = Vec::new();
        for name in names.range::<&str, _>(first_topic..) {
            if !may_see(rights, name) {
                denied.push(
                    row(wire_name(name)).with_error_code(errors::of_denial(ResourceType::Topic).0),
                );
                continue;
            }
            if page.is_over_before(name) {
                break;
            }
            match image.topic(name) {
                Some(topic) if page.is_over_in(topic, start(name)) => break,
                Some(_) => {}
                None => page.absent(name),
            }
        }
        // Kafka sends them last.
        page.response.topics.extend(denied);
    }
    page.response
}

fn may_see(rights: &Rights, topic: &str) -> bool {
    rights.may(Operation::Describe, Resource::topic(topic))
}

/// The answer to an invalid cursor.
fn refusal(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let rows = request
        .topics
        .iter()
        .map(|topic| row(topic.name.clone()).with_error_code(ErrorCode::INVALID_REQUEST.0));
    DescribeTopicPartitionsResponse::default().with_topics(rows.collect())
}

fn row(name: TopicName) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default().with_name(Some(name))
}

/// A page that is being filled.
struct Page<'a> {
    view: &'a ClusterView<'a>,
    rights: &'a Rights,
    /// How many partitions still fit on the page.
    room: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Whether the page has no room for the topic. The next page then begins with it, whether it exists or not.
    fn is_over_before(&mut self, name: &str) -> bool {
        let is_over = self.room == 0;
        if is_over {
            self.continue_at(name, 0);
        }
        is_over
    }

    /// Adds the topic from the partition `start` on; returns whether the page is full before its end.
    fn is_over_in(&mut self, topic: &TopicImage, start: usize) -> bool {
        let partitions: Vec<_> = topic
            .numbered_partitions()
            .skip(start)
            .take(self.room)
            .map(|(number, partition)| self.partition(number, partition))
            .collect();
        let next = start.saturating_add(partitions.len());
        self.room -= partitions.len();
        self.response.topics.push(
            row(wire_name(&topic.name))
                .with_topic_id(topic.id.0)
                .with_is_internal(is_internal(&topic.name))
                .with_partitions(partitions)
                .with_topic_authorized_operations(self.operations(&topic.name)),
        );
        let is_over = next < topic.partitions.len();
        if is_over {
            self.continue_at(&topic.name, next);
        }
        is_over
    }

    fn absent(&mut self, name: &str) {
        self.response.topics.push(
            row(wire_name(name))
                .with_error_code(errors::unknown_topic(name).code.0)
                .with_is_internal(is_internal(name))
                .with_topic_authorized_operations(self.operations(name)),
        );
    }

    fn operations(&self, topic: &str) -> i32 {
        self.rights.operations(Resource::topic(topic))
    }

    fn continue_at(&mut self, name: &str, partition: usize) {
        let cursor = Cursor::default()
            .with_topic_name(wire_name(name))
            .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX));
        self.response.next_cursor = Some(cursor);
    }

    fn partition(
        &self,
        number: i32,
        partition: &PartitionImage,
    ) -> DescribeTopicPartitionsResponsePartition {
        let leader = match self.view.leader(partition) {
            Leader::Is(leader) => leader,
            Leader::HasNoListener | Leader::Missing => NodeId::NONE,
        };
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(wire_id(leader))
            .with_leader_epoch(partition.leader_epoch.0)
            .with_replica_nodes(wire_ids(&partition.replicas))
            .with_isr_nodes(wire_ids(&partition.isr))
            .with_eligible_leader_replicas(Some(wire_ids(&partition.eligible_leader_replicas)))
            .with_last_known_elr(Some(wire_ids(&partition.last_known_elr)))
            .with_offline_replicas(self.view.offline_replicas(partition))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
    use kafka_protocol::messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    };

    use super::super::authorize::Rights;
    use super::super::cluster_view::ClusterView;
    use super::super::fixture;
    use super::super::topic_ids::wire_name;
    use super::response;
    use crate::base::ErrorCode;
    use crate::config::BrokerConfig;

    fn request(
        topics: &[&str],
        limit: i32,
        cursor: Option<(&str, i32)>,
    ) -> DescribeTopicPartitionsRequest {
        let topics = topics
            .iter()
            .map(|name| TopicRequest::default().with_name(wire_name(name)));
        DescribeTopicPartitionsRequest::default()
            .with_topics(topics.collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor.map(|(name, partition)| {
                Cursor::default()
                    .with_topic_name(wire_name(name))
                    .with_partition_index(partition)
            }))
    }

    fn page(
        topics: &[&str],
        limit: i32,
        cursor: Option<(&str, i32)>,
    ) -> DescribeTopicPartitionsResponse {
        let (image, config, peer) = (fixture::image(), BrokerConfig::default(), fixture::peer());
        let view = ClusterView::new(&image, &config, &peer);
        let request = fixture::over_the_wire(&request(topics, limit, cursor), 0);
        fixture::over_the_wire(&response(&request, &image, &view, &Rights::all(), 2000), 0)
    }

    /// Name, code and partitions of each topic.
    fn rows(page: &DescribeTopicPartitionsResponse) -> Vec<(&str, i16, Vec<i32>)> {
        page.topics
            .iter()
            .map(|topic| {
                let name = topic.name.as_ref().map_or("-", |name| name.0.as_str());
                (
                    name,
                    topic.error_code,
                    topic
                        .partitions
                        .iter()
                        .map(|row| row.partition_index)
                        .collect(),
                )
            })
            .collect()
    }

    fn cursor(page: &DescribeTopicPartitionsResponse) -> Option<(&str, i32)> {
        page.next_cursor
            .as_ref()
            .map(|cursor| (cursor.topic_name.0.as_str(), cursor.partition_index))
    }

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let first = page(&[], 2, None);
        assert_eq!(
            rows(&first),
            [("audit", 0, vec![0]), ("orders", 0, vec![0])]
        );
        assert_eq!(cursor(&first), Some(("orders", 1)));
        let second = page(&[], 2, cursor(&first));
        assert_eq!(rows(&second), [("orders", 0, vec![1, 2])]);
        assert_eq!(cursor(&second), None);
        assert_eq!(second.topics[0].partitions[0].offline_replicas.len(), 1);
        assert_eq!(second.topics[0].partitions[1].leader_id.0, -1);
        assert!(second.topics[0].topic_authorized_operations > 0);
        let whole = page(&[], 100, None);
        assert_eq!((whole.topics.len(), cursor(&whole)), (2, None));
    }

    #[test]
    fn a_full_page_ends_before_the_next_topic() {
        let first = page(&["zebra", "orders", "audit", "audit"], 1, None);
        assert_eq!(rows(&first), [("audit", 0, vec![0])]);
        assert_eq!(cursor(&first), Some(("orders", 0)));
        let last = page(&["zebra", "orders", "audit"], 3, cursor(&first));
        assert_eq!(rows(&last), [("orders", 0, vec![0, 1, 2])]);
        assert_eq!(cursor(&last), Some(("zebra", 0)));
    }

    #[test]
    fn a_page_has_one_partition_at_least() {
        for limit in [0, -5] {
            assert_eq!(
                rows(&page(&["orders"], limit, None)),
                [("orders", 0, vec![0])]
            );
        }
    }

    #[test]
    fn absent_topics_are_told_when_they_were_named() {
        let page = page(&["none", "a b"], 10, None);
        let (invalid, unknown) = (
            ErrorCode::INVALID_TOPIC_EXCEPTION.0,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0,
        );
        assert_eq!(
            rows(&page),
            [("a b", invalid, vec![]), ("none", unknown, vec![])]
        );
    }

    #[test]
    fn wrong_cursors_are_refused() {
        let refused = ErrorCode::INVALID_REQUEST.0;
        assert_eq!(
            rows(&page(&["orders"], 10, Some(("audit", 0)))),
            [("orders", refused, vec![])]
        );
        assert_eq!(
            rows(&page(&["orders"], 10, Some(("orders", -1)))),
            [("orders", refused, vec![])]
        );
        assert_eq!(
            rows(&page(&[], 10, Some(("b", 5)))),
            [("orders", 0, vec![0, 1, 2])]
        );
        assert_eq!(
            rows(&page(&[], 10, Some(("orders", 9)))),
            [("orders", 0, vec![])]
        );
    }
}
