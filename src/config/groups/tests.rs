//! What is refused, and what is in force.

use super::*;
use crate::config::{ConfigSource, describe_group};

fn with(overrides: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::with(overrides).unwrap()
}

fn own(settings: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    settings.iter().map(owned).collect()
}

fn in_force(broker: &BrokerConfig, settings: &[(&str, &str)]) -> [i32; 3] {
    let config = ConsumerGroupConfig::of(&own(settings), &broker.consumer_groups());
    [
        config.session_timeout_ms,
        config.heartbeat_interval_ms,
        config.assignment_interval_ms,
    ]
}

#[test]
fn a_group_has_what_is_set_for_it_within_the_bounds_and_otherwise_the_brokers() {
    let broker = with(&[
        ("group.consumer.session.timeout.ms", "50000"),
        ("group.consumer.heartbeat.interval.ms", "6000"),
        ("group.consumer.assignment.interval.ms", "7"),
    ]);
    assert_eq!(in_force(&broker, &[]), [50_000, 6_000, 7]);
    let set = [(SESSION, "46000"), (HEARTBEAT, "9000"), (ASSIGNMENT, "0")];
    assert_eq!(in_force(&broker, &set), [46_000, 9_000, 0]);
    let less = [(SESSION, "1"), (HEARTBEAT, "1"), (ASSIGNMENT, "-5")];
    assert_eq!(in_force(&broker, &less), [45_000, 5_000, 0]);
    let more = [(SESSION, "60001"), (HEARTBEAT, "15001")];
    assert_eq!(in_force(&broker, &more), [60_000, 15_000, 7]);
    let nonsense = [(SESSION, "soon"), (ASSIGNMENT, "99999999999")];
    assert_eq!(in_force(&broker, &nonsense), [50_000, 6_000, 7]);
}

#[test]
fn what_the_broker_gives_is_between_its_bounds() {
    for (overrides, what) in [
        (
            &[("group.consumer.max.session.timeout.ms", "44999")][..],
            "group.consumer.min.session.timeout.ms (45000, default) is greater than \
             group.consumer.max.session.timeout.ms (44999, --override)",
        ),
        (
            &[("group.consumer.session.timeout.ms", "44999")],
            "group.consumer.min.session.timeout.ms (45000, default) is greater than \
             group.consumer.session.timeout.ms (44999, --override)",
        ),
        (
            &[("group.consumer.heartbeat.interval.ms", "15001")],
            "group.consumer.heartbeat.interval.ms (15001, --override) is greater than \
             group.consumer.max.heartbeat.interval.ms (15000, default)",
        ),
        (
            &[("group.consumer.assignment.interval.ms", "15001")],
            "group.consumer.assignment.interval.ms (15001, --override) is greater than \
             group.consumer.max.assignment.interval.ms (15000, default)",
        ),
        (
            &[
                ("group.consumer.max.heartbeat.interval.ms", "45000"),
                ("group.consumer.heartbeat.interval.ms", "45000"),
            ],
            "group.consumer.heartbeat.interval.ms (45000, --override) must be less than \
             group.consumer.session.timeout.ms (45000, default)",
        ),
        (
            &[("group.coordinator.rebalance.protocols", "consumer")],
            "group.coordinator.rebalance.protocols (consumer, --override) leaves out classic",
        ),
        (
            &[("group.consumer.assignors", "uniform,org.example.Sticky")],
            "use a list of at least one of uniform, range, without repetitions",
        ),
        (
            &[("group.consumer.assignors", "")],
            "use a list of at least one of",
        ),
        (
            &[("group.consumer.migration.policy", "sometimes")],
            "use one of bidirectional, upgrade, downgrade, disabled",
        ),
        (
            &[("group.consumer.regex.refresh.interval.ms", "9999")],
            "use a whole number from 10000",
        ),
    ] {
        let InvalidConfig(text) = BrokerConfig::with(overrides).unwrap_err();
        assert!(text.contains(what) && !text.contains('\n'), "{text}");
    }
}

#[test]
fn words_mean_what_they_say() {
    let groups = with(&[]).consumer_groups();
    assert!(with(&[]).has_consumer_protocol());
    assert_eq!(groups.assignors, ["uniform", "range"]);
    assert_eq!(groups.migration_policy, MigrationPolicy::Bidirectional);
    let policy = |word: &str| {
        let policy = with(&[("group.consumer.migration.policy", word)]).consumer_groups();
        let policy = policy.migration_policy;
        (policy.allows_upgrade(), policy.allows_downgrade())
    };
    assert_eq!(policy("Bidirectional"), (true, true));
    assert_eq!(policy("UPGRADE"), (true, false));
    assert_eq!(policy("downgrade"), (false, true));
    assert_eq!(policy("Disabled"), (false, false));
    let classic = with(&[("group.coordinator.rebalance.protocols", "classic")]);
    assert!(!classic.has_consumer_protocol());
    assert_eq!(classic.warning_of_protocols(), None);
    let share = with(&[("group.coordinator.rebalance.protocols", "classic,share")]);
    let warning = share.warning_of_protocols().unwrap().to_string();
    assert_eq!(
        warning,
        "group.coordinator.rebalance.protocols (classic,share, --override): groups of the share protocol are not \
         served yet"
    );
}

