//! Requests as bytes and bytes as answers, for any API in any version.

use std::fmt;

use serde_json::Value as Json;

use crate::connection::{Connection, Missing};
use crate::decoding;
use crate::definitions::Definitions;
use crate::encoding;
use crate::values::{Value, hex};

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Value),
    Closed,
    /// The connection stays open and nothing comes.
    Silent,
    /// An answer that the definitions cannot read.
    Unreadable(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(value) => write!(f, "{value}"),
            Self::Closed => f.write_str("connection closed"),
            Self::Silent => f.write_str("no answer"),
            Self::Unreadable(problem) => write!(f, "unreadable answer ({problem})"),
        }
    }
}

/// Speaks to one broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) definitions: &'a Definitions,
    pub(crate) address: &'a str,
}

impl Client<'_> {
    /// A request without its size. A version that does not exist gets the nearest one's body.
    pub(crate) fn request(
        &self,
        api: &str,
        version: i16,
        correlation_id: i32,
        client_id: &str,
        body: &Json,
    ) -> Result<Vec<u8>, String> {
        let message = self.definitions.request(api)?;
        let key = message.api_key.ok_or_else(|| format!("{api} has no key"))?;
        let nearest = message.nearest(version);
        let flexible = message.flexible.contains(nearest);
        let mut request =
            encoding::request_header(key, version, correlation_id, Some(client_id), flexible);
        request.extend(
            encoding::encode(self.definitions, message, nearest, body)
                .map_err(|error| format!("{api} version {version}: {error}"))?,
        );
        Ok(request)
    }

    pub(crate) fn outcome(
        &self,
        api: &str,
        version: i16,
        answer: Result<Vec<u8>, Missing>,
    ) -> Outcome {
        match answer {
            Err(Missing::Closed) => Outcome::Closed,
            Err(Missing::Silent) => Outcome::Silent,
            Ok(bytes) => match self.decode(api, version, &bytes) {
                Ok(value) => Outcome::Answer(value),
                Err(error) => Outcome::Unreadable(format!("{error}: {}", hex(&bytes))),
            },
        }
    }

    fn decode(&self, api: &str, version: i16, bytes: &[u8]) -> Result<Value, String> {
        let message = self.definitions.response(api)?;
        // A client cannot know the versions before it has asked, so this API alone never has a
        // flexible response header, and answers what it does not know in version 0.
        if api == "ApiVersions" {
            let known = message.valid.contains(version);
            return decoding::decode(message, if known { version } else { 0 }, bytes);
        }
        let version = message.nearest(version);
        let body = if message.flexible.contains(version) {
            decoding::after_header_tags(bytes)?
        } else {
            bytes
        };
        decoding::decode(message, version, body)
    }

    /// Asks on a connection of its own and wants an answer.
    pub(crate) fn ask(&self, api: &str, version: i16, body: &Json) -> Result<Value, String> {
        let request = self.request(api, version, 1, "conformance", body)?;
        let mut connection = Connection::open(self.address)?;
        connection.send(&[&(request.len() as u32).to_be_bytes(), request.as_slice()].concat());
        match self.outcome(api, version, connection.answer(1)) {
            Outcome::Answer(value) => Ok(value),
            other => Err(format!("{api} version {version}: {other}")),
        }
    }
}
