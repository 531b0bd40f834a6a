//! DeleteTopics: by name, and from version 6 on also by id.

use std::collections::HashSet;

use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, KafkaUuid};
use crate::controller::DeletedTopic;
use crate::controller::{self, Refusal, TopicReference};
use crate::metadata::Image;
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::requested::sort_out;
use super::route::{Call, Handler};
use super::topic_ids::{owned_name, wire_name};
use super::{ask, errors};

pub(super) struct DeleteTopics;

impl Handler for DeleteTopics {
    type Request = DeleteTopicsRequest;

    async fn handle(call: Call, request: DeleteTopicsRequest) -> Reply {
        let timeout_ms = request.timeout_ms;
        let may_delete_any = call.may(Operation::Delete, Resource::CLUSTER);
        let image = call.broker.cluster.image();
        let permit = |key: &Key| match may_delete_any {
            true => Ok(()),
            false => permit(&call, &image, key),
        };
        let (rows, topics) = sort_out(requested(request), duplicate, permit);
        let command = controller::DeleteTopics { topics };
        let decided = ask::controller(&call, command, timeout_ms).await;
        let decided = decided.map(|rows| rows.into_iter().map(Ok).collect());
        let mut responses: Vec<_> = rows
            .answer(decided)
            .map(|(key, result)| {
                let is_denied = matches!(&result, Err(refusal) if refusal.code == errors::of_denial(ResourceType::Topic));
                let key = if is_denied { named(&call, &image, key) } else { key };
                row(key, result, call.version)
            })
            .collect();
        // A topic that was named in two ways is refused once.
        let mut refused = HashSet::new();
        responses.retain(|row| {
            let is_wrong = row.error_code == ErrorCode::INVALID_REQUEST.0;
            !is_wrong || row.name.is_none() || refused.insert((row.name.clone(), row.topic_id))
        });
        call.reply(&DeleteTopicsResponse::default().with_responses(responses))
    }
}

/// How a row of the request identifies its topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    name: Option<TopicName>,
    id: Uuid,
}

/// Whether the client may delete this topic. A client without the right to describe it does not learn whether it
/// exists. Unknown ids and names are left to the controller.
fn permit(call: &Call, image: &Image, key: &Key) -> Result<(), Refusal> {
    let known = match &key.name {
        Some(name) => image.topic(name),
        None => image.topic_by_id(KafkaUuid(key.id)),
    };
    let name = known
        .map(|topic| &*topic.name)
        .or_else(|| key.name.as_deref().map(StrBytes::as_str));
    let Some(name) = name.map(Resource::topic) else {
        return Ok(());
    };
    let may_see = call.permit(Operation::Describe, name);
    let may_delete = call.permit(Operation::Delete, name);
    let permit = match (&key.name, known) {
        (Some(_), None) => may_see,
        (Some(_), Some(_)) => may_see.and(may_delete),
        (None, _) => may_delete,
    };
    permit.map_err(Refusal::bare)
}

/// The same, with the topic's name for an id if the client may describe the topic.
fn named(call: &Call, image: &Image, key: Key) -> Key {
    let known = || image.topic_by_id(KafkaUuid(key.id));
    let may_see = |name: &str| call.may(Operation::Describe, Resource::topic(name));
    let name = match &key.name {
        Some(name) => Some(name.clone()),
        None => known()
            .filter(|topic| may_see(&topic.name))
            .map(|topic| wire_name(&topic.name)),
    };
    Key { name, ..key }
}

/// The rows of the request, of whichever version.
fn requested(request: DeleteTopicsRequest) -> Vec<(Key, Result<TopicReference, Refusal>)> {
    let named = request.topic_names.into_iter().map(|name| Key {
        name: Some(owned_name(&name)),
        id: Uuid::nil(),
    });
    let listed = request.topics.into_iter().map(|topic| Key {
        name: topic.name.as_ref().map(owned_name),
        id: topic.topic_id,
    });
    let refuse = |message| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    named
        .chain(listed)
        .map(|key| {
            let reference = match (&key.name, key.id.is_nil()) {
                (Some(name), true) => Ok(TopicReference::Name(name.to_string())),
                (Some(_), false) => refuse("You may not specify both topic name and topic id."),
                (None, true) => refuse("Neither topic name nor id were specified."),
                (None, false) => Ok(TopicReference::Id(KafkaUuid(key.id))),
            };
            (key, reference)
        })
        .collect()
}

const fn duplicate(key: &Key) -> &'static str {
    match key.name {
        Some(_) => "Duplicate topic name.",
        None => "Duplicate topic id.",
    }
}

