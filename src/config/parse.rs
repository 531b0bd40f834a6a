//! Loading: from the properties file, the environment and the command line to [`Settings`].
//!
//! The `config` crate merges the layers; it takes dots in keys for paths into tables, so every layer
//! hands it one table under a single name, in which keys are plain text. A value carries its origin
//! through the merge. Afterwards every value of a key in the table of definitions is checked. Every other
//! key is looked up in the table of Kafka's settings that are not served, or is unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, ConfigError, File, Map, Source, Value, ValueKind};

use super::properties::{Properties, decode};
use super::settings::{Origin, Settings};
use super::warning::Warning;
use super::{InvalidConfig, definitions, environment, unserved};

/// Where settings come from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A file of Java properties.
    pub file: Option<PathBuf>,
    /// The environment: names and values.
    pub environment: Vec<(String, String)>,
    /// `key=value`, as on the command line; later ones prevail.
    pub overrides: Vec<String>,
    /// Whether this is a container, whose loopback address cannot be reached from outside.
    pub in_container: bool,
}

/// Loads all settings.
pub fn load(sources: &Sources) -> Result<(Settings, Vec<Warning>), InvalidConfig> {
    let mut settings = Settings::defaults();
    let (mut warnings, mut unknown) = (Vec::new(), Vec::new());
    for (key, (value, origin)) in merged(sources)? {
        match definitions::broker(&key) {
            Some(definition) => settings.set(definition, &value, origin)?,
            None => match unserved::judge(&key, &value, &origin) {
                Some(judged) => warnings.extend(judged?),
                None => unknown.push((key, origin)),
            },
        }
    }
    warnings.extend(warnings_of_unknown(unknown));
    unite_synonyms(&mut settings)?;
    Ok((settings, warnings))
}

/// Keys that mean the same: `broker.id` is `node.id`, and `log.dir` is `log.dirs` unless that is set.
fn unite_synonyms(settings: &mut Settings) -> Result<(), InvalidConfig> {
    let old = settings.value("broker.id").unwrap_or_default().to_owned();
    // -1 is Kafka's default: no number is set.
    if settings.is_explicit("broker.id") && old != "-1" {
        let origin = settings.origin("broker.id");
        if old.starts_with('-') {
            return Err(InvalidConfig(format!(
                "broker.id cannot be {old:?} ({origin}): use a whole number of at least 0"
            )));
        }
        if !settings.is_explicit("node.id") {
            settings.copy("broker.id", "node.id");
        }
        let new = settings.value("node.id").unwrap_or_default();
        if new != old {
            return Err(InvalidConfig(format!(
                "node.id ({new}, {}) and broker.id ({old}, {origin}) differ: set only node.id",
                settings.origin("node.id")
            )));
        }
    }
    settings.copy("node.id", "broker.id");
    if !settings.is_explicit("log.dirs") && settings.is_explicit("log.dir") {
        settings.copy("log.dir", "log.dirs");
    }
    Ok(())
}

/// The warnings about unknown keys. Those of Confluent's server share one line, since its image sets many.
fn warnings_of_unknown(unknown: Vec<(String, Origin)>) -> Vec<Warning> {
    let (confluents, unknown): (Vec<_>, Vec<_>) = unknown
        .into_iter()
        .partition(|(key, _)| key.starts_with("confluent."));
    let mut warnings: Vec<_> = unknown
        .into_iter()
        .map(|(key, origin)| {
            let nearest = nearest(&key);
            Warning::Unknown {
                key,
                origin,
                nearest,
            }
        })
        .collect();
    if let Some((key, origin)) = confluents.first() {
        let others = match confluents.len() - 1 {
            0 => "is a setting",
            _ => "and others that begin with \"confluent.\" are settings",
        };
        warnings.push(Warning::Note(format!(
            "{key} ({origin}) {others} of Confluent's server, which has no effect here"
        )));
    }
    warnings
}

/// The known key that is most like `key`, if it is similar enough to have been meant. For a topic's key it
/// is the broker's default.
fn nearest(key: &str) -> Option<&'static str> {
    if let Some((synonym, _)) =
        definitions::topic(key).and_then(|definition| definition.synonyms.first())
    {
        return Some(*synonym);
    }
    let ours = definitions::BROKER.iter().map(|definition| definition.name);
    ours.chain(unserved::names())
        .map(|name| (strsim::damerau_levenshtein(key, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= (name.len() / 4).max(2))
        .map(|(_, name)| name)
}

/// The layers above the defaults, merged: each key with its value and origin.
fn merged(sources: &Sources) -> Result<BTreeMap<String, (String, Origin)>, InvalidConfig> {
    let mut builder = Config::builder();
    if let Some(path) = &sources.file {
        let path_text = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            InvalidConfig(format!(
                "cannot read the configuration file {path_text}: {error}"
            ))
        })?;
        builder = builder.add_source(File::from_str(
            &decode(bytes),
            Properties { path: path_text },
        ));
    }
    builder = builder.add_source(Layer(environment::settings(&sources.environment)?));
    let overrides: Result<Vec<_>, _> = sources.overrides.iter().map(|text| split(text)).collect();
    builder = builder.add_source(Layer(overrides?));
    let unusable = |error: ConfigError| {
        InvalidConfig(format!(
            "cannot use the configuration: {}",
            one_line(&error)
        ))
    };
    let mut layers = builder
        .build()
        .and_then(|merged| merged.collect())
        .map_err(unusable)?;
    let table = layers
        .remove(ROOT)
        .map_or_else(|| Ok(Map::new()), Value::into_table);
    table
        .map_err(unusable)?
        .into_iter()
        .map(|(key, value)| {
            let origin = origin_of(value.origin());
            Ok((key, (value.into_string().map_err(unusable)?, origin)))
        })
        .collect()
}

/// Splits `key=value` from the command line.
fn split(text: &str) -> Result<(String, String, Origin), InvalidConfig> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned(), Origin::Override))
        }
        _ => Err(InvalidConfig(format!(
            "--override cannot be {text:?}: use key=value"
        ))),
    }
}

fn one_line(error: &ConfigError) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The name under which every layer keeps its table.
const ROOT: &str = "settings";

/// Settings as a source of the `config` crate.
#[derive(Clone, Debug)]
struct Layer(Vec<(String, String, Origin)>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(layer(self.0.clone()))
    }
}

/// The table of one layer under its single name; later values of a key prevail.
pub(super) fn layer(values: Vec<(String, String, Origin)>) -> Map<String, Value> {
    let table: Map<String, Value> = values
        .into_iter()
        .map(|(key, value, origin)| {
            (
                key,
                Value::new(Some(&tag(&origin)), ValueKind::String(value)),
            )
        })
        .collect();
    Map::from_iter([(ROOT.to_owned(), Value::new(None, ValueKind::Table(table)))])
}

/// An origin as the text that the `config` crate carries along with a value.
fn tag(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default:".to_owned(),
        Origin::File(path) => format!("file:{path}"),
        Origin::Environment(variable) => format!("environment:{variable}"),
        Origin::Override => "override:".to_owned(),
        // What changes while the broker runs comes from no file.
        Origin::AllBrokers | Origin::ThisBroker => "running:".to_owned(),
    }
}

/// The origin of a [`tag`].
fn origin_of(tag: Option<&str>) -> Origin {
    match tag.and_then(|tag| tag.split_once(':')) {
        Some(("file", path)) => Origin::File(path.to_owned()),
        Some(("environment", variable)) => Origin::Environment(variable.to_owned()),
        Some(("override", _)) => Origin::Override,
        _ => Origin::Default,
    }
}

#[cfg(test)]
mod tests;
