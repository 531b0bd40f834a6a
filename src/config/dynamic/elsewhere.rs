//! What Kafka changes while it runs and this broker does not, with the reason that a client is told.

/// Settings by their names or by how they begin (with a dot at the end).
const NOT_HERE: &[(&str, &[&str])] = &[
    (
        "listeners are opened and closed with the broker",
        &["listeners", "listener.security.protocol.map"],
    ),
    (
        "settings of single listeners are not served; without the prefix they are for all listeners",
        &["listener.name."],
    ),
    (
        "TLS and SASL are not served",
        &["ssl.", "sasl.", "principal.builder.class"],
    ),
    (
        "there is no tiered storage",
        &["remote.", "follower.fetch.last.tiered.offset.enable"],
    ),
    ("share groups are not served", &["errors.deadletterqueue."]),
    (
        "there is no other broker to fetch from",
        &["num.replica.fetchers"],
    ),
    (
        "metric reporters are classes of Java",
        &["metric.reporters"],
    ),
    ("values are not looked up elsewhere", &["config.providers"]),
    (
        "transactions are not served",
        &["transaction.partition.verification.enable"],
    ),
    (
        "log directories cannot be closed to new replicas",
        &["cordoned.log.dirs"],
    ),
    (
        "coordinators keep no buffers that could be bounded",
        &[
            "group.coordinator.cached.buffer.max.bytes",
            "share.coordinator.cached.buffer.max.bytes",
        ],
    ),
    (
        "groups of this protocol are not served",
        &[
            "group.consumer.assignment.interval.ms",
            "group.share.assignment.interval.ms",
            "group.streams.assignment.interval.ms",
        ],
    ),
];

/// Why this setting does not change here, if Kafka changes it.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let is_it = |known: &&str| match known.strip_suffix('.') {
        Some(_) => name.starts_with(known),
        None => name == *known,
    };
    NOT_HERE
        .iter()
        .find(|(_, names)| names.iter().any(is_it))
        .map(|(reason, _)| *reason)
}
