//! Settings in environment variables, in the form that Kafka's container images use.
//!
//! `KAFKA_LOG_DIRS` is `log.dirs`: the prefix goes, the rest becomes lower case, and of the
//! underscores one stands for a dot, two for an underscore, three for a dash. `ZURAU_` variables are
//! read the same way and keep their prefix, so that `ZURAU_FLUSH_BEFORE_ACK` is
//! `zurau.flush.before.ack`.

use super::definitions;

/// Variables of Kafka's start scripts and container images that are no settings of the broker:
/// exact names, or beginnings where the last character is `*`.
const NOT_SETTINGS: &[&str] = &[
    "KAFKA_CLUSTER_ID",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX*",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J*",
    "KAFKA_MODE",
    "KAFKA_OPTS",
    "KAFKA_TOOLS_LOG4J*",
    "KAFKA_URL",
    "KAFKA_USER",
    "KAFKA_VERSION",
    // Kubernetes tells every pod about a service called "kafka" or "zurau" this way.
    "KAFKA_PORT*",
    "KAFKA_SERVICE_*",
    "ZURAU_PORT*",
    "ZURAU_SERVICE_*",
];

/// The key that the environment variable `name` sets, if it is meant for the broker.
pub(super) fn key_of(name: &str) -> Option<String> {
    let ignored = NOT_SETTINGS
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == *pattern,
        });
    if ignored {
        return None;
    }
    if let Some(rest) = name.strip_prefix("KAFKA_") {
        return Some(dotted(rest)).filter(|key| !key.is_empty());
    }
    // Other programs around Zurau have variables of their own: only our keys count.
    name.strip_prefix("ZURAU_")
        .map(|rest| format!("zurau.{}", dotted(rest)))
        .filter(|key| definitions::broker(key).is_some())
}

/// `LOG_DIRS` as `log.dirs`.
fn dotted(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let (text, length) = match first {
            '_' if rest.starts_with("___") => ('-', 3),
            '_' if rest.starts_with("__") => ('_', 2),
            '_' => ('.', 1),
            other => (other.to_ascii_lowercase(), other.len_utf8()),
        };
        key.push(text);
        rest = &rest[length..];
    }
    key
}

#[cfg(test)]
mod tests {
    use super::key_of;

    #[test]
    fn variables_become_keys() {
        assert_eq!(key_of("KAFKA_LOG_DIRS").as_deref(), Some("log.dirs"));
        assert_eq!(key_of("KAFKA_A___B__C_D").as_deref(), Some("a-b_c.d"));
        assert_eq!(
            key_of("KAFKA_ZURAU_FLUSH_BEFORE_ACK").as_deref(),
            Some("zurau.flush.before.ack")
        );
        assert_eq!(
            key_of("ZURAU_FLUSH_BEFORE_ACK").as_deref(),
            Some("zurau.flush.before.ack")
        );
    }

    #[test]
    fn other_peoples_variables_are_left_alone() {
        for name in [
            "PATH",
            "KAFKA_",
            "KAFKA_OPTS",
            "KAFKA_HEAP_OPTS",
            "KAFKA_JMX_PORT",
            "KAFKA_LOG4J_LOGGERS",
            "KAFKA_PORT_9092_TCP",
            "ZURAU_SERVICE_HOST",
            "ZURAU_BIN",
            "kafka_log_dirs",
        ] {
            assert_eq!(key_of(name), None, "{name}");
        }
        // Begins like a variable of the log4j configuration, but is a setting.
        assert_eq!(key_of("KAFKA_LOG_DIR").as_deref(), Some("log.dir"));
    }
}
