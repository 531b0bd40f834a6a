//! Scenarios on a manual clock. Every one ends with replaying what was written into a fresh
//! registry, which must then hold the same hard state.

mod administration;
mod consumer_state;
mod consumers;
mod fixture;
mod joining;
mod memory;
mod offsets;
mod random;
mod random_transactions;
mod restart;
mod static_members;
mod syncing;
mod transactions;
mod unserved;
mod unwritten;
