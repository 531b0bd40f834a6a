//! CONTRACT STUB. Field names are Kafka's keys with dots as underscores.
use std::path::PathBuf;
/// Typed view of the broker's configuration (read once at start).
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id`
    pub node_id: i32,
    /// `log.dirs` (exactly one at this stage; `log.dir` is its synonym)
    pub log_dirs: Vec<PathBuf>,
    // ... every honoured key: see the helper's brief
}
