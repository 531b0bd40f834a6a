//! The next whole batch after bytes that are not a batch.
//!
//! If a header is damaged, nobody knows where its batch ends. So every position is tried at which a batch can begin:
//! one with the right magic byte, then with offsets that belong there, and last with the right checksum.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use crate::base::Offset;
use crate::record::batch::{CURRENT_MAGIC, MAGIC};
use crate::record::{BatchHeader, HEADER_SIZE};

use super::scan::Located;

/// Read at once.
const CHUNK: usize = 1024 * 1024;

/// How many times the number of bytes may be read for checksums that turn out to be wrong: a client that writes batch
/// headers into values could otherwise make a start read for ever.
const MOST_READ_AGAIN: u64 = 8;

/// The first whole batch in `bytes` of the file whose offsets are all in `offsets`.
pub(crate) fn next_whole(
    file: &File,
    bytes: Range<u64>,
    offsets: &Range<Offset>,
) -> io::Result<Option<Located>> {
    let mut budget = (bytes.end.saturating_sub(bytes.start))
        .saturating_mul(MOST_READ_AGAIN)
        .saturating_add(CHUNK as u64);
    // if nothing is damaged, the batch begins right here
    if bytes.end.saturating_sub(bytes.start) >= HEADER_SIZE as u64 {
        let mut header = [0; HEADER_SIZE];
        file.read_exact_at(&mut header, bytes.start)?;
        let found = candidate(&header, bytes.start, bytes.end, offsets);
        if let Some(found) = found
            && crc_of(file, &found)? == found.header.crc
        {
            return Ok(Some(found));
        }
    }
    let mut buffer = vec![0; CHUNK];
    let mut position = bytes.start;
    while position.saturating_add(HEADER_SIZE as u64) <= bytes.end {
        position = position.max(skip_hole(file, position));
        let left = bytes.end.saturating_sub(position);
        if left < HEADER_SIZE as u64 {
            break;
        }
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let chunk = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact_at(chunk, position)?;
        let magic = CURRENT_MAGIC.cast_unsigned();
        for at in memchr::memchr_iter(magic, chunk.get(MAGIC..).unwrap_or_default()) {
            let Some(window) = chunk.get(at..at + HEADER_SIZE) else {
                break;
            };
            let Some(found) = candidate(window, position + at as u64, bytes.end, offsets) else {
                continue;
            };
            let Some(left) = budget.checked_sub(found.header.size() as u64) else {
                return Ok(None);
            };
            budget = left;
            if crc_of(file, &found)? == found.header.crc {
                return Ok(Some(found));
            }
        }
        // the next header may begin one byte after the last position that was tried
        position += (length - (HEADER_SIZE - 1)) as u64;
    }
    Ok(None)
}

/// The next position where a header can begin that is not entirely in a hole of the file; `position` if the system does
/// not say.
fn skip_hole(file: &File, position: u64) -> u64 {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(position)) {
        Ok(data) => data.saturating_sub(HEADER_SIZE as u64),
        Err(rustix::io::Errno::NXIO) => u64::MAX,
        Err(_) => position,
    }
}

/// The batch header at `position`, if everything except its checksum is plausible.
fn candidate(bytes: &[u8], position: u64, end: u64, offsets: &Range<Offset>) -> Option<Located> {
    if bytes.get(MAGIC).copied() != Some(CURRENT_MAGIC.cast_unsigned()) {
        return None;
    }
    let header = BatchHeader::parse(bytes).ok()?;
    let found = Located { position, header };
    let belongs = header.last_offset_delta >= 0
        && header.record_count >= 0
        && offsets.start <= header.base_offset
        && header.last_offset() < offsets.end
        && found.end() <= end;
    belongs.then_some(found)
}

/// The checksum of a batch in the file, read piece by piece, since its length may be wrong.
pub(crate) fn crc_of(file: &File, located: &Located) -> io::Result<u32> {
    let mut crc = located.header.crc_over(&[]);
    let mut position = located.position + HEADER_SIZE as u64;
    let mut buffer = vec![0; CHUNK.min(located.header.size())];
    while position < located.end() {
        let left = usize::try_from(located.end() - position).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, position)?;
        crc = crc32c::crc32c_append(crc, piece);
        position += piece.len() as u64;
    }
    Ok(crc)
}

