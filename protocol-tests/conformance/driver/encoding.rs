//! Writing any message in any version, from a body as cases write it.

use serde_json::{Map, Value as Json};

use crate::batches;
use crate::definitions::{Definitions, Field, Kind, Message};
use crate::values::{from_hex, uuid};

/// The bytes of a request's header: version 2 where the message is flexible, else 1.
pub(crate) fn request_header(
    key: i16,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    flexible: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(key.to_be_bytes());
    out.extend(version.to_be_bytes());
    out.extend(correlation_id.to_be_bytes());
    match client_id {
        Some(name) => {
            out.extend((name.len() as u16).to_be_bytes());
            out.extend(name.as_bytes());
        }
        None => out.extend((-1_i16).to_be_bytes()),
    }
    if flexible {
        out.push(0);
    }
    out
}

/// Encodes a message's body in one version.
pub(crate) fn encode(
    definitions: &Definitions,
    message: &Message,
    version: i16,
    body: &Json,
) -> Result<Vec<u8>, String> {
    let mut encoder = Encoder {
        definitions,
        version,
        flexible: message.flexible.contains(version),
        out: Vec::new(),
    };
    encoder.fields(&message.fields, body)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    definitions: &'a Definitions,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

/// Under this name a body may hold tagged fields that nobody has defined: tag to hexadecimal bytes.
const UNKNOWN_TAGS: &str = "UnknownTags";

impl Encoder<'_> {
    fn fields(&mut self, fields: &[Field], body: &Json) -> Result<(), String> {
        let empty = Map::new();
        let given = match body {
            Json::Object(given) => given,
            Json::Null => &empty,
            other => return Err(format!("{other} should be fields by name")),
        };
        for name in given.keys() {
            if name != UNKNOWN_TAGS && !fields.iter().any(|field| field.name == *name) {
                let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                return Err(format!(
                    "there is no field {name}, but {}",
                    known.join(", ")
                ));
            }
        }
        let mut tagged = Vec::new();
        for field in fields {
            // What a version does not have is left out, so that one body serves every version.
            if !field.versions.contains(self.version) {
                continue;
            }
            let value = given.get(&field.name).unwrap_or(&field.default);
            let in_field = |error| format!("{}: {error}", field.name);
            if let Some(tag) = field.tag_in(self.version) {
                if *value != field.default {
                    tagged.push((tag, self.apart(field, value).map_err(in_field)?));
                }
            } else {
                self.field(field, value).map_err(in_field)?;
            }
        }
        if self.flexible {
            if let Some(unknown) = given.get(UNKNOWN_TAGS).and_then(Json::as_object) {
                for (tag, content) in unknown {
                    let tag = tag.parse().map_err(|_| format!("{tag} is no tag"))?;
                    tagged.push((tag, from_hex(content.as_str().unwrap_or_default())?));
                }
            }
            tagged.sort_by_key(|(tag, _)| *tag);
            self.unsigned(tagged.len());
            for (tag, content) in tagged {
                self.unsigned(tag as usize);
                self.unsigned(content.len());
                self.out.extend(content);
            }
        }
        Ok(())
    }

    /// The bytes of a field alone.
    fn apart(&self, field: &Field, value: &Json) -> Result<Vec<u8>, String> {
        let mut encoder = Encoder {
            out: Vec::new(),
            ..*self
        };
        encoder.field(field, value)?;
        Ok(encoder.out)
    }

    fn field(&mut self, field: &Field, value: &Json) -> Result<(), String> {
        let flexible = self.flexible;
        self.flexible = field
            .flexible
            .map_or(flexible, |versions| versions.contains(self.version));
        // Structs alone say in a byte of their own whether they are there.
        let result =
            if matches!(field.kind, Kind::Struct(_)) && field.nullable.contains(self.version) {
                self.out.push(if value.is_null() { 0xff } else { 1 });
                if value.is_null() {
                    Ok(())
                } else {
                    self.value(&field.kind, value)
                }
            } else {
                self.value(&field.kind, value)
            };
        self.flexible = flexible;
        result
    }

    fn value(&mut self, kind: &Kind, value: &Json) -> Result<(), String> {
        match kind {
            Kind::Bool => {
                let flag = value
                    .as_bool()
                    .ok_or_else(|| format!("{value} is no bool"))?;
                self.out.push(u8::from(flag));
            }
            Kind::Int8 => self.number::<i8, 1>(value, i8::to_be_bytes)?,
            Kind::Int16 => self.number::<i16, 2>(value, i16::to_be_bytes)?,
            Kind::Uint16 => self.number::<u16, 2>(value, u16::to_be_bytes)?,
            Kind::Int32 => self.number::<i32, 4>(value, i32::to_be_bytes)?,
            Kind::Uint32 => self.number::<u32, 4>(value, u32::to_be_bytes)?,
            Kind::Int64 => self.number::<i64, 8>(value, i64::to_be_bytes)?,
            Kind::Float64 => {
                let number = value
                    .as_f64()
                    .ok_or_else(|| format!("{value} is no number"))?;
                self.out.extend(number.to_be_bytes());
            }
            Kind::Uuid => {
                let text = value
                    .as_str()
                    .ok_or_else(|| format!("{value} is no UUID"))?;
                self.out.extend(uuid(text)?);
            }
            Kind::Text => match value {
                Json::Null => self.length(None, 2),
                Json::String(text) => {
                    self.length(Some(text.len()), 2);
                    self.out.extend(text.as_bytes());
                }
                other => return Err(format!("{other} is no string")),
            },
            Kind::Bytes => self.bytes(self.content(value)?),
            Kind::Records => self.bytes(batches::encode(value)?),
            Kind::List(element) => match value {
                // Also where null is not allowed: that is what such a case wants to try.
                Json::Null => self.length(None, 4),
                Json::Array(list) => {
                    self.length(Some(list.len()), 4);
                    for (index, one) in list.iter().enumerate() {
                        self.value(element, one)
                            .map_err(|error| format!("[{index}]: {error}"))?;
                    }
                }
                other => return Err(format!("{other} is no list")),
            },
            Kind::Struct(fields) => self.fields(fields, value)?,
        }
        Ok(())
    }

    fn number<N: TryFrom<i64>, const SIZE: usize>(
        &mut self,
        value: &Json,
        to_bytes: fn(N) -> [u8; SIZE],
    ) -> Result<(), String> {
        let number = value
            .as_i64()
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| format!("{value} is no number of {SIZE} bytes"))?;
        self.out.extend(to_bytes(number));
        Ok(())
    }

    /// Text, `{hex: ...}`, or a message of Kafka's with its version in front, as clients put it into
    /// the bytes of a group member.
    fn content(&self, value: &Json) -> Result<Option<Vec<u8>>, String> {
        match value {
            Json::Null => return Ok(None),
            Json::String(text) => return Ok(Some(text.clone().into_bytes())),
            Json::Object(_) => {}
            other => return Err(format!("{other} are no bytes")),
        }
        if let Some(digits) = value["hex"].as_str() {
            return from_hex(digits).map(Some);
        }
        let name = value["message"]
            .as_str()
            .ok_or_else(|| format!("{value} are no bytes: text, hex or a message"))?;
        let message = self.definitions.message(name)?;
        let version = value["version"]
            .as_i64()
            .map_or(Ok(message.valid.high), i16::try_from)
            .map_err(|_| format!("version {}", value["version"]))?;
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend(encode(self.definitions, message, version, &value["body"])?);
        Ok(Some(bytes))
    }

    fn bytes(&mut self, content: Option<Vec<u8>>) {
        self.length(content.as_ref().map(Vec::len), 4);
        self.out.extend(content.unwrap_or_default());
    }

    /// The length of a string (2 bytes) or of anything else (4), or a compact one; `None` is null.
    fn length(&mut self, length: Option<usize>, size: usize) {
        if self.flexible {
            self.unsigned(length.map_or(0, |length| length + 1));
        } else {
            let length = length.map_or(-1, |length| length as i32);
            self.out.extend(&length.to_be_bytes()[4 - size..]);
        }
    }

    fn unsigned(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
