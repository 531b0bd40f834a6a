//! ListGroups: the groups that this broker coordinates.
//!
//! Answers share the coordinators' lists ([`Listing`]) until a group changes. An answer has one reference to each
//! list, however many groups are in it, and the first answer with a list is charged for it.

use std::sync::Arc;

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group::{self, ListFilter, Listing};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::authorize::Rights;
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk, Pace};
use super::text::{wire_group, wire_text};

pub(super) struct ListGroups;

impl Handler for ListGroups {
    type Request = ListGroupsRequest;

    async fn handle(call: Call, request: ListGroupsRequest) -> Reply {
        let filter = filter(&request);
        // A client that may describe the cluster sees all groups.
        let may_see_all = call.may(Operation::Describe, Resource::CLUSTER);
        let rights = (!may_see_all).then(|| call.rights());
        let lists = call
            .broker
            .groups
            .hosts()
            .read_each(group::Registry::listing)
            .await;
        match complete(lists) {
            Ok(lists) => {
                let answer = Arc::new(Answer {
                    lists,
                    filter,
                    rights,
                });
                let (count, lists) = (answer.count().await, 0..answer.lists.len());
                let costs: Vec<_> = answer.lists.iter().map(|list| list.cost.clone()).collect();
                let rows = lists.flat_map(move |list| answer.rows(list));
                let mut reply = streamed::rows(&call, response, count, rows).await;
                streamed::pay(&mut reply, costs);
                reply
            }
            Err(code) => call.reply(&ListGroupsResponse::default().with_error_code(code.0)),
        }
    }
}

/// The data for the rows of the answer.
struct Answer {
    lists: Vec<Arc<Listing>>,
    filter: ListFilter,
    /// Set if each group needs a right of its own.
    rights: Option<Rights>,
}

impl Answer {
    fn lets(&self, group: &group::ListedGroup) -> bool {
        let may_see = |rights: &Rights| {
            let group = Resource::group(&group.group);
            rights.may(Operation::Describe, group)
        };
        self.filter.lets(group) && self.rights.as_ref().is_none_or(may_see)
    }

    /// How many groups are selected.
    async fn count(&self) -> usize {
        let mut count = 0;
        let mut pace = Pace::default();
        for list in &self.lists {
            let wanted = list.groups.iter().filter(|group| self.lets(group));
            count += wanted.count();
            pace.step().await;
        }
        count
    }

    /// The rows of one of the lists.
    fn rows(self: &Arc<Self>, list: usize) -> impl Iterator<Item = Chunk> + Clone + use<> {
        let answer = Arc::clone(self);
        (0..self.lists[list].groups.len()).filter_map(move |place| {
            let group = &answer.lists[list].groups[place];
            let is_wanted = answer.lets(group);
            is_wanted.then(|| Chunk::row(listed(group)))
        })
    }
}

fn response(groups: Vec<ListedGroup>) -> ListGroupsResponse {
    ListGroupsResponse::default().with_groups(groups)
}

fn filter(request: &ListGroupsRequest) -> ListFilter {
    ListFilter::new(
        request.states_filter.iter().map(|name| &**name),
        request.types_filter.iter().map(|name| &**name),
    )
}

/// A partition that has moved elsewhere has no groups here. Any other failure makes the list incomplete, and the
/// client must not take it for complete.
fn complete(
    lists: Vec<Result<Arc<Listing>, CoordinatorError>>,
) -> Result<Vec<Arc<Listing>>, ErrorCode> {
    let mut all = Vec::with_capacity(lists.len());
    for list in lists {
        match list {
            Ok(list) => all.push(list),
            Err(CoordinatorError::NotCoordinator) => {}
            Err(error) => return Err(errors::of_coordinator(error)),
        }
    }
    Ok(all)
}

fn listed(group: &group::ListedGroup) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(wire_group(&group.group))
        .with_protocol_type(wire_text(&group.protocol_type))
        .with_group_state(StrBytes::from_static_str(group.state))
        .with_group_type(StrBytes::from_static_str(group.group_type))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::super::streamed::received;
    use super::*;
    use crate::group::StateName;

    fn list(group: &str, state: StateName) -> Arc<Listing> {
        let group = group::ListedGroup {
            group: group.into(),
            protocol_type: "consumer".into(),
            state: state.as_str(),
            group_type: group::GROUP_TYPE,
        };
        Arc::new(Listing::new([group].into()))
    }

    #[test]
    fn every_version_is_told_what_it_knows() {
        for version in 0..=5 {
            let lists = vec![
                Ok(list("one", StateName::Stable)),
                Ok(list("empty", StateName::Empty)),
                Err(CoordinatorError::NotCoordinator),
                Ok(list("two", StateName::Stable)),
            ];
            let answer = Arc::new(Answer {
                lists: complete(lists).unwrap(),
                filter: ListFilter::new(["stable"], []),
                rights: None,
            });
            let rows = (0..3).flat_map(|list| answer.rows(list));
            let told = received(version, response, 2, rows);
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
        let told = complete(vec![
            Ok(list("one", StateName::Stable)),
            Err(CoordinatorError::Loading),
        ]);
        assert_eq!(told.err(), Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
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
            let lets = |group: &str, state| filter.lets(&list(group, state).groups[0]);
            assert!(lets("one", StateName::Stable));
            assert_eq!(lets("two", StateName::Empty), version < 4);
        }
    }
}