#[test]
fn what_a_group_may_have_of_its_own_is_checked_as_by_kafka() {
    let broker = with(&[("group.consumer.max.heartbeat.interval.ms", "60000")]);
    let check = |settings: &[(&str, &str)]| {
        let checked = broker.check_group(&own(&[]), &own(settings));
        checked.map_err(|InvalidConfig(text)| text)
    };
    let set = [(SESSION, "60000"), (HEARTBEAT, "5000"), (ASSIGNMENT, "0")];
    assert_eq!(check(&set), Ok(()));
    for (settings, text) in [
        (
            &[(SESSION, "44999")][..],
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.",
        ),
        (
            &[(HEARTBEAT, "60001")],
            "consumer.heartbeat.interval.ms must be in the range 5000 to 60000 inclusive.",
        ),
        (
            &[(ASSIGNMENT, "15001")],
            "consumer.assignment.interval.ms must be in the range 0 to 15000 inclusive.",
        ),
        (
            &[(HEARTBEAT, "45000")],
            "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
        ),
        (
            &[(SESSION, "0")],
            "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1",
        ),
        (
            &[(SESSION, "soon")],
            "Invalid value soon for configuration consumer.session.timeout.ms: Not a number of type INT",
        ),
        (
            &[("consumer.nothing", "1")],
            "Unknown group config name: consumer.nothing",
        ),
        (
            &[("share.session.timeout.ms", "45000")],
            "share.session.timeout.ms cannot change: share groups are not served yet",
        ),
    ] {
        assert_eq!(check(settings), Err(text.to_owned()));
    }
}

#[test]
fn what_kafka_has_stored_for_other_kinds_of_groups_stays_or_goes() {
    let broker = with(&[]);
    let (known, newer) = (("streams.num.standby.replicas", "2"), ("newer", "x"));
    let stored = own(&[known, newer]);
    let next = own(&[known, newer, (HEARTBEAT, "6000")]);
    assert_eq!(broker.check_group(&stored, &next), Ok(()));
    assert_eq!(broker.check_group(&stored, &own(&[])), Ok(()));
    let changed = own(&[("streams.num.standby.replicas", "1")]);
    let InvalidConfig(text) = broker.check_group(&stored, &changed).unwrap_err();
    assert!(
        text.ends_with("streams groups are not served yet"),
        "{text}"
    );
}

#[test]
fn a_change_at_run_time_stays_within_the_bounds() {
    let key = "group.consumer.assignment.interval.ms";
    let started = with(&[("group.consumer.min.assignment.interval.ms", "500")]);
    let none = own(&[]);
    let now = |text: &str| in_force(&started.in_force(&own(&[(key, text)]), &none), &[])[2];
    assert_eq!(now("600"), 600);
    assert_eq!(now("499"), 500);
    assert_eq!(now("15001"), 15_000);
    let check = |text: &str| started.check_changes(&started, &own(&[(key, text)]), &none);
    assert_eq!(check("600"), Ok(()));
    assert!(check("499").is_err() && check("15001").is_err());
}

#[test]
fn the_description_shows_what_is_stored_and_where_the_default_comes_from() {
    let broker = with(&[("group.consumer.session.timeout.ms", "50000")]);
    let rows = describe_group(&own(&[(HEARTBEAT, " 4 ")]), &broker);
    let row = |name: &str| {
        let row = rows.iter().find(|row| row.name == name)?;
        let synonyms = row.synonyms.iter();
        let synonyms = synonyms.map(|synonym| (synonym.name, synonym.value.as_deref().unwrap()));
        Some((row.value.clone()?, row.source, synonyms.collect::<Vec<_>>()))
    };
    let brokers = "group.consumer.session.timeout.ms";
    assert_eq!(
        row(SESSION),
        Some((
            "50000".to_owned(),
            ConfigSource::StaticBrokerConfig,
            vec![(brokers, "50000"), (brokers, "45000")]
        ))
    );
    let brokers = "group.consumer.heartbeat.interval.ms";
    assert_eq!(
        row(HEARTBEAT),
        Some((
            "4".to_owned(),
            ConfigSource::GroupConfig,
            vec![(HEARTBEAT, "4"), (brokers, "5000")]
        ))
    );
    assert_eq!(
        row("share.isolation.level"),
        Some((
            "read_uncommitted".to_owned(),
            ConfigSource::DefaultConfig,
            vec![("share.isolation.level", "read_uncommitted")]
        ))
    );
    assert_eq!(row("consumer.assignor.offload.enable"), None, "internal");
}
