//! The rules for topic names.
//!
//! Metrics replace `.` by `_`, so two topics whose names differ only in that would share their metrics: Kafka refuses
//! the second.

use std::collections::HashMap;

use crate::base::ErrorCode;
use crate::metadata::Image;

use super::command::Refusal;

/// The topic with the state of the group coordinator.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The topic with the state of the transaction coordinator.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// The topic with the state of the share coordinator.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// The metadata log. It is no topic of the image.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// The maximum length of a name.
const MAXIMUM_LENGTH: usize = 249;

/// Whether this is an internal topic, which clients do not write to.
pub fn is_internal(name: &str) -> bool {
    matches!(
        name,
        CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE
    )
}

/// Whether this is a valid topic name.
pub fn validate(name: &str) -> Result<(), Refusal> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        // Kafka counts UTF-16 units, which for legal names are bytes.
        _ if name.encode_utf16().count() > MAXIMUM_LENGTH => {
            format!("the length of '{name}' is longer than the max allowed length {MAXIMUM_LENGTH}")
        }
        _ if !name.bytes().all(is_legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        CLUSTER_METADATA => {
            return Err(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                format!("Creation of internal topic {CLUSTER_METADATA} is prohibited."),
            ));
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {reason}"),
    ))
}

fn may_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

fn unified(name: &str) -> String {
    name.replace('.', "_")
}

/// The existing names that a new one could collide with.
#[derive(Debug)]
pub struct Collisions<'a> {
    image: &'a Image,
    /// Existing names by their unified form. Collected at the first use, since most names have neither of the two
    /// characters.
    by_unified: Option<HashMap<String, &'a str>>,
}

impl<'a> Collisions<'a> {
    /// The names in `image`.
    pub const fn new(image: &'a Image) -> Self {
        Self {
            image,
            by_unified: None,
        }
    }

    /// Whether `name`, which no topic has, collides with the name of a topic.
    pub fn check(&mut self, name: &str) -> Result<(), Refusal> {
        if !may_collide(name) {
            return Ok(());
        }
        let image = self.image;
        let by_unified = self.by_unified.get_or_insert_with(|| {
            let names = image
                .topics()
                .map(|topic| &*topic.name)
                .filter(|name| may_collide(name));
            names.map(|name| (unified(name), name)).collect()
        });
        match by_unified.get(&unified(name)) {
            None => Ok(()),
            Some(existing) => Err(Refusal::new(
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                format!("Topic '{name}' collides with existing topic: {existing}"),
            )),
        }
    }
}
