//! The details of a classic group, for administrators. Those of a consumer group are in `consumer/describe.rs`.

use std::sync::Arc;

use bytes::Bytes;

use super::classic::{Member, StateName};
use super::registry::Registry;

/// Why a group cannot be described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDescribed {
    /// There is no group with this id.
    Unknown,
    /// It is of another type.
    OtherType,
}

/// A group in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The group's state.
    pub state: StateName,
    /// The protocol type, such as "consumer" or "connect"; empty if there were never members.
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
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's host.
    pub client_host: Arc<str>,
    /// The member's metadata for the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// The member's assignment.
    pub assignment: Bytes,
}

impl Registry {
    /// Why a group of the wanted type is not there.
    pub(super) fn not_described(&self, id: &str) -> NotDescribed {
        let is_there = self.groups.contains(id)
            || self.consumers.contains(id)
            || self.unserved.get(id).is_some();
        if is_there {
            NotDescribed::OtherType
        } else {
            NotDescribed::Unknown
        }
    }

    /// A classic group in detail.
    ///
    /// # Errors
    /// When there is no classic group with this id. DescribeGroups sends GROUP_ID_NOT_FOUND for that from version 6
    /// on, and a group in state Dead before.
    pub fn describe(&self, id: &str) -> Result<Description, NotDescribed> {
        let group = self.groups.get(id).ok_or_else(|| self.not_described(id))?;
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
            protocol_type: group.protocol_type().cloned().unwrap_or_default(),
            protocol: protocol.cloned().unwrap_or_default(),
            members: group.members().iter().map(member).collect(),
        })
    }
}
