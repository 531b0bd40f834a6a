//! Scrubbing: checks whether a segment is still as it was written.
//!
//! If a bit flips in a file that nobody has opened for months, nobody notices until a consumer gets a batch with a wrong
//! checksum. A scrub reads a segment from its first byte to its last, the active one up to where it was written when
//! the scrub began:
//!
//! ```text
//!   .log        |batch|batch|batch|bat?h|batch|batch|     each: length, format, checksum, offsets that grow
//!   .index            ^           ^           ^           each entry: the start of a batch that holds nothing
//!                                                         above its offset that a search would miss
//!   .timeindex        t           t           t           each entry: reached there, and nothing later before it
//! ```
//! An index is checked by what a search with it would find, since indexes have been written in several ways: an
//! entry may be for several batches that were appended together.
//!
//! After a bad batch, the checks continue where the next index entry points. The bytes between are not reported, and the
//! indexes are not checked from there on. A scrub ends after [`MOST_FINDINGS`] in one segment.
//!
//! A scrub changes nothing, keeps nothing open, and leaves the page cache as it was ([`cold_file`]). If the segment is
//! removed or replaced while it is read, there are no findings.

mod cold_file;
mod indexes;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::record::{BatchHeader, HEADER_SIZE};

pub use self::cold_file::Pace;
use self::cold_file::{ColdFile, Halt};
use self::indexes::Entries;
use super::disk::is_out_of_descriptors;
use super::names::SegmentFile;
use super::offset_index::{self, OffsetEntry};
use super::reader::LogView;
use super::segment::Segment;
use super::time_index::{self, TimeEntry};

/// A segment with this many findings is damaged as a whole.
const MOST_FINDINGS: usize = 16;

/// A segment of a view, as long as it exists.
#[derive(Clone, Debug)]
pub struct ViewedSegment {
    segment: Segment,
    /// Whether more may be appended to it.
    is_active: bool,
}

/// Damage that a scrub has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first offset that may be damaged.
    pub offset: Offset,
    /// The first offset after that which is good.
    pub end: Offset,
    /// The file.
    pub path: PathBuf,
    /// Where in the file, in bytes.
    pub position: u64,
    /// What is wrong there.
    pub reason: String,
}

/// How a scrub ended.
#[derive(Debug)]
pub enum Scrubbed {
    /// The whole segment was read, as far as it could be.
    Whole(Vec<Finding>),
    /// The segment was removed or replaced meanwhile.
    Gone,
    /// The pace asked for an end.
    Stopped,
    /// There is no file descriptor left at the moment.
    NotOpened(io::Error),
}

impl LogView {
    /// The segments that are not empty, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = ViewedSegment> {
        let sealed = self.sealed.iter().map(|segment| (segment, false));
        let all = sealed.chain([(&self.active, true)]);
        all.filter(|(segment, _)| segment.length > 0)
            .map(|(segment, is_active)| ViewedSegment {
                segment: segment.clone(),
                is_active,
            })
    }

    /// Whether this segment, and not one that has replaced it, is in this view.
    pub fn has(&self, segment: &ViewedSegment) -> bool {
        let at = self
            .sealed
            .binary_search_by_key(&segment.base(), Segment::base);
        let sealed = at.ok().and_then(|at| self.sealed.get(at));
        let ours = sealed.unwrap_or(&self.active);
        Arc::ptr_eq(&ours.files, &segment.segment.files)
    }
}

impl ViewedSegment {
    /// Its first offset.
    pub fn base(&self) -> Offset {
        self.segment.base()
    }

    /// Reads and checks all of it. `pace` is called with the number of bytes that were read; it may wait, or end the scrub.
    pub fn scrub(&self, pace: Pace<'_>) -> Scrubbed {
        let result = Scrub::open(self, pace).and_then(Scrub::run);
        if self.segment.files.is_retired() {
            // the files under these names may have been those of another segment
            return Scrubbed::Gone;
        }
        match result {
            Ok(findings) => Scrubbed::Whole(findings),
            Err(Halt::Stopped) => Scrubbed::Stopped,
            Err(Halt::Gone) => Scrubbed::Gone,
            Err(Halt::Failed(error)) => Scrubbed::NotOpened(error),
        }
    }
}

