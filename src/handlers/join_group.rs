//! JoinGroup: a member joins the next generation. The answer may take long.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use crate::coordinator::CoordinatorError;
use crate::group::{Join, JoinReply, JoinedMember, Protocol};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::{client_host, domain_text, optional_domain_text, optional_wire_text, wire_text};

/// First version with a rebalance timeout of its own.
const WITH_REBALANCE_TIMEOUT: i16 = 1;
/// The first version in which a member gets its id before it joins (KIP-394).
const WITH_KNOWN_MEMBER_ID: i16 = 4;
/// The first version with a nullable protocol; before, it is empty.
const WITH_NO_PROTOCOL: i16 = 7;
/// The first version in which a leader can be told to keep the assignment (KIP-814).
const WITH_SKIPPED_ASSIGNMENT: i16 = 9;

pub(super) struct JoinGroup;

impl Handler for JoinGroup {
    type Request = JoinGroupRequest;

    fn copied(request: &JoinGroupRequest) -> Option<usize> {
        let length = |text: &Option<StrBytes>| text.as_ref().map_or(0, |text| text.len());
        let own = [
            request.group_id.len(),
            request.member_id.len(),
            request.protocol_type.len(),
            length(&request.group_instance_id),
            length(&request.reason),
        ];
        let protocols = request.protocols.iter();
        let protocols =
            protocols.flat_map(|protocol| [protocol.name.len(), protocol.metadata.len()]);
        Some(
            own.into_iter()
                .chain(protocols)
                .fold(0, usize::saturating_add),
        )
    }

    async fn handle(call: Call, request: JoinGroupRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Read, Resource::group(&request.group_id)) {
            return call.reply(&response(call.version, &JoinReply::refused("", code)));
        }
        let client_id = call.client_id.as_deref().unwrap_or_default();
        let join = join(
            &request,
            call.version,
            client_id,
            call.peer.address.ip(),
            rand::random(),
        );
        let decided = call.broker.groups.ask(join);
        // It may wait for other members, and must not keep its frame meanwhile.
        drop(request);
        let decided = decided.await;
        let mut reply = reply(decided);
        // The leader gets the metadata of all members, which is shared with the group until it has been sent.
        let members = Arc::new(std::mem::take(&mut reply.members));
        let bare = response(call.version, &reply);
        let with_members = |members| bare.clone().with_members(members);
        let rows = {
            let members = Arc::clone(&members);
            (0..members.len()).map(move |at| Chunk::row(member(&members[at])))
        };
        streamed::rows(&call, with_members, members.len(), rows).await
    }
}

fn join(
    request: &JoinGroupRequest,
    version: i16,
    client_id: &str,
    client: IpAddr,
    seed: u128,
) -> Join {
    let has_rebalance_timeout = version >= WITH_REBALANCE_TIMEOUT;
    Join {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        client_id: domain_text(client_id),
        client_host: client_host(client),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if has_rebalance_timeout {
            request.rebalance_timeout_ms
        } else {
            request.session_timeout_ms
        },
        protocol_type: domain_text(&request.protocol_type),
        protocols: request.protocols.iter().map(protocol).collect(),
        member_id_seed: seed,
        needs_known_member_id: version >= WITH_KNOWN_MEMBER_ID,
        can_skip_assignment: version >= WITH_SKIPPED_ASSIGNMENT,
        reason: optional_domain_text(request.reason.as_ref()),
    }
}

fn protocol(protocol: &JoinGroupRequestProtocol) -> Protocol {
    Protocol {
        name: domain_text(&protocol.name),
        // A copy: a slice would keep the whole frame as long as the member exists.
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    }
}

fn reply(decided: Result<JoinReply, CoordinatorError>) -> JoinReply {
    decided.unwrap_or_else(|error| JoinReply::refused("", errors::of_coordinator(error)))
}

