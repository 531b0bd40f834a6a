//! FindCoordinator: who coordinates a group; from version 4 on any number of groups.
//!
//! Who asks about a group is going to use it, so the topic that keeps groups is created by then.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, NodeId};
use crate::coordinator::CoordinatorError;
use crate::wire::Reply;

use super::advertised::{Address, own_address};
use super::route::{Call, Handler};

/// First version with a text for people.
const WITH_MESSAGE: i16 = 1;
/// First version that asks for any number of keys (KIP-699).
const WITH_MANY_KEYS: i16 = 4;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(super) struct FindCoordinator;

impl Handler for FindCoordinator {
    type Request = FindCoordinatorRequest;

    async fn handle(call: Call, request: FindCoordinatorRequest) -> Reply {
        let keys = if call.version >= WITH_MANY_KEYS {
            request.coordinator_keys
        } else {
            vec![request.key]
        };
        let may_ask = match check(request.key_type) {
            // Without the topic the look-ups below say so.
            Ok(()) => call
                .broker
                .groups
                .ensure_topic()
                .await
                .map_err(|_| NOT_AVAILABLE),
            Err(refusal) => Err(refusal),
        };
        let find = |key: StrBytes| {
            let found =
                may_ask.and_then(|()| hosted(call.broker.groups.coordinator_partition(&key)));
            (key, found)
        };
        let found = keys.into_iter().map(find).collect();
        let own = Node {
            id: NodeId(call.broker.config.node_id),
            address: own_address(&call.broker.config, &call.peer),
        };
        call.reply(&response(call.version, &own, found))
    }
}

/// Why there is no coordinator to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    code: ErrorCode,
    message: &'static str,
}

const NOT_AVAILABLE: Refusal = Refusal {
    code: ErrorCode::COORDINATOR_NOT_AVAILABLE,
    message: "The coordinator is not available.",
};

/// Only groups have coordinators.
const fn check(key_type: i8) -> Result<(), Refusal> {
    match key_type {
        GROUP => Ok(()),
        // Not a final no: clients ask again, and may by then speak to a release that has them.
        TRANSACTION => Err(Refusal {
            code: ErrorCode::COORDINATOR_NOT_AVAILABLE,
            message: "This broker does not serve transactions.",
        }),
        SHARE => Err(Refusal {
            code: ErrorCode::INVALID_REQUEST,
            message: "This broker does not serve share groups.",
        }),
        _ => Err(Refusal {
            code: ErrorCode::INVALID_REQUEST,
            message: "The type of the coordinator is not known.",
        }),
    }
}

fn hosted(partition: Result<i32, CoordinatorError>) -> Result<(), Refusal> {
    // There is no other broker that could host it: whatever is wrong here, asking again is the cure.
    partition.map(drop).map_err(|_| NOT_AVAILABLE)
}

/// A broker, and where the client finds it.
struct Node {
    id: NodeId,
    address: Address,
}

fn response(
    version: i16,
    own: &Node,
    found: Vec<(StrBytes, Result<(), Refusal>)>,
) -> FindCoordinatorResponse {
    let coordinators = found
        .into_iter()
        .map(|(key, found)| coordinator(own, key, found));
    if version >= WITH_MANY_KEYS {
        return FindCoordinatorResponse::default().with_coordinators(coordinators.collect());
    }
    let Some(coordinator) = coordinators.into_iter().next() else {
        return FindCoordinatorResponse::default();
    };
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

fn coordinator(own: &Node, key: StrBytes, found: Result<(), Refusal>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key);
    match found {
        Ok(()) => coordinator
            .with_error_message(None)
            .with_node_id(BrokerId(own.id.0))
            .with_host(StrBytes::from_string(own.address.host.clone()))
            .with_port(own.address.port),
        Err(refusal) => coordinator
            .with_error_code(refusal.code.0)
            .with_error_message(Some(StrBytes::from_static_str(refusal.message)))
            .with_node_id(BrokerId(NodeId::NONE.0))
            .with_port(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::*;

    fn told(version: i16, found: Result<(), Refusal>) -> Coordinator {
        let own = Node {
            id: NodeId(1),
            address: Address {
                host: "kafka.example.org".to_owned(),
                port: 9092,
            },
        };
        let found = vec![(StrBytes::from_static_str("group"), found)];
        let told = over_the_wire(&response(version, &own, found), version);
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
            let told = told(version, check(TRANSACTION));
            assert_eq!(told.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE.0);
            assert_eq!(
                (told.node_id.0, &*told.host, told.port),
                (-1, "", -1),
                "version {version}"
            );
            let message = told.error_message.as_deref().unwrap_or_default();
            assert_eq!(
                message.contains("transactions"),
                version >= 1,
                "version {version}"
            );
        }
    }

    #[test]
    fn only_groups_have_coordinators() {
        assert_eq!(check(GROUP), Ok(()));
        for key_type in [SHARE, 3, -1] {
            assert_eq!(
                check(key_type).map_err(|refusal| refusal.code),
                Err(ErrorCode::INVALID_REQUEST)
            );
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
