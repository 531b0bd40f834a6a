//! Settings that Kafka can change while it runs and this broker cannot, with the reason that clients get.

/// Reasons, and the settings they are for: names, or prefixes that end in a dot.
const NOT_HERE: &[(&str, &[&str])] = &[
    (
        "listeners change only with a restart of the broker",
        &["listeners", "listener.security.protocol.map"],
    ),
    (
        "settings of a single listener are not served; without the prefix they apply to all listeners",
        &["listener.name."],
    ),
    (
        "TLS and SASL are not served",
        &["ssl.", "sasl.", "principal.builder.class"],
    ),
    (
        "tiered storage is not served",
        &["remote.", "follower.fetch.last.tiered.offset.enable"],
    ),
    ("share groups are not served", &["errors.deadletterqueue."]),
    (
        "a single node has no other broker to fetch from",
        &["num.replica.fetchers"],
    ),
    ("metric reporters are Java classes", &["metric.reporters"]),
    ("config providers are Java classes", &["config.providers"]),
    ("log directories cannot be cordoned", &["cordoned.log.dirs"]),
    (
        "assignments are not computed by threads of their own",
        &[
            "group.consumer.assignor.offload.enable",
            "group.share.assignor.offload.enable",
            "group.streams.assignor.offload.enable",
        ],
    ),
    (
        "coordinators have no such buffers",
        &[
            "group.coordinator.cached.buffer.max.bytes",
            "share.coordinator.cached.buffer.max.bytes",
        ],
    ),
    (
        "groups of this protocol are not served",
        &[
            "group.share.assignment.interval.ms",
            "group.streams.assignment.interval.ms",
        ],
    ),
];

/// Why this setting cannot change while the broker runs, if it can in Kafka.
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
