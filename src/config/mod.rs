//! Floor 1: configuration. One table of definitions, parsing, and typed views.
pub mod broker;
pub mod topic;
pub use broker::BrokerConfig;
pub use topic::TopicConfig;
