//! What must be there before cases run: versions, group coordinators, topics that are served.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::cases::Topic;
use crate::client::Client;
use crate::definitions;
use crate::execution::Versions;
use crate::symbols::{Symbols, topic_id_symbol};
use crate::values::Value;

/// A broker that has not become ready by then will not.
const READY: Duration = Duration::from_secs(60);

/// Kafka tells nobody when it has applied its metadata or loaded a coordinator; one has to ask again.
#[expect(
    clippy::disallowed_methods,
    reason = "between two questions to another process"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

fn until(what: &str, mut ready: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let began = Instant::now();
    while !ready()? {
        if began.elapsed() > READY {
            return Err(format!("{what} in vain for {} s", READY.as_secs()));
        }
        pause();
    }
    Ok(())
}

/// Asks again until there is an answer.
pub(crate) fn answered<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let mut answer = None;
    until(what, || {
        answer = ask()?;
        Ok(answer.is_some())
    })?;
    answer.ok_or_else(|| what.to_owned())
}

/// What the broker says that it speaks.
pub(crate) fn advertised(client: &Client<'_>) -> Result<Versions, String> {
    let body = json!({"ClientSoftwareName": "conformance", "ClientSoftwareVersion": "1"});
    let answer = client.ask("ApiVersions", 3, &body)?;
    let mut versions = BTreeMap::new();
    for api in list(&answer, "ApiKeys") {
        let name = client.definitions.api_name(number(api, "ApiKey"));
        let range = definitions::Versions {
            low: number(api, "MinVersion"),
            high: number(api, "MaxVersion"),
        };
        if let Some(name) = name {
            versions.insert(name.to_owned(), range);
        }
    }
    Ok(versions)
}

