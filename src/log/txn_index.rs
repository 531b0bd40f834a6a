//! `.txnindex`: the aborted transactions whose markers are in a segment, so that consumers with `read_committed` can
//! skip them. A segment without such markers has no such file.
//!
//! Entries of 34 bytes, in the order of the markers:
//! ```text
//!   version 0 | producer id | first offset | last offset: the marker | last stable offset
//!     int16        int64         int64             int64                   int64
//! ```
//!
//! The last stable offset is the one after the abort: the first offset of the oldest transaction that was still open, or
//! the offset after the marker. Every aborted transaction later in the log begins at or above it, so a search may stop
//! there.
//!
//! An entry is a function of the batches, like producer state: a damaged end of the file is cut off, and rebuilt
//! when producers are replayed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::base::{Offset, ProducerId};
use crate::record::BatchHeader;
use crate::record::control::EndTransactionMarker;

use super::disk::Disk;
use super::names::SegmentFile;
use super::reader::LogView;
use super::segment::SegmentFiles;

/// Bytes of an entry.
const ENTRY_SIZE: usize = 34;
const VERSION: i16 = 0;
/// How many entries are read at a time.
const AT_ONCE: usize = 240;

/// An aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer: ProducerId,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of its marker.
    pub last: Offset,
    /// The last stable offset after the marker.
    pub last_stable: Offset,
}

impl AbortedTransaction {
    /// The entry for a marker, if it aborts a transaction. `first` is where the transaction began, and `still_open`
    /// where the oldest transaction begins that is open after the marker.
    pub(super) fn ended_by(
        header: &BatchHeader,
        marker: &EndTransactionMarker,
        first: Option<Offset>,
        still_open: Option<Offset>,
    ) -> Option<Self> {
        let last = header.last_offset();
        let first = first.filter(|_| !marker.committed)?;
        Some(Self {
            producer: header.producer_id,
            first,
            last,
            last_stable: still_open.unwrap_or_else(|| last.next()),
        })
    }

    pub(super) fn encode(&self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        let numbers = [
            self.producer.0,
            self.first.0,
            self.last.0,
            self.last_stable.0,
        ];
        let (version, rest) = bytes.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        for (place, number) in rest.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// `None` if the bytes are not an entry.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<2>()?;
        if i16::from_be_bytes(*version) != VERSION {
            return None;
        }
        let mut numbers = rest.chunks_exact(8).map(|number| {
            let number = number.try_into().map(i64::from_be_bytes);
            number.unwrap_or(-1)
        });
        let entry = Self {
            producer: ProducerId(numbers.next()?),
            first: Offset(numbers.next()?),
            last: Offset(numbers.next()?),
            last_stable: Offset(numbers.next()?),
        };
        // a marker comes after its transaction; zeros that a crash has left are not an entry
        (Offset::ZERO <= entry.first && entry.first < entry.last).then_some(entry)
    }
}

/// Reads the entries of a file one after another, many at a time. It stops after the last good entry: the rest was left
/// by a crash.
struct Entries<'a> {
    file: &'a File,
    /// How many entries were taken so far, and how many bytes the file had.
    number: u64,
    length: u64,
    last: Option<Offset>,
    buffer: Vec<u8>,
    /// How much of the buffer has been taken.
    taken: usize,
}

impl<'a> Entries<'a> {
    /// From the entry of this number on.
    fn from(file: &'a File, number: u64) -> io::Result<Self> {
        Ok(Self {
            file,
            number,
            length: file.metadata()?.len(),
            last: None,
            buffer: Vec::new(),
            taken: 0,
        })
    }

