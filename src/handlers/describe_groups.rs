//! DescribeGroups: groups in detail, with their members.
//!
//! As in Kafka, each name in the request has a row in the answer: a group that is named a thousand times has a
//! thousand rows. It is looked up once, and its rows are produced from one description when the socket takes them.

use std::collections::HashMap;
use std::iter::once;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{DescribedMember, Description, NotDescribed, Registry, StateName};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::authorize::{NOT_ASKED, Rights};
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk};
use super::text::{domain_text, optional_wire_text, wire_group, wire_text};

/// The first version with an error for groups that do not exist (KIP-1043); before, they are Dead.
const WITH_NOT_FOUND: i16 = 6;
/// First version with compact arrays.
const FLEXIBLE: i16 = 5;
/// A group whose members are larger than this is sent member by member.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct DescribeGroups;

impl Handler for DescribeGroups {
    type Request = DescribeGroupsRequest;

    async fn handle(call: Call, request: DescribeGroupsRequest) -> Reply {
        let (ids, order) = distinct(request.groups);
        let names: Vec<Arc<str>> = ids.iter().map(|id| domain_text(id)).collect();
        let rights = call.rights();
        let permit = |group: &Arc<str>| rights.permit(Operation::Describe, Resource::group(group));
        let permits: Vec<_> = names.iter().map(permit).collect();
        let permitted = names.iter().zip(&permits);
        let permitted = permitted.filter(|(_, permit)| permit.is_ok());
        let asked: Arc<[_]> = permitted.map(|(name, _)| Arc::clone(name)).collect();
        let mut found = {
            let asked_again = Arc::clone(&asked);
            let look =
                move |registry: &Registry, place: usize| registry.describe(&asked_again[place]);
            call.broker
                .groups
                .hosts()
                .read_all(&asked, look)
                .await
                .into_iter()
        };
        let groups = names.into_iter().zip(permits).map(|(group, permit)| {
            let found = permit.and_then(|()| {
                let found = found.next().unwrap_or(Err(CoordinatorError::Refused));
                found.map_err(errors::of_coordinator)
            });
            (group, found)
        });
        let answer = Arc::new(Answer {
            version: call.version,
            groups: groups.collect(),
            rights: request.include_authorized_operations.then_some(rights),
        });
        let response = |groups| DescribeGroupsResponse::default().with_groups(groups);
        let count = order.len();
        let rows = (0..count).flat_map(move |row| answer.chunks(order[row]));
        streamed::rows(&call, response, count, rows).await
    }
}

/// Each name once, and for each row of the answer the index of its name.
pub(super) fn distinct(ids: Vec<GroupId>) -> (Vec<GroupId>, Arc<[u32]>) {
    let mut places = HashMap::new();
    let mut names = Vec::new();
    let order = ids.into_iter().map(|id| {
        *places.entry(id).or_insert_with_key(|id| {
            names.push(id.clone());
            // The number is limited by the route's number of fields.
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        })
    });
    let order = order.collect();
    (names, order)
}

/// The result of looking up a group.
type Found = Result<Result<Description, NotDescribed>, ErrorCode>;

/// The data for the rows of the answer.
struct Answer {
    version: i16,
    /// Set if authorized operations are requested.
    rights: Option<Rights>,
    groups: Vec<(Arc<str>, Found)>,
}

impl Answer {
    /// The row about the group at `place`.
    fn chunks(self: &Arc<Self>, place: u32) -> impl Iterator<Item = Chunk> + Clone + use<> {
        let place = place as usize;
        let (group, found) = &self.groups[place];
        let operations = self.rights.as_ref().map_or(NOT_ASKED, |rights| {
            rights.operations(Resource::group(group))
        });
        let whole = || described(self.version, group, operations, found);
        let (first, members, last) = match found {
            Ok(Ok(found)) if weight(found) > AT_ONCE => {
                let bare = described(
                    self.version,
                    group,
                    operations,
                    &Ok(Ok(without_members(found))),
                );
                let with_members = |members| bare.clone().with_members(members);
                match Around::new(self.version, self.version >= FLEXIBLE, with_members) {
                    Ok(around) => {
                        let members = found.members.len();
                        (around.head(members), members, around.tail())
                    }
                    // It cannot be encoded at all, which shows when that is tried.
                    Err(_) => (Chunk::row(whole()), 0, Chunk::Bytes(Bytes::new())),
                }
            }
            _ => (Chunk::row(whole()), 0, Chunk::Bytes(Bytes::new())),
        };
        let answer = Arc::clone(self);
        let rows = (0..members).flat_map(move |number| {
            let found = answer.groups[place].1.as_ref().ok();
            let found = found.and_then(|found| found.as_ref().ok());
            let one = found.and_then(|found| found.members.get(number));
            one.map(|one| member_chunks(answer.version, one))
                .into_iter()
                .flatten()
        });
        once(first).chain(rows).chain(once(last))
    }
}

