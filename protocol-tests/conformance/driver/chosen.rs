//! Differences that we choose, each with its reason: `chosen-differences.yaml`. The list may only
//! shrink, so an entry that explains nothing any more is an error.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::comparison::Difference;
use crate::definitions::Versions;
use crate::patterns::{matches, path_matches};
use crate::release::{Peer, Release};
use crate::yaml;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The API of the answer.
    api: String,
    /// The case's full name, with `*`.
    #[serde(default)]
    case: Option<String>,
    /// Of the answer's API.
    #[serde(default)]
    versions: Option<String>,
    /// The releases of Kafka that differ, with `*`; without it all.
    #[serde(default)]
    release: Option<String>,
    /// The first release of Kafka that differs.
    #[serde(default)]
    since: Option<String>,
    /// One path or several.
    field: Paths,
    /// Both values as the report prints them, with `*`.
    kafka: String,
    zurau: String,
    reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Paths {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Chosen {
    /// Each with one path, so that none of several can outlive its use.
    entries: Vec<(Entry, String, Versions, AtomicUsize)>,
}

impl Chosen {
    /// Those that are about this release of Kafka.
    pub(crate) fn read(path: &Path, peer: &Peer) -> Result<Self, String> {
        let wrong = |error: String| format!("{}: {error}", path.display());
        let list: Vec<Entry> =
            serde_json::from_value(yaml::read(path)?).map_err(|error| wrong(error.to_string()))?;
        let mut entries = Vec::new();
        for entry in list {
            if entry.reason.is_empty() {
                return Err(wrong(format!(
                    "{} {:?} has no reason",
                    entry.api, entry.field
                )));
            }
            let versions = match &entry.versions {
                Some(versions) => Versions::parse(versions).map_err(wrong)?,
                // those too that there are not
                None => Versions::ALL,
            };
            let paths = match entry.field.clone() {
                Paths::One(path) => vec![path],
                Paths::Several(paths) => paths,
            };
            let since = entry.since.as_deref().map(Release::parse).transpose();
            let is_before = since
                .map_err(wrong)?
                .is_some_and(|since| peer.release < since);
            if is_before || !matches(entry.release.as_deref().unwrap_or("*"), &peer.name) {
                continue;
            }
            for path in paths {
                entries.push((entry.clone(), path, versions, AtomicUsize::new(0)));
            }
        }
        Ok(Self { entries })
    }

    /// Whether an entry explains this difference; it is counted there.
    pub(crate) fn explains(&self, case: &str, api: &str, version: i16, found: &Difference) -> bool {
        let explaining = self.entries.iter().find(|(entry, path, versions, _)| {
            matches(&entry.api, api)
                && matches(entry.case.as_deref().unwrap_or("*"), case)
                && versions.contains(version)
                && path_matches(path, &found.field)
                && matches(&entry.kafka, &found.kafka)
                && matches(&entry.zurau, &found.zurau)
        });
        if let Some((_, _, _, count)) = explaining {
            count.fetch_add(1, Ordering::Relaxed);
        }
        explaining.is_some()
    }

    /// How many entries have explained something.
    pub(crate) fn used(&self) -> usize {
        let used = |count: &AtomicUsize| count.load(Ordering::Relaxed) > 0;
        self.entries
            .iter()
            .filter(|(_, _, _, count)| used(count))
            .count()
    }

    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self
            .entries
            .iter()
            .filter(|(_, _, _, count)| count.load(Ordering::Relaxed) == 0);
        unused
            .map(|(entry, path, _, _)| format!("{} {path} ({})", entry.api, entry.reason))
            .collect()
    }
}
