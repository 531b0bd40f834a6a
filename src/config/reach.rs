//! Whether clients can reach a broker whose `listeners` are not set.
//!
//! The default is the loopback address, so that an unsecured broker is not open to the network unless somebody asks
//! for it. A warning says so where the rest of the configuration, or a container, shows that other machines are
//! meant to connect.

use std::net::IpAddr;

use super::broker::BrokerConfig;
use super::warning::Warning;

/// The warning, if there is one.
pub(super) fn warning(config: &BrokerConfig, in_container: bool) -> Option<Warning> {
    let settings = &config.settings;
    if settings.is_explicit("listeners") {
        return None;
    }
    let listener = config.listeners.first()?;
    let cure = format!(
        "set listeners, such as {}://0.0.0.0:{}",
        listener.name, listener.port
    );
    let is_remote = |host: &Option<String>| host.as_deref().is_some_and(|host| !is_loopback(host));
    for (name, address) in &config.advertised_listeners {
        if is_remote(&address.host) {
            let key = ["advertised.listeners", "zurau.advertised.host"]
                .into_iter()
                .find(|key| settings.is_explicit(key))?;
            return Some(Warning::Note(format!(
                "{key} ({}) sends clients of {name} to {}, but listeners is not set, and {listener} can be \
                 reached from this machine only: {cure}",
                settings.origin(key),
                address.host.as_deref().unwrap_or_default(),
            )));
        }
    }
    in_container.then(|| {
        Warning::Note(format!(
            "this is a container and listeners is not set: {listener} can be reached only from inside the \
             container; {cure}"
        ))
    })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::warning;
    use crate::config::BrokerConfig;

    fn said(overrides: &[(&str, &str)], in_container: bool) -> Option<String> {
        let config = BrokerConfig::with(overrides).unwrap();
        warning(&config, in_container).map(|warning| warning.to_string())
    }

    #[test]
    fn clients_that_are_sent_where_nobody_listens_are_worth_a_line() {
        let remote = ("advertised.listeners", "PLAINTEXT://kafka:9092");
        let text = said(&[remote], false).unwrap();
        assert!(
            text.starts_with("advertised.listeners (--override) sends clients"),
            "{text}"
        );
        assert!(
            text.ends_with("set listeners, such as PLAINTEXT://0.0.0.0:9092"),
            "{text}"
        );
        let text = said(&[("zurau.advertised.host", "kafka")], false).unwrap();
        assert!(text.starts_with("zurau.advertised.host"), "{text}");
        assert_eq!(
            said(
                &[remote, ("listeners", "PLAINTEXT://127.0.0.1:9092")],
                false
            ),
            None
        );
    }

    #[test]
    fn the_loopback_of_a_container_is_worth_a_line() {
        let local = ("advertised.listeners", "PLAINTEXT://localhost:9092");
        assert_eq!(said(&[local], false), None);
        assert_eq!(said(&[], false), None);
        let text = said(&[local], true).unwrap();
        assert!(text.contains("container"), "{text}");
        assert!(said(&[], true).is_some());
        assert_eq!(said(&[("listeners", "PLAINTEXT://:9092")], true), None);
    }
}