/// The row of a member. Its metadata and assignment may be long: they are sent without a copy.
fn member_chunks(version: i16, one: &DescribedMember) -> Vec<Chunk> {
    let is_flexible = version >= FLEXIBLE;
    let bare = member(one)
        .with_member_metadata(Bytes::new())
        .with_member_assignment(Bytes::new());
    let metadata = |bytes| bare.clone().with_member_metadata(bytes);
    let assignment = |bytes| bare.clone().with_member_assignment(bytes);
    // The assignment follows directly behind the metadata.
    match (
        Around::bytes(version, is_flexible, metadata),
        Around::bytes(version, is_flexible, assignment),
    ) {
        (Ok(metadata), Ok(assignment)) => vec![
            metadata.head(one.metadata.len()),
            Chunk::Bytes(one.metadata.clone()),
            assignment.length(one.assignment.len()),
            Chunk::Bytes(one.assignment.clone()),
            assignment.tail(),
        ],
        _ => vec![Chunk::row(member(one))],
    }
}

/// The approximate size of the members.
fn weight(found: &Description) -> usize {
    let members = found.members.iter();
    members
        .map(|member| 64 + member.metadata.len() + member.assignment.len())
        .sum()
}

fn without_members(found: &Description) -> Description {
    Description {
        state: found.state,
        protocol_type: Arc::clone(&found.protocol_type),
        protocol: Arc::clone(&found.protocol),
        members: Vec::new(),
    }
}

fn described(version: i16, name: &str, operations: i32, found: &Found) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_id(wire_group(name));
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
                NotDescribed::OtherType => format!("Group {name} is not a classic group."),
            };
            if version >= WITH_NOT_FOUND {
                dead.with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
                    .with_error_message(Some(StrBytes::from_string(message)))
            } else {
                dead.with_authorized_operations(operations)
            }
        }
        Err(code) => group.with_error_code(code.0),
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

    fn operations() -> i32 {
        Rights::all().operations(Resource::group("group"))
    }

    fn id() -> GroupId {
        GroupId(StrBytes::from_static_str("group"))
    }

    fn told(version: i16, found: Found) -> DescribedGroup {
        // Versions without a field to ask for the operations do not get them.
        let operations = if version >= 3 {
            operations()
        } else {
            NOT_ASKED
        };
        let group = described(version, "group", operations, &found);
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
                operations()
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
            let told = told(version, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
            assert_eq!(
                (told.error_code, &*told.group_state),
                (ErrorCode::COORDINATOR_NOT_AVAILABLE.0, "")
            );
        }
    }

    #[test]
    fn a_group_with_long_assignments_is_told_as_any_other() {
        let member = |number: u8| DescribedMember {
            member: format!("member-{number}").into(),
            instance: (number == 1).then(|| "instance".into()),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            metadata: vec![number; 100].into(),
            assignment: vec![number; 20_000 * usize::from(number)].into(),
        };
        for version in 0..=6 {
            let found = Ok(Ok(Description {
                state: StateName::Stable,
                protocol_type: "consumer".into(),
                protocol: "range".into(),
                members: (0..4).map(member).collect(),
            }));
            let whole = described(version, "group", NOT_ASKED, &found);
            let answer = Arc::new(Answer {
                version,
                rights: None,
                groups: vec![("group".into(), found)],
            });
            let response = |groups| DescribeGroupsResponse::default().with_groups(groups);
            let row = answer.chunks(0);
            assert!(row.clone().count() > 20);
            let told = streamed::received(version, response, 1, row);
            assert_eq!(told, over_the_wire(&response(vec![whole]), version));
        }
    }

    #[test]
    fn a_group_that_is_named_again_is_looked_up_once() {
        let id = |name| GroupId(StrBytes::from_static_str(name));
        let (names, order) = distinct(vec![id("a"), id("b"), id("a"), id("a")]);
        assert_eq!(names, [id("a"), id("b")]);
        assert_eq!(*order, [0, 1, 0, 0]);
    }
}
