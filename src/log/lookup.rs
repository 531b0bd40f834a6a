//! Binary search in a file of entries of one size, with few and small reads.

use std::io;

use super::page_cache::ReadAt;

/// Entries of this many bytes are read at once, and searched in memory.
const WINDOW: usize = 4096;

/// How many of the first `entries` entries satisfy `holds`, which must be true for a first part of them and
/// false after it. The tail is searched first, since most lookups are for recent data.
pub(crate) fn partition_point<const SIZE: usize>(
    file: &impl ReadAt,
    entries: u32,
    holds: impl Fn(&[u8]) -> bool,
) -> io::Result<u32> {
    let window = u32::try_from(WINDOW / SIZE).unwrap_or(1).max(1);
    let mut buffer = [0; WINDOW];
    let mut low = 0;
    let mut high = entries;
    let mut guess = entries.saturating_sub(window);
    // the answer lies in low..=high, and everything below low holds
    while high - low > window {
        let mut bytes = [0; SIZE];
        file.fill(&mut bytes, u64::from(guess) * SIZE as u64)?;
        if holds(&bytes) {
            low = guess + 1;
        } else {
            high = guess;
        }
        guess = low + (high - low) / 2;
    }
    let length = (high - low) as usize * SIZE;
    let chunk = buffer
        .get_mut(..length)
        .ok_or(io::ErrorKind::InvalidInput)?;
    file.fill(chunk, u64::from(low) * SIZE as u64)?;
    let held = chunk
        .chunks_exact(SIZE)
        .take_while(|bytes| holds(bytes))
        .count();
    Ok(low + u32::try_from(held).unwrap_or(0))
}
