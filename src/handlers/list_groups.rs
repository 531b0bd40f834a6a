//! ListGroups: the groups that this broker coordinates.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{self, ListFilter};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::{wire_group, wire_text};

pub(super) struct ListGroups;

impl Handler for ListGroups {
    type Request = ListGroupsRequest;

    async fn handle(call: Call, request: ListGroupsRequest) -> Reply {
        let filter = filter(&request);
        let lists = call
            .broker
            .groups
            .read_each(move |registry| registry.list(&filter))
            .await;
        match complete(lists) {
            Ok(groups) => {
                let (count, groups) = (groups.len(), Arc::new(groups));
                let rows = (0..count).map(move |row| Chunk::row(listed(&groups[row])));
                streamed::rows(&call, response, count, rows).await
            }
            Err(code) => call.reply(&ListGroupsResponse::default().with_error_code(code.0)),
        }
    }
}

fn response(groups: Vec<ListedGroup>) -> ListGroupsResponse {
    ListGroupsResponse::default().with_groups(groups)
}

/// Names of states and types are short: longer texts are none, and are not compared with those of every group.
const LONGEST_NAME: usize = 64;

fn filter(request: &ListGroupsRequest) -> ListFilter {
    let texts = |filter: &[StrBytes]| {
        let names = filter.iter().map(|name| name.trim());
        names
            .map(|name| if name.len() > LONGEST_NAME { "" } else { name })
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    };
    ListFilter {
        states: texts(&request.states_filter),
        types: texts(&request.types_filter),
    }
}

/// The lists as one. A partition that has gone elsewhere has no groups here; any other failure makes
/// the list incomplete, which the client must not take for the whole.
fn complete(
    lists: Vec<Result<Vec<group::ListedGroup>, CoordinatorError>>,
) -> Result<Vec<group::ListedGroup>, ErrorCode> {
    let mut groups = Vec::new();
    for list in lists {
        match list {
            Ok(list) => groups.extend(list),
            Err(CoordinatorError::NotCoordinator) => {}
            Err(error) => return Err(errors::of_coordinator(error)),
        }
    }
    Ok(groups)
}

fn listed(group: &group::ListedGroup) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(wire_group(&group.group))
        .with_protocol_type(wire_text(&group.protocol_type))
        .with_group_state(StrBytes::from_static_str(group.state.as_str()))
        .with_group_type(StrBytes::from_static_str(group.group_type))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::*;
    use crate::group::StateName;

    fn list(group: &str) -> Vec<group::ListedGroup> {
        vec![group::ListedGroup {
            group: group.into(),
            protocol_type: "consumer".into(),
            state: StateName::Stable,
            group_type: group::GROUP_TYPE,
        }]
    }

    #[test]
    fn every_version_is_told_what_it_knows() {
        for version in 0..=5 {
            let lists = vec![
                Ok(list("one")),
                Err(CoordinatorError::NotCoordinator),
                Ok(list("two")),
            ];
            let groups = complete(lists).unwrap();
            let rows = groups.iter().map(listed).collect();
            let told = over_the_wire(&response(rows), version);
            let names: Vec<&str> = told.groups.iter().map(|group| &**group.group_id).collect();
            assert_eq!((told.error_code, names), (0, vec!["one", "two"]));
            let first = &told.groups[0];
            assert_eq!(&*first.protocol_type, "consumer");
            assert_eq!(
                &*first.group_state,
                if version >= 4 { "Stable" } else { "" },
                "version {version}"
            );
            assert_eq!(
                &*first.group_type,
                if version >= 5 { "classic" } else { "" },
                "version {version}"
            );
        }
    }

    #[test]
    fn an_incomplete_list_is_none() {
        let told = complete(vec![Ok(list("one")), Err(CoordinatorError::Loading)]);
        assert_eq!(told, Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    }

    #[test]
    fn every_version_filters_by_what_it_knows() {
        for version in 0..=5 {
            let mut request = ListGroupsRequest::default();
            if version >= 4 {
                request = request.with_states_filter(vec![StrBytes::from_static_str("stable")]);
            }
            if version >= 5 {
                request = request.with_types_filter(vec![StrBytes::from_static_str("classic")]);
            }
            let filter = filter(&over_the_wire(&request, version));
            assert_eq!(
                (filter.states.len(), filter.types.len()),
                (usize::from(version >= 4), usize::from(version >= 5))
            );
        }
    }
}
