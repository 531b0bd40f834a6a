//! Settings in environment variables, in the form that Kafka's container images use.
//!
//! `KAFKA_LOG_DIRS` is `log.dirs`: the prefix is dropped and the rest becomes lower case. One underscore stands for
//! a dot, two for an underscore, three for a dash. `ZURAU_` variables are read the same way but keep their prefix:
//! `ZURAU_FLUSH_BEFORE_ACK` is `zurau.flush.before.ack`. `CLUSTER_ID`, with which Kafka's images format their
//! directories, is `zurau.cluster.id`.

use std::collections::BTreeMap;

use super::InvalidConfig;
use super::settings::Origin;

/// Variables of Kafka's start scripts and container images that are not settings of the broker: names, or
/// prefixes that end in `*`.
const NOT_SETTINGS: &[&str] = &[
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
];

/// The variables in which images give the cluster's id: Kafka's and Confluent's, Kafka's quick start, Bitnami's.
const CLUSTER_ID: &[&str] = &["CLUSTER_ID", "KAFKA_CLUSTER_ID", "KAFKA_KRAFT_CLUSTER_ID"];

/// The prefix of Kafka's settings in Bitnami's image.
const BITNAMI: &str = "KAFKA_CFG_";

/// The settings in these variables: key, value and origin.
///
/// # Errors
/// When two variables contradict each other, or when they are meant for another image, since all its settings would
/// be ignored.
pub(super) fn settings(
    variables: &[(String, String)],
) -> Result<Vec<(String, String, Origin)>, InvalidConfig> {
    refuse_bitnami(variables)?;
    let mut by_key: BTreeMap<String, &(String, String)> = BTreeMap::new();
    for variable in variables {
        let (name, value) = variable;
        let Some(key) = key_of(name, value) else {
            continue;
        };
        if let Some((other, others)) = by_key.insert(key, variable)
            && others != value
        {
            return Err(InvalidConfig(format!(
                "the environment variables {other} ({others:?}) and {name} ({value:?}) set the same thing and \
                 differ: keep one"
            )));
        }
    }
    let setting = |(key, (name, value)): (String, &(String, String))| {
        (key, value.clone(), Origin::Environment(name.clone()))
    };
    Ok(by_key.into_iter().map(setting).collect())
}

fn refuse_bitnami(variables: &[(String, String)]) -> Result<(), InvalidConfig> {
    let mut found = variables
        .iter()
        .filter_map(|(name, _)| Some((name, name.strip_prefix(BITNAMI)?)));
    let Some((first, rest)) = found.next() else {
        return Ok(());
    };
    let others = match found.count() {
        0 => String::new(),
        more => format!(" (and {more} more that begin with {BITNAMI})"),
    };
    Err(InvalidConfig(format!(
        "the environment variable {first}{others} is meant for Bitnami's image of Kafka and would be \
         ignored: call it KAFKA_{rest}, as Kafka's own image does, or unset it"
    )))
}

/// The key that the environment variable `name` sets, if it is meant for the broker.
fn key_of(name: &str, value: &str) -> Option<String> {
    if CLUSTER_ID.contains(&name) {
        // In a compose file, an empty value means that none is given.
        return (!value.is_empty()).then(|| "zurau.cluster.id".to_owned());
    }
    if is_no_setting(name) || is_service_link(name, value) {
        return None;
    }
    let key = match name.strip_prefix("KAFKA_") {
        Some(rest) => dotted(rest),
        None => format!("zurau.{}", dotted(name.strip_prefix("ZURAU_")?)),
    };
    (!key.is_empty()).then_some(key)
}

fn is_no_setting(name: &str) -> bool {
    NOT_SETTINGS
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == *pattern,
        })
}

/// Whether this is a variable in which Kubernetes tells every pod about a service, such as "kafka" or "kafka-ui":
/// `KAFKA_SERVICE_HOST`, `KAFKA_PORT=tcp://...`, `KAFKA_UI_PORT_8080_TCP_ADDR`.
fn is_service_link(name: &str, value: &str) -> bool {
    let port_of_protocol = |rest: &str| {
        let rest = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        ["_TCP", "_UDP", "_SCTP"]
            .iter()
            .any(|protocol| rest.starts_with(protocol))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| port_of_protocol(rest))
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
    use super::{key_of, settings};
    use crate::config::InvalidConfig;

    fn variables(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(owned).collect()
    }

    fn refusal(given: &[(&str, &str)]) -> String {
        let InvalidConfig(text) = settings(&variables(given)).unwrap_err();
        text
    }

    #[test]
    fn variables_become_keys() {
        for (name, key) in [
            ("KAFKA_LOG_DIRS", "log.dirs"),
            ("KAFKA_A___B__C_D", "a-b_c.d"),
            ("KAFKA_ZURAU_FLUSH_BEFORE_ACK", "zurau.flush.before.ack"),
            ("ZURAU_FLUSH_BEFORE_ACK", "zurau.flush.before.ack"),
            // Unknown ones too: somebody meant something by them.
            ("ZURAU_FLUSH_BEFOR_ACK", "zurau.flush.befor.ack"),
            ("CLUSTER_ID", "zurau.cluster.id"),
            ("KAFKA_CLUSTER_ID", "zurau.cluster.id"),
            ("KAFKA_PORT", "port"),
        ] {
            assert_eq!(key_of(name, "9092").as_deref(), Some(key), "{name}");
        }
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
            "KAFKA_PORT",
            "KAFKA_PORT_9092_TCP",
            "KAFKA_UI_PORT_8080_TCP_ADDR",
            "KAFKA_UI_SERVICE_HOST",
            "KAFKA_UI_SERVICE_PORT_HTTP",
            "ZURAU_SERVICE_HOST",
            "ZURAU_HEADLESS_SERVICE_PORT",
            "kafka_log_dirs",
        ] {
            assert_eq!(key_of(name, "tcp://10.0.0.1:9092"), None, "{name}");
        }
        // Begins like a variable of the log4j configuration, but is a setting.
        assert_eq!(key_of("KAFKA_LOG_DIR", "/a").as_deref(), Some("log.dir"));
        assert_eq!(key_of("CLUSTER_ID", ""), None);
    }

    #[test]
    fn variables_of_another_image_end_the_start() {
        assert_eq!(
            refusal(&[("KAFKA_CFG_NODE_ID", "0")]),
            "the environment variable KAFKA_CFG_NODE_ID is meant for Bitnami's image of Kafka and would be \
             ignored: call it KAFKA_NODE_ID, as Kafka's own image does, or unset it"
        );
        let three = [
            ("KAFKA_CFG_LISTENERS", "PLAINTEXT://:9092"),
            ("KAFKA_NODE_ID", "1"),
            ("KAFKA_CFG_NODE_ID", "0"),
            ("KAFKA_CFG_SASL_ENABLED_MECHANISMS", "PLAIN"),
        ];
        let text = refusal(&three);
        assert!(text.contains("KAFKA_CFG_LISTENERS (and 2 more"), "{text}");
    }

    #[test]
    fn two_variables_that_mean_the_same_must_agree() {
        let id = "4L6g3nShT-eMCtK--X86sw";
        let agreed = [("CLUSTER_ID", id), ("KAFKA_CLUSTER_ID", id)];
        assert_eq!(settings(&variables(&agreed)).unwrap().len(), 1);
        let text = refusal(&[("CLUSTER_ID", id), ("ZURAU_CLUSTER_ID", "other")]);
        assert!(
            text.contains("CLUSTER_ID") && text.contains("differ: keep one"),
            "{text}"
        );
    }
}
