//! What groups there are and what they are like, for administrators.

use std::sync::Arc;

use bytes::Bytes;

use super::classic::{Group, Member, StateName};
use super::registry::Registry;

/// The kind of the groups that are served, as ListGroups names it.
pub const GROUP_TYPE: &str = "classic";

/// Which groups to list. No states and no types means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Names of states, in any case.
    pub states: Vec<String>,
    /// Names of types, in any case.
    pub types: Vec<String>,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group's id.
    pub group: Arc<str>,
    /// "consumer", "connect", or whatever its members said; empty if there never were any.
    pub protocol_type: Arc<str>,
    /// The group's state.
    pub state: StateName,
    /// Its kind: [`GROUP_TYPE`], or that of a group that is only kept.
    pub group_type: &'static str,
}

/// Why there is nothing to tell of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDescribed {
    /// There is none of this id.
    Unknown,
    /// It is of a kind that is not served.
    Foreign,
}

/// A group in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The group's state.
    pub state: StateName,
    /// "consumer", "connect", or whatever its members said; empty if there never were any.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless the group is stable.
    pub protocol: Arc<str>,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The name that the client gave itself.
    pub client_id: Arc<str>,
    /// Where the client connected from.
    pub client_host: Arc<str>,
    /// What the member says under the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// What the leader gave to the member.
    pub assignment: Bytes,
}

impl Registry {
    /// The groups that `filter` lets through, by id.
    pub fn list(&self, filter: &ListFilter) -> Vec<ListedGroup> {
        let lets = |wanted: &[String], name: &str| {
            wanted.is_empty()
                || wanted
                    .iter()
                    .any(|one| one.trim().eq_ignore_ascii_case(name))
        };
        let listed = |group: &Group| ListedGroup {
            group: Arc::clone(group.id()),
            protocol_type: protocol_type(group),
            state: group.state(),
            group_type: GROUP_TYPE,
        };
        let foreign = self.foreign.iter().filter_map(|(id, _)| {
            let group = self.foreign(id)?;
            Some(ListedGroup {
                group: Arc::clone(id),
                protocol_type: group.kind().as_str().into(),
                state: group.state(),
                group_type: group.kind().as_str(),
            })
        });
        let groups = self
            .groups
            .iter()
            .map(|(_, group)| listed(group))
            .chain(foreign);
        groups
            .filter(|group| {
                lets(&filter.states, group.state.as_str()) && lets(&filter.types, group.group_type)
            })
            .collect()
    }

    /// A group in detail.
    ///
    /// # Errors
    /// When there is no classic group of this id, which DescribeGroups calls GROUP_ID_NOT_FOUND from
    /// version 6 on, and a group in state Dead before.
    pub fn describe(&self, id: &str) -> Result<Description, NotDescribed> {
        let Some(group) = self.groups.get(id) else {
            let is_foreign = self.foreign(id).is_some();
            return Err(if is_foreign {
                NotDescribed::Foreign
            } else {
                NotDescribed::Unknown
            });
        };
        let protocol = group
            .protocol()
            .filter(|_| group.state() == StateName::Stable);
        let member = |member: &Member| DescribedMember {
            member: Arc::clone(&member.id),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        Ok(Description {
            state: group.state(),
            protocol_type: protocol_type(group),
            protocol: protocol.cloned().unwrap_or_else(|| "".into()),
            members: group.members().values().map(member).collect(),
        })
    }
}

fn protocol_type(group: &Group) -> Arc<str> {
    group.protocol_type().cloned().unwrap_or_else(|| "".into())
}
