//! Hosting: which partitions are here, from the start to the stop, as the image wants it.
//!
//! [`running::start`] returns the handle that everybody has ([`manager`]) and the threads that run apart from it.
//! [`places`] says where each partition is. At the start [`starting`] looks at everything before it changes anything:
//! [`contents`] is what the last stop has left, [`strays`] says when the start does not go on, and [`inventory`] sorts the rest. Logs
//! are opened by [`opening`] and handed to their lanes by [`adopting`]; [`placing`] chooses where a new replica goes.
//! [`following`] follows changes of the image, [`deleting`] takes replicas away, and [`closing`] ends it all.

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
