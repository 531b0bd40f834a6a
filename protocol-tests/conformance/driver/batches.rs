//! Record batches: made from a case's description, every field of the header free to lie, and taken
//! apart for the comparison.

use std::io::Write;

use serde_json::Value as Json;

use crate::values::{Value, from_hex};

const HEADER_BYTES: usize = 61;

/// The bytes for a `records` field: null, text, `{hex: ...}`, one batch or a list of batches.
pub(crate) fn encode(spec: &Json) -> Result<Option<Vec<u8>>, String> {
    match spec {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone().into_bytes())),
        Json::Array(batches) => {
            let mut bytes = Vec::new();
            for one in batches {
                bytes.extend(batch(one)?);
            }
            Ok(Some(bytes))
        }
        Json::Object(fields) => match fields.get("hex") {
            Some(digits) => from_hex(digits.as_str().unwrap_or_default()).map(Some),
            None => batch(spec).map(Some),
        },
        other => Err(format!("{other} are no records")),
    }
}

const KEYS: &[&str] = &[
    "records",
    "compression",
    "producer_id",
    "producer_epoch",
    "sequence",
    "timestamp",
    "max_timestamp",
    "log_append_time",
    "transactional",
    "control",
    "attributes",
    "base_offset",
    "leader_epoch",
    "magic",
    "count",
    "last_offset_delta",
    "length",
    "crc",
    "cut",
    "append",
];

fn batch(spec: &Json) -> Result<Vec<u8>, String> {
    let fields = spec
        .as_object()
        .ok_or_else(|| format!("{spec} is no batch"))?;
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("a batch has no {unknown}, but {}", KEYS.join(", ")));
    }
    let number = |name: &str, default: i64| match &spec[name] {
        Json::Null => Ok(default),
        given => given.as_i64().ok_or_else(|| format!("{name}: {given}")),
    };
    let empty = Vec::new();
    let records = spec["records"].as_array().unwrap_or(&empty);
    let mut content = Vec::new();
    for (index, one) in records.iter().enumerate() {
        content.extend(record(one, index as i64)?);
    }
    let codec = spec["compression"].as_str().unwrap_or("none");
    let (codec_bits, content) = compressed(codec, content)?;
    let flag = |name: &str, bit: i64| i64::from(spec[name] == true) * bit;
    let attributes =
        codec_bits + flag("log_append_time", 8) + flag("transactional", 16) + flag("control", 32);
    let timestamp = number("timestamp", 0)?;

    let mut checked = Vec::new();
    checked.extend((number("attributes", attributes)? as i16).to_be_bytes());
    let last = (records.len() as i64 - 1).max(0);
    checked.extend((number("last_offset_delta", last)? as i32).to_be_bytes());
    checked.extend(timestamp.to_be_bytes());
    checked.extend(number("max_timestamp", timestamp)?.to_be_bytes());
    checked.extend(number("producer_id", -1)?.to_be_bytes());
    checked.extend((number("producer_epoch", -1)? as i16).to_be_bytes());
    checked.extend((number("sequence", -1)? as i32).to_be_bytes());
    checked.extend((number("count", records.len() as i64)? as i32).to_be_bytes());
    checked.extend(content);

    let crc = i64::from(crc32c::crc32c(&checked)) ^ i64::from(spec["crc"] == "wrong");
    let mut bytes = number("base_offset", 0)?.to_be_bytes().to_vec();
    bytes.extend((number("length", checked.len() as i64 + 9)? as i32).to_be_bytes());
    bytes.extend((number("leader_epoch", -1)? as i32).to_be_bytes());
    bytes.push(number("magic", 2)? as u8);
    bytes.extend((crc as u32).to_be_bytes());
    bytes.extend(checked);
    let kept = bytes.len().saturating_sub(number("cut", 0)? as usize);
    bytes.truncate(kept);
    bytes.extend(from_hex(spec["append"].as_str().unwrap_or_default())?);
    Ok(bytes)
}

