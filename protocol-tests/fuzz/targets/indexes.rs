//! Index files. An index that is in order answers like a plain search; one that is not gives some answer.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use zurau::fuzzed::base::{Offset, Timestamp};
use zurau::fuzzed::log::fuzzing::{
    offset_index_entry, offset_index_floor, offset_index_floor_by_position, time_index_before,
    time_index_count_below, time_index_entry,
};

use crate::input::Input;

const BASE: Offset = Offset(1_000_000);

/// Lets `look` read `bytes` as a file.
fn with_file(bytes: &[u8], look: impl FnOnce(&File)) {
    thread_local! {
        static FILE: RefCell<File> = RefCell::new(tempfile::tempfile_in("/dev/shm")
            .or_else(|_| tempfile::tempfile())
            .expect("a temporary file"));
    }
    FILE.with_borrow(|file| {
        file.set_len(0).expect("cut");
        file.write_all_at(bytes, 0).expect("written");
        look(file);
    });
}

/// The question is in front of the file: an offset, from the base on, and a position.
pub(crate) fn offset_index(bytes: &[u8]) {
    let mut input = Input(bytes);
    let offset = BASE.plus(i64::from(input.number(4) as u32));
    let position = input.number(4);
    let entries = u32::try_from(input.0.len() / 8).expect("a small file");
    with_file(input.0, |file| {
        let all: Vec<(Offset, u64)> = (0..entries)
            .map(|number| offset_index_entry(file, BASE, number).expect("an entry"))
            .collect();
        let by_offset = offset_index_floor(file, BASE, entries, offset).expect("an answer");
        let by_position =
            offset_index_floor_by_position(file, BASE, entries, position).expect("an answer");
        if all.is_sorted_by(|one, next| one.0 < next.0) {
            let wanted = all.iter().rfind(|entry| entry.0 <= offset);
            assert_eq!(by_offset.as_ref(), wanted);
        }
        if all.is_sorted_by(|one, next| one.1 < next.1) {
            let wanted = all.iter().rfind(|entry| entry.1 <= position);
            assert_eq!(by_position.as_ref(), wanted);
        }
        // More entries than there are: the file was cut.
        assert!(offset_index_entry(file, BASE, entries).is_err());
    });
}

pub(crate) fn time_index(bytes: &[u8]) {
    let mut input = Input(bytes);
    let offset = BASE.plus(i64::from(input.number(4) as u32));
    let timestamp = Timestamp(input.int64());
    let entries = u32::try_from(input.0.len() / 12).expect("a small file");
    with_file(input.0, |file| {
        let all: Vec<(Timestamp, Offset)> = (0..entries)
            .map(|number| time_index_entry(file, BASE, number).expect("an entry"))
            .collect();
        let before = time_index_before(file, BASE, entries, timestamp).expect("an answer");
        let below = time_index_count_below(file, BASE, entries, offset).expect("an answer");
        if all.is_sorted_by(|one, next| one.0 <= next.0) {
            assert_eq!(
                before.as_ref(),
                all.iter().rfind(|entry| entry.0 < timestamp)
            );
        }
        if all.is_sorted_by(|one, next| one.1 <= next.1) {
            let wanted = all.iter().filter(|entry| entry.1 < offset).count();
            assert_eq!(below as usize, wanted);
        }
    });
}