/// A running scrub.
struct Scrub<'s> {
    segment: &'s Segment,
    is_active: bool,
    log: Option<ColdFile<'s>>,
    offsets: Option<Entries<'s, OffsetEntry, { offset_index::ENTRY_SIZE }>>,
    times: Option<Entries<'s, TimeEntry, { time_index::ENTRY_SIZE }>>,
    /// The largest timestamp so far.
    largest: Timestamp,
    /// The indexes of a damaged log cannot be checked.
    is_log_good: bool,
    findings: Vec<Finding>,
    /// How many of the last findings are about damage whose end is not known yet.
    open_findings: usize,
}

impl<'s> Scrub<'s> {
    fn open(viewed: &'s ViewedSegment, pace: Pace<'s>) -> Result<Self, Halt> {
        let segment = &viewed.segment;
        let mut scrub = Self {
            segment,
            is_active: viewed.is_active,
            log: None,
            offsets: None,
            times: None,
            largest: Timestamp::NONE,
            is_log_good: true,
            findings: Vec::new(),
            open_findings: 0,
        };
        scrub.log = scrub.open_file(SegmentFile::Log, segment.length, pace)?;
        let size = |entries: u32, size: usize| u64::from(entries) * size as u64;
        let length = size(segment.offset_entries, offset_index::ENTRY_SIZE);
        scrub.offsets = scrub
            .open_file(SegmentFile::OffsetIndex, length, pace)?
            .map(|file| Entries::new(file, segment.base(), OffsetEntry::decode));
        let length = size(segment.time_entries, time_index::ENTRY_SIZE);
        scrub.times = scrub
            .open_file(SegmentFile::TimeIndex, length, pace)?
            .map(|file| Entries::new(file, segment.base(), TimeEntry::decode));
        Ok(scrub)
    }

    /// Opens a file of which `length` bytes count. `None` if it cannot be read, which is a finding.
    fn open_file(
        &mut self,
        kind: SegmentFile,
        length: u64,
        pace: Pace<'s>,
    ) -> Result<Option<ColdFile<'s>>, Halt> {
        let base = self.segment.base();
        let found = match self.segment.files.open_to_read(kind) {
            Ok(file) => file.metadata().map(|metadata| (file, metadata.len())),
            Err(error) => Err(error),
        };
        match found {
            Ok((file, size)) if size >= length => {
                return Ok(Some(ColdFile::new(file, length, pace)));
            }
            Ok((_, size)) => {
                let reason = format!("the file ends here, but {length} bytes were written");
                self.find(kind, size, base, reason);
            }
            Err(error) if is_out_of_descriptors(&error) => return Err(Halt::Failed(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // the whole replica was deleted or moved: that is not a finding
                let path = self.segment.files.path(SegmentFile::Log);
                if !path.parent().is_some_and(std::path::Path::is_dir) {
                    return Err(Halt::Gone);
                }
                self.find(kind, 0, base, "the file is missing".to_owned());
            }
            Err(error) => self.find(kind, 0, base, format!("cannot be opened: {error}")),
        }
        Ok(None)
    }

    fn find(&mut self, kind: SegmentFile, position: u64, offset: Offset, reason: String) {
        self.findings.push(Finding {
            offset,
            end: offset,
            path: self.segment.files.path(kind),
            position,
            reason,
        });
    }

    fn find_in_log(&mut self, position: u64, offset: Offset, reason: String) {
        self.is_log_good = false;
        self.find(SegmentFile::Log, position, offset, reason);
        if let Some(finding) = self.findings.last_mut() {
            // until a good batch is found after it
            finding.end = self.segment.end;
            self.open_findings += 1;
        }
    }

