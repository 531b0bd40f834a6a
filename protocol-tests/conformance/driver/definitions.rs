//! Kafka's own message definitions, as the kafka-clients jar carries them: the only thing the driver
//! knows about the protocol's messages.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use serde_json::Value as Json;

/// Where definitions are in Kafka's jars.
const DEFINITIONS: &[&str] = &["common/message/", "common/metadata/", "message/"];

/// A range of versions as the definitions write it: `3`, `0-2`, `4+` or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) low: i16,
    pub(crate) high: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { low: 0, high: -1 };
    pub(crate) const ALL: Self = Self {
        low: i16::MIN,
        high: i16::MAX,
    };

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            part.trim()
                .parse::<i16>()
                .map_err(|_| format!("{text:?} is no range of versions"))
        };
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(low) = text.strip_suffix('+') {
            return Ok(Self {
                low: number(low)?,
                high: i16::MAX,
            });
        }
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Ok(Self {
            low: number(low)?,
            high: number(high)?,
        })
    }

    pub(crate) const fn contains(self, version: i16) -> bool {
        self.low <= version && version <= self.high
    }
}

/// The type of a field.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Text,
    Uuid,
    Bytes,
    Records,
    List(Box<Self>),
    Struct(Arc<Vec<Field>>),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    /// Where it differs from the message's: only the client id of the request header.
    pub(crate) flexible: Option<Versions>,
    pub(crate) tag: Option<(u32, Versions)>,
    /// The default as it would be written in a case.
    pub(crate) default: Json,
}

impl Field {
    /// The tag under which the field travels in this version.
    pub(crate) fn tag_in(&self, version: i16) -> Option<u32> {
        self.tag
            .filter(|(_, versions)| versions.contains(version))
            .map(|(tag, _)| tag)
    }
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) api_key: Option<i16>,
    pub(crate) valid: Versions,
    pub(crate) flexible: Versions,
    pub(crate) fields: Vec<Field>,
}

impl Message {
    /// The nearest version that exists, for bodies of versions that do not.
    pub(crate) fn nearest(&self, version: i16) -> i16 {
        version.clamp(self.valid.low, self.valid.high)
    }
}

/// All messages by name.
#[derive(Debug)]
pub(crate) struct Definitions {
    messages: BTreeMap<String, Message>,
}

impl Definitions {
    /// Reads the definitions out of the jar of Kafka's clients.
    pub(crate) fn read(jar: &str) -> Result<Self, String> {
        let mut messages = BTreeMap::new();
        for (name, json) in documents(jar)? {
            // Removed APIs have no versions and no fields.
            if json["validVersions"] == "none" {
                continue;
            }
            let message = message(&json).map_err(|error| format!("{name}: {error}"))?;
            messages.insert(string(&json["name"]), message);
        }
        if messages.is_empty() {
            return Err(format!("{jar}: no message definitions in it"));
        }
        Ok(Self { messages })
    }

    /// Knows the fields that only a newer release has, in no version: cases name them, and this release
    /// has none of them, as an old version of a message has none of the newer ones'.
    pub(crate) fn also_name(&mut self, newer: &Self) {
        for (name, message) in &mut self.messages {
            if let Some(newer) = newer.messages.get(name) {
                also_name(&mut message.fields, &newer.fields);
            }
        }
    }

    pub(crate) fn message(&self, name: &str) -> Result<&Message, String> {
        self.messages
            .get(name)
            .ok_or_else(|| format!("Kafka defines no message {name}"))
    }

    pub(crate) fn request(&self, api: &str) -> Result<&Message, String> {
        self.message(&format!("{api}Request"))
    }

    pub(crate) fn response(&self, api: &str) -> Result<&Message, String> {
        self.message(&format!("{api}Response"))
    }

    /// The name of an API by its key.
    pub(crate) fn api_name(&self, key: i16) -> Option<&str> {
        self.messages
            .iter()
            .find(|(name, message)| message.api_key == Some(key) && name.ends_with("Request"))
            .and_then(|(name, _)| name.strip_suffix("Request"))
    }
}

fn also_name(fields: &mut Vec<Field>, newer: &[Field]) {
    for field in newer {
        match fields.iter_mut().find(|known| known.name == field.name) {
            Some(known) => also_name_within(&mut known.kind, &field.kind),
            None => fields.push(Field {
                versions: Versions::NONE,
                nullable: Versions::NONE,
                tag: None,
                ..field.clone()
            }),
        }
    }
}

fn also_name_within(kind: &mut Kind, newer: &Kind) {
    match (kind, newer) {
        (Kind::List(element), Kind::List(newer)) => also_name_within(element, newer),
        (Kind::Struct(fields), Kind::Struct(newer)) => also_name(Arc::make_mut(fields), newer),
        _ => {}
    }
}

