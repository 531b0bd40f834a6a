//! LeaveGroup: members leave a group; one in old versions, any number in new ones.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{Leave, LeaveReply, Leaver};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text, optional_wire_text, wire_text};

/// First version that names any number of members (KIP-345).
const WITH_MANY_MEMBERS: i16 = 3;

pub(super) struct LeaveGroup;

impl Handler for LeaveGroup {
    type Request = LeaveGroupRequest;

    async fn handle(call: Call, request: LeaveGroupRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Read, Resource::group(&request.group_id)) {
            return call.reply(&LeaveGroupResponse::default().with_error_code(code.0));
        }
        let leave = leave(&request, call.version);
        let members = leave.members.clone();
        let decided = call.broker.groups.ask(leave).await;
        call.reply(&response(call.version, reply(decided, members)))
    }
}

fn leave(request: &LeaveGroupRequest, version: i16) -> Leave {
    let members = if version >= WITH_MANY_MEMBERS {
        let leaver = |member: &MemberIdentity| Leaver {
            member: domain_text(&member.member_id),
            instance: optional_domain_text(member.group_instance_id.as_ref()),
            reason: optional_domain_text(member.reason.as_ref()),
        };
        request.members.iter().map(leaver).collect()
    } else {
        vec![Leaver {
            member: domain_text(&request.member_id),
            instance: None,
            reason: None,
        }]
    };
    Leave {
        group: domain_text(&request.group_id),
        members,
    }
}

fn reply(decided: Result<LeaveReply, CoordinatorError>, asked: Vec<Leaver>) -> LeaveReply {
    let refused = |error| LeaveReply {
        error,
        members: Vec::new(),
    };
    match decided {
        // The group does not exist: each of its members is unknown.
        Ok(LeaveReply {
            error: ErrorCode::UNKNOWN_MEMBER_ID,
            ..
        }) => LeaveReply {
            error: ErrorCode::NONE,
            members: asked
                .into_iter()
                .map(|leaver| (leaver, ErrorCode::UNKNOWN_MEMBER_ID))
                .collect(),
        },
        Ok(reply) => reply,
        Err(error) => refused(errors::of_coordinator(error)),
    }
}

fn response(version: i16, reply: LeaveReply) -> LeaveGroupResponse {
    let response = LeaveGroupResponse::default();
    if version >= WITH_MANY_MEMBERS {
        let member = |(leaver, code): (Leaver, ErrorCode)| {
            MemberResponse::default()
                .with_member_id(wire_text(&leaver.member))
                .with_group_instance_id(optional_wire_text(leaver.instance.as_ref()))
                .with_error_code(code.0)
        };
        return response
            .with_error_code(reply.error.0)
            .with_members(reply.members.into_iter().map(member).collect());
    }
    let of_member = reply
        .members
        .first()
        .map_or(ErrorCode::NONE, |(_, code)| *code);
    let code = if reply.error.is_error() {
        reply.error
    } else {
        of_member
    };
    response.with_error_code(code.0)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::GroupId;
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::over_the_wire;
    use super::*;

    fn asked(version: i16) -> Leave {
        let request =
            LeaveGroupRequest::default().with_group_id(GroupId(StrBytes::from_static_str("group")));
        let one = StrBytes::from_static_str("one");
        let request = if version < 3 {
            request.with_member_id(one)
        } else {
            let instance = MemberIdentity::default()
                .with_group_instance_id(Some(StrBytes::from_static_str("two")));
            let reason = (version >= 5).then(|| StrBytes::from_static_str("because"));
            let instance = instance.with_reason(reason);
            request.with_members(vec![
                MemberIdentity::default().with_member_id(one),
                instance,
            ])
        };
        leave(&over_the_wire(&request, version), version)
    }

    fn told(version: i16, error: ErrorCode) -> LeaveGroupResponse {
        let members = asked(version).members;
        let reply = if error == ErrorCode::UNKNOWN_MEMBER_ID {
            reply(
                Ok(LeaveReply {
                    error,
                    members: Vec::new(),
                }),
                members,
            )
        } else {
            LeaveReply {
                error,
                members: members
                    .into_iter()
                    .map(|leaver| (leaver, ErrorCode::FENCED_INSTANCE_ID))
                    .collect(),
            }
        };
        over_the_wire(&response(version, reply), version)
    }

    #[test]
    fn old_versions_name_one_member_and_are_told_its_error() {
        for version in 0..3 {
            assert_eq!(
                asked(version).members,
                [Leaver {
                    member: "one".into(),
                    instance: None,
                    reason: None
                }]
            );
            for error in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::INVALID_GROUP_ID] {
                assert_eq!(
                    told(version, error).error_code,
                    error.0,
                    "version {version}"
                );
            }
            assert_eq!(
                told(version, ErrorCode::NONE).error_code,
                ErrorCode::FENCED_INSTANCE_ID.0
            );
        }
    }

    #[test]
    fn new_versions_name_many_and_are_told_of_each() {
        for version in 3..=5 {
            let members = asked(version).members;
            assert_eq!(
                (members.len(), members[1].reason.is_some()),
                (2, version >= 5),
                "version {version}"
            );
            for (error, of_member) in [
                (ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::UNKNOWN_MEMBER_ID),
                (ErrorCode::NONE, ErrorCode::FENCED_INSTANCE_ID),
            ] {
                let told = told(version, error);
                assert_eq!(
                    (told.error_code, told.members.len()),
                    (0, 2),
                    "version {version}"
                );
                assert_eq!(told.members[1].group_instance_id.as_deref(), Some("two"));
                assert_eq!(told.members[1].error_code, of_member.0);
                assert_eq!(told.members[0].group_instance_id, None);
            }
        }
    }
}
