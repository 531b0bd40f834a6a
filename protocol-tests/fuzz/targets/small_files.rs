//! Small files: what can be read is written in a form that reads the same.

use zurau::fuzzed::base::{LeaderEpoch, Offset};
use zurau::fuzzed::log::checkpoint::{decode_offsets, encode_offsets};
use zurau::fuzzed::log::epochs::LeaderEpochs;
use zurau::fuzzed::log::fuzzing::{
    meta_properties as read_meta, meta_properties_text, partition_metadata as read_id,
    partition_metadata_text, producer_snapshot as rewrite_snapshot,
};

pub(crate) fn producer_snapshot(bytes: &[u8]) {
    let end = Offset(1_000_000);
    let mut bytes = bytes.to_vec();
    let _ = rewrite_snapshot(&bytes, end);
    // A wrong checksum would be the end of nearly every input.
    if bytes.len() >= 6 {
        let sum = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&sum.to_be_bytes());
    }
    if let Some(written) = rewrite_snapshot(&bytes, end) {
        assert_eq!(rewrite_snapshot(&written, end).as_ref(), Some(&written));
        assert!(written.len() <= bytes.len());
    }
}

pub(crate) fn offset_checkpoint(bytes: &[u8]) {
    if let Ok(offsets) = decode_offsets(bytes) {
        assert_eq!(
            decode_offsets(encode_offsets(&offsets).as_bytes()),
            Ok(offsets)
        );
    }
}

pub(crate) fn leader_epoch_checkpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(epochs) = LeaderEpochs::decode(text) else {
        return;
    };
    assert_eq!(LeaderEpochs::decode(&epochs.encode()).as_ref(), Ok(&epochs));
    for entry in epochs.entries() {
        assert_eq!(epochs.at(entry.start), Some(entry.epoch));
        let mut cut = epochs.clone();
        cut.truncate_from_start(entry.start);
        assert_eq!(cut.entries().first(), Some(entry));
        cut.truncate_from_end(entry.start);
        assert!(cut.entries().is_empty());
        let mut assigned = epochs.clone();
        assigned.assign(LeaderEpoch(entry.epoch.0.saturating_add(1)), entry.start);
        assert_eq!(
            LeaderEpochs::decode(&assigned.encode()).as_ref(),
            Ok(&assigned)
        );
        let _ = epochs.end_of(entry.epoch, Offset(i64::MAX));
    }
}

pub(crate) fn meta_properties(bytes: &[u8]) {
    if let Some(properties) = read_meta(bytes) {
        let text = meta_properties_text(&properties);
        assert_eq!(
            read_meta(text.as_bytes()).as_ref(),
            Some(&properties),
            "{text}"
        );
    }
}

pub(crate) fn partition_metadata(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some(id) = read_id(text) {
        assert_eq!(read_id(&partition_metadata_text(id)), Some(id));
    }
}