    /// Ends the open findings at `offset`, where a good batch begins.
    fn close_findings(&mut self, offset: Offset) {
        let open = std::mem::take(&mut self.open_findings);
        for finding in self.findings.iter_mut().rev().take(open) {
            finding.end = offset.max(finding.offset);
        }
    }

    fn run(mut self) -> Result<Vec<Finding>, Halt> {
        let Some(mut log) = self.log.take() else {
            return Ok(self.findings);
        };
        let length = self.segment.length;
        let (mut position, mut expected) = (0, self.segment.base());
        // the batch before this one: where it starts, what was expected of it, and how much was found before it
        let mut previous = (position, expected, 0);
        while position < length && self.findings.len() < MOST_FINDINGS {
            match read_batch(&mut log, position, length)? {
                Ok(header) => {
                    let next = position + header.size() as u64;
                    if self.is_outside(&header) {
                        let reason =
                            format!("{} do not belong in this segment", offsets_of(&header));
                        self.find_in_log(position, expected, reason);
                        position = next;
                        continue;
                    }
                    if header.base_offset < expected {
                        // The checksum does not cover offsets: these may be wrong, or those before.
                        let reason = format!(
                            "this batch ends with offset {}, but the batch at byte {position} has {}",
                            expected.plus(-1),
                            offsets_of(&header)
                        );
                        // an index entry about the previous batch is not a finding of its own
                        self.findings.truncate(previous.2);
                        self.find_in_log(previous.0, previous.1, reason);
                    }
                    self.close_findings(header.base_offset);
                    previous = (position, expected, self.findings.len());
                    if self.is_log_good {
                        self.check_offset_entries(position, &header)?;
                        self.check_time_entries(&header)?;
                    }
                    self.largest = self.largest.max(header.max_timestamp);
                    (position, expected) = (next, header.next_offset());
                }
                Err(reason) => {
                    self.find_in_log(position, expected, reason);
                    match self.entry_behind(position)? {
                        Some(entry) if entry.position < length => position = entry.position,
                        _ => return Ok(self.findings),
                    }
                }
            }
        }
        if self.is_log_good {
            self.check_ends()?;
        }
        Ok(self.findings)
    }

    /// Whether a batch's offsets cannot be in this segment.
    fn is_outside(&self, header: &BatchHeader) -> bool {
        let (base, last) = (self.segment.base(), header.last_offset());
        header.base_offset < base
            || header.last_offset_delta < 0
            || last >= self.segment.end
            || i32::try_from(last.since(base)).is_err()
    }
}

/// The header of the batch at `position`, whose bytes have all been read and checked; otherwise, what is wrong.
fn read_batch(
    log: &mut ColdFile<'_>,
    position: u64,
    length: u64,
) -> Result<Result<BatchHeader, String>, Halt> {
    check_batch(log, position, length).or_else(|halt| halt.into_reason().map(Err))
}

fn check_batch(
    log: &mut ColdFile<'_>,
    position: u64,
    length: u64,
) -> Result<Result<BatchHeader, String>, Halt> {
    let left = length - position;
    if left < HEADER_SIZE as u64 {
        return Ok(Err(format!("{left} bytes are no header")));
    }
    let mut bytes = [0; HEADER_SIZE];
    log.read(position, &mut bytes)?;
    let header = match BatchHeader::parse(&bytes) {
        Ok(header) => header,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let size = header.size() as u64;
    if size > left {
        return Ok(Err(format!(
            "a batch of {size} bytes, but only {left} are left"
        )));
    }
    // the length may be wrong, so that much is not allocated
    let mut crc = header.crc_over(&[]);
    log.for_each(position + HEADER_SIZE as u64, position + size, |body| {
        crc = crc32c::crc32c_append(crc, body);
    })?;
    Ok(if crc == header.crc {
        Ok(header)
    } else {
        Err(format!(
            "stored crc {:#010x} differs from {crc:#010x}",
            header.crc
        ))
    })
}

fn offsets_of(header: &BatchHeader) -> String {
    format!("offsets {} to {}", header.base_offset, header.last_offset())
}
