//! Member ids are random: each gets a name from the client or instance that it begins with, and how many such ids were
//! met before.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::values::Value;

/// A dash and a UUID, behind the client id or the instance id.
const SUFFIX: usize = 37;
/// The fields with a member id.
const IDS: [&str; 2] = ["MemberId", "Leader"];

#[derive(Debug, Default)]
pub(super) struct Names {
    by_id: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Names {
    pub(super) fn name(&mut self, id: &str) -> String {
        if id.is_empty() {
            return String::new();
        }
        if let Some(name) = self.by_id.get(id) {
            return name.clone();
        }
        let start = id.len().checked_sub(SUFFIX);
        let prefix = match start.filter(|start| id.as_bytes()[*start] == b'-') {
            Some(start) => &id[..start],
            // A consumer group gives its classic members a UUID alone.
            None if id.len() == 22 => "uuid",
            None => return id.to_owned(),
        };
        let count = self.counts.entry(prefix.to_owned()).or_default();
        *count += 1;
        let name = format!("{prefix}#{count}");
        self.by_id.insert(id.to_owned(), name.clone());
        name
    }

    /// The name of an id that was met before; others stay as they are.
    pub(super) fn known(&self, id: &str) -> String {
        self.by_id.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    pub(super) fn id(&self, name: &str) -> String {
        let known = self.by_id.iter().find(|(_, known)| *known == name);
        known.map_or_else(|| name.to_owned(), |(id, _)| id.clone())
    }

    /// An answer with names for ids, members in the order of their names, and without the throttle time.
    pub(super) fn normal(&mut self, answer: &Value) -> Json {
        match answer {
            Value::Struct(fields) => {
                let mut normal = Map::new();
                for (name, value) in fields {
                    let value = match value {
                        Value::Text(id) if IDS.contains(&name.as_str()) => self.name(id).into(),
                        _ if name == "ThrottleTimeMs" => continue,
                        other => self.normal(other),
                    };
                    normal.insert(name.clone(), value);
                }
                Json::Object(normal)
            }
            Value::List(list) => {
                let mut list: Vec<_> = list.iter().map(|one| self.normal(one)).collect();
                list.sort_by_key(|one| one["MemberId"].as_str().map(str::to_owned));
                Json::Array(list)
            }
            other => other.to_json(),
        }
    }
}

/// The client or instance of a name.
pub(super) fn owner(name: &str) -> &str {
    name.split_once('#').map_or(name, |(owner, _)| owner)
}
