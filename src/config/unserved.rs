//! Kafka's settings that are not served, and what happens if one is set.
//!
//! That depends on what the person who set it relies on. Every such setting is in exactly one class (`table.rs`):
//!
//! | class | the setting says | what happens |
//! | --- | --- | --- |
//! | refused | who may connect, what the node is, or what may be lost | the start ends, since running without it would be worse than not starting |
//! | to come | how a feature works that is not served yet | a warning that says "yet" |
//! | no counterpart | how a part of Kafka works that Zurau does not have | a warning |
//! | one node | how several nodes work together | a line at debug level |
//! | former | something that Kafka no longer has | a warning that names its replacement |
//!
//! If the value is Kafka's default, or empty, nothing is logged. A setting of one listener
//! (`listener.name.<name>.<key>`) is treated like its key. A key that begins with `ssl.` or `sasl.` and has no row is
//! treated like the others that do.

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
    /// Kafka's default, which changes nothing; empty for null.
    default: &'static str,
    standing: Standing,
}

/// What happens if the setting is set.
#[derive(Debug)]
enum Standing {
    Refused(Refusal),
    Ineffective(Lack),
}

/// Prefixes of keys that have no row of their own.
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

/// The prefix of keys for one listener; its name follows.
const OF_ONE_LISTENER: &str = "listener.name.";

/// The names of Kafka's settings that are not served, except those that Kafka no longer has.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    UNSERVED
        .iter()
        .filter(|row| !matches!(row.standing, Standing::Ineffective(Lack::Former(_))))
        .map(|row| row.name)
}

/// What happens if `key`, which the table of definitions does not have, has this value: nothing, a warning, or an
/// error that ends the start. `None` if Kafka does not know the key either.
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

/// Kafka's default of `key`, and what happens if it is set.
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

/// The same for `<name>.<key>` or, for SASL, `<name>.<mechanism>.<key>`.
fn standing_of_one_listener(rest: &str) -> Option<(&'static str, &'static Standing)> {
    const LIMIT: Standing = Standing::Refused(ONE_LISTENERS_LIMIT);
    const FOR_ALL: Standing =
        Standing::Ineffective(Lack::NoCounterpart("settings apply to all listeners"));
    let key = rest.find(".sasl.").or_else(|| rest.find('.'));
    let key = &rest[key? + 1..];
    match key {
        "max.connections" | "max.connection.creation.rate" => Some(("2147483647", &LIMIT)),
        _ if definitions::broker(key).is_some() => Some(("", &FOR_ALL)),
        _ => standing(key).or(Some(("", &FOR_ALL))),
    }
}

/// Whether `value` is the default or empty.
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

/// Whether the value of `key` must not be shown. The table does not know these keys, so their names decide.
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
