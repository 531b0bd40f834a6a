//! What is known of a release, as names with texts that can be compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

use serde_json::{Value as Json, json};

use super::class_names;
use crate::brokers::Broker;
use crate::client::Client;
use crate::definitions::{Definitions, documents};
use crate::release::Peer;
use crate::setup;
use crate::values::Value;

/// What is said of each name.
pub(super) type Facts = BTreeMap<String, String>;

/// The class that lists the error codes.
const ERRORS: &str = "org/apache/kafka/common/protocol/Errors.class";

/// What the jars of a release say.
#[derive(Default)]
pub(super) struct Written {
    pub(super) apis: Facts,
    pub(super) api_fields: Facts,
    pub(super) records: Facts,
    pub(super) record_fields: Facts,
    pub(super) errors: Facts,
}

impl Written {
    pub(super) fn of(peer: &Peer) -> Result<Self, String> {
        let mut written = Self::default();
        for jar in peer.jars() {
            for (_, json) in documents(jar)? {
                written.definition(&json);
            }
        }
        for name in errors(peer.clients()?)? {
            written.errors.insert(name, "error code".to_owned());
        }
        Ok(written)
    }

    fn definition(&mut self, json: &Json) {
        let (name, kind) = (text(&json["name"]), text(&json["type"]));
        let (key, versions) = (&json["apiKey"], text(&json["validVersions"]));
        let is_of_api = kind == "request" || kind == "response";
        if let Some(api) = name.strip_suffix("Request").filter(|_| kind == "request") {
            let listeners: Vec<&str> = list(&json["listeners"]).map(text).collect();
            let listeners = listeners.join(" and ");
            let fact = format!("versions {versions}, listeners of {listeners}");
            self.apis.insert(format!("{api} {key}"), fact);
        }
        let fields = if is_of_api {
            &mut self.api_fields
        } else {
            let mut fact = format!("{kind}, versions {versions}");
            if !key.is_null() {
                // Writing to a text does not fail.
                let _ = write!(fact, ", number {key}");
            }
            self.records.insert(name.to_owned(), fact);
            &mut self.record_fields
        };
        fields_of(name, &json["fields"], fields);
        for common in list(&json["commonStructs"]) {
            fields_of(
                &format!("{name}.{}", text(&common["name"])),
                &common["fields"],
                fields,
            );
        }
    }
}

fn fields_of(owner: &str, fields: &Json, facts: &mut Facts) {
    for field in list(fields) {
        let name = format!("{owner}.{}", text(&field["name"]));
        let mut fact = format!(
            "{}, versions {}",
            text(&field["type"]),
            text(&field["versions"])
        );
        for (key, title) in [
            ("nullableVersions", "nullable in"),
            ("tag", "tag"),
            ("taggedVersions", "tagged in"),
            ("default", "default"),
        ] {
            match &field[key] {
                Json::Null => {}
                Json::String(value) => drop(write!(fact, ", {title} {value}")),
                other => drop(write!(fact, ", {title} {other}")),
            }
        }
        fields_of(&name, &field["fields"], facts);
        facts.insert(name, fact);
    }
}

fn errors(jar: &str) -> Result<Vec<String>, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("{jar}: {problem}");
    let file = File::open(jar).map_err(|error| wrong(&error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| wrong(&error))?;
    let mut entry = archive.by_name(ERRORS).map_err(|error| wrong(&error))?;
    let mut class = Vec::new();
    entry
        .read_to_end(&mut class)
        .map_err(|error| wrong(&error))?;
    class_names::constants(&class).ok_or_else(|| wrong(&format!("{ERRORS} cannot be read")))
}

/// What a running broker answers.
pub(super) struct Asked {
    pub(super) configurations: Facts,
    pub(super) features: Facts,
}

/// Resources that have configurations: kind, number, name.
const RESOURCES: &[(&str, i8, &str)] = &[
    ("broker", 4, "1"),
    ("topic", 2, "any"),
    ("group", 32, "any"),
    ("client-metrics", 16, "any"),
];

impl Asked {
    pub(super) fn of(definitions: &Definitions, broker: &Broker) -> Result<Self, String> {
        let address = broker.address();
        let client = Client {
            definitions,
            address: &address,
        };
        let topic = json!({"Name": "any", "NumPartitions": 1, "ReplicationFactor": 1});
        client.ask(
            "CreateTopics",
            7,
            &json!({"Topics": [topic], "timeoutMs": 30_000}),
        )?;
        let mut configurations = Facts::new();
        for (kind, number, name) in RESOURCES {
            let resource = json!({"ResourceType": number, "ResourceName": name});
            let body = json!({"Resources": [resource], "IncludeSynonyms": true});
            let answer = setup::answered("DescribeConfigs", || {
                let answer = client.ask("DescribeConfigs", 4, &body)?;
                let is_well = answer.at("Results[0].ErrorCode") == Some(&Value::Number(0));
                Ok(is_well.then_some(answer))
            })?;
            for config in answer.at("Results[0].Configs").into_iter().flat_map(items) {
                configurations.insert(format!("{kind} {}", said(config, "Name")), about(config));
            }
        }
        let body = json!({"ClientSoftwareName": "conformance", "ClientSoftwareVersion": "1"});
        let answer = client.ask("ApiVersions", 4, &body)?;
        let mut features = Facts::new();
        for (list, least, most) in [
            ("SupportedFeatures", "MinVersion", "MaxVersion"),
            ("FinalizedFeatures", "MinVersionLevel", "MaxVersionLevel"),
        ] {
            for feature in answer.field(list).into_iter().flat_map(items) {
                let fact = features.entry(said(feature, "Name")).or_default();
                let separator = if fact.is_empty() { "" } else { ", " };
                let (least, most) = (said(feature, least), said(feature, most));
                let _ = match list {
                    "SupportedFeatures" => write!(fact, "{separator}levels {least}-{most}"),
                    _ => write!(fact, "{separator}level {most} in a new directory"),
                };
            }
        }
        Ok(Self {
            configurations,
            features,
        })
    }
}

/// Default, type and how it changes.
fn about(config: &Value) -> String {
    let kind = match config.field("ConfigType") {
        Some(Value::Number(number)) => usize::try_from(*number).ok(),
        _ => None,
    };
    const KINDS: [&str; 10] = [
        "UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS",
        "PASSWORD",
    ];
    let kind = kind.and_then(|kind| KINDS.get(kind)).unwrap_or(&"UNKNOWN");
    let is_default = config.field("ConfigSource") == Some(&Value::Number(5));
    let default = match (is_default, config.field("Value")) {
        (true, Some(Value::Null)) => "null".to_owned(),
        (true, Some(value)) => value.to_string(),
        _ => "set in the test".to_owned(),
    };
    let change = match config.field("ReadOnly") {
        Some(Value::Bool(true)) => "read-only",
        _ => "dynamic",
    };
    format!("{kind}, {default}, {change}")
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => list,
        _ => &[],
    }
}

fn said(value: &Value, field: &str) -> String {
    match value.field(field) {
        Some(Value::Text(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}
