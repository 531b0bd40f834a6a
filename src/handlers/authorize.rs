//! Whether the client may do what it has requested.
//!
//! Each handler asks where Kafka asks, and answers a denial as Kafka does. There are no
//! ACLs yet, so the answer is yes; the bits of KIP-430 say so too, exactly as those of a Kafka without an authorizer. The table
//! of what each API asks for is `checks.rs`; it is built for tests only, which hold the handlers to it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::base::ErrorCode;
use crate::controller::Refusal;
use crate::security::{Authorizer, Operation, Principal, Requester, Resource, ResourceType};

use super::errors;
use super::route::Call;

/// The value when the client did not ask for the bits.
pub(super) const NOT_ASKED: i32 = i32::MIN;

impl Call {
    fn requester(&self) -> Requester<'_> {
        Requester {
            principal: &self.principal,
            host: self.peer.address.ip(),
        }
    }

    /// Whether the client may perform this operation.
    pub(super) fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let authorizer = &self.broker.authorizer;
        authorizer.allows(self.requester(), operation, resource)
    }

    /// Whether the client may perform this operation on any resource of the type, existing or not.
    pub(super) fn may_to_any(&self, operation: Operation, kind: ResourceType) -> bool {
        let authorizer = &self.broker.authorizer;
        authorizer.allows_any(self.requester(), operation, kind)
    }

    /// The same as [`Self::may`], with an error for a denial.
    ///
    /// # Errors
    /// The code for a denial.
    pub(super) fn permit(
        &self,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), ErrorCode> {
        permitted(self.may(operation, resource), resource)
    }

    /// The same with Kafka's message for a denial.
    ///
    /// # Errors
    /// The code and the message.
    pub(super) fn permit_or_say(
        &self,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), Refusal> {
        let permit = self.permit(operation, resource);
        permit.map_err(|_| errors::denial(resource.kind))
    }

    /// The client's rights, for checks after the end of the call.
    pub(super) fn rights(&self) -> Rights {
        Rights {
            authorizer: Arc::clone(&self.broker.authorizer),
            principal: self.principal.clone(),
            host: self.peer.address.ip(),
        }
    }
}

/// The rights of a client, for rows that are produced when the socket takes them. Repeated checks have the same
/// result.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    authorizer: Arc<dyn Authorizer>,
    principal: Principal,
    host: IpAddr,
}

impl Rights {
    /// Whether the client may perform this operation.
    pub(super) fn may(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let requester = Requester {
            principal: &self.principal,
            host: self.host,
        };
        self.authorizer.allows(requester, operation, resource)
    }

    /// The same, with an error for a denial.
    ///
    /// # Errors
    /// The code for a denial.
    pub(super) fn permit(
        &self,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Result<(), ErrorCode> {
        permitted(self.may(operation, resource), resource)
    }

    /// The bits of all operations that the client may perform on a resource (KIP-430).
    pub(super) fn operations(&self, resource: Resource<'_>) -> i32 {
        let operations = resource.kind.operations().iter();
        operations
            .filter(|operation| self.may(**operation, resource))
            .fold(0, |bits, operation| bits | operation.bit())
    }

    /// The bits of the cluster. Without the right to describe it they are empty.
    pub(super) fn cluster_operations(&self) -> i32 {
        if self.may(Operation::Describe, Resource::CLUSTER) {
            self.operations(Resource::CLUSTER)
        } else {
            0
        }
    }

    /// The rights of a client that may do everything.
    #[cfg(test)]
    pub(super) fn all() -> Self {
        Self {
            authorizer: Arc::new(crate::security::AllowAll),
            principal: Principal::anonymous(),
            host: super::fixture::peer().address.ip(),
        }
    }
}

fn permitted(may: bool, resource: Resource<'_>) -> Result<(), ErrorCode> {
    may.then_some(())
        .ok_or_else(|| errors::of_denial(resource.kind))
}
