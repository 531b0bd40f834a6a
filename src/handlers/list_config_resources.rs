//! ListConfigResources: the names of the resources that have or can have settings.
//!
//! Version 0 is about client metrics only. Groups and client metrics are in the answer if they have a setting,
//! whether this broker or Kafka has set it.

use std::sync::Arc;

use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use crate::base::ErrorCode;
use crate::metadata::{ConfigResourceType as Type, Image};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::all_topics::AllTopics;
use super::altered_configs::BROKER_LOGGER;
use super::cluster_view::ClusterView;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::wire_text;

const LOGGER: Type = Type(BROKER_LOGGER);
const ALL: [Type; 5] = [
    Type::GROUP,
    Type::CLIENT_METRICS,
    LOGGER,
    Type::BROKER,
    Type::TOPIC,
];

pub(super) struct ListConfigResources;

impl Handler for ListConfigResources {
    type Request = ListConfigResourcesRequest;

    async fn handle(call: Call, request: ListConfigResourcesRequest) -> Reply {
        if let Err(code) = call.permit(Operation::DescribeConfigs, Resource::CLUSTER) {
            return call.reply(&ListConfigResourcesResponse::default().with_error_code(code.0));
        }
        let Some(wanted) = wanted(&request.resource_types, call.version) else {
            let refusal = ListConfigResourcesResponse::default();
            return call.reply(&refusal.with_error_code(ErrorCode::UNSUPPORTED_VERSION.0));
        };
        let image = call.broker.cluster.image();
        let view = ClusterView::new(&image, &call.broker.config, &call.peer);
        let first: Arc<[_]> = wanted
            .iter()
            .flat_map(|kind| few(*kind, &image, &view))
            .collect();
        let topics = wanted.contains(&Type::TOPIC);
        let count = first.len() + if topics { image.topic_count() } else { 0 };
        let topics = topics.then(|| AllTopics::of(Arc::clone(&image)));
        let rows = (0..first.len()).map(move |at| Chunk::row(first[at].clone()));
        let topics = topics.into_iter().flatten();
        let rows = rows.chain(topics.map(|topic| Chunk::row(row(Type::TOPIC, &topic.name))));
        streamed::rows(&call, response, count, rows).await
    }
}

fn response(resources: Vec<ConfigResource>) -> ListConfigResourcesResponse {
    ListConfigResourcesResponse::default().with_config_resources(resources)
}

/// The requested types, each once; `None` if one of them is unknown.
fn wanted(types: &[i8], version: i16) -> Option<Vec<Type>> {
    let known: &[Type] = if version == 0 {
        &[Type::CLIENT_METRICS]
    } else {
        &ALL
    };
    if !types.iter().all(|kind| known.contains(&Type(*kind))) {
        return None;
    }
    let is_wanted = |kind: &Type| types.is_empty() || types.contains(&kind.0);
    Some(known.iter().copied().filter(is_wanted).collect())
}

/// The resources of a type that has few of them; topics are sent one by one.
fn few(kind: Type, image: &Image, view: &ClusterView<'_>) -> Vec<ConfigResource> {
    match kind {
        Type::BROKER | LOGGER => view
            .alive_brokers()
            .map(|(broker, _)| row(kind, &broker.id.to_string()))
            .collect(),
        Type::GROUP | Type::CLIENT_METRICS => image
            .all_configs()
            .filter(|(of, ..)| *of == kind)
            .map(|(_, name, _)| row(kind, name))
            .collect(),
        _ => Vec::new(),
    }
}

fn row(kind: Type, name: &str) -> ConfigResource {
    ConfigResource::default()
        .with_resource_name(wire_text(name))
        .with_resource_type(kind.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_knows_its_kinds() {
        assert_eq!(wanted(&[], 0), Some(vec![Type::CLIENT_METRICS]));
        assert_eq!(wanted(&[], 1), Some(ALL.to_vec()));
        let some = Some(vec![Type::BROKER, Type::TOPIC]);
        assert_eq!(wanted(&[2, 4, 4], 1), some);
        assert_eq!(wanted(&[2, 3], 1), None);
    }
}
