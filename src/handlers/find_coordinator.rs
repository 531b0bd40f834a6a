//! FindCoordinator: the broker that coordinates a group or a transactional id; from version 4 on for any number of
//! them.
//!
//! A client that asks about a coordinator will use it, so this creates the coordinator's topic. Coordinators of share
//! groups do not exist here, and a request for one is refused with a permanent error.

use std::sync::Arc;

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, KafkaUuid, NodeId};
use crate::coordinator::{CoordinatorError, Groups, Transactions};
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::advertised::{Address, own_address};
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk, Pace};
use super::text::MALFORMED_REQUEST;

/// The first version with an error message.
const WITH_MESSAGE: i16 = 1;
/// The first version with any number of keys (KIP-699).
const WITH_MANY_KEYS: i16 = 4;
/// The first version with share groups (KIP-932).
const WITH_SHARE_GROUPS: i16 = 6;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(super) struct FindCoordinator;

impl Handler for FindCoordinator {
    type Request = FindCoordinatorRequest;

    async fn handle(call: Call, request: FindCoordinatorRequest) -> Reply {
        let (version, key_type) = (call.version, request.key_type);
        let keys = if version >= WITH_MANY_KEYS {
            request.coordinator_keys
        } else {
            vec![request.key]
        };
        let permit = |key: &StrBytes| permit(&call, key_type, key);
        let permits: Vec<Found> = keys.iter().map(permit).collect();
        let hosts = hosts(&call, key_type);
        let may_ask = match &hosts {
            // Without the topic the look-ups below return the error.
            Ok(hosts) if permits.iter().any(Result::is_ok) => {
                hosts.ensure_topic().await.map_err(|_| &NOT_AVAILABLE)
            }
            Ok(_) => Ok(()),
            Err(refusal) => Err(*refusal),
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut look_up = hosts.ok().map(LookUp::new);
        let mut pace = Pace::default();
        for (key, permit) in keys.iter().zip(permits) {
            let one = permit.and(may_ask).and_then(|()| match &mut look_up {
                Some(look_up) => look_up.hosted(key),
                None => Err(&NOT_AVAILABLE),
            });
            found.push(match one {
                Err(_)
                    if permit.is_ok()
                        && key_type == SHARE
                        && may_be_share(version)
                        && !is_share_key(key) =>
                {
                    Err(&NO_SHARE_KEY)
                }
                one => one,
            });
            pace.step().await;
        }
        let own = Node {
            id: NodeId(call.broker.config.node_id),
            address: own_address(&call.broker.config, &call.peer),
        };
        if version < WITH_MANY_KEYS {
            return match keys.into_iter().zip(found).next() {
                Some((key, found)) => {
                    call.reply(&of_one(version, coordinator(version, &own, key, found)))
                }
                None => call.reply(&FindCoordinatorResponse::default()),
            };
        }
        let (count, all) = (keys.len(), Arc::new((keys, found)));
        let rows = (0..count).map(move |row| {
            let (keys, found) = &*all;
            Chunk::row(coordinator(version, &own, keys[row].clone(), found[row]))
        });
        streamed::rows(&call, of_many, count, rows).await
    }
}

/// The coordinators of one type of key.
enum Coordinators<'a> {
    OfGroups(&'a Groups),
    OfTransactions(&'a Transactions),
}

impl Coordinators<'_> {
    async fn ensure_topic(&self) -> Result<(), CoordinatorError> {
        match self {
            Self::OfGroups(groups) => groups.hosts().ensure_topic().await,
            Self::OfTransactions(transactions) => transactions.hosts().ensure_topic().await,
        }
    }

    /// Starts hosts that can be started now.
    fn coordinator_partition(&self, key: &str) -> Result<i32, CoordinatorError> {
        match self {
            Self::OfGroups(groups) => groups.hosts().coordinator_partition(key),
            Self::OfTransactions(transactions) => transactions.hosts().coordinator_partition(key),
        }
    }

    fn hosted_partition(&self, key: &str) -> Result<i32, CoordinatorError> {
        match self {
            Self::OfGroups(groups) => groups.hosts().hosted_partition(key),
            Self::OfTransactions(transactions) => transactions.hosts().hosted_partition(key),
        }
    }
}

/// Looks up the hosts of keys.
struct LookUp<'a> {
    coordinators: Coordinators<'a>,
    /// Whether hosts that can be started now were looked for: once is enough for a request.
    has_searched: bool,
}

