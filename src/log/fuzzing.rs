//! Entry points for the fuzz targets (`protocol-tests/fuzz`), built only with the feature `fuzzing`. Each calls the
//! code that handles bytes from a client or a disk, and does nothing else.

#![allow(missing_docs, reason = "a target says what it does with its door")]

use std::fs::File;
use std::io;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use crate::config::TopicConfig;

use super::append::AppendOrigin;
use super::{
    RecordSet, TransactionCheck, meta::MetaProperties, offset_index, partition_metadata,
    producer::snapshot, time_index,
};

/// A client's record set as the batch that would be stored.
pub fn accept(
    records: &Bytes,
    partition: &TopicPartition,
    config: &TopicConfig,
    now: Timestamp,
) -> Option<Bytes> {
    let set = RecordSet {
        records: records.clone(),
        origin: AppendOrigin::Client,
        epoch: LeaderEpoch(0),
        transactions: TransactionCheck::Trusted,
    };
    let mut prepared = set.prepare(partition, config, now).ok()?;
    prepared.stamp(now);
    let batch = prepared.batches.first()?;
    Some([&batch.header.encode(), &batch.body[..]].concat().into())
}

pub fn offset_index_entry(file: &File, base: Offset, number: u32) -> io::Result<(Offset, u64)> {
    offset_index::entry(file, base, number).map(|entry| (entry.offset, entry.position))
}

pub fn offset_index_floor(
    file: &File,
    base: Offset,
    entries: u32,
    offset: Offset,
) -> io::Result<Option<(Offset, u64)>> {
    let found = offset_index::floor(file, base, entries, offset)?;
    Ok(found.map(|entry| (entry.offset, entry.position)))
}

pub fn offset_index_floor_by_position(
    file: &File,
    base: Offset,
    entries: u32,
    position: u64,
) -> io::Result<Option<(Offset, u64)>> {
    let found = offset_index::floor_by_position(file, base, entries, position)?;
    Ok(found.map(|entry| (entry.offset, entry.position)))
}

pub fn time_index_entry(file: &File, base: Offset, number: u32) -> io::Result<(Timestamp, Offset)> {
    time_index::entry(file, base, number).map(|entry| (entry.timestamp, entry.offset))
}

pub fn time_index_before(
    file: &File,
    base: Offset,
    entries: u32,
    timestamp: Timestamp,
) -> io::Result<Option<(Timestamp, Offset)>> {
    let found = time_index::before(file, base, entries, timestamp)?;
    Ok(found.map(|entry| (entry.timestamp, entry.offset)))
}

pub fn time_index_count_below(
    file: &File,
    base: Offset,
    entries: u32,
    offset: Offset,
) -> io::Result<u32> {
    time_index::count_below(file, base, entries, offset)
}

/// A producer snapshot, read and written.
pub fn producer_snapshot(bytes: &[u8], end: Offset) -> Option<Vec<u8>> {
    let table = snapshot::decode(bytes, end).ok()?;
    Some(snapshot::encode(&table.picture()))
}

pub fn meta_properties(text: &[u8]) -> Option<MetaProperties> {
    MetaProperties::decode(text).ok()
}

pub fn meta_properties_text(properties: &MetaProperties) -> String {
    properties.encode()
}

pub fn partition_metadata(text: &str) -> Option<TopicId> {
    partition_metadata::decode(text)
}

pub fn partition_metadata_text(id: TopicId) -> String {
    partition_metadata::encode(id)
}
