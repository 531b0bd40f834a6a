//! `.timeindex`: from timestamp to offset, sparse.
//!
//! ```text
//!  0             8                      12
//!  +-------------+----------------------+
//!  | timestamp   | offset - base offset |   int64, int32, big-endian
//!  +-------------+----------------------+
//! ```
//!
//! An entry holds the largest timestamp in the segment so far, and the last offset of the first batch that has
//! it. Timestamps grow strictly; offsets never decrease.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::base::{Offset, Timestamp};

use super::lookup;

/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 12;

/// One entry, with its offset made absolute; also the largest timestamp of a segment and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// The largest timestamp so far.
    pub(crate) timestamp: Timestamp,
    /// Last offset of the first batch with it.
    pub(crate) offset: Offset,
}

impl TimeEntry {
    /// No timestamp was seen yet.
    pub(crate) const NONE: Self = Self {
        timestamp: Timestamp::NONE,
        offset: Offset::NONE,
    };

    /// The bytes in the file; `None` when the offset does not fit the format.
    pub(crate) fn encode(self, base: Offset) -> Option<[u8; ENTRY_SIZE]> {
        let relative = i32::try_from(self.offset.since(base))
            .ok()
            .filter(|relative| *relative >= 0)?;
        let mut bytes = [0; ENTRY_SIZE];
        let (timestamp, offset) = bytes.split_first_chunk_mut::<8>()?;
        *timestamp = self.timestamp.0.to_be_bytes();
        offset.copy_from_slice(&relative.to_be_bytes());
        Some(bytes)
    }

    pub(super) fn decode(bytes: &[u8], base: Offset) -> Option<Self> {
        let (timestamp, relative) = bytes.split_first_chunk::<8>()?;
        let relative = i32::from_be_bytes(*relative.first_chunk::<4>()?);
        Some(Self {
            timestamp: Timestamp(i64::from_be_bytes(*timestamp)),
            offset: base.plus(i64::from(relative)),
        })
    }
}

/// Entry `number` of the file.
pub(crate) fn entry(file: &File, base: Offset, number: u32) -> io::Result<TimeEntry> {
    let mut bytes = [0; ENTRY_SIZE];
    file.read_exact_at(&mut bytes, u64::from(number) * ENTRY_SIZE as u64)?;
    TimeEntry::decode(&bytes, base).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The last of the first `entries` entries; without entries, no timestamp was seen.
pub(crate) fn last(file: &File, base: Offset, entries: u32) -> io::Result<TimeEntry> {
    match entries.checked_sub(1) {
        Some(number) => entry(file, base, number),
        None => Ok(TimeEntry::NONE),
    }
}

/// The greatest entry before `timestamp`: every record at or after that time lies above its offset.
pub(crate) fn before(
    file: &File,
    base: Offset,
    entries: u32,
    timestamp: Timestamp,
) -> io::Result<Option<TimeEntry>> {
    let count = lookup::partition_point::<ENTRY_SIZE>(file, entries, |bytes| {
        TimeEntry::decode(bytes, base).is_some_and(|entry| entry.timestamp < timestamp)
    })?;
    match count.checked_sub(1) {
        Some(number) => entry(file, base, number).map(Some),
        None => Ok(None),
    }
}

/// How many of the first `entries` entries lie below `offset`.
pub(crate) fn count_below(
    file: &File,
    base: Offset,
    entries: u32,
    offset: Offset,
) -> io::Result<u32> {
    lookup::partition_point::<ENTRY_SIZE>(file, entries, |bytes| {
        TimeEntry::decode(bytes, base).is_some_and(|entry| entry.offset < offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn golden_entry() {
        let entry = TimeEntry {
            timestamp: Timestamp(1_700_000_000_000),
            offset: Offset(105),
        };
        let bytes = entry.encode(Offset(100)).unwrap();
        assert_eq!(bytes, [0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0, 5]);
        assert_eq!(TimeEntry::decode(&bytes, Offset(100)), Some(entry));
        assert_eq!(entry.encode(Offset(106)), None);
    }

    #[test]
    fn lookups() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("timeindex");
        let list: Vec<TimeEntry> = (0..1000)
            .map(|n| TimeEntry {
                timestamp: Timestamp(1000 + 2 * n),
                offset: Offset(50 + n),
            })
            .collect();
        std::fs::write(
            &path,
            list.iter()
                .flat_map(|entry| entry.encode(Offset(50)).unwrap())
                .collect::<Vec<_>>(),
        )
        .unwrap();
        let file = File::open(&path).unwrap();
        for time in [0, 1000, 1001, 1002, 2998, 2999, 9000] {
            let expected = list
                .iter()
                .rev()
                .find(|entry| entry.timestamp < Timestamp(time))
                .copied();
            assert_eq!(
                before(&file, Offset(50), 1000, Timestamp(time)).unwrap(),
                expected
            );
        }
        assert_eq!(
            count_below(&file, Offset(50), 1000, Offset(60)).unwrap(),
            10
        );
        assert_eq!(last(&file, Offset(50), 1000).unwrap(), list[999]);
        assert_eq!(last(&file, Offset(50), 0).unwrap(), TimeEntry::NONE);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Timestamps grow, offsets at least do not fall.
        #[test]
        fn lookups_find_what_a_plain_search_finds(
            steps in vec((1_i64..1000, 0_i64..100), 0..1200),
            base in 0_i64..1 << 40,
            questions in vec((0_i64..500_000, 0_i64..50_000), 1..20),
        ) {
            let base = Offset(base);
            let mut at = TimeEntry { timestamp: Timestamp(0), offset: base };
            let entries: Vec<TimeEntry> = steps
                .iter()
                .map(|(time, offsets)| {
                    at = TimeEntry { timestamp: at.timestamp.plus_millis(*time), offset: at.offset.plus(*offsets) };
                    at
                })
                .collect();
            let file = tempfile::tempfile().unwrap();
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.encode(base).unwrap()).collect();
            file.write_all_at(&bytes, 0).unwrap();
            let count = u32::try_from(entries.len()).unwrap();
            prop_assert_eq!(last(&file, base, count).unwrap(), entries.last().copied().unwrap_or(TimeEntry::NONE));
            let ends = entries.iter().map(|entry| (entry.timestamp.0, entry.offset.since(base)));
            for (time, offset) in questions.into_iter().chain(ends.take(50)) {
                let wanted = entries.iter().rfind(|entry| entry.timestamp.0 < time).copied();
                prop_assert_eq!(before(&file, base, count, Timestamp(time)).unwrap(), wanted);
                let wanted = entries.iter().filter(|entry| entry.offset < base.plus(offset)).count();
                prop_assert_eq!(count_below(&file, base, count, base.plus(offset)).unwrap() as usize, wanted);
            }
        }
    }
}