impl<'a> LookUp<'a> {
    const fn new(coordinators: Coordinators<'a>) -> Self {
        Self {
            coordinators,
            has_searched: false,
        }
    }

    /// Whether the key is hosted here. No other broker could host it: after any error the client should ask again.
    fn hosted(&mut self, key: &str) -> Found {
        let found = if self.has_searched {
            self.coordinators.hosted_partition(key)
        } else {
            self.coordinators.coordinator_partition(key)
        };
        self.has_searched |= found.is_err();
        found.map(drop).map_err(|_| &NOT_AVAILABLE)
    }
}

/// Whether there is a coordinator, or the error.
type Found = Result<(), &'static Refusal>;

/// Why there is no coordinator, with Kafka's message where Kafka has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    /// The message for versions with one key.
    message: &'static str,
    /// The message for versions with many keys.
    message_of_many: &'static str,
}

impl Refusal {
    const fn new(code: ErrorCode, message: &'static str, message_of_many: &'static str) -> Self {
        Self {
            code,
            message,
            message_of_many,
        }
    }
}

static NO_RIGHT_TO_GROUP: Refusal = Refusal::new(
    errors::of_denial(ResourceType::Group),
    "Group authorization failed.",
    "",
);
static NO_RIGHT_TO_ID: Refusal = Refusal::new(
    errors::of_denial(ResourceType::TransactionalId),
    "Transactional Id authorization failed.",
    "",
);
static NO_RIGHT_TO_CLUSTER: Refusal = Refusal::new(
    errors::of_denial(ResourceType::Cluster),
    "Cluster authorization failed.",
    "Cluster authorization failed.",
);

static NOT_AVAILABLE: Refusal = Refusal::new(
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
    "The coordinator is not available.",
    "",
);

/// Only brokers send these requests, and a newer version would not help them.
static NO_SHARE_GROUPS: Refusal = Refusal::new(
    ErrorCode::INVALID_REQUEST,
    "",
    "This broker does not serve share groups.",
);

static UNKNOWN_TYPE: Refusal = Refusal::new(
    ErrorCode::INVALID_REQUEST,
    MALFORMED_REQUEST,
    MALFORMED_REQUEST,
);
static NO_SHARE_KEY: Refusal = Refusal::new(ErrorCode::INVALID_REQUEST, MALFORMED_REQUEST, "");

/// Whether the client may see this coordinator. Coordinators of share groups are for brokers.
fn permit(call: &Call, key_type: i8, key: &str) -> Found {
    let (operation, resource, refusal) = match key_type {
        GROUP => (
            Operation::Describe,
            Resource::group(key),
            &NO_RIGHT_TO_GROUP,
        ),
        TRANSACTION => (
            Operation::Describe,
            Resource::transactional_id(key),
            &NO_RIGHT_TO_ID,
        ),
        SHARE if may_be_share(call.version) => (
            Operation::ClusterAction,
            Resource::CLUSTER,
            &NO_RIGHT_TO_CLUSTER,
        ),
        _ => return Ok(()),
    };
    if call.may(operation, resource) {
        Ok(())
    } else {
        Err(refusal)
    }
}

/// The coordinators of this type.
fn hosts(call: &Call, key_type: i8) -> Result<Coordinators<'_>, &'static Refusal> {
    check(key_type, call.version)?;
    Ok(match key_type {
        TRANSACTION => Coordinators::OfTransactions(&call.broker.transactions),
        _ => Coordinators::OfGroups(&call.broker.groups),
    })
}

/// Groups and transactional ids have coordinators.
const fn check(key_type: i8, version: i16) -> Found {
    match key_type {
        GROUP | TRANSACTION => Ok(()),
        SHARE if may_be_share(version) => Err(&NO_SHARE_GROUPS),
        _ => Err(&UNKNOWN_TYPE),
    }
}

const fn may_be_share(version: i16) -> bool {
    version >= WITH_SHARE_GROUPS
}

/// Whether `key` is a partition of a share group: group, topic id and partition (KIP-932).
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let partition = parts.next().map(str::parse::<i32>);
    let topic = parts.next().map(str::parse::<KafkaUuid>);
    matches!(
        (partition, topic, parts.next()),
        (Some(Ok(_)), Some(Ok(_)), Some(_))
    )
}

