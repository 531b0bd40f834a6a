//! Tests of the log as a whole.
#![allow(clippy::unwrap_used)]

mod appending;
mod background;
mod crash;
mod descriptors;
mod histories;
mod model;
mod reading;
mod recovery;
