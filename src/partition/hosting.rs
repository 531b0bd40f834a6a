//! Hosting: which partitions this broker has, from the start to the stop, as the image assigns them.
//!
//! [`running::start`] returns the handle that everybody has ([`manager`]) and the threads that run apart from it.
//! [`places`] says where each partition is. At the start, [`starting`] reads everything before it changes anything:
//! [`contents`] reads what the last run has left, [`strays`] decides when the start is refused, and [`inventory`]
//! sorts the rest. [`opening`] opens the logs and [`adopting`] hands them to their lanes; [`placing`] chooses the
//! directory of a new replica. [`following`] applies changes of the image, [`deleting`] removes replicas, and
//! [`closing`] stops everything.

mod adopting;
mod closing;
pub(super) mod contents;
mod deleting;
pub(super) mod describing;
mod following;
pub(super) mod inventory;
pub(super) mod manager;
pub(super) mod opening;
pub(super) mod places;
mod placing;
pub(super) mod progress;
pub(super) mod running;
mod starting;
pub(super) mod strays;
