//! Zurau: a Kafka broker in one binary.

pub mod base;
pub mod broker;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod coordinator;
pub mod group;
pub mod handlers;
pub mod log;
pub mod metadata;
pub mod partition;
pub mod record;
pub mod wire;