/// The definitions that a jar of Kafka's carries, of messages or of records: each with its file's name.
pub(crate) fn documents(jar: &str) -> Result<Vec<(String, Json)>, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("{jar}: {problem}");
    let file = File::open(jar).map_err(|error| wrong(&error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| wrong(&error))?;
    let mut documents = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| wrong(&error))?;
        let name = entry.name().map_err(|error| wrong(&error))?.into_owned();
        let is_definition = DEFINITIONS.iter().any(|folder| name.starts_with(folder));
        if !is_definition || !name.ends_with(".json") {
            continue;
        }
        let mut text = String::new();
        entry
            .read_to_string(&mut text)
            .map_err(|error| wrong(&error))?;
        let json = serde_json::from_str(&without_comments(&text))
            .map_err(|error| format!("{name}: {error}"))?;
        documents.push((name, json));
    }
    Ok(documents)
}

/// The definitions are JSON with comments of the `//` kind.
fn without_comments(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for line in text.lines() {
        let mut within_string = false;
        let mut end = line.len();
        let bytes = line.as_bytes();
        for at in 0..bytes.len() {
            match bytes[at] {
                b'"' if at == 0 || bytes[at - 1] != b'\\' => within_string = !within_string,
                b'/' if !within_string && bytes.get(at + 1) == Some(&b'/') => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        result.push_str(&line[..end]);
        result.push('\n');
    }
    result
}

fn string(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn versions(json: &Json) -> Result<Versions, String> {
    json.as_str().map_or(Ok(Versions::NONE), Versions::parse)
}

type Structs = BTreeMap<String, Arc<Vec<Field>>>;

fn message(json: &Json) -> Result<Message, String> {
    let mut structs = Structs::new();
    // A common struct may use others, in any order: those that are complete are resolved first.
    let mut waiting: Vec<&Json> = entries(&json["commonStructs"]).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut later = Vec::new();
        let mut problem = String::new();
        for common in waiting {
            match fields(&common["fields"], &mut structs) {
                Ok(list) => {
                    structs.insert(string(&common["name"]), Arc::new(list));
                }
                Err(error) => {
                    problem = error;
                    later.push(common);
                }
            }
        }
        if later.len() == before {
            return Err(problem);
        }
        waiting = later;
    }
    Ok(Message {
        api_key: json["apiKey"].as_i64().and_then(|key| key.try_into().ok()),
        valid: versions(&json["validVersions"])?,
        flexible: versions(&json["flexibleVersions"])?,
        fields: fields(&json["fields"], &mut structs)?,
    })
}

fn entries(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn fields(json: &Json, structs: &mut Structs) -> Result<Vec<Field>, String> {
    entries(json).map(|one| field(one, structs)).collect()
}

fn field(json: &Json, structs: &mut Structs) -> Result<Field, String> {
    let name = string(&json["name"]);
    let kind = kind(&string(&json["type"]), json, structs)?;
    let tag = match json["tag"].as_u64() {
        Some(tag) => Some((
            u32::try_from(tag).map_err(|_| format!("{name}: tag {tag}"))?,
            versions(&json["taggedVersions"])?,
        )),
        None => None,
    };
    Ok(Field {
        default: default(&json["default"], &kind),
        versions: versions(&json["versions"])?,
        nullable: versions(&json["nullableVersions"])?,
        flexible: match json["flexibleVersions"].as_str() {
            Some(text) => Some(Versions::parse(text)?),
            None => None,
        },
        name,
        kind,
        tag,
    })
}

fn kind(type_name: &str, json: &Json, structs: &mut Structs) -> Result<Kind, String> {
    if let Some(element) = type_name.strip_prefix("[]") {
        return Ok(Kind::List(Box::new(kind(element, json, structs)?)));
    }
    Ok(match type_name {
        "bool" => Kind::Bool,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "uint16" => Kind::Uint16,
        "int32" => Kind::Int32,
        "uint32" => Kind::Uint32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "string" => Kind::Text,
        "uuid" => Kind::Uuid,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        _ if json["fields"].is_array() => {
            let own = Arc::new(fields(&json["fields"], structs)?);
            structs.insert(type_name.to_owned(), Arc::clone(&own));
            Kind::Struct(own)
        }
        _ => Kind::Struct(Arc::clone(
            structs
                .get(type_name)
                .ok_or_else(|| format!("unknown type {type_name}"))?,
        )),
    })
}

/// Definitions write defaults as strings whatever the type; without one it is the empty value.
fn default(json: &Json, kind: &Kind) -> Json {
    let text = match json {
        Json::String(text) => text.as_str(),
        Json::Null => "",
        other => return other.clone(),
    };
    match kind {
        _ if text == "null" => Json::Null,
        Kind::Bool => Json::Bool(text == "true"),
        Kind::Text | Kind::Bytes => Json::String(text.to_owned()),
        Kind::Uuid => Json::String("AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        Kind::Records => Json::Null,
        Kind::List(_) => Json::Array(Vec::new()),
        Kind::Struct(_) => Json::Object(serde_json::Map::new()),
        Kind::Float64 => Json::from(text.parse::<f64>().unwrap_or_default()),
        _ => Json::from(text.strip_prefix("0x").map_or_else(
            || text.parse::<i64>().unwrap_or_default(),
            |digits| i64::from_str_radix(digits, 16).unwrap_or_default(),
        )),
    }
}
