//! SyncGroup: the leader sends the assignments, and every member gets its own.

use bytes::Bytes;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use kafka_protocol::protocol::{HeaderVersion as _, StrBytes};

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{Sync, SyncReply};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk};
use super::text::{domain_text, optional_domain_text, optional_wire_text};

/// The first version in which a member sends the protocol that it expects (KIP-559).
const WITH_PROTOCOL: i16 = 5;

/// The longest assignment that is copied into the answer.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct SyncGroup;

impl Handler for SyncGroup {
    type Request = SyncGroupRequest;

    fn copied(request: &SyncGroupRequest) -> Option<usize> {
        let length = |text: &Option<StrBytes>| text.as_ref().map_or(0, |text| text.len());
        let own = [
            request.group_id.len(),
            request.member_id.len(),
            length(&request.group_instance_id),
            length(&request.protocol_type),
            length(&request.protocol_name),
        ];
        let assignments = request.assignments.iter();
        let assignments = assignments.flat_map(|one| [one.member_id.len(), one.assignment.len()]);
        Some(
            own.into_iter()
                .chain(assignments)
                .fold(0, usize::saturating_add),
        )
    }

    async fn handle(call: Call, request: SyncGroupRequest) -> Reply {
        let permit = call.permit(Operation::Read, Resource::group(&request.group_id));
        let has_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
        let reply = if call.version >= WITH_PROTOCOL && !has_protocol {
            SyncReply::refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
        } else if let Err(code) = permit {
            SyncReply::refused(code)
        } else {
            let groups = &call.broker.groups;
            let decided = groups.ask(sync(&request));
            // It may wait for the leader, and must not keep its frame meanwhile.
            drop(request);
            reply(decided.await)
        };
        if reply.assignment.len() <= AT_ONCE {
            return call.reply(&response(&reply));
        }
        // A long assignment is shared with the group until it has been sent.
        let bare = response(&reply).with_assignment(Bytes::new());
        let with_assignment = |bytes| bare.clone().with_assignment(bytes);
        let (version, header_version) = (
            call.version,
            SyncGroupResponse::header_version(call.version),
        );
        match Around::bytes(version, header_version >= 1, with_assignment) {
            Ok(around) => {
                let assignment = reply.assignment;
                let parts = [
                    around.head(assignment.len()),
                    Chunk::Bytes(assignment),
                    around.tail(),
                ];
                streamed::chunks(&call, header_version, parts.into_iter()).await
            }
            Err(error) => call.unencodable::<SyncGroupResponse>(&error),
        }
    }
}

fn sync(request: &SyncGroupRequest) -> Sync {
    let assignments = request.assignments.iter();
    Sync {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: optional_domain_text(request.protocol_type.as_ref()),
        protocol: optional_domain_text(request.protocol_name.as_ref()),
        assignments: assignments
            // A copy: a slice would keep the whole frame as long as the group exists.
            .map(|one| {
                (
                    domain_text(&one.member_id),
                    Bytes::copy_from_slice(&one.assignment),
                )
            })
            .collect(),
    }
}

fn reply(decided: Result<SyncReply, CoordinatorError>) -> SyncReply {
    decided.unwrap_or_else(|error| SyncReply::refused(errors::of_coordinator(error)))
}

fn response(reply: &SyncReply) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_error_code(reply.error.0)
        .with_protocol_type(optional_wire_text(reply.protocol_type.as_ref()))
        .with_protocol_name(optional_wire_text(reply.protocol.as_ref()))
        .with_assignment(reply.assignment.clone())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::GroupId;
    use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

    use super::super::fixture::over_the_wire;
    use super::*;

    #[test]
    fn every_version_asks_and_is_told() {
        for version in 0..=5 {
            let mut request = SyncGroupRequest::default()
                .with_group_id(GroupId(StrBytes::from_static_str("group")))
                .with_generation_id(3)
                .with_member_id(StrBytes::from_static_str("one"))
                .with_assignments(vec![
                    SyncGroupRequestAssignment::default()
                        .with_member_id(StrBytes::from_static_str("one"))
                        .with_assignment("everything".into()),
                ]);
            if version >= 3 {
                request =
                    request.with_group_instance_id(Some(StrBytes::from_static_str("instance")));
            }
            if version >= 5 {
                request = request
                    .with_protocol_type(Some(StrBytes::from_static_str("consumer")))
                    .with_protocol_name(Some(StrBytes::from_static_str("range")));
            }
            let sync = sync(&over_the_wire(&request, version));
            assert_eq!((sync.generation, &*sync.member), (3, "one"));
            assert_eq!(sync.instance.is_some(), version >= 3, "version {version}");
            assert_eq!(sync.protocol.is_some(), version >= 5, "version {version}");
            assert_eq!(sync.assignments, [("one".into(), "everything".into())]);

            let reply = SyncReply {
                error: ErrorCode::NONE,
                protocol_type: Some("consumer".into()),
                protocol: Some("range".into()),
                assignment: "everything".into(),
            };
            let told = over_the_wire(&response(&reply), version);
            assert_eq!(
                (told.error_code, &told.assignment[..]),
                (0, &b"everything"[..])
            );
            assert_eq!(
                told.protocol_name.as_deref(),
                (version >= 5).then_some("range"),
                "version {version}"
            );
            let told = over_the_wire(
                &response(&super::reply(Err(CoordinatorError::Loading))),
                version,
            );
            assert_eq!(told.error_code, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.0);
        }
    }
}
