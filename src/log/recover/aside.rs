//! Setting aside the batches after a gap that a crash has made. They are intact, but no longer part of the log.
//!
//! ```text
//!   0.log    |batch|batch|bat?h|batch|        0.log                   |batch|batch|
//!   40.log   |batch|batch|              ->    20-40.log.set-aside     |bat?h|batch|
//!                                             40-60.log.set-aside     |batch|batch|
//!                                             60.log                  the log continues
//! ```
//! The copy is on disk before the log is truncated, and the next start repeats the work of a start that was interrupted.
//! If there is no intact batch, nothing is set aside: it is an incomplete write, and is removed.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::base::Offset;

use super::{Contents, Recovery};
use crate::log::catalogue::Found;
use crate::log::disk::Disk;
use crate::log::loss::{LossKind, SetAside};
use crate::log::names::{self, SegmentFile, Suffix, with_suffix};
use crate::log::partition_log::LogError;
use crate::log::rebuild::{BadTail, LONGEST_LOG};
use crate::log::resync::{Whole, count_whole};
use crate::log::segment::Segment;

impl Recovery {
    /// Removes everything after the good part of a segment, and all later segments.
    pub(super) fn set_aside(
        &mut self,
        last: &Segment,
        bad_tail: Option<&BadTail>,
        later: &[Found],
        contents: &mut Contents<'_>,
    ) -> Result<(), LogError> {
        // the last one first, so that a crash in between leaves no gap
        let mut below = Offset(i64::MAX);
        for segment in later.iter().rev() {
            self.set_segment_aside(segment, below, contents)?;
            below = segment.base;
        }
        let Some(bad) = bad_tail else { return Ok(()) };
        let first = last.end;
        let log = last.files.log()?;
        let length = log.metadata()?.len();
        let bytes = bad.position..length.min(LONGEST_LOG);
        let whole = count_whole(&log, bytes.clone(), first..below)?;
        let Some(end) = whole.end else {
            return self.truncate_incomplete(last, bad);
        };
        let aside = names::set_aside_path(&self.directory, first, end);
        let bytes = bytes.start..whole.end_position;
        copy(&self.options.disk, &log, bytes.clone(), &aside)?;
        self.options.disk.sync_directory(&self.directory)?;
        let how_much = how_much(&whole, bytes.end - bytes.start);
        self.note_set_aside((first, end), aside, how_much, contents);
        self.options.disk.set_length(&log, bad.position)?;
        self.report.bytes_truncated += length.saturating_sub(bad.position);
        Ok(())
    }

    fn set_segment_aside(
        &mut self,
        found: &Found,
        below: Offset,
        contents: &mut Contents<'_>,
    ) -> Result<(), LogError> {
        let disk = self.options.disk.clone();
        let path = SegmentFile::Log.path(&self.directory, found.base);
        let whole = count_whole(
            &File::open(&path)?,
            0..found.length.min(LONGEST_LOG),
            found.base..below,
        )?;
        match whole.end {
            Some(end) => {
                let aside = names::set_aside_path(&self.directory, found.base, end);
                disk.rename(&path, &aside)?;
                let how_much = how_much(&whole, found.length);
                self.note_set_aside((found.base, end), aside, how_much, contents);
            }
            None => disk.remove(&path)?,
        }
        // the log first: without it, a start ignores the others
        for kind in SegmentFile::OF_SEGMENT {
            if kind != SegmentFile::Log {
                disk.remove(&kind.path(&self.directory, found.base))?;
            }
        }
        if contents.snapshots.remove(&found.base) {
            disk.remove(&SegmentFile::ProducerSnapshot.path(&self.directory, found.base))?;
        }
        self.report.segments_deleted += 1;
        self.report.bytes_truncated += found.length;
        Ok(())
    }

    fn note_set_aside(
        &mut self,
        (first, end): (Offset, Offset),
        path: std::path::PathBuf,
        how_much: SetAside,
        contents: &mut Contents<'_>,
    ) {
        contents.set_aside.push((first, end));
        self.lose(first..end, path, LossKind::SetAside(Some(how_much)));
    }

    /// Reports what earlier starts have set aside.
    pub(super) fn remember_set_aside(&mut self, set_aside: &[(Offset, Offset)]) {
        for (first, end) in set_aside {
            let path = names::set_aside_path(&self.directory, *first, *end);
            self.lose(*first..*end, path, LossKind::SetAside(None));
        }
    }
}

const fn how_much(whole: &Whole, bytes: u64) -> SetAside {
    SetAside {
        batches: whole.batches,
        records: whole.records,
        bytes,
    }
}

/// Copies a part of a file into one of another name, and makes it durable.
fn copy(disk: &Disk, from: &File, bytes: Range<u64>, to: &Path) -> io::Result<()> {
    const CHUNK: usize = 1024 * 1024;
    // removed by the next start if this one does not finish
    let unfinished = with_suffix(to, Suffix::Cleaned);
    let file = disk.create(&unfinished)?;
    let mut buffer = vec![0; CHUNK];
    let mut position = bytes.start;
    while position < bytes.end {
        let length = usize::try_from(bytes.end - position)
            .unwrap_or(CHUNK)
            .min(CHUNK);
        let chunk = buffer.get_mut(..length).unwrap_or_default();
        from.read_exact_at(chunk, position)?;
        disk.write_at(&file, chunk, position - bytes.start)?;
        position += chunk.len() as u64;
    }
    disk.sync(&file)?;
    disk.rename(&unfinished, to)
}