fn response(version: i16, reply: &JoinReply) -> JoinGroupResponse {
    let empty: Arc<str> = "".into();
    let protocol = match &reply.protocol {
        None if version < WITH_NO_PROTOCOL => Some(&empty),
        protocol => protocol.as_ref(),
    };
    JoinGroupResponse::default()
        .with_error_code(reply.error.0)
        .with_generation_id(reply.generation)
        .with_protocol_type(optional_wire_text(reply.protocol_type.as_ref()))
        .with_protocol_name(optional_wire_text(protocol))
        .with_leader(wire_text(&reply.leader))
        .with_skip_assignment(reply.skip_assignment)
        .with_member_id(wire_text(&reply.member))
        .with_members(reply.members.iter().map(member).collect())
}

fn member(joined: &JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember::default()
        .with_member_id(wire_text(&joined.member))
        .with_group_instance_id(optional_wire_text(joined.instance.as_ref()))
        .with_metadata(joined.metadata.clone())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use kafka_protocol::messages::GroupId;

    use super::super::fixture::over_the_wire;
    use super::*;
    use crate::base::ErrorCode;

    fn asked(version: i16) -> Join {
        let mut request = JoinGroupRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str("group")))
            .with_session_timeout_ms(10_000)
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![
                JoinGroupRequestProtocol::default()
                    .with_name(StrBytes::from_static_str("range"))
                    .with_metadata("topics".into()),
            ]);
        if version >= 1 {
            request = request.with_rebalance_timeout_ms(60_000);
        }
        if version >= 5 {
            request = request.with_group_instance_id(Some(StrBytes::from_static_str("instance")));
        }
        if version >= 8 {
            request = request.with_reason(Some(StrBytes::from_static_str("because")));
        }
        join(
            &over_the_wire(&request, version),
            version,
            "client",
            Ipv4Addr::LOCALHOST.into(),
            7,
        )
    }

    #[test]
    fn versions_ask_for_what_they_know() {
        for version in 0..=9 {
            let join = asked(version);
            assert_eq!(
                join.rebalance_timeout_ms,
                if version == 0 { 10_000 } else { 60_000 },
                "version {version}"
            );
            assert_eq!(
                join.needs_known_member_id,
                version >= 4,
                "version {version}"
            );
            assert_eq!(join.instance.is_some(), version >= 5, "version {version}");
            assert_eq!(join.can_skip_assignment, version == 9, "version {version}");
            assert_eq!(join.reason.is_some(), version >= 8, "version {version}");
            assert_eq!(
                (&*join.client_host, &*join.client_id),
                ("/127.0.0.1", "client")
            );
            assert_eq!(
                (&*join.protocols[0].name, &join.protocols[0].metadata[..]),
                ("range", &b"topics"[..])
            );
        }
    }

    #[test]
    fn every_version_can_tell_a_generation() {
        for version in 0..=9 {
            let reply = JoinReply {
                error: ErrorCode::NONE,
                generation: 3,
                protocol_type: Some("consumer".into()),
                protocol: Some("range".into()),
                leader: "one".into(),
                // The machine sets this only for clients that support it.
                skip_assignment: version == 9,
                member: "one".into(),
                members: vec![JoinedMember {
                    member: "one".into(),
                    instance: Some("instance".into()),
                    metadata: "topics".into(),
                }],
            };
            let told = over_the_wire(&response(version, &reply), version);
            assert_eq!(
                (told.generation_id, &*told.leader, &*told.member_id),
                (3, "one", "one")
            );
            assert_eq!(told.protocol_name.as_deref(), Some("range"));
            assert_eq!(
                told.protocol_type.as_deref(),
                (version >= 7).then_some("consumer"),
                "version {version}"
            );
            assert_eq!(
                told.members[0].group_instance_id.is_some(),
                version >= 5,
                "version {version}"
            );
            assert_eq!(told.members[0].metadata, "topics");
        }
    }

    #[test]
    fn every_version_can_tell_a_refusal() {
        for version in 0..=9 {
            let told = over_the_wire(
                &response(version, &reply(Err(CoordinatorError::NotCoordinator))),
                version,
            );
            assert_eq!(
                (told.error_code, told.generation_id),
                (ErrorCode::NOT_COORDINATOR.0, -1)
            );
            assert_eq!(
                told.protocol_name.as_deref(),
                (version < 7).then_some(""),
                "version {version}"
            );
        }
    }
}
