//! Kafka's settings that are not served, and what it means that they have no effect.
//!
//! Who sets one relies on something. What that is decides what happens, and every such setting of Kafka's is in
//! exactly one class (`table.rs`):
//!
//! | class | the setting says | what happens |
//! | --- | --- | --- |
//! | refused | who may enter, what the node is, or what may be lost | the start ends: going on without would be worse than not starting |
//! | to come | how something works that is not there yet | a warning that says "yet" |
//! | no counterpart | how something works that Kafka has and Zurau does without | a warning |
//! | one node | how several nodes deal with each other | a line for those who look closely |
//! | former | something that Kafka itself has given up | a warning that names what took its place |
//!
//! Kafka's default, or nothing, given explicitly, asks for nothing: no word is lost about it. A setting of one
//! listener (`listener.name.<name>.<key>`) is judged by its key. What begins with `ssl.` or `sasl.` and is
//! in no row asks for what its neighbours ask for.

mod reasons;
mod table;

use self::reasons::{AUTHENTICATION, ENCRYPTION, NO_ZOOKEEPER, ONE_LISTENERS_LIMIT, Refusal};
use self::table::UNSERVED;
use super::settings::Origin;
use super::warning::{Lack, Warning};
use super::{InvalidConfig, definitions};

/// A setting of Kafka's that is not served.
#[derive(Debug)]
struct Unserved {
    name: &'static str,
    /// The value that asks for nothing: Kafka's default; empty for null.
    default: &'static str,
    standing: Standing,
}

/// What it means that a setting is not served.
#[derive(Debug)]
enum Standing {
    Refused(Refusal),
    Ineffective(Lack),
}

/// Beginnings of keys that stand for a whole family where they are in no row.
const FAMILIES: &[(&str, Standing)] = &[
    ("ssl.", Standing::Refused(ENCRYPTION)),
    ("sasl.", Standing::Refused(AUTHENTICATION)),
    (
        "zookeeper.ssl.",
        Standing::Ineffective(Lack::Former(NO_ZOOKEEPER)),
    ),
    (
        "config.providers.",
        Standing::Ineffective(Lack::NoCounterpart(reasons::JAVA)),
    ),
    (
        "metrics.context.",
        Standing::Ineffective(Lack::Feature(reasons::METRICS)),
    ),
    (
        "rlmm.config.",
        Standing::Ineffective(Lack::Feature(reasons::TIERED_STORAGE)),
    ),
    (
        "rsm.config.",
        Standing::Ineffective(Lack::Feature(reasons::TIERED_STORAGE)),
    ),
];

/// The beginning of keys that are for one listener; its name follows.
const OF_ONE_LISTENER: &str = "listener.name.";

/// The names of Kafka's settings that are not served, but for those of the past.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    UNSERVED
        .iter()
        .filter(|row| !matches!(row.standing, Standing::Ineffective(Lack::Former(_))))
        .map(|row| row.name)
}

/// What is to be said of `key`, which the table of definitions does not have: nothing when it asks for
/// nothing, a warning, or why the start ends. `None` when Kafka does not know it either.
pub(super) fn judge(
    key: &str,
    value: &str,
    origin: &Origin,
) -> Option<Result<Option<Warning>, InvalidConfig>> {
    let (default, standing) = standing(key)?;
    if asks_for_nothing(value, default) {
        return Some(Ok(None));
    }
    Some(match standing {
        Standing::Refused(refusal) => Err(refused(key, value, origin, refusal)),
        Standing::Ineffective(lack) => Ok(Some(Warning::NotServed {
            key: key.to_owned(),
            origin: origin.clone(),
            lack: *lack,
        })),
    })
}

/// Kafka's default of `key`, and what it means that it is not served.
fn standing(key: &str) -> Option<(&'static str, &'static Standing)> {
    if let Some(rest) = key.strip_prefix(OF_ONE_LISTENER) {
        return standing_of_one_listener(rest);
    }
    if let Some(row) = UNSERVED.iter().find(|row| row.name == key) {
        return Some((row.default, &row.standing));
    }
    let family = FAMILIES.iter().find(|(start, _)| key.starts_with(start));
    family.map(|(_, standing)| ("", standing))
}

/// The same for `<name>.<key>` or, of SASL, `<name>.<mechanism>.<key>`.
fn standing_of_one_listener(rest: &str) -> Option<(&'static str, &'static Standing)> {
    const LIMIT: Standing = Standing::Refused(ONE_LISTENERS_LIMIT);
    const FOR_ALL: Standing = Standing::Ineffective(Lack::NoCounterpart(
        "settings are for all listeners together",
    ));
    let key = rest.find(".sasl.").or_else(|| rest.find('.'));
    let key = &rest[key? + 1..];
    match key {
        "max.connections" | "max.connection.creation.rate" => Some(("2147483647", &LIMIT)),
        _ if definitions::broker(key).is_some() => Some(("", &FOR_ALL)),
        _ => standing(key).or(Some(("", &FOR_ALL))),
    }
}

/// Whether `value` is what holds anyway, or nothing.
fn asks_for_nothing(value: &str, default: &str) -> bool {
    let value: String = value.split_ascii_whitespace().collect();
    value.is_empty() || value.eq_ignore_ascii_case(default)
}

fn refused(key: &str, value: &str, origin: &Origin, refusal: &Refusal) -> InvalidConfig {
    let Refusal { asks, cure } = refusal;
    let value = if is_secret(key) {
        "set".to_owned()
    } else {
        format!("{value:?}")
    };
    InvalidConfig(format!(
        "{key} cannot be {value} ({origin}): {asks}; {cure}"
    ))
}

/// Whether the value of `key` must not be shown. Of what nobody knows, the name tells.
fn is_secret(key: &str) -> bool {
    [
        "password",
        "passphrase",
        "secret",
        "secret.key",
        "jaas.config",
        "keystore.key",
        "certificate.chain",
        "certificates",
        "credentials",
    ]
    .iter()
    .any(|ending| key.ends_with(ending))
}

#[cfg(test)]
mod tests;
