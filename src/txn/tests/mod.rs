//! The machine's tests: what a client sees, by operation, and properties of random runs.

mod administration;
mod bounds;
mod ending;
mod fixture;
mod initializing;
mod partitions;
mod random;
mod restart;
mod states;
mod time;
