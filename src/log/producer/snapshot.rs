//! `<offset>.snapshot`: the producer state after all batches below that offset.
//!
//! ```text
//!  0         2       6               10
//!  +---------+-------+---------------+------ - - -
//!  | version | CRC   | entry count   | entries         all big-endian
//!  | int16=1 | u32   | int32         |
//!  +---------+-------+---------------+------ - - -
//!            CRC-32C of everything from byte 6
//!
//!  entry, 46 bytes: producer id int64, epoch int16, last sequence int32, last offset int64,
//!  offset delta of the last batch int32, timestamp int64, coordinator epoch int32,
//!  first offset of the open transaction int64 (-1 none)
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::base::{Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::record::batch::NO_SEQUENCE;

use super::state::{BatchTrace, ProducerEntry, ProducerPicture, ProducerTable};

const VERSION: i16 = 1;
const CRC: usize = size_of::<i16>();
const COUNT: usize = CRC + size_of::<u32>();
const ENTRIES: usize = COUNT + size_of::<i32>();
const ENTRY_SIZE: usize = 46;

/// A snapshot that cannot be used; an older one can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed producer snapshot: {0}")]
pub(crate) struct MalformedSnapshot(pub(crate) &'static str);

/// The bytes of the file. Entries stand in the order of their ids, so that equal states give equal bytes.
pub(crate) fn encode(producers: &ProducerPicture) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRIES + producers.len() * ENTRY_SIZE);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; COUNT - CRC]);
    bytes.extend_from_slice(
        &i32::try_from(producers.len())
            .unwrap_or(i32::MAX)
            .to_be_bytes(),
    );
    for (id, entry) in producers.iter() {
        let last = entry.batches().last();
        bytes.extend_from_slice(&id.0.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(
            &last
                .map_or(Offset::NONE, |batch| batch.last_offset)
                .0
                .to_be_bytes(),
        );
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(
            &entry
                .transaction_start
                .unwrap_or(Offset::NONE)
                .0
                .to_be_bytes(),
        );
    }
    let crc = crc32c::crc32c(bytes.get(COUNT..).unwrap_or_default());
    if let Some(field) = bytes.get_mut(CRC..COUNT) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

/// Reads the snapshot with `end` in its name. Bytes beyond its entry count are not read.
pub(crate) fn read(
    path: &Path,
    end: Offset,
) -> io::Result<Result<ProducerTable, MalformedSnapshot>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = [0; ENTRIES];
    if length >= ENTRIES as u64 {
        file.read_exact_at(&mut header, 0)?;
        let count = header
            .last_chunk()
            .map_or(0, |count| i32::from_be_bytes(*count));
        let entries = u64::try_from(count).unwrap_or(0) * ENTRY_SIZE as u64;
        if length != ENTRIES as u64 + entries {
            return Ok(Err(MalformedSnapshot("wrong entry count")));
        }
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(decode(&bytes, end))
}

/// The table in a snapshot with `end` in its name.
pub(crate) fn decode(bytes: &[u8], end: Offset) -> Result<ProducerTable, MalformedSnapshot> {
    let (header, entries) = bytes
        .split_first_chunk::<ENTRIES>()
        .ok_or(MalformedSnapshot("too short"))?;
    let mut fields = Fields(header);
    if fields.int16() != VERSION {
        return Err(MalformedSnapshot("unknown version"));
    }
    if fields.int32().cast_unsigned() != crc32c::crc32c(bytes.get(COUNT..).unwrap_or_default()) {
        return Err(MalformedSnapshot("wrong crc"));
    }
    let count = fields.int32();
    let chunks = entries.chunks_exact(ENTRY_SIZE);
    if usize::try_from(count) != Ok(chunks.len()) || !chunks.remainder().is_empty() {
        return Err(MalformedSnapshot("wrong entry count"));
    }
    Ok(ProducerTable::from_entries(chunks.map(decode_entry), end))
}

fn decode_entry(bytes: &[u8]) -> (ProducerId, ProducerEntry) {
    let mut fields = Fields(bytes);
    let id = ProducerId(fields.int64());
    let mut entry = ProducerEntry {
        epoch: ProducerEpoch(fields.int16()),
        ..ProducerEntry::UNKNOWN
    };
    let last_sequence = fields.int32();
    let last_offset = Offset(fields.int64());
    let offset_delta = fields.int32();
    entry.last_timestamp = Timestamp(fields.int64());
    entry.coordinator_epoch = fields.int32();
    entry.transaction_start = Some(Offset(fields.int64())).filter(|start| *start >= Offset::ZERO);
    // a coordinator's batches have an offset and no sequence
    if last_sequence != NO_SEQUENCE || last_offset >= Offset::ZERO {
        entry.push(BatchTrace {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp: entry.last_timestamp,
        });
    }
    (id, entry)
}

/// Takes big-endian numbers off the front of bytes whose length was checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        match self.0.split_first_chunk::<SIZE>() {
            Some((value, rest)) => {
                self.0 = rest;
                *value
            }
            None => [0; SIZE],
        }
    }

    fn int16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn int32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn int64(&mut self) -> i64 {
        i64::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::btree_map;
    use proptest::option;
    use proptest::prelude::*;

    fn table() -> ProducerTable {
        let mut entry = ProducerEntry {
            epoch: ProducerEpoch(2),
            coordinator_epoch: 5,
            last_timestamp: Timestamp(1000),
            transaction_start: Some(Offset(90)),
            ..ProducerEntry::UNKNOWN
        };
        entry.push(BatchTrace {
            last_sequence: 9,
            last_offset: Offset(99),
            offset_delta: 4,
            timestamp: Timestamp(1000),
        });
        let silent = ProducerEntry {
            epoch: ProducerEpoch(0),
            ..ProducerEntry::UNKNOWN
        };
        ProducerTable::from_entries(
            [(ProducerId(258), entry), (ProducerId(1), silent)],
            Offset(100),
        )
    }

    #[test]
    fn golden_bytes() {
        let bytes = encode(&table().picture());
        let crc = crc32c::crc32c(&bytes[6..]).to_be_bytes();
        let mut expected = vec![0, 1];
        expected.extend(crc);
        expected.extend([0, 0, 0, 2]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        expected.extend([0xff; 4]);
        expected.extend([0xff; 8]);
        expected.extend([0; 4]);
        expected.extend([0xff; 8]);
        expected.extend([0xff; 4]);
        expected.extend([0xff; 8]);
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 2]);
        expected.extend([0, 0, 0, 9]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 99]);
        expected.extend([0, 0, 0, 4]);
        expected.extend([0, 0, 0, 0, 0, 0, 3, 0xe8]);
        expected.extend([0, 0, 0, 5]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 90]);
        assert_eq!(bytes, expected);
        assert_eq!(decode(&bytes, Offset(100)).unwrap(), table());
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let bytes = encode(&table().picture());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(decode(&damaged, Offset(100)).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], Offset(100)).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_table_survives_its_bytes(
            entries in btree_map(any::<i64>(), (any::<i16>(), any::<i32>(), any::<i64>(), option::of(0..i64::MAX),
                option::of((any::<i32>(), 0..i64::MAX, any::<i32>()))), 0..20),
            end in 0..i64::MAX,
        ) {
            let entries = entries.into_iter().map(|(id, (epoch, coordinator_epoch, time, transaction, batch))| {
                let mut entry = ProducerEntry {
                    epoch: ProducerEpoch(epoch),
                    coordinator_epoch,
                    last_timestamp: Timestamp(time),
                    transaction_start: transaction.map(Offset),
                    ..ProducerEntry::UNKNOWN
                };
                if let Some((last_sequence, last_offset, offset_delta)) = batch {
                    entry.push(BatchTrace {
                        last_sequence,
                        last_offset: Offset(last_offset),
                        offset_delta,
                        timestamp: Timestamp(time),
                    });
                }
                (ProducerId(id), entry)
            });
            let table = ProducerTable::from_entries(entries, Offset(end));
            prop_assert_eq!(decode(&encode(&table.picture()), Offset(end)), Ok(table));
        }
    }
}
