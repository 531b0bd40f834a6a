//! Layers, origins, warnings and refusals.

use std::io::Write;

use super::{InvalidConfig, Sources, Warning, load};
use crate::config::settings::{Origin, Settings};

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn overrides(texts: &[&str]) -> Sources {
    let overrides = texts.iter().map(|text| (*text).to_owned()).collect();
    Sources {
        overrides,
        ..Sources::default()
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn refusal(sources: &Sources) -> String {
    let InvalidConfig(text) = load(sources).unwrap_err();
    assert!(!text.contains('\n'), "{text}");
    text
}

fn value_and_origin<'a>(settings: &'a Settings, name: &str) -> (Option<&'a str>, &'a Origin) {
    let setting = settings.get(name).unwrap();
    (setting.value.as_deref(), &setting.origin)
}

#[test]
fn later_layers_prevail_and_origins_are_kept() {
    let file = file(
        "# a comment\n\
         num.partitions=2\n\
         log.retention.hours: 24\n\
         min.insync.replicas = 2\n\
         message.max.bytes 2000000 \n\
         broker.rack=caf\u{e9}\\u0021\n",
    );
    let path = file.path().display().to_string();
    let (settings, warnings) = load(&Sources {
        file: Some(file.path().to_owned()),
        environment: environment(&[
            ("KAFKA_LOG_RETENTION_HOURS", "48"),
            ("KAFKA_MIN_INSYNC_REPLICAS", "3"),
            ("KAFKA_HEAP_OPTS", "-Xmx1G"),
            ("ZURAU_FLUSH_BEFORE_ACK", "true"),
        ]),
        overrides: vec![
            "min.insync.replicas=4".to_owned(),
            "min.insync.replicas=5".to_owned(),
        ],
        in_container: false,
    })
    .unwrap();
    assert_eq!(warnings, []);
    let from_file = Origin::File(path);
    let from_environment = |name: &str| Origin::Environment(name.to_owned());
    let read = |name| value_and_origin(&settings, name);
    assert_eq!(read("num.partitions"), (Some("2"), &from_file));
    assert_eq!(read("message.max.bytes"), (Some("2000000"), &from_file));
    assert_eq!(read("broker.rack"), (Some("caf\u{e9}!"), &from_file));
    assert_eq!(
        read("log.retention.hours"),
        (Some("48"), &from_environment("KAFKA_LOG_RETENTION_HOURS"))
    );
    assert_eq!(
        read("zurau.flush.before.ack"),
        (Some("true"), &from_environment("ZURAU_FLUSH_BEFORE_ACK"))
    );
    assert_eq!(read("min.insync.replicas"), (Some("5"), &Origin::Override));
    assert_eq!(read("num.io.threads"), (Some("8"), &Origin::Default));
}

#[test]
fn keys_that_are_beginnings_of_others_do_not_disturb_them() {
    // As paths into tables, `listeners.x` or `log.retention` would hide other keys.
    let sources = overrides(&[
        "log.dir=/a",
        "log.dir.x=1",
        "log=2",
        "log[0].x=3",
        "log.dirs=/b",
    ]);
    let (settings, warnings) = load(&sources).unwrap();
    assert_eq!(settings.value("log.dir"), Some("/a"));
    assert_eq!(settings.value("log.dirs"), Some("/b"));
    assert_eq!(warnings.len(), 3);
}

#[test]
fn keys_without_effect_are_warned_about_once() {
    let sources = Sources {
        environment: environment(&[("KAFKA_GROUP_SHARE_MAX_SIZE", "300")]),
        ..overrides(&[
            "group.share.max.size=400",
            "producer.purgatory.purge.interval.requests=10",
            "replica.lag.time.max.ms=10",
            "port=9092",
            // Defaults ask for nothing.
            "transaction.two.phase.commit.enable=false",
            "ssl.client.auth=none",
        ])
    };
    let (_, warnings) = load(&sources).unwrap();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    let matter = warnings.iter().filter(|warning| warning.matters());
    assert_eq!(matter.count(), 3);
    let text = warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(text.contains("group.share.max.size (--override)"), "{text}");
}

#[test]
fn what_asks_for_protection_stops_the_start() {
    let sources = Sources {
        environment: environment(&[("KAFKA_SSL_CLIENT_AUTH", "required")]),
        ..Sources::default()
    };
    let text = refusal(&sources);
    assert!(
        text.starts_with(
            "ssl.client.auth cannot be \"required\" (environment variable KAFKA_SSL_CLIENT_AUTH): "
        ),
        "{text}"
    );
    assert!(!refusal(&overrides(&["ssl.keystore.password=hush"])).contains("hush"));
}

#[test]
fn settings_of_confluents_server_are_said_in_one_line() {
    let sources = Sources {
        environment: environment(&[
            ("KAFKA_CONFLUENT_LICENSE_TOPIC_REPLICATION_FACTOR", "1"),
            ("KAFKA_CONFLUENT_BALANCER_TOPIC_REPLICATION_FACTOR", "1"),
        ]),
        ..Sources::default()
    };
    let (_, warnings) = load(&sources).unwrap();
    let [Warning::Note(text)] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(
        text.contains("KAFKA_CONFLUENT_BALANCER") && text.contains("and others"),
        "{text}"
    );
}

#[test]
fn unknown_keys_lead_to_the_nearest_known_one() {
    let nearest = |key: &str| {
        let (_, warnings) = load(&overrides(&[&format!("{key}=1")])).unwrap();
        let [
            Warning::Unknown {
                key: unknown,
                nearest,
                ..
            },
        ] = warnings.as_slice()
        else {
            panic!("{warnings:?}");
        };
        assert_eq!(unknown, key);
        *nearest
    };
    assert_eq!(nearest("num.partition"), Some("num.partitions"));
    assert_eq!(nearest("advertised.listener"), Some("advertised.listeners"));
    assert_eq!(
        nearest("zurau.flush.before.acks"),
        Some("zurau.flush.before.ack")
    );
    assert_eq!(
        nearest("socket.reqest.max.bytes"),
        Some("socket.request.max.bytes")
    );
    assert_eq!(nearest("retention.ms"), Some("log.retention.ms"));
    assert_eq!(nearest("something.else.entirely"), None);
}

#[test]
fn wrong_values_name_key_value_place_and_cure() {
    assert_eq!(
        refusal(&overrides(&["num.partitions=many"])),
        "num.partitions cannot be \"many\" (--override): use a whole number from 1 to 2147483647"
    );
    let sources = Sources {
        environment: environment(&[("KAFKA_LOG_CLEANUP_POLICY", "shred")]),
        ..Sources::default()
    };
    assert_eq!(
        refusal(&sources),
        "log.cleanup.policy cannot be \"shred\" (environment variable KAFKA_LOG_CLEANUP_POLICY): \
         use a list of compact, delete without repetitions"
    );
    assert_eq!(
        refusal(&overrides(&["auto.create.topics.enable=yes"])),
        "auto.create.topics.enable cannot be \"yes\" (--override): use true or false"
    );
    assert!(refusal(&overrides(&["offsets.topic.replication.factor=40000"])).contains("32767"));
    assert!(refusal(&overrides(&["num.partitions"])).contains("use key=value"));
    assert!(refusal(&overrides(&["=1"])).contains("use key=value"));
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_named() {
    let missing = Sources {
        file: Some("/nowhere/a.properties".into()),
        ..Sources::default()
    };
    assert!(refusal(&missing).contains("/nowhere/a.properties"));
    let broken = file("a=\\u00zz\n");
    let sources = Sources {
        file: Some(broken.path().to_owned()),
        ..Sources::default()
    };
    let text = refusal(&sources);
    assert!(
        text.contains(&broken.path().display().to_string()),
        "{text}"
    );
}

#[test]
fn old_names_stand_for_new_ones() {
    let (settings, _) = load(&overrides(&["broker.id=7", "log.dir=/srv/log"])).unwrap();
    assert_eq!(
        value_and_origin(&settings, "node.id"),
        (Some("7"), &Origin::Override)
    );
    assert_eq!(
        value_and_origin(&settings, "log.dirs"),
        (Some("/srv/log"), &Origin::Override)
    );
    let (settings, _) = load(&overrides(&["node.id=7", "log.dir=/a", "log.dirs=/b"])).unwrap();
    assert_eq!(settings.value("broker.id"), Some("7"));
    assert_eq!(settings.value("log.dirs"), Some("/b"));
    assert!(refusal(&overrides(&["node.id=7", "broker.id=8"])).contains("differ"));
    assert!(refusal(&overrides(&["broker.id=-7"])).contains("at least 0"));
    let (settings, _) = load(&overrides(&["broker.id=-1"])).unwrap();
    assert_eq!(settings.value("node.id"), Some("1"));
}
