//! `.index`: from offset to position in the segment, sparse.
//!
//! ```text
//!  0                      4                 8
//!  +----------------------+-----------------+
//!  | offset - base offset | byte position   |   int32 each, big-endian
//!  +----------------------+-----------------+
//! ```
//!
//! An entry holds the *last* offset of a batch and the position of that batch's *start*; offsets and
//! positions grow strictly. The segment's first batch has none. The file holds used entries only. The caller
//! says how many of them count, since the file may be growing.

use std::io;

use crate::base::Offset;

use super::lookup;
use super::page_cache::ReadAt;

/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 8;

/// One entry, with its offset made absolute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of a batch.
    pub(crate) offset: Offset,
    /// Where that batch starts.
    pub(crate) position: u64,
}

impl OffsetEntry {
    /// The bytes in the file; `None` when the entry does not fit the format.
    pub(crate) fn encode(self, base: Offset) -> Option<[u8; ENTRY_SIZE]> {
        let relative = u32::try_from(self.offset.since(base))
            .ok()
            .filter(|value| i32::try_from(*value).is_ok())?;
        let position = u32::try_from(self.position)
            .ok()
            .filter(|value| i32::try_from(*value).is_ok())?;
        Some(((u64::from(relative) << 32) | u64::from(position)).to_be_bytes())
    }

    pub(super) fn decode(bytes: &[u8], base: Offset) -> Option<Self> {
        let (relative, position) = bytes.split_first_chunk::<4>()?;
        let position = u32::from_be_bytes(*position.first_chunk::<4>()?);
        Some(Self {
            offset: base.plus(i64::from(u32::from_be_bytes(*relative))),
            position: u64::from(position),
        })
    }
}

/// Entry `number` of the file.
pub(crate) fn entry(file: &impl ReadAt, base: Offset, number: u32) -> io::Result<OffsetEntry> {
    let mut bytes = [0; ENTRY_SIZE];
    file.fill(&mut bytes, u64::from(number) * ENTRY_SIZE as u64)?;
    OffsetEntry::decode(&bytes, base).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How many of the first `entries` entries have an offset at or below `offset`.
pub(crate) fn count_up_to(
    file: &impl ReadAt,
    base: Offset,
    entries: u32,
    offset: Offset,
) -> io::Result<u32> {
    lookup::partition_point::<ENTRY_SIZE>(file, entries, |bytes| {
        OffsetEntry::decode(bytes, base).is_some_and(|entry| entry.offset <= offset)
    })
}

/// The greatest entry at or below `offset`.
pub(crate) fn floor(
    file: &impl ReadAt,
    base: Offset,
    entries: u32,
    offset: Offset,
) -> io::Result<Option<OffsetEntry>> {
    match count_up_to(file, base, entries, offset)?.checked_sub(1) {
        Some(number) => entry(file, base, number).map(Some),
        None => Ok(None),
    }
}

/// The greatest entry whose position is at or below `position`.
pub(crate) fn floor_by_position(
    file: &impl ReadAt,
    base: Offset,
    entries: u32,
    position: u64,
) -> io::Result<Option<OffsetEntry>> {
    let count = lookup::partition_point::<ENTRY_SIZE>(file, entries, |bytes| {
        OffsetEntry::decode(bytes, base).is_some_and(|entry| entry.position <= position)
    })?;
    match count.checked_sub(1) {
        Some(number) => entry(file, base, number).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn golden_entry() {
        let entry = OffsetEntry {
            offset: Offset(1_000_258),
            position: 4096,
        };
        let bytes = entry.encode(Offset(1_000_000)).unwrap();
        assert_eq!(bytes, [0, 0, 1, 2, 0, 0, 16, 0]);
        assert_eq!(OffsetEntry::decode(&bytes, Offset(1_000_000)), Some(entry));
        assert_eq!(
            OffsetEntry {
                offset: Offset(1 << 31),
                position: 0
            }
            .encode(Offset(0)),
            None
        );
        assert_eq!(
            OffsetEntry {
                offset: Offset(1),
                position: 1 << 31
            }
            .encode(Offset(0)),
            None
        );
        assert_eq!(
            OffsetEntry {
                offset: Offset(1),
                position: 0
            }
            .encode(Offset(2)),
            None
        );
    }

    #[test]
    fn lookups_agree_with_a_list() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index");
        let entries: Vec<OffsetEntry> = (1..5000)
            .map(|n| OffsetEntry {
                offset: Offset(10 * n),
                position: 100 * n as u64,
            })
            .collect();
        let bytes: Vec<u8> = entries
            .iter()
            .flat_map(|entry| entry.encode(Offset(0)).unwrap())
            .collect();
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        for used in [0, 1, 511, 512, 513, 4999] {
            let list = &entries[..used as usize];
            for offset in [
                0, 9, 10, 11, 5119, 5120, 5121, 25_000, 49_989, 49_990, 60_000,
            ] {
                let expected = list
                    .iter()
                    .rev()
                    .find(|entry| entry.offset <= Offset(offset))
                    .copied();
                assert_eq!(
                    floor(&file, Offset(0), used, Offset(offset)).unwrap(),
                    expected,
                    "{used} {offset}"
                );
                let position = offset as u64 * 10;
                let expected = list
                    .iter()
                    .rev()
                    .find(|entry| entry.position <= position)
                    .copied();
                assert_eq!(
                    floor_by_position(&file, Offset(0), used, position).unwrap(),
                    expected
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Files of many pages, since the search looks at the last page first.
        #[test]
        fn lookups_find_what_a_plain_search_finds(
            steps in vec((1_i64..1000, 1_u64..10_000), 0..1600),
            base in 0_i64..1 << 40,
            questions in vec((0_i64..1_000_000, 0_u64..10_000_000), 1..20),
        ) {
            let mut at = (Offset(base), 0);
            let entries: Vec<OffsetEntry> = steps
                .iter()
                .map(|(offsets, bytes)| {
                    at = (at.0.plus(*offsets), at.1 + bytes);
                    OffsetEntry { offset: at.0, position: at.1 }
                })
                .collect();
            let file = tempfile::tempfile().unwrap();
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.encode(Offset(base)).unwrap()).collect();
            file.write_all_at(&bytes, 0).unwrap();
            let count = u32::try_from(entries.len()).unwrap();
            let base = Offset(base);
            let ends = entries.iter().map(|entry| (entry.offset.since(base), entry.position));
            for (offset, position) in questions.into_iter().chain(ends.take(50)) {
                let wanted = entries.iter().rfind(|entry| entry.offset <= base.plus(offset)).copied();
                prop_assert_eq!(floor(&file, base, count, base.plus(offset)).unwrap(), wanted);
                let wanted = entries.iter().rfind(|entry| entry.position <= position).copied();
                prop_assert_eq!(floor_by_position(&file, base, count, position).unwrap(), wanted);
                let wanted = entries.iter().filter(|entry| entry.offset <= base.plus(offset)).count();
                prop_assert_eq!(count_up_to(&file, base, count, base.plus(offset)).unwrap() as usize, wanted);
            }
        }
    }
}
