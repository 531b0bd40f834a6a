//! Floor 2: who asks, and what they may do.
//!
//! Owns: principals, Kafka's resource types and operations, and the [`Authorizer`] that handlers ask. [`AllowAll`] is the
//! only one so far. How a client proves who it is, and ACLs, belong here too.
//!
//! Must not: do I/O, use tokio, or know Kafka's messages and APIs. Which API asks for which right is the business of
//! [`crate::handlers`].

mod authorizer;
mod principal;
mod resource;

pub use authorizer::{AllowAll, Authorizer, Requester};
pub use principal::Principal;
pub use resource::{CLUSTER_NAME, Operation, Resource, ResourceType};
