//! DeleteGroups: removes groups together with their offsets.

use std::collections::HashSet;

use kafka_protocol::messages::{DeleteGroupsRequest, GroupId};

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::DeleteGroup;
use crate::messages::{DeletableGroupResult, DeleteGroupsResponse};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::domain_text;

/// How many deletions may wait for durability at a time.
const AT_ONCE: usize = 64;

pub(super) struct DeleteGroups;

impl Handler for DeleteGroups {
    type Request = DeleteGroupsRequest;
    /// Version 3 added a field to the response.
    const NEWEST: i16 = 3;

    async fn handle(call: Call, request: DeleteGroupsRequest) -> Reply {
        let groups = distinct(request.groups_names);
        let mut results = Vec::with_capacity(groups.len());
        let mut groups = groups.into_iter().peekable();
        while groups.peek().is_some() {
            let asked: Vec<_> = groups
                .by_ref()
                .take(AT_ONCE)
                .map(|id| {
                    let permit = call.permit(Operation::Delete, Resource::group(&id));
                    let decided = permit.map(|()| {
                        call.broker.groups.ask(DeleteGroup {
                            group: domain_text(&id),
                        })
                    });
                    (id, decided)
                })
                .collect();
            for (id, decided) in asked {
                results.push(match decided {
                    Ok(decided) => result(id, decided.await),
                    Err(code) => row(id, code),
                });
            }
        }
        call.reply(&DeleteGroupsResponse {
            throttle_time_ms: 0,
            results,
        })
    }
}

/// Each group once: a second deletion would only report that the group does not exist.
fn distinct(groups: Vec<GroupId>) -> Vec<GroupId> {
    let mut seen = HashSet::new();
    groups
        .into_iter()
        .filter(|group| seen.insert(group.clone()))
        .collect()
}

fn result(id: GroupId, decided: Result<ErrorCode, CoordinatorError>) -> DeletableGroupResult {
    row(id, decided.unwrap_or_else(errors::of_coordinator))
}

const fn row(id: GroupId, code: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult {
        group_id: id,
        error_code: code.0,
        error_message: None,
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::over_the_wire;
    use super::*;

    #[test]
    fn every_version_asks_and_is_told_of_each_group() {
        let id = |name| GroupId(StrBytes::from_static_str(name));
        for version in 0..=2 {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![
                id("one"),
                id("two"),
                id("one"),
            ]);
            let groups = distinct(over_the_wire(&request, version).groups_names);
            assert_eq!(groups, [id("one"), id("two")]);
            let results = [
                result(id("one"), Ok(ErrorCode::NON_EMPTY_GROUP)),
                result(id("two"), Err(CoordinatorError::NotCoordinator)),
            ];
            let codes = results.map(|result| result.error_code);
            assert_eq!(
                codes,
                [ErrorCode::NON_EMPTY_GROUP.0, ErrorCode::NOT_COORDINATOR.0]
            );
        }
    }
}
