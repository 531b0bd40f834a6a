//! Tests of the log as a whole.
#![allow(clippy::unwrap_used)]

mod appending;
mod crash;
mod model;
mod reading;
mod recovery;
