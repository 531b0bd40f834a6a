//! The hash of the topics that a group reads: if it changes, the group needs a new assignment.
//!
//! It is Kafka's, byte for byte: it stands in the group's metadata record, and a broker that finds another one there
//! than it computes begins a new epoch. It is XXH3 (64 bits, no seed) over what hash4j's streams make of the fields:
//! numbers as little-endian bytes, texts as UTF-16 units and then their number.
//!
//! | of | what is hashed |
//! | --- | --- |
//! | a topic | 0 (the version), its id as two numbers of 64 bits, name, number of partitions (32 bits), then of each partition its number (32 bits) and of each replica that has a rack, sorted: the rack's length in UTF-16 units (32 bits), the rack |
//! | a group | the hashes of its topics that exist, ordered by name; 0 without topics |
//!
//! A topic's hash is computed once. It is forgotten when the topic changes, but not when a broker moves to another
//! rack: Kafka does the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::metadata::{Image, TopicImage};

/// The version of the topic's hash.
const VERSION: u8 = 0;

/// The hashes of topics that groups read.
#[derive(Debug, Default)]
pub(crate) struct TopicHashes(BTreeMap<Arc<str>, i64>);

impl TopicHashes {
    /// The hash of these topics, of which some may not exist.
    pub(crate) fn of_group<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a Arc<str>>,
        image: &Image,
    ) -> i64 {
        // Names of topics are ASCII: this order is Java's.
        let topics: BTreeMap<&str, i64> = topics
            .filter_map(|name| {
                let topic = image.topic(name)?;
                Some((&**name, self.of_topic(topic, image)))
            })
            .collect();
        if topics.is_empty() {
            return 0;
        }
        let mut fields = Fields::default();
        for hash in topics.values() {
            fields.int64(*hash);
        }
        fields.hash()
    }

    fn of_topic(&mut self, topic: &TopicImage, image: &Image) -> i64 {
        if let Some(hash) = self.0.get(&topic.name) {
            return *hash;
        }
        let hash = hash_of(topic, image);
        self.0.insert(Arc::clone(&topic.name), hash);
        hash
    }

    /// The topic was created, deleted or changed.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.0.remove(topic);
    }
}

fn hash_of(topic: &TopicImage, image: &Image) -> i64 {
    let mut fields = Fields::default();
    fields.byte(VERSION);
    let (most, least) = topic.id.0.as_u64_pair();
    fields.int64(most.cast_signed());
    fields.int64(least.cast_signed());
    fields.text(&topic.name);
    fields.int32(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
    for (number, partition) in topic.numbered_partitions() {
        fields.int32(number);
        let brokers = partition.replicas.iter();
        let racks = brokers.filter_map(|id| image.broker(*id)?.rack.as_deref());
        let mut racks: Vec<Vec<u16>> = racks.map(|rack| rack.encode_utf16().collect()).collect();
        racks.sort_unstable();
        for rack in racks {
            fields.length(rack.len());
            fields.units(rack);
        }
    }
    fields.hash()
}

/// What hash4j's streams make of fields.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn int32(&mut self, value: i32) {
        self.0.extend(value.to_le_bytes());
    }

    fn int64(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.int32(i32::try_from(length).unwrap_or(i32::MAX));
    }

    fn text(&mut self, text: &str) {
        self.units(text.encode_utf16());
    }

    fn units(&mut self, units: impl IntoIterator<Item = u16>) {
        let before = self.0.len();
        for unit in units {
            self.0.extend(unit.to_le_bytes());
        }
        self.length((self.0.len() - before) / size_of::<u16>());
    }

    fn hash(self) -> i64 {
        XxHash3_64::oneshot(&self.0).cast_signed()
    }
}

#[cfg(test)]
mod tests;
