//! The metadata log: single records, and whole logs with the image that comes of them.

use zurau::fuzzed::base::{LeaderEpoch, Offset};
use zurau::fuzzed::metadata::{Image, Loader, MetadataRecord, snapshot};

use crate::input::Input;

/// A record that can be read is written in bytes that read the same.
pub(crate) fn record(bytes: &[u8]) {
    if let Ok(record) = MetadataRecord::decode(bytes) {
        let written = record.encode();
        assert_eq!(MetadataRecord::decode(&written).as_ref(), Ok(&record));
    }
}

/// Records behind their lengths of two bytes; one of length 0 asks for an image. A snapshot of an
/// image brings that image about.
pub(crate) fn log(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut loader = Loader::new(Image::default());
    let mut offset = Offset::ZERO;
    let epoch = LeaderEpoch(1);
    while !input.is_empty() {
        let piece = input.piece();
        if piece.is_empty() {
            if loader.publish().is_err() {
                return;
            }
            continue;
        }
        let Ok(record) = MetadataRecord::decode(piece) else {
            continue;
        };
        if loader.feed(record, offset, epoch).is_err() {
            return;
        }
        offset = offset.next();
    }
    if loader.is_in_transaction() {
        return;
    }
    let Ok((image, _)) = loader.publish() else {
        return;
    };
    let mut again = Loader::new(Image::default());
    for record in snapshot::records(&image) {
        let bytes = record.encode();
        let record = MetadataRecord::decode(&bytes).expect("what is written can be read");
        again
            .feed(record, image.offset(), image.epoch())
            .expect("a snapshot can be replayed");
    }
    again.skip_to(image.offset(), image.epoch());
    let (copy, _) = again.publish().expect("a snapshot is complete");
    assert_eq!(copy, image);
    // As text: a quota may be no number, which equals nothing.
    assert_eq!(format!("{:?}", copy.told()), format!("{:?}", image.told()));
}
