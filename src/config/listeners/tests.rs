//! What may be listened on and advertised.

use super::SecurityProtocol;
use crate::config::{BrokerConfig, InvalidConfig};

fn refusal(overrides: &[(&str, &str)]) -> String {
    let InvalidConfig(text) = BrokerConfig::with(overrides).unwrap_err();
    text
}

#[test]
fn addresses_of_all_forms_are_read() {
    let config = BrokerConfig::with(&[
        (
            "listeners",
            "PLAINTEXT://:9092, internal://[::1]:0,external://host-1.example.org:9094",
        ),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,INTERNAL:plaintext,EXTERNAL:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "Internal"),
    ])
    .unwrap();
    let texts: Vec<String> = config.listeners.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "PLAINTEXT://:9092",
            "INTERNAL://[::1]:0",
            "EXTERNAL://host-1.example.org:9094"
        ]
    );
    assert!(
        config
            .listeners
            .iter()
            .all(|each| each.protocol == SecurityProtocol::Plaintext)
    );
    assert_eq!(config.listeners[1].host, "::1");
    assert!(config.listeners[0].is_wildcard() && !config.listeners[1].is_wildcard());
    assert_eq!(config.inter_broker_listener_name, "INTERNAL");
    assert!(config.advertised_listeners.is_empty());
}

#[test]
fn advertised_addresses_belong_to_listeners() {
    let config = BrokerConfig::with(&[
        ("listeners", "PLAINTEXT://0.0.0.0:9092"),
        (
            "advertised.listeners",
            "plaintext://broker.example.org:19092",
        ),
    ])
    .unwrap();
    assert!(config.listeners[0].is_wildcard());
    let advertised = &config.advertised_listeners["PLAINTEXT"];
    assert_eq!(
        (advertised.host.as_deref(), advertised.port),
        (Some("broker.example.org"), 19092)
    );

    let config = BrokerConfig::with(&[("advertised.listeners", "PLAINTEXT://:9092")]).unwrap();
    assert_eq!(config.advertised_listeners["PLAINTEXT"].host, None);

    assert!(refusal(&[("advertised.listeners", "OTHER://a:1")]).contains("no listener OTHER"));
    let wildcard = refusal(&[("advertised.listeners", "PLAINTEXT://0.0.0.0:9092")]);
    assert!(wildcard.contains("wildcard"), "{wildcard}");
    assert!(refusal(&[("advertised.listeners", "PLAINTEXT://[::]:9092")]).contains("wildcard"));
}

#[test]
fn a_stock_kraft_configuration_starts() {
    let (config, warnings) = BrokerConfig::load(&crate::config::Sources {
        overrides: [
            "process.roles=broker,controller",
            "node.id=1",
            "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
            "inter.broker.listener.name=PLAINTEXT",
            "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
            "controller.listener.names=CONTROLLER",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
             SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
            "num.network.threads=3",
            "log.dirs=/tmp/kraft-combined-logs",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..crate::config::Sources::default()
    })
    .unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.advertised_listeners.len(), 1);
    assert_eq!(warnings.len(), 1);
    assert!(!warnings[0].matters());
    assert!(
        warnings[0]
            .to_string()
            .contains("CONTROLLER://:9093 is not opened")
    );
}

#[test]
fn without_an_inter_broker_listener_the_first_serves() {
    let config = BrokerConfig::with(&[
        ("listeners", "HOST://:9092,DOCKER://:9093"),
        (
            "listener.security.protocol.map",
            "HOST:PLAINTEXT,DOCKER:PLAINTEXT",
        ),
    ])
    .unwrap();
    assert_eq!(config.inter_broker_listener_name, "HOST");
    assert_eq!(
        BrokerConfig::default().inter_broker_listener_name,
        "PLAINTEXT"
    );
    assert!(refusal(&[("inter.broker.listener.name", "NOPE")]).contains("cannot be NOPE"));
}

#[test]
fn listeners_that_cannot_be_served_stop_the_start() {
    for (listeners, reason) in [
        (
            "SSL://:9093",
            "with SSL, which is not served yet: remove it",
        ),
        (
            "SASL_PLAINTEXT://:9093",
            "with SASL_PLAINTEXT, which is not served yet: remove it",
        ),
        ("OTHER://:9093", "add OTHER:PROTOCOL there"),
        ("PLAINTEXT://a:1,PLAINTEXT://b:2", "names PLAINTEXT twice"),
        ("", "at least one"),
        ("localhost:9092", "use NAME://host:port"),
        ("PLAINTEXT://localhost", "use NAME://host:port"),
        (
            "PLAINTEXT://localhost:65536",
            "65536 is not a port: use a number from 0 to 65535",
        ),
        ("PLAINTEXT://localhost:port", "use NAME://host:port"),
        ("PLAINTEXT://a b:9092", "use NAME://host:port"),
        ("://a:9092", "use NAME://host:port"),
    ] {
        let text = refusal(&[("listeners", listeners)]);
        assert!(text.contains(reason), "{listeners}: {text}");
        assert!(text.contains("(--override)"), "{listeners}: {text}");
    }
    let map = ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT");
    assert!(refusal(&[("listeners", "A://h:1,B://h:1"), map]).contains("the same port, 1"));
    assert!(BrokerConfig::with(&[("listeners", "A://h:0,B://h:0"), map]).is_ok());
    assert!(
        refusal(&[("controller.listener.names", "PLAINTEXT")]).contains("no listener for clients")
    );
    assert!(refusal(&[("listener.security.protocol.map", "A:TLS")]).contains("NAME:PROTOCOL"));
}

#[test]
fn nobody_is_advised_to_call_a_secured_listener_plain() {
    let map = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT");
    let both = ("listeners", "PLAINTEXT://:9092,SSL://:9093");
    for text in [refusal(&[both]), refusal(&[both, map])] {
        assert!(
            !text.contains("SSL:PLAINTEXT") && !text.contains("map SSL"),
            "{text}"
        );
    }
}

#[test]
fn one_host_can_be_advertised_for_all_listeners() {
    let config = BrokerConfig::with(&[
        ("listeners", "A://:9092,B://:9093"),
        ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT"),
        ("advertised.listeners", "B://b.example.org:1"),
        ("zurau.advertised.host", "localhost"),
    ])
    .unwrap();
    let told = |name: &str| {
        let address = &config.advertised_listeners[name];
        (address.host.as_deref(), address.port)
    };
    assert_eq!(told("A"), (Some("localhost"), 0));
    assert_eq!(told("B"), (Some("b.example.org"), 1));
    for wrong in ["0.0.0.0", "[::]", "http://a"] {
        assert!(
            refusal(&[("zurau.advertised.host", wrong)]).contains("can reach"),
            "{wrong}"
        );
    }
}
