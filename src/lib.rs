//! Zurau: a Kafka broker in one binary.

pub mod base;
pub mod config;
pub mod log;
pub mod metadata;
pub mod record;