fn row(key: Key, result: Result<DeletedTopic, Refusal>, version: i16) -> DeletableTopicResult {
    let (name, id, refusal) = match result {
        // The controller has both the name and the id of an existing topic.
        Ok(decided) => (
            decided.name.map(|name| wire_name(&name)),
            decided.topic_id.0,
            decided
                .result
                .err()
                .unwrap_or(Refusal::bare(ErrorCode::NONE)),
        ),
        Err(refusal) => (key.name, key.id, refusal),
    };
    // The code was added in version 3.
    let code = match refusal.code {
        ErrorCode::TOPIC_DELETION_DISABLED if version < 3 => ErrorCode::INVALID_REQUEST,
        code => code,
    };
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(code.0)
        .with_error_message(refusal.message.map(StrBytes::from_string))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
    use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
    use uuid::Uuid;

    use super::super::fixture;
    use super::super::requested::sort_out;
    use super::super::topic_ids::wire_name;
    use super::{DeletedTopic, Key, duplicate, requested, row};
    use crate::base::{ErrorCode, KafkaUuid};
    use crate::controller::{Refusal, TopicReference};

    fn state(name: Option<&str>, id: u128) -> DeleteTopicState {
        DeleteTopicState::default()
            .with_name(name.map(wire_name))
            .with_topic_id(Uuid::from_u128(id))
    }

    #[test]
    fn every_version_says_which_topics_are_meant() {
        for version in 1..=6 {
            let names = ["a", "b", "a"];
            let request = if version < 6 {
                DeleteTopicsRequest::default()
                    .with_topic_names(names.iter().map(|name| wire_name(name)).collect())
            } else {
                DeleteTopicsRequest::default()
                    .with_topics(names.iter().map(|name| state(Some(name), 0)).collect())
            };
            let (_, asked) = sort_out(
                requested(fixture::over_the_wire(&request, version)),
                duplicate,
                |_| Ok(()),
            );
            assert_eq!(asked, [TopicReference::Name("b".to_owned())]);
        }
    }

    #[test]
    fn names_and_ids_are_told_apart() {
        let rows = [
            state(Some("a"), 0),
            state(None, 7),
            state(Some("b"), 8),
            state(None, 0),
        ];
        let rows = rows
            .into_iter()
            .chain([state(None, 9), state(None, 9)])
            .collect();
        let request = fixture::over_the_wire(&DeleteTopicsRequest::default().with_topics(rows), 6);
        let (rows, asked) = sort_out(requested(request), duplicate, |_| Ok(()));
        assert_eq!(
            asked,
            [
                TopicReference::Name("a".to_owned()),
                TopicReference::Id(KafkaUuid(Uuid::from_u128(7)))
            ]
        );
        let texts: Vec<String> = rows
            .answer::<DeletedTopic>(Err(ErrorCode::NOT_CONTROLLER))
            .filter_map(|(_, result)| result.err()?.message)
            .collect();
        assert_eq!(
            texts,
            [
                "You may not specify both topic name and topic id.",
                "Neither topic name nor id were specified.",
                "Duplicate topic id."
            ]
        );
    }

    #[test]
    fn every_version_is_answered() {
        let key = |name: Option<&str>, id| Key {
            name: name.map(wire_name),
            id: Uuid::from_u128(id),
        };
        let decided = |result| {
            Ok(DeletedTopic {
                name: Some("a".to_owned()),
                topic_id: KafkaUuid(Uuid::from_u128(7)),
                result,
            })
        };
        let disabled = Refusal::new(
            ErrorCode::TOPIC_DELETION_DISABLED,
            "Topic deletion is disabled.",
        );
        for version in 1..=6 {
            let responses = vec![
                row(key(Some("a"), 0), decided(Ok(())), version),
                row(key(Some("a"), 0), decided(Err(disabled.clone())), version),
                row(
                    key(Some("late"), 0),
                    Err(Refusal::bare(ErrorCode::REQUEST_TIMED_OUT)),
                    version,
                ),
            ];
            let response = DeleteTopicsResponse::default().with_responses(responses);
            let response = fixture::over_the_wire(&response, version);
            let codes: Vec<i16> = response
                .responses
                .iter()
                .map(|row| row.error_code)
                .collect();
            assert_eq!(codes, [0, if version < 3 { 42 } else { 73 }, 7]);
            if version >= 5 {
                let text = response.responses[1].error_message.as_deref();
                assert_eq!(
                    (text, &response.responses[0].error_message),
                    (Some("Topic deletion is disabled."), &None)
                );
            }
            if version >= 6 {
                assert_eq!(response.responses[0].topic_id, Uuid::from_u128(7));
            }
        }
        let unknown = DeletedTopic {
            name: None,
            topic_id: KafkaUuid(Uuid::from_u128(9)),
            result: Err(Refusal::bare(ErrorCode::UNKNOWN_TOPIC_ID)),
        };
        let responses = vec![row(key(None, 9), Ok(unknown), 6)];
        let response = fixture::over_the_wire(
            &DeleteTopicsResponse::default().with_responses(responses),
            6,
        );
        assert_eq!(
            (
                &response.responses[0].name,
                response.responses[0].error_code
            ),
            (&None, 100)
        );
    }
}