/// How many intact batches there are in a part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) batches: u64,
    pub(crate) records: u64,
    /// The offset after the last one.
    pub(crate) end: Option<Offset>,
    /// Where the last one ends.
    pub(crate) end_position: u64,
}

/// Counts the whole batches in `bytes` of the file, whose offsets are in `offsets` and grow.
pub(crate) fn count_whole(
    file: &File,
    bytes: Range<u64>,
    offsets: Range<Offset>,
) -> io::Result<Whole> {
    let (mut whole, mut left, mut expected) = (Whole::default(), bytes, offsets);
    while let Some(found) = next_whole(file, left.clone(), &expected)? {
        whole.batches += 1;
        whole.records += u64::try_from(found.header.record_count).unwrap_or(0);
        expected.start = found.header.next_offset();
        whole.end = Some(expected.start);
        whole.end_position = found.end();
        left.start = found.end();
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::batch;
    use crate::record::Batch;

    fn batch_at(offset: i64, value: &[u8]) -> Vec<u8> {
        let batch = Batch::parse(&batch(&[1_000], value)).unwrap();
        let header = BatchHeader {
            base_offset: Offset(offset),
            ..batch.header
        };
        [&header.encode()[..], &batch.bytes[HEADER_SIZE..]].concat()
    }

    fn find(content: &[u8], from: u64, offsets: Range<i64>) -> Option<(u64, i64)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        let offsets = Offset(offsets.start)..Offset(offsets.end);
        let found = next_whole(&file, from..content.len() as u64, &offsets).unwrap();
        found.map(|found| (found.position, found.header.base_offset.0))
    }

    #[test]
    fn the_next_whole_batch_is_found_wherever_it_begins() {
        let good = batch_at(7, b"good");
        for before in [
            0,
            1,
            16,
            60,
            61,
            5_000,
            CHUNK - 61,
            CHUNK - 60,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
        ] {
            // twos, so that every position looks like a batch at first
            for filling in [0, 2, 255] {
                let content = [&vec![filling; before][..], &good, &[filling; 100]].concat();
                assert_eq!(
                    find(&content, 0, 5..10),
                    Some((before as u64, 7)),
                    "{before}"
                );
            }
        }
    }

    #[test]
    fn what_does_not_belong_there_is_passed_over() {
        let (one, other) = (batch_at(7, b"one"), batch_at(8, b"other"));
        let content = [&one[..], &other].concat();
        assert_eq!(find(&content, 1, 5..10), Some((one.len() as u64, 8)));
        assert_eq!(find(&content, 0, 8..10), Some((one.len() as u64, 8)));
        assert_eq!(find(&content, 0, 9..10), None);
        assert_eq!(find(&content, 0, 0..7), None);
        let mut torn = content;
        torn.pop();
        assert_eq!(find(&torn, 1, 5..10), None);
        torn[70] ^= 1;
        assert_eq!(find(&torn, 0, 5..10), None);
    }

    #[test]
    fn headers_without_end_are_not_read_without_end() {
        let mut header = batch_at(7, b"x")[..HEADER_SIZE].to_vec();
        let length = 900_000_i32;
        header[8..12].copy_from_slice(&length.to_be_bytes());
        let content = header.repeat(40_000);
        assert_eq!(find(&content, 0, 5..10), None);
    }

    #[test]
    fn all_that_is_whole_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let content = [
            batch_at(3, b"a"),
            vec![9; 77],
            batch_at(4, b"b"),
            batch_at(4, b"again"),
        ]
        .concat();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        let whole = count_whole(&file, 0..content.len() as u64, Offset(0)..Offset(100)).unwrap();
        assert_eq!(
            (whole.batches, whole.records, whole.end),
            (2, 2, Some(Offset(5)))
        );
    }
}
