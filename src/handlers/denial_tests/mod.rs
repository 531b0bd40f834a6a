//! Requests of a client without a right: every row of [`CHECKS`] is denied once.
//!
//! A probe sends a request that needs the right, and says what it has seen of the answer. It is sent without the right,
//! which must leave everything as it was, and then with it.

mod cluster;
mod groups;
mod rows;
mod topics;
mod transactions;

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::{ApiKey, GroupId, TopicName, TransactionalId};
use kafka_protocol::protocol::{Request, StrBytes};

use super::ROUTES;
use super::checks::{CHECKS, Check, Denied};
use super::errors::of_denial;
use super::fixture::{Denying, Serving};
use crate::base::{ErrorCode, Offset};
use crate::controller::names::{CONSUMER_OFFSETS, TRANSACTION_STATE};
use crate::security::{Operation, ResourceType};

/// What a probe has seen of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Code(ErrorCode),
    /// So many resources.
    Count(usize),
    /// Bits of authorized operations.
    Operations(i32),
}

impl Seen {
    const fn code(code: i16) -> Self {
        Self::Code(ErrorCode(code))
    }
}

type Probe = fn(&Guarded) -> Seen;

/// The probes of an API, one for each row of its checks.
fn probes(api: ApiKey) -> &'static [Option<Probe>] {
    let all = topics::PROBES
        .iter()
        .chain(groups::PROBES)
        .chain(transactions::PROBES)
        .chain(cluster::PROBES);
    let mut of_api = all.filter(|(of, _)| *of == api);
    let found = of_api.next().map_or(&[][..], |(_, probes)| probes);
    assert!(of_api.next().is_none(), "{api:?} has two lists of probes");
    found
}

/// The APIs whose answers may have bits of authorized operations: each operation is asked for then.
const WITH_OPERATIONS: &[ApiKey] = &[
    ApiKey::Metadata,
    ApiKey::DescribeGroups,
    ApiKey::ConsumerGroupDescribe,
    ApiKey::DescribeCluster,
    ApiKey::DescribeTopicPartitions,
];

/// A broker whose rights can be taken away. It has the topics `t` and `u` with a record in the first, a group `g` that
/// has committed an offset of `t`, a consumer group `consumers` whose member reads `t`, and an open transaction of `open`
/// in `t`.
struct Guarded {
    serving: Serving,
    authorizer: Arc<Denying>,
}

impl Guarded {
    fn start() -> Self {
        let authorizer = Arc::new(Denying::default());
        let guarded = Self {
            serving: Serving::guarded(&[], Arc::clone(&authorizer) as _),
            authorizer,
        };
        for topic in ["u", "deleted", "deleted-by-id"] {
            guarded.serving.create_topic(topic, 1);
        }
        assert_eq!(topics::produce(&guarded, &["t"]), [("t", 0)]);
        for group in ["g", "deleted"] {
            assert_eq!(groups::commit(&guarded, group, &["t", "u"]), [0, 0]);
        }
        assert_eq!(groups::heartbeat(&guarded), Seen::code(0));
        transactions::begin(&guarded);
        guarded.authorizer.asked();
        guarded
    }

    fn deny(&self, denied: &[(Operation, ResourceType)]) {
        let denied: Vec<_> = denied.iter().map(|(op, kind)| (*op, *kind, None)).collect();
        self.authorizer.deny(&denied);
    }

    /// The answer to a request.
    fn ask<R: Request>(&self, version: i16, request: &R) -> R::Response {
        self.serving.ask(version, request)
    }

    /// What changes with whatever is done: the end of the metadata log, and those of the other logs.
    fn state(&self) -> Vec<Offset> {
        let context = &self.serving.context;
        let image = context.cluster.image();
        let mut ends = vec![image.offset()];
        for (topic, partition) in [
            ("t", 0),
            (CONSUMER_OFFSETS, 0),
            (CONSUMER_OFFSETS, 1),
            (TRANSACTION_STATE, 0),
            (TRANSACTION_STATE, 1),
        ] {
            let topic = image.topic(topic).expect("a topic");
            let replica = context.partitions.find(topic.id, partition);
            let positions = replica.expect("a replica").published().positions;
            ends.extend([positions.log_start, positions.log_end]);
        }
        ends
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

/// Denies one row of an API's checks, and checks the effect.
fn deny(guarded: &Guarded, api: ApiKey, row: &[Check], at: usize, probe: Probe) {
    let Check {
        operation,
        resource,
        denied,
        when,
    } = row[at];
    let what = format!("{api:?} without {operation} on {resource:?}, {when}");
    let earlier = row[..at]
        .iter()
        .filter(|check| check.denied == Denied::NextAsked)
        .map(|check| (check.operation, check.resource));
    let right = (operation, resource);
    guarded.deny(&earlier.chain([right]).collect::<Vec<_>>());
    let before = guarded.state();
    let without = probe(guarded);
    if denied != Denied::NextAsked {
        assert_eq!(guarded.state(), before, "{what}: something has happened");
    }
    guarded.deny(&[]);
    let asked = guarded.authorizer.asked();
    assert!(asked.contains(&right), "{what}: only asked for {asked:?}");
    let with = probe(guarded);
    match denied {
        Denied::Refused(kind) => {
            let refusal = Seen::Code(of_denial(kind));
            assert_eq!(without, refusal, "{what}");
            assert_ne!(with, refusal, "{what}: with it");
        }
        Denied::LeftOut => {
            assert_eq!(without, Seen::Count(0), "{what}");
            assert!(matches!(with, Seen::Count(1..)), "{what}: {with:?} with it");
        }
        Denied::NoOperations => {
            assert_eq!(without, Seen::Operations(0), "{what}");
            assert!(matches!(with, Seen::Operations(1..)), "{what}: {with:?}");
        }
        Denied::NextAsked => assert_eq!(without, with, "{what}"),
    }
    let listed: BTreeSet<_> = row
        .iter()
        .map(|check| (check.operation, check.resource))
        .collect();
    let asked: BTreeSet<_> = guarded.authorizer.asked().union(&asked).copied().collect();
    let is_listed = |right| listed.contains(right) || WITH_OPERATIONS.contains(&api);
    assert!(
        asked.iter().all(is_listed),
        "{what}: {asked:?} were asked for"
    );
}

#[test]
fn a_denial_is_answered_as_kafka_answers_it_and_changes_nothing() {
    let guarded = Guarded::start();
    for (api, row) in CHECKS {
        let probes = probes(*api);
        assert_eq!(probes.len(), row.len(), "one probe for each row of {api:?}");
        for (at, probe) in probes.iter().enumerate() {
            if let Some(probe) = probe {
                deny(&guarded, *api, row, at, *probe);
            }
        }
    }
}

#[test]
fn every_route_has_its_checks() {
    let routes: Vec<i16> = ROUTES.iter().map(|route| route.key).collect();
    let checks: Vec<i16> = CHECKS.iter().map(|(api, _)| *api as i16).collect();
    let once: BTreeSet<_> = checks.iter().collect();
    assert_eq!(once.len(), checks.len(), "an API has two rows");
    assert_eq!(once, routes.iter().collect());
}

#[test]
fn what_is_asked_for_exists() {
    for (api, row) in CHECKS {
        for check in *row {
            let known = check.resource.operations();
            let exists = known.contains(&check.operation);
            // Kafka asks for a right to delete in the whole cluster that only an ACL for all operations can give.
            let is_odd = *api == ApiKey::DeleteTopics && check.resource == ResourceType::Cluster;
            assert_eq!(exists, !is_odd, "{api:?}: {check:?}");
        }
    }
}