/// What both speak.
pub(crate) fn in_common(one: &Versions, other: &Versions) -> Versions {
    let both = |(name, mine): (&String, &definitions::Versions)| {
        let theirs = other.get(name)?;
        let range = definitions::Versions {
            low: mine.low.max(theirs.low),
            high: mine.high.min(theirs.high),
        };
        (range.low <= range.high).then(|| (name.clone(), range))
    };
    one.iter().filter_map(both).collect()
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    match value.field(field) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn number(value: &Value, field: &str) -> i16 {
    match value.field(field) {
        Some(Value::Number(number)) => i16::try_from(*number).unwrap_or(-1),
        _ => -1,
    }
}

/// Creates the offsets topic and waits until every one of its coordinators has loaded.
pub(crate) fn coordinators(client: &Client<'_>) -> Result<(), String> {
    // With five partitions, a few dozen names reach each of them.
    let groups: Vec<String> = (0..40).map(|number| format!("warm-{number}")).collect();
    until("a group coordinator was looked for", || {
        let body = json!({"KeyType": 0, "CoordinatorKeys": groups});
        let answer = client.ask("FindCoordinator", 4, &body)?;
        Ok(list(&answer, "Coordinators").iter().all(no_error))
    })?;
    until("loaded coordinators were waited for", || {
        let groups: Vec<Json> = groups
            .iter()
            .map(|group| json!({"GroupId": group, "Topics": null}))
            .collect();
        let answer = client.ask("OffsetFetch", 8, &json!({ "Groups": groups }))?;
        Ok(list(&answer, "Groups").iter().all(no_error))
    })
}

/// Waits until the broker has producer ids to give.
pub(crate) fn producer_ids(client: &Client<'_>) -> Result<(), String> {
    let body = json!({"TransactionalId": null, "TransactionTimeoutMs": 60_000});
    until("a producer id was asked for", || {
        client
            .ask("InitProducerId", 0, &body)
            .map(|answer| no_error(&answer))
    })
}

/// Creates the topic of transactions and waits until every one of its coordinators has loaded.
pub(crate) fn transactions(client: &Client<'_>) -> Result<(), String> {
    let ids: Vec<String> = (0..40).map(|number| format!("warm-{number}")).collect();
    until("a transaction coordinator was looked for", || {
        let body = json!({"KeyType": 1, "CoordinatorKeys": ids});
        let answer = client.ask("FindCoordinator", 4, &body)?;
        Ok(list(&answer, "Coordinators").iter().all(no_error))
    })?;
    until("loaded transactions were waited for", || {
        let body = json!({ "TransactionalIds": ids });
        let answer = client.ask("DescribeTransactions", 0, &body)?;
        let unknown = |state: &Value| state.field("ErrorCode") == Some(&Value::Number(105));
        Ok(list(&answer, "TransactionStates").iter().all(unknown))
    })
}

fn no_error(value: &Value) -> bool {
    value.field("ErrorCode") == Some(&Value::Number(0))
}

/// Creates a case's topics, learns their ids, and waits until each partition is served.
pub(crate) fn topics(
    client: &Client<'_>,
    versions: &Versions,
    topics: &[Topic],
    symbols: &mut Symbols,
) -> Result<(), String> {
    if topics.is_empty() {
        return Ok(());
    }
    let newest = |api: &str| versions.get(api).map_or(-1, |range| range.high);
    let wanted: Vec<Json> = topics
        .iter()
        .map(|topic| creation(topic, symbols))
        .collect();
    let body = json!({"Topics": wanted, "timeoutMs": 30_000});
    let answer = client.ask("CreateTopics", newest("CreateTopics"), &body)?;
    for (topic, created) in topics.iter().zip(list(&answer, "Topics")) {
        if !no_error(created) {
            return Err(format!("{created}"));
        }
        let id = created.field("TopicId").map_or(Json::Null, Value::to_json);
        symbols.set(&topic_id_symbol(&topic.name), id);
    }
    let asked: Vec<Json> = topics
        .iter()
        .map(|topic| latest_offsets(topic, symbols))
        .collect();
    let body = json!({"ReplicaId": -1, "Topics": asked});
    until("a created topic was waited for", || {
        let answer = client.ask("ListOffsets", newest("ListOffsets"), &body)?;
        let mut partitions = list(&answer, "Topics")
            .iter()
            .flat_map(|topic| list(topic, "Partitions"));
        Ok(partitions.all(no_error))
    })
}

/// Waits until every group coordinator knows a case's topics. Kafka's learn of a topic after it is served, and a group
/// that has begun before that has an epoch more.
pub(crate) fn known_to_coordinators(
    client: &Client<'_>,
    versions: &Versions,
    topics: &[Topic],
    symbols: &Symbols,
) -> Result<(), String> {
    if topics.is_empty() {
        return Ok(());
    }
    let api = "ConsumerGroupHeartbeat";
    let newest = |api: &str| versions.get(api).map_or(-1, |range| range.high);
    let names: Vec<String> = topics
        .iter()
        .map(|topic| symbols.name("topic", &topic.name))
        .collect();
    // The hashes of such names follow each other, so that every one of the five partitions has one.
    let groups: Vec<String> = (0..5)
        .map(|number| symbols.name("group", &format!("probe-{number}")))
        .collect();
    for group in &groups {
        until("a coordinator that knows a topic was waited for", || {
            let join = json!({
                "GroupId": group, "MemberId": "probe", "MemberEpoch": 0, "RebalanceTimeoutMs": 30_000,
                "SubscribedTopicNames": names, "TopicPartitions": [],
            });
            let answer = client.ask(api, newest(api), &join)?;
            if !no_error(&answer) {
                return Err(format!("{answer}"));
            }
            let assigned = answer.field("Assignment");
            Ok(assigned.is_some_and(|all| list(all, "TopicPartitions").len() == topics.len()))
        })?;
        let leave = json!({"GroupId": group, "MemberId": "probe", "MemberEpoch": -1});
        client.ask(api, newest(api), &leave)?;
    }
    let body = json!({ "GroupsNames": groups });
    client.ask("DeleteGroups", newest("DeleteGroups"), &body)?;
    Ok(())
}

fn creation(topic: &Topic, symbols: &Symbols) -> Json {
    let configs: Vec<Json> = topic
        .configs
        .iter()
        .map(|(name, value)| json!({"Name": name, "Value": value}))
        .collect();
    json!({
        "Name": symbols.name("topic", &topic.name),
        "NumPartitions": topic.partitions,
        "ReplicationFactor": 1,
        "Configs": configs,
    })
}

fn latest_offsets(topic: &Topic, symbols: &Symbols) -> Json {
    let partitions: Vec<Json> = (0..topic.partitions)
        .map(|index| json!({"PartitionIndex": index, "Timestamp": -1}))
        .collect();
    json!({"Name": symbols.name("topic", &topic.name), "Partitions": partitions})
}
