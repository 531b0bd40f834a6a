//! What must differ between two brokers and how it is compared nevertheless: `rules.yaml`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;

use crate::patterns::{matches, path_matches};
use crate::yaml;

/// How a field is compared instead of by its value.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Treatment {
    /// Each broker has its own values; the same ones must stand in the same places.
    Pairs(String),
    /// A time: both brokers' are within minutes of now, unless they are equal.
    Now,
    /// The port of the broker that answered.
    OwnPort,
    /// A list in no defined order: its elements belong together by this field (`one|other` where its
    /// name changes between versions), or by themselves where it is empty.
    Unordered(String),
    /// The same for a list whose order counts: what both have must come in the same order.
    Keyed(String),
    /// Not compared.
    Ignored,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(default)]
    api: Option<String>,
    field: String,
    compare: Treatment,
    reason: String,
}

#[derive(Debug)]
struct Rule {
    text: RuleText,
    used: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let wrong = |error| format!("{}: {error}", path.display());
        let texts: Vec<RuleText> =
            serde_json::from_value(yaml::read(path)?).map_err(|error| wrong(error.to_string()))?;
        if let Some(without) = texts.iter().find(|text| text.reason.is_empty()) {
            return Err(wrong(format!("{} has no reason", without.field)));
        }
        let rule = |text| Rule {
            text,
            used: AtomicBool::new(false),
        };
        Ok(Self(texts.into_iter().map(rule).collect()))
    }

    /// How this field is compared; the first rule in the file counts.
    pub(crate) fn treatments(&self, api: &str, path: &str) -> Vec<&Treatment> {
        let about = |rule: &&Rule| {
            let for_api = rule.text.api.as_deref().unwrap_or("*");
            matches(for_api, api) && path_matches(&rule.text.field, path)
        };
        let used = |rule: &Rule| rule.used.store(true, Ordering::Relaxed);
        self.0
            .iter()
            .filter(about)
            .inspect(|rule| used(rule))
            .map(|rule| &rule.text.compare)
            .collect()
    }

    /// Rules about fields that no answer had.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self
            .0
            .iter()
            .filter(|rule| !rule.used.load(Ordering::Relaxed));
        unused
            .map(|rule| {
                format!(
                    "{} {}",
                    rule.text.api.as_deref().unwrap_or("*"),
                    rule.text.field
                )
            })
            .collect()
    }
}