    /// From the first entry on whose marker is at or above `offset`.
    fn at(file: &'a File, offset: Offset) -> io::Result<Self> {
        let mut entries = Self::from(file, 0)?;
        let (mut low, mut high) = (0, entries.whole());
        let mut bytes = [0; ENTRY_SIZE];
        while low < high {
            let middle = low + (high - low) / 2;
            file.read_exact_at(&mut bytes, middle * ENTRY_SIZE as u64)?;
            // bytes that are not an entry come after all entries
            let is_below = |entry: AbortedTransaction| entry.last < offset;
            if AbortedTransaction::decode(&bytes).is_some_and(is_below) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        entries.number = low;
        Ok(entries)
    }

    /// How many whole entries the file has room for.
    const fn whole(&self) -> u64 {
        self.length / ENTRY_SIZE as u64
    }

    fn next(&mut self) -> io::Result<Option<AbortedTransaction>> {
        if self.taken == self.buffer.len() {
            let left = self.whole().saturating_sub(self.number);
            let count = usize::try_from(left).map_or(AT_ONCE, |left| left.min(AT_ONCE));
            self.buffer.resize(count * ENTRY_SIZE, 0);
            self.taken = 0;
            let position = self.number * ENTRY_SIZE as u64;
            self.file.read_exact_at(&mut self.buffer, position)?;
        }
        let bytes = self.buffer.get(self.taken..self.taken + ENTRY_SIZE);
        let entry = bytes.and_then(AbortedTransaction::decode);
        let follows = |entry: &AbortedTransaction| self.last.is_none_or(|last| last < entry.last);
        let Some(entry) = entry.filter(follows) else {
            return Ok(None);
        };
        (self.taken, self.number) = (self.taken + ENTRY_SIZE, self.number + 1);
        self.last = Some(entry.last);
        Ok(Some(entry))
    }
}

/// The good entries at the beginning of the file, and whether there is anything after them.
fn read(file: &File) -> io::Result<(Vec<AbortedTransaction>, bool)> {
    let mut entries = Entries::from(file, 0)?;
    let mut all = Vec::new();
    while let Some(entry) = entries.next()? {
        all.push(entry);
    }
    let is_torn = entries.number * (ENTRY_SIZE as u64) < entries.length;
    Ok((all, is_torn))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The entries of a segment's file, which may be missing. Bytes that a crash has left at its end are ignored.
pub(super) fn read_all(path: &Path) -> io::Result<Vec<AbortedTransaction>> {
    match File::open(path) {
        Ok(file) => Ok(read(&file)?.0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// A segment's file, open for new entries. It is opened before the markers are written, since there may be no descriptor
/// left later.
pub(super) struct Adding {
    file: File,
    end: End,
}

impl Adding {
    /// Opens the file, or creates it.
    pub(super) fn open(disk: &Disk, files: &SegmentFiles) -> io::Result<Self> {
        let path = files.path(SegmentFile::TransactionIndex);
        if let Some(file) = open(&path)? {
            let end = End::of(&file)?;
            if end.count > 0 {
                return Ok(Self { file, end });
            }
        }
        let file = disk.create(&path)?;
        if let Some(directory) = path.parent() {
            disk.sync_directory(directory)?;
        }
        let end = End::default();
        Ok(Self { file, end })
    }

    /// Appends an entry and syncs it, unless it is already there.
    pub(super) fn add(
        &mut self,
        disk: &Disk,
        files: &SegmentFiles,
        entry: AbortedTransaction,
    ) -> io::Result<()> {
        if self.end.last.is_some_and(|last| last >= entry.last) {
            return Ok(());
        }
        let position = self.end.count * ENTRY_SIZE as u64;
        disk.write_at(&self.file, &entry.encode(), position)?;
        disk.sync(&self.file)?;
        self.end = End {
            count: self.end.count + 1,
            last: Some(entry.last),
        };
        files.note_aborted();
        Ok(())
    }
}

/// Appends an entry and syncs it, unless it is already there.
pub(super) fn add(disk: &Disk, files: &SegmentFiles, entry: AbortedTransaction) -> io::Result<()> {
    Adding::open(disk, files)?.add(disk, files, entry)
}

/// The end of the good entries of a file: their number, and the marker of the last one.
#[derive(Default)]
struct End {
    count: u64,
    last: Option<Offset>,
}

impl End {
    /// Reads the last entry only, unless something is wrong with it.
    fn of(file: &File) -> io::Result<Self> {
        let mut entries = Entries::from(file, 0)?;
        let count = entries.whole();
        if count * ENTRY_SIZE as u64 == entries.length && count > 0 {
            entries.number = count - 1;
            if let Some(entry) = entries.next()? {
                let last = Some(entry.last);
                return Ok(Self { count, last });
            }
        }
        let (good, _) = read(file)?;
        Ok(Self {
            count: good.len() as u64,
            last: good.last().map(|entry| entry.last),
        })
    }
}

/// Truncates the entries of markers at and above `to`, and bytes that are not an entry.
pub(super) fn truncate(disk: &Disk, files: &SegmentFiles, to: Offset) -> io::Result<()> {
    let path = files.path(SegmentFile::TransactionIndex);
    let Some(file) = open(&path)? else {
        return Ok(());
    };
    let (entries, is_torn) = read(&file)?;
    let kept = entries.partition_point(|entry| entry.last < to);
    if kept == 0 {
        drop(file);
        return disk.remove(&path);
    }
    if kept < entries.len() || is_torn {
        disk.set_length(&file, (kept * ENTRY_SIZE) as u64)?;
        disk.sync(&file)?;
    }
    Ok(())
}

impl LogView {
    /// The aborted transactions that may have records from `from` to `upper`, in the order of their markers. May
    /// read files.
    pub fn aborted_transactions(
        &self,
        from: Offset,
        upper: Offset,
    ) -> io::Result<Vec<AbortedTransaction>> {
        let mut found = Vec::new();
        for segment in self.segments_from(from) {
            let Some(file) = segment.files.transaction_index()? else {
                continue;
            };
            let mut entries = Entries::at(&file, from)?;
            while let Some(entry) = entries.next()? {
                if entry.first < upper {
                    found.push(entry);
                }
                if entry.last_stable >= upper {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Whether no transaction was ever aborted in the segments from `from` on, as far as that is known without
    /// reading.
    pub fn has_no_aborted_transactions(&self, from: Offset) -> bool {
        self.segments_from(from)
            .all(|segment| segment.files.has_no_aborted())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn entry(producer: i64, first: i64, last: i64, last_stable: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer: ProducerId(producer),
            first: Offset(first),
            last: Offset(last),
            last_stable: Offset(last_stable),
        }
    }

    fn files(directory: &Path) -> SegmentFiles {
        SegmentFiles::new(Arc::from(directory), Offset::ZERO, true)
    }

    fn entries(files: &SegmentFiles) -> Vec<AbortedTransaction> {
        let path = files.path(SegmentFile::TransactionIndex);
        open(&path)
            .unwrap()
            .map_or_else(Vec::new, |file| read(&file).unwrap().0)
    }

    #[test]
    fn entries_are_kafkas() {
        let bytes = entry(1, 2, 3, 4).encode();
        let mut expected = vec![0, 0];
        for number in 1..=4_u8 {
            expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, number]);
        }
        assert_eq!(bytes[..], expected);
        assert_eq!(AbortedTransaction::decode(&bytes), Some(entry(1, 2, 3, 4)));
        for wrong in [
            &bytes[..33],
            &[1; 34],
            &[0; 34],
            &entry(1, 4, 3, 4).encode(),
        ] {
            assert_eq!(AbortedTransaction::decode(wrong), None);
        }
    }

    #[test]
    fn a_search_begins_at_the_first_marker_that_counts_and_takes_many_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("entries");
        let count = 2 * AT_ONCE as i64 + 7;
        let all: Vec<_> = (0..count)
            .map(|n| entry(n, 10 * n, 10 * n + 5, 10 * n + 6))
            .collect();
        let mut bytes: Vec<u8> = all.iter().flat_map(AbortedTransaction::encode).collect();
        let whole = bytes.len();
        bytes.extend_from_slice(&[0; ENTRY_SIZE + 3]);
        for length in [whole, whole + 1, bytes.len()] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let file = File::open(&path).unwrap();
            for from in [-1, 0, 5, 6, 15, 10 * count / 2, 10 * count - 5, 10 * count] {
                let mut entries = Entries::at(&file, Offset(from)).unwrap();
                let found = std::iter::from_fn(|| entries.next().unwrap());
                let expected = all.iter().filter(|entry| entry.last >= Offset(from));
                assert!(found.eq(expected.copied()), "from {from} of {length} bytes");
            }
            let (read, is_torn) = read(&file).unwrap();
            assert_eq!((read.len(), is_torn), (all.len(), length > whole));
            let end = End::of(&file).unwrap();
            assert_eq!(
                (end.count, end.last),
                (all.len() as u64, Some(all[all.len() - 1].last))
            );
        }
    }

    #[test]
    fn an_entry_is_added_once_and_torn_ends_are_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let (disk, files) = (Disk::default(), files(directory.path()));
        let all = [entry(1, 0, 5, 6), entry(2, 3, 9, 7), entry(1, 7, 12, 13)];
        truncate(&disk, &files, Offset(100)).unwrap();
        for one in all {
            add(&disk, &files, one).unwrap();
            add(&disk, &files, one).unwrap();
        }
        assert_eq!(entries(&files), all);
        truncate(&disk, &files, Offset(12)).unwrap();
        assert_eq!(entries(&files), all[..2]);

        let path = files.path(SegmentFile::TransactionIndex);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(&[0, 0, 0, 0, 7]);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(entries(&files), all[..2]);
        add(&disk, &files, all[2]).unwrap();
        assert_eq!(entries(&files), all);
        std::fs::write(&path, &torn).unwrap();
        truncate(&disk, &files, Offset(100)).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 2 * ENTRY_SIZE as u64);
        truncate(&disk, &files, Offset(5)).unwrap();
        assert!(!path.exists());
    }
}
