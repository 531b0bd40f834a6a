//! ListGroups: the groups that this broker coordinates.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{self, ListFilter};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{wire_group, wire_text};

pub(super) struct ListGroups;

impl Handler for ListGroups {
    type Request = ListGroupsRequest;

    async fn handle(call: Call, request: ListGroupsRequest) -> Reply {
        let filter = filter(&request);
        let listed = call
            .broker
            .groups
            .read_each(move |registry| registry.list(&filter))
            .await;
        call.reply(&response(listed))
    }
}

fn filter(request: &ListGroupsRequest) -> ListFilter {
    let texts = |filter: &[StrBytes]| filter.iter().map(ToString::to_string).collect();
    ListFilter {
        states: texts(&request.states_filter),
        types: texts(&request.types_filter),
    }
}

/// The lists as one. A partition that has gone elsewhere has no groups here; any other failure makes
/// the list incomplete, which the client must not take for the whole.
fn response(lists: Vec<Result<Vec<group::ListedGroup>, CoordinatorError>>) -> ListGroupsResponse {
    let mut groups = Vec::new();
    for list in lists {
        match list {
            Ok(list) => groups.extend(list.iter().map(listed)),
            Err(CoordinatorError::NotCoordinator) => {}
            Err(error) => {
                return ListGroupsResponse::default()
                    .with_error_code(errors::of_coordinator(error).0);
            }
        }
    }
    ListGroupsResponse::default()
        .with_error_code(ErrorCode::NONE.0)
        .with_groups(groups)
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
            let told = over_the_wire(&response(lists), version);
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
        for version in 0..=5 {
            let told = over_the_wire(
                &response(vec![Ok(list("one")), Err(CoordinatorError::Loading)]),
                version,
            );
            assert_eq!(
                (told.error_code, told.groups.len()),
                (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.0, 0)
            );
        }
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
