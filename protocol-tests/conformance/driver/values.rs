//! What was decoded, and paths into it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

/// A decoded value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Float(f64),
    Text(String),
    Uuid([u8; 16]),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Struct(Vec<(String, Self)>),
}

impl Value {
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// What stands at a path like `Topics[0].Partitions[1].ErrorCode`.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        let mut value = self;
        for segment in path.split('.') {
            let (name, indexes) = segment.split_once('[').unwrap_or((segment, ""));
            value = value.field(name)?;
            for index in indexes.split(['[', ']']).filter(|part| !part.is_empty()) {
                let Self::List(list) = value else {
                    return None;
                };
                value = list.get(index.parse::<usize>().ok()?)?;
            }
        }
        Some(value)
    }

    /// As a case would write it.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Number(value) => json!(value),
            Self::Float(value) => json!(value),
            Self::Text(value) => json!(value),
            Self::Uuid(id) => json!(uuid_text(id)),
            Self::Bytes(bytes) => json!({ "hex": hex(bytes) }),
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect()),
            Self::Struct(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Uuid(id) => f.write_str(&uuid_text(id)),
            Self::Bytes(bytes) => write!(f, "bytes:{}", hex(bytes)),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Struct(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A UUID as Kafka prints it.
pub(crate) fn uuid_text(id: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(id)
}

/// The reverse.
pub(crate) fn uuid(text: &str) -> Result<[u8; 16], String> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{text:?} is no UUID of 22 characters"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hexadecimal digits, which may be spaced.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_whitespace().collect();
    let pair = |at: usize| {
        digits
            .get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(|| format!("{text:?} is not hexadecimal"))
    };
    (0..digits.len()).step_by(2).map(pair).collect()
}
