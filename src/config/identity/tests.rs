//! A node of several does not start, however that is said.

use super::host_name;
use crate::config::{BrokerConfig, InvalidConfig, Sources};

fn refusal(overrides: &[(&str, &str)]) -> String {
    let InvalidConfig(text) = BrokerConfig::with(overrides).unwrap_err();
    assert!(
        !text.contains('\n') && text.contains("(--override)"),
        "{text}"
    );
    text
}

#[test]
fn other_roles_than_both_are_refused() {
    assert!(BrokerConfig::with(&[("process.roles", "controller,broker")]).is_ok());
    for roles in ["broker", "controller", ""] {
        let text = refusal(&[("process.roles", roles)]);
        let beginning =
            format!("process.roles cannot be {roles:?} (--override): a Zurau node runs alone");
        assert!(text.starts_with(&beginning), "{text}");
    }
    assert!(refusal(&[("process.roles", "king")]).contains("broker, controller"));
}

#[test]
fn the_voter_must_be_this_node() {
    let key = "controller.quorum.voters";
    for voters in [
        "1@localhost:9093",
        "1@broker:29093",
        "1@:9093",
        "1@[::1]:9093",
        "",
    ] {
        assert!(BrokerConfig::with(&[(key, voters)]).is_ok(), "{voters}");
    }
    assert!(BrokerConfig::with(&[(key, "7@kafka:9093"), ("broker.id", "7")]).is_ok());
    let text = refusal(&[(key, "1@a:9093,2@b:9093,3@c:9093")]);
    assert!(text.contains("names 3 nodes"), "{text}");
    let text = refusal(&[(key, "9@a:9093")]);
    assert!(
        text.contains("this is node 1 (node.id, default)") && text.contains("set node.id to 9"),
        "{text}"
    );
    for wrong in [
        "localhost:9093",
        "1@localhost",
        "x@localhost:9093",
        "-1@localhost:9093",
    ] {
        assert!(
            refusal(&[(key, wrong)]).contains("use id@host:port"),
            "{wrong}"
        );
    }
}

#[test]
fn bootstrap_servers_must_be_this_node() {
    let key = "controller.quorum.bootstrap.servers";
    let listeners = ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093");
    let controller = ("controller.listener.names", "CONTROLLER");
    let own = format!("{}:9093", host_name());
    for server in [
        "localhost:9093",
        "127.0.0.1:9093",
        "[::1]:9093",
        &own,
        "kafka:9093",
    ] {
        let advertised = ("advertised.listeners", "PLAINTEXT://kafka:9092");
        let given = [(key, server), listeners, controller, advertised];
        assert!(BrokerConfig::with(&given).is_ok(), "{server}");
    }
    assert!(BrokerConfig::with(&[(key, "localhost:9093")]).is_ok());
    for server in [
        "controller-1:9093",
        "localhost:9095",
        "localhost:9093,controller-2:9093",
    ] {
        let text = refusal(&[(key, server), listeners, controller]);
        assert!(text.contains("is not this node"), "{text}");
    }
    assert!(refusal(&[(key, "localhost")]).contains("use host:port"));
}

#[test]
fn the_cluster_id_of_kafkas_images_is_taken() {
    let environment = |id: &str| {
        let environment = vec![("CLUSTER_ID".to_owned(), id.to_owned())];
        BrokerConfig::load(&Sources {
            environment,
            ..Sources::default()
        })
    };
    let (config, warnings) = environment("4L6g3nShT-eMCtK--X86sw").unwrap();
    assert_eq!(config.cluster_id(), Some("4L6g3nShT-eMCtK--X86sw"));
    assert_eq!(warnings, []);
    assert_eq!(environment("").unwrap().0.cluster_id(), None);
    assert_eq!(BrokerConfig::default().cluster_id(), None);
    // Kafka takes any text; a sentence is not meant.
    assert!(environment("my-cluster").is_ok());
    for wrong in ["my cluster", "$(kafka-storage.sh random-uuid)", "\u{e9}"] {
        let InvalidConfig(text) = environment(wrong).unwrap_err();
        assert!(text.contains("environment variable CLUSTER_ID"), "{text}");
    }
    assert!(refusal(&[("zurau.cluster.id", &"x".repeat(200))]).contains("random-uuid"));
}
