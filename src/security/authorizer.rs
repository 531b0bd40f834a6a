//! Whether somebody may do something.

use std::fmt;
use std::net::IpAddr;

use super::{Operation, Principal, Resource, ResourceType};

/// Who asks, and from where: what an ACL is about beside the operation and the resource.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// Who sends the request.
    pub principal: &'a Principal,
    /// The client's address.
    pub host: IpAddr,
}

/// Decides who may do what. Handlers ask for each request, some of them often, so it answers from memory.
///
/// The rows of a long answer are made while the socket takes them, and what their number was made from must still hold
/// then. So an authorizer always says the same: other ACLs are another authorizer.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Whether `requester` may do this to `resource`.
    fn allows(
        &self,
        requester: Requester<'_>,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool;

    /// Whether there is any resource of this type, existing or not, to which `requester` may do this.
    fn allows_any(
        &self,
        requester: Requester<'_>,
        operation: Operation,
        kind: ResourceType,
    ) -> bool;
}

/// Everyone may do everything, as in Kafka while `authorizer.class.name` is not set.
#[derive(Clone, Copy, Debug)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _: Requester<'_>, _: Operation, _: Resource<'_>) -> bool {
        true
    }

    fn allows_any(&self, _: Requester<'_>, _: Operation, _: ResourceType) -> bool {
        true
    }
}