/// A record is its value, or `{key, value, headers: [[name, value]], timestamp_delta, offset_delta}`.
fn record(spec: &Json, index: i64) -> Result<Vec<u8>, String> {
    let text = |json: &Json| json.as_str().map(|text| text.as_bytes().to_vec());
    let simple = !spec.is_object();
    let value = if simple { spec } else { &spec["value"] };
    let mut body = vec![0_u8];
    signed(&mut body, spec["timestamp_delta"].as_i64().unwrap_or(0));
    signed(&mut body, spec["offset_delta"].as_i64().unwrap_or(index));
    blob(&mut body, if simple { None } else { text(&spec["key"]) });
    blob(&mut body, text(value));
    let empty = Vec::new();
    let headers = spec["headers"].as_array().unwrap_or(&empty);
    signed(&mut body, headers.len() as i64);
    for header in headers {
        blob(&mut body, text(&header[0]));
        blob(&mut body, text(&header[1]));
    }
    let mut bytes = Vec::new();
    signed(&mut bytes, body.len() as i64);
    bytes.extend(body);
    Ok(bytes)
}

fn blob(out: &mut Vec<u8>, content: Option<Vec<u8>>) {
    signed(out, content.as_ref().map_or(-1, |bytes| bytes.len() as i64));
    out.extend(content.unwrap_or_default());
}

fn signed(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn compressed(codec: &str, content: Vec<u8>) -> Result<(i64, Vec<u8>), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{codec}: {error}");
    Ok(match codec {
        "none" => (0, content),
        "gzip" => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder
                .write_all(&content)
                .map_err(|error| failed(&error))?;
            (1, encoder.finish().map_err(|error| failed(&error))?)
        }
        "snappy" => {
            let block = snap::raw::Encoder::new()
                .compress_vec(&content)
                .map_err(|error| failed(&error))?;
            // The frame of snappy-java, which Kafka's clients write.
            let mut bytes = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            bytes.extend((block.len() as u32).to_be_bytes());
            bytes.extend(block);
            (2, bytes)
        }
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder
                .write_all(&content)
                .map_err(|error| failed(&error))?;
            (3, encoder.finish().map_err(|error| failed(&error))?)
        }
        "zstd" => (
            4,
            zstd::encode_all(content.as_slice(), 3).map_err(|error| failed(&error))?,
        ),
        other => return Err(format!("there is no compression {other}")),
    })
}

/// A list of the batches' headers and contents; what is no whole batch is the last element's bytes.
pub(crate) fn decode(mut bytes: &[u8]) -> Value {
    let mut batches = Vec::new();
    while bytes.len() >= HEADER_BYTES {
        let length = number(bytes, 8, 4);
        let Some(size) = usize::try_from(length + 12)
            .ok()
            .filter(|size| *size >= HEADER_BYTES && *size <= bytes.len())
        else {
            break;
        };
        let (batch, rest) = bytes.split_at(size);
        batches.push(header(batch));
        bytes = rest;
    }
    if !bytes.is_empty() {
        let partial = ("Partial".to_owned(), Value::Bytes(bytes.to_vec()));
        batches.push(Value::Struct(vec![partial]));
    }
    Value::List(batches)
}

fn header(batch: &[u8]) -> Value {
    let mut fields: Vec<(String, Value)> = [
        ("BaseOffset", 0, 8),
        ("Length", 8, 4),
        ("LeaderEpoch", 12, 4),
        ("Magic", 16, 1),
        ("Crc", 17, 4),
        ("Attributes", 21, 2),
        ("LastOffsetDelta", 23, 4),
        ("BaseTimestamp", 27, 8),
        ("MaxTimestamp", 35, 8),
        ("ProducerId", 43, 8),
        ("ProducerEpoch", 51, 2),
        ("BaseSequence", 53, 4),
        ("RecordCount", 57, 4),
    ]
    .into_iter()
    .map(|(name, at, size)| (name.to_owned(), Value::Number(number(batch, at, size))))
    .collect();
    let is_right = i64::from(crc32c::crc32c(&batch[21..]) as i32) == number(batch, 17, 4);
    fields.push(("CrcIsRight".to_owned(), Value::Bool(is_right)));
    let content = batch[HEADER_BYTES..].to_vec();
    fields.push(("Content".to_owned(), Value::Bytes(content)));
    Value::Struct(fields)
}

/// A signed number of so many bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> i64 {
    let mut wide = [0_u8; 8];
    wide[..size].copy_from_slice(&bytes[at..at + size]);
    i64::from_be_bytes(wide) >> (64 - 8 * size)
}