/// A broker, and its address for the client.
#[derive(Clone)]
struct Node {
    id: NodeId,
    address: Address,
}

fn of_many(coordinators: Vec<Coordinator>) -> FindCoordinatorResponse {
    FindCoordinatorResponse::default().with_coordinators(coordinators)
}

fn of_one(version: i16, coordinator: Coordinator) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default()
        .with_error_code(coordinator.error_code)
        .with_node_id(coordinator.node_id)
        .with_host(coordinator.host)
        .with_port(coordinator.port);
    if version >= WITH_MESSAGE {
        response.with_error_message(coordinator.error_message)
    } else {
        response
    }
}

fn coordinator(version: i16, own: &Node, key: StrBytes, found: Found) -> Coordinator {
    let (message, message_of_many) = match found {
        Ok(()) => ("NONE", ""),
        Err(refusal) => (refusal.message, refusal.message_of_many),
    };
    let coordinator = Coordinator::default()
        .with_key(key)
        .with_error_message(Some(StrBytes::from_static_str(
            if version >= WITH_MANY_KEYS {
                message_of_many
            } else {
                message
            },
        )));
    match found {
        Ok(()) => coordinator
            .with_node_id(BrokerId(own.id.0))
            .with_host(StrBytes::from_string(own.address.host.clone()))
            .with_port(own.address.port),
        Err(refusal) => coordinator
            .with_error_code(refusal.code.0)
            .with_node_id(BrokerId(NodeId::NONE.0))
            .with_port(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::*;

    fn told(version: i16, found: Found) -> Coordinator {
        let own = Node {
            id: NodeId(1),
            address: Address {
                host: "kafka.example.org".to_owned(),
                port: 9092,
            },
        };
        let row = coordinator(version, &own, StrBytes::from_static_str("group"), found);
        let response = if version >= 4 {
            of_many(vec![row])
        } else {
            of_one(version, row)
        };
        let told = over_the_wire(&response, version);
        if version >= 4 {
            return told.coordinators[0].clone();
        }
        assert!(told.coordinators.is_empty());
        Coordinator::default()
            .with_key(StrBytes::from_static_str("group"))
            .with_error_code(told.error_code)
            .with_error_message(told.error_message)
            .with_node_id(told.node_id)
            .with_host(told.host)
            .with_port(told.port)
    }

    #[test]
    fn every_version_is_told_where_the_coordinator_is() {
        for version in 0..=6 {
            let told = told(version, Ok(()));
            assert_eq!(
                (told.error_code, told.node_id.0),
                (0, 1),
                "version {version}"
            );
            assert_eq!(
                (&*told.host, told.port, &*told.key),
                ("kafka.example.org", 9092, "group")
            );
        }
    }

    #[test]
    fn every_version_is_told_that_there_is_none() {
        for version in 0..=6 {
            let told = told(version, Err(&NOT_AVAILABLE));
            assert_eq!(told.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE.0);
            assert_eq!(
                (told.node_id.0, &*told.host, told.port),
                (-1, "", -1),
                "version {version}"
            );
            let message = told.error_message.as_deref().unwrap_or_default();
            let has_message = (1..4).contains(&version);
            assert_eq!(message.contains("not available"), has_message);
        }
    }

    #[test]
    fn groups_and_transactional_ids_have_coordinators() {
        assert_eq!(check(GROUP, 1), Ok(()));
        assert_eq!(check(TRANSACTION, 1), Ok(()));
        for (key_type, version) in [(SHARE, 5), (3, 6), (-1, 6)] {
            assert_eq!(check(key_type, version), Err(&UNKNOWN_TYPE));
        }
        assert_eq!(check(SHARE, 6), Err(&NO_SHARE_GROUPS));
        assert!(is_share_key("a:group:AAAAAAAAAAAAAAAAAAAAZw:0"));
        for wrong in ["", "group", "group:x:y", ":0"] {
            assert!(!is_share_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn every_version_asks() {
        for version in 0..=6 {
            let key = StrBytes::from_static_str("group");
            let request = FindCoordinatorRequest::default();
            let request = if version >= 1 {
                request.with_key_type(TRANSACTION)
            } else {
                request
            };
            let request = if version >= 4 {
                request.with_coordinator_keys(vec![key])
            } else {
                request.with_key(key)
            };
            assert_eq!(over_the_wire(&request, version), request);
        }
    }
}
