//! Reading any message in any version.

use crate::batches;
use crate::definitions::{Field, Kind, Message};
use crate::values::Value;

/// Decodes a response's body and insists that nothing is left over.
pub(crate) fn decode(message: &Message, version: i16, bytes: &[u8]) -> Result<Value, String> {
    let mut decoder = Decoder {
        version,
        flexible: message.flexible.contains(version),
        rest: bytes,
    };
    let value = decoder.fields(&message.fields)?;
    match decoder.rest.len() {
        0 => Ok(value),
        count => Err(format!("{count} bytes too many")),
    }
}

/// The body behind the tagged fields of a flexible response header; nothing defines any there.
pub(crate) fn after_header_tags(bytes: &[u8]) -> Result<&[u8], String> {
    match bytes.split_first() {
        Some((0, rest)) => Ok(rest),
        _ => Err("tagged fields in the response header".to_owned()),
    }
}

struct Decoder<'a> {
    version: i16,
    flexible: bool,
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn fields(&mut self, fields: &[Field]) -> Result<Value, String> {
        let mut values = Vec::new();
        for field in fields {
            if field.versions.contains(self.version) && field.tag_in(self.version).is_none() {
                let value = self
                    .field(field)
                    .map_err(|error| format!("{}: {error}", field.name))?;
                values.push((field.name.clone(), value));
            }
        }
        if self.flexible {
            self.tagged(fields, &mut values)?;
        }
        Ok(Value::Struct(values))
    }

    fn tagged(
        &mut self,
        fields: &[Field],
        values: &mut Vec<(String, Value)>,
    ) -> Result<(), String> {
        for _ in 0..self.unsigned()? {
            let tag = self.unsigned()?;
            let length = self.unsigned()?;
            let content = self.take(length)?;
            let known = fields.iter().find(|field| {
                field.versions.contains(self.version)
                    && field.tag_in(self.version).map(|tag| tag as usize) == Some(tag)
            });
            let (name, value) = match known {
                Some(field) => {
                    let mut inner = Decoder {
                        rest: content,
                        ..*self
                    };
                    let value = inner.field(field)?;
                    if !inner.rest.is_empty() {
                        return Err(format!("{}: bytes left over in its tag", field.name));
                    }
                    (field.name.clone(), value)
                }
                None => (format!("UnknownTag{tag}"), Value::Bytes(content.to_vec())),
            };
            values.push((name, value));
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<Value, String> {
        let nullable = field.nullable.contains(self.version);
        if nullable && matches!(field.kind, Kind::Struct(_)) && self.fixed::<1>()?[0] == 0xff {
            return Ok(Value::Null);
        }
        match self.value(&field.kind)? {
            // A client of this version cannot read it.
            Value::Null if !nullable && !matches!(field.kind, Kind::Records) => {
                Err("null, where the version does not allow it".to_owned())
            }
            value => Ok(value),
        }
    }

    fn value(&mut self, kind: &Kind) -> Result<Value, String> {
        Ok(match kind {
            Kind::Bool => Value::Bool(self.fixed::<1>()?[0] != 0),
            Kind::Int8 => Value::Number(i8::from_be_bytes(self.fixed()?).into()),
            Kind::Int16 => Value::Number(i16::from_be_bytes(self.fixed()?).into()),
            Kind::Uint16 => Value::Number(u16::from_be_bytes(self.fixed()?).into()),
            Kind::Int32 => Value::Number(i32::from_be_bytes(self.fixed()?).into()),
            Kind::Uint32 => Value::Number(u32::from_be_bytes(self.fixed()?).into()),
            Kind::Int64 => Value::Number(i64::from_be_bytes(self.fixed()?)),
            Kind::Float64 => Value::Float(f64::from_be_bytes(self.fixed()?)),
            Kind::Uuid => Value::Uuid(self.fixed()?),
            Kind::Text => match self.length(2)? {
                None => Value::Null,
                Some(length) => Value::Text(
                    String::from_utf8(self.take(length)?.to_vec())
                        .map_err(|_| "a string that is no UTF-8".to_owned())?,
                ),
            },
            Kind::Bytes => match self.length(4)? {
                None => Value::Null,
                Some(length) => Value::Bytes(self.take(length)?.to_vec()),
            },
            Kind::Records => match self.length(4)? {
                None => Value::Null,
                Some(length) => batches::decode(self.take(length)?),
            },
            Kind::List(element) => match self.length(4)? {
                None => Value::Null,
                Some(length) => {
                    let mut list = Vec::new();
                    for index in 0..length {
                        let value = self
                            .value(element)
                            .map_err(|error| format!("[{index}]: {error}"))?;
                        list.push(value);
                    }
                    Value::List(list)
                }
            },
            Kind::Struct(fields) => self.fields(fields)?,
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        if length > self.rest.len() {
            return Err(format!("{} bytes missing", length - self.rest.len()));
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], String> {
        let bytes = self.take(SIZE)?;
        bytes.try_into().map_err(|_| "too short".to_owned())
    }

    fn length(&mut self, size: usize) -> Result<Option<usize>, String> {
        if self.flexible {
            return Ok(self.unsigned()?.checked_sub(1));
        }
        let length = if size == 2 {
            i32::from(i16::from_be_bytes(self.fixed()?))
        } else {
            i32::from_be_bytes(self.fixed()?)
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| format!("length {length}")),
        }
    }

    fn unsigned(&mut self) -> Result<usize, String> {
        let mut value = 0_usize;
        for shift in (0..35).step_by(7) {
            let byte = self.fixed::<1>()?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number of more than five bytes".to_owned())
    }
}
