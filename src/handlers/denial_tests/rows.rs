//! A request about several resources of which the client may use some: each row is answered by itself.

use super::groups::{commit, listed, offsets};
use super::topics::{delete_by_id, describe, metadata, produce};
use super::*;
use Operation::{Delete, Describe, Read, Write};
use ResourceType::{Cluster, Group, Topic};

const NO_TOPIC: i16 = ErrorCode::TOPIC_AUTHORIZATION_FAILED.0;

fn names(response: &kafka_protocol::messages::MetadataResponse) -> Vec<&str> {
    let topics = response.topics.iter();
    topics
        .filter_map(|topic| topic.name.as_deref().map(StrBytes::as_str))
        .collect()
}

#[test]
fn topics_are_answered_each_by_itself() {
    let guarded = Guarded::start();
    guarded.authorizer.deny(&[(Write, Topic, Some("t"))]);
    assert_eq!(produce(&guarded, &["u", "t"]), [("u", 0), ("t", NO_TOPIC)]);

    guarded.authorizer.deny(&[(Describe, Topic, Some("t"))]);
    let all = metadata(&guarded, None, false);
    assert!(names(&all).contains(&"u") && !names(&all).contains(&"t"));
    let named = metadata(&guarded, Some(&["t", "u"]), false);
    let codes = named.topics.iter().map(|topic| topic.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [NO_TOPIC, 0]);
    let hidden = &named.topics[0];
    assert!(hidden.topic_id.is_nil() && hidden.partitions.is_empty());

    let row = |name: &str, code| (name.to_owned(), code);
    assert_eq!(
        describe(&guarded, &["t", "u"]),
        [row("u", 0), row("t", NO_TOPIC)]
    );
    assert!(!describe(&guarded, &[]).contains(&row("t", 0)));
}

/// Whether there is a topic is not told to who may not see it.
#[test]
fn a_topic_that_is_not_there_is_answered_as_one_that_may_not_be_used() {
    let guarded = Guarded::start();
    guarded.deny(&[(Write, Topic), (Describe, Topic), (Read, Topic)]);
    let twice = |name| [(name, NO_TOPIC)];
    assert_eq!(produce(&guarded, &["t"]), twice("t"));
    assert_eq!(produce(&guarded, &["nothing"]), twice("nothing"));
    let named = metadata(&guarded, Some(&["t", "nothing"]), true);
    let told = named.topics.iter().map(|topic| {
        let mut row = topic.clone();
        row.name = None;
        row
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told[0], told[1]);
    assert_eq!(commit(&guarded, "g", &["t", "nothing"]), [NO_TOPIC; 2]);
}

#[test]
fn groups_and_their_offsets_are_answered_each_by_itself() {
    let guarded = Guarded::start();
    guarded.authorizer.deny(&[
        (Describe, Cluster, None),
        (Describe, Group, Some("deleted")),
        (Read, Topic, Some("u")),
    ]);
    assert_eq!(listed(&guarded), ["g", "consumers"]);
    assert_eq!(commit(&guarded, "g", &["t", "u"]), [0, NO_TOPIC]);

    guarded.authorizer.deny(&[(Describe, Topic, Some("u"))]);
    let row = |name: &str, code| (name.to_owned(), code);
    let some = offsets(&guarded, Some(&["u", "t"]));
    assert_eq!(some, (0, vec![row("u", NO_TOPIC), row("t", 0)]));
    assert_eq!(offsets(&guarded, None), (0, vec![row("t", 0)]));
}

#[test]
fn an_id_does_not_tell_the_name_of_a_topic_that_may_not_be_seen() {
    let guarded = Guarded::start();
    let name = "deleted-by-id";
    let no_delete = [(Delete, Cluster), (Delete, Topic)];
    guarded.deny(&no_delete);
    let told = Some(name.to_owned());
    assert_eq!(delete_by_id(&guarded, name), (told.clone(), NO_TOPIC));
    guarded.deny(&[no_delete[0], no_delete[1], (Describe, Topic)]);
    assert_eq!(delete_by_id(&guarded, name), (None, NO_TOPIC));
    guarded.deny(&[no_delete[0]]);
    assert_eq!(delete_by_id(&guarded, name), (told, 0));
}

/// Kafka has words for some denials and none for others.
#[test]
fn a_denial_has_kafkas_words() {
    use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
    use kafka_protocol::messages::{
        AlterConfigsRequest, DescribeAclsRequest, DescribeClientQuotasRequest,
    };

    let guarded = Guarded::start();
    let configs = Operation::AlterConfigs;
    let described = Operation::DescribeConfigs;
    guarded.deny(&[(configs, Topic), (described, Cluster), (Describe, Cluster)]);
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"));
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let words = guarded.ask(2, &request).responses.remove(0).error_message;
    assert_eq!(words.as_deref(), Some("Topic authorization failed."));
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_operation(1)
        .with_permission_type(1);
    let words = guarded.ask(3, &request).error_message;
    assert_eq!(words.as_deref(), Some("Cluster authorization failed."));
    let answer = guarded.ask(1, &DescribeClientQuotasRequest::default());
    assert_eq!((answer.error_code, answer.error_message), (31, None));
}
