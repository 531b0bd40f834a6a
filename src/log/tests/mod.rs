//! Tests of the log as a whole.

mod aborted;
mod appending;
mod background;
mod crash;
mod descriptors;
mod following;
mod histories;
mod idle;
mod losses;
mod model;
mod power;
mod preparing;
mod reading;
mod recompressing;
mod recovery;
mod transactions;
mod verifying;
