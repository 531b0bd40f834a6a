//! DescribeGroups: groups in detail, with their members.

use std::sync::Arc;

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{DescribedMember, Description, NotDescribed, StateName};
use crate::wire::Reply;

use super::authorize::{GROUP_OPERATIONS, NOT_ASKED};
use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_wire_text, wire_text};

/// First version that knows of groups that do not exist (KIP-1043); before, they are dead.
const WITH_NOT_FOUND: i16 = 6;

pub(super) struct DescribeGroups;

impl Handler for DescribeGroups {
    type Request = DescribeGroupsRequest;

    async fn handle(call: Call, request: DescribeGroupsRequest) -> Reply {
        let mut asked = Vec::with_capacity(request.groups.len());
        for id in request.groups {
            let group: Arc<str> = domain_text(&id);
            let name = Arc::clone(&group);
            asked.push((
                id,
                call.broker
                    .groups
                    .read(&group, move |registry| registry.describe(&name)),
            ));
        }
        let operations = if request.include_authorized_operations {
            GROUP_OPERATIONS
        } else {
            NOT_ASKED
        };
        let mut groups = Vec::with_capacity(asked.len());
        for (id, found) in asked {
            groups.push(described(call.version, id, operations, found.await));
        }
        call.reply(&DescribeGroupsResponse::default().with_groups(groups))
    }
}

fn described(
    version: i16,
    id: GroupId,
    operations: i32,
    found: Result<Result<Description, NotDescribed>, CoordinatorError>,
) -> DescribedGroup {
    let name = id.as_str().to_owned();
    let group = DescribedGroup::default().with_group_id(id);
    match found {
        Ok(Ok(found)) => group
            .with_group_state(StrBytes::from_static_str(found.state.as_str()))
            .with_protocol_type(wire_text(&found.protocol_type))
            .with_protocol_data(wire_text(&found.protocol))
            .with_members(found.members.iter().map(member).collect())
            .with_authorized_operations(operations),
        Ok(Err(reason)) => {
            let dead = group.with_group_state(StrBytes::from_static_str(StateName::Dead.as_str()));
            let message = match reason {
                NotDescribed::Unknown => format!("Group {name} not found."),
                NotDescribed::Foreign => format!("Group {name} is not a classic group."),
            };
            if version >= WITH_NOT_FOUND {
                dead.with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
                    .with_error_message(Some(StrBytes::from_string(message)))
            } else {
                dead.with_authorized_operations(operations)
            }
        }
        Err(error) => group.with_error_code(errors::of_coordinator(error).0),
    }
}

fn member(member: &DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(wire_text(&member.member))
        .with_group_instance_id(optional_wire_text(member.instance.as_ref()))
        .with_client_id(wire_text(&member.client_id))
        .with_client_host(wire_text(&member.client_host))
        .with_member_metadata(member.metadata.clone())
        .with_member_assignment(member.assignment.clone())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::*;

    fn id() -> GroupId {
        GroupId(StrBytes::from_static_str("group"))
    }

    fn told(
        version: i16,
        found: Result<Result<Description, NotDescribed>, CoordinatorError>,
    ) -> DescribedGroup {
        // Versions that cannot ask for the operations do not.
        let operations = if version >= 3 {
            GROUP_OPERATIONS
        } else {
            NOT_ASKED
        };
        let group = described(version, id(), operations, found);
        over_the_wire(
            &DescribeGroupsResponse::default().with_groups(vec![group]),
            version,
        )
        .groups
        .remove(0)
    }

    #[test]
    fn every_version_is_told_of_a_group() {
        for version in 0..=6 {
            let told = told(
                version,
                Ok(Ok(Description {
                    state: StateName::Stable,
                    protocol_type: "consumer".into(),
                    protocol: "range".into(),
                    members: vec![DescribedMember {
                        member: "one".into(),
                        instance: Some("instance".into()),
                        client_id: "client".into(),
                        client_host: "/127.0.0.1".into(),
                        metadata: "topics".into(),
                        assignment: "everything".into(),
                    }],
                })),
            );
            assert_eq!(
                (told.error_code, &*told.group_state, &*told.protocol_data),
                (0, "Stable", "range")
            );
            assert_eq!(
                (
                    &*told.members[0].client_host,
                    &told.members[0].member_assignment[..]
                ),
                ("/127.0.0.1", &b"everything"[..])
            );
            assert_eq!(
                told.members[0].group_instance_id.is_some(),
                version >= 4,
                "version {version}"
            );
            let operations = if version >= 3 {
                GROUP_OPERATIONS
            } else {
                NOT_ASKED
            };
            assert_eq!(told.authorized_operations, operations, "version {version}");
        }
    }

    #[test]
    fn a_group_that_is_not_there_is_dead_or_not_found() {
        for version in 0..=6 {
            let told = told(version, Ok(Err(NotDescribed::Unknown)));
            assert_eq!(&*told.group_state, "Dead");
            if version >= 6 {
                assert_eq!(told.error_code, ErrorCode::GROUP_ID_NOT_FOUND.0);
                assert_eq!(
                    told.error_message.as_deref(),
                    Some("Group group not found.")
                );
                assert_eq!(told.authorized_operations, NOT_ASKED);
            } else {
                assert_eq!(told.error_code, 0, "version {version}");
            }
        }
    }

    #[test]
    fn every_version_asks_and_is_told_of_an_error() {
        for version in 0..=6 {
            let request = DescribeGroupsRequest::default().with_groups(vec![id()]);
            let request = if version >= 3 {
                request.with_include_authorized_operations(true)
            } else {
                request
            };
            assert_eq!(over_the_wire(&request, version), request);
            let told = told(version, Err(CoordinatorError::NotAvailable));
            assert_eq!(
                (told.error_code, &*told.group_state),
                (ErrorCode::COORDINATOR_NOT_AVAILABLE.0, "")
            );
        }
    }
}
