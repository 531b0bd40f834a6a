//! Properties of the scan: it agrees with the borrowed iterator, and holds little whatever it reads.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::batch::{Batch, HEADER_SIZE, LENGTH_OVERHEAD};
use super::build::{BatchBuilder, BatchOptions};
use super::compress::{Codec, CodecError};
use super::iter::{Header, RecordError};
use super::scan::{ScanError, ScannedRecord, scan_plain};
use super::stream::Limits;
use super::varint;
use crate::base::{Offset, Timestamp};

const MIB: usize = 1024 * 1024;
const LIMITS: Limits = Limits {
    total: 4 * MIB,
    held: 4 * MIB,
};
const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

/// A batch of `count` records whose bytes are `body`, compressed already.
fn batch_of(codec: Codec, count: i32, body: &[u8]) -> Batch {
    let empty = BatchBuilder::new(BatchOptions::default()).finish();
    let mut header = Batch::parse(&empty).expect("a header").header;
    header.attributes = header.attributes.with_codec(codec);
    header.base_offset = Offset(7);
    header.base_timestamp = Timestamp(1000);
    header.record_count = count;
    header.length = i32::try_from(HEADER_SIZE - LENGTH_OVERHEAD + body.len()).expect("short");
    let bytes = [&header.encode()[..], body].concat();
    Batch::parse(&bytes.into()).expect("a whole batch")
}

type Outcome = (Vec<ScannedRecord>, Option<String>);

/// What the borrowed iterator makes of the unpacked bytes; the flag says whether they could be unpacked.
fn borrowed(batch: &Batch) -> (Outcome, bool) {
    let mut records = Vec::new();
    let bytes = match batch.record_bytes(LIMITS.total) {
        Ok(bytes) => bytes,
        Err(error) => return ((records, Some(error.to_string())), false),
    };
    for record in batch.records(&bytes) {
        match record {
            Ok(record) => records.push(record.into()),
            Err(error) => return ((records, Some(error.to_string())), true),
        }
    }
    ((records, None), true)
}

fn scanned(batch: &Batch) -> Outcome {
    let mut records = Vec::new();
    let scan = match batch.scan(LIMITS) {
        Ok(scan) => scan,
        Err(error) => return (records, Some(error.to_string())),
    };
    for record in scan {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error.to_string())),
        }
    }
    (records, None)
}

fn assert_agreement(batch: &Batch) -> Result<(), TestCaseError> {
    let ((records, error), unpacked) = borrowed(batch);
    let (scanned, scan_error) = scanned(batch);
    prop_assert_eq!(
        error.is_some(),
        scan_error.is_some(),
        "{:?} {:?}",
        error,
        scan_error
    );
    if unpacked {
        prop_assert_eq!(&records, &scanned);
    }
    if batch.header.attributes.codec() == Ok(Codec::None) {
        prop_assert_eq!(plain(batch), (records, error));
    }
    Ok(())
}

/// What the loop over a batch that is not compressed makes of it.
fn plain(batch: &Batch) -> Outcome {
    let mut records = Vec::new();
    let checked = scan_plain(&batch.header, &batch.body(), |record| records.push(record));
    (records, checked.err().map(|error| error.to_string()))
}

/// Some records, few of them longer than a piece or an lz4 block.
fn records() -> impl Strategy<Value = Bytes> {
    let value = prop_oneof![
        8 => vec(any::<u8>(), 0..80),
        1 => (any::<u8>(), 20_000..200_000_usize).prop_map(|(byte, size)| vec![byte; size]),
        1 => (0..70_000_usize).prop_map(|size| (0..size).map(|n| (n / 3) as u8).collect()),
    ];
    let bytes = || vec(any::<u8>(), 0..20);
    let headers = vec((bytes(), option::of(bytes())), 0..3);
    let record = (
        0..1_i64 << 45,
        option::of(bytes()),
        option::of(value),
        headers,
    );
    vec(record, 0..12).prop_map(|records| {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<_> = headers
                .iter()
                .map(|(key, value)| Header {
                    key,
                    value: value.as_deref(),
                })
                .collect();
            let (key, value) = (key.as_deref(), value.as_deref());
            builder.push(Timestamp(*timestamp), key, value, &headers);
        }
        builder.finish()
    })
}

fn codecs() -> impl Strategy<Value = Codec> {
    proptest::sample::select(CODECS.to_vec())
}

/// A place near either end as often as elsewhere: that is where the fields lie.
fn place(size: usize, at: usize, near: u8) -> usize {
    match near {
        0 => at % size.min(16),
        1 => size - 1 - at % size.min(16),
        _ => at % size,
    }
}

proptest! {
    #[test]
    fn good_batches_read_the_same(codec in codecs(), bytes in records()) {
        let plain = Batch::parse(&bytes).expect("a batch");
        let body = codec.compress(&plain.body()).expect("compresses");
        let batch = batch_of(codec, plain.header.record_count, &body);
        prop_assert_eq!(borrowed(&batch).0.1, None);
        assert_agreement(&batch)?;
    }

    #[test]
    fn wrong_records_in_a_good_stream_read_the_same(
        codec in codecs(),
        bytes in records(),
        at: usize,
        near in 0..3_u8,
        flip in 1_u8..,
        cut in 0..4_u8,
        count in -1..2_i32,
        stamped: bool,
    ) {
        let plain = Batch::parse(&bytes).expect("a batch");
        let mut body = plain.body().to_vec();
        if !body.is_empty() {
            let at = place(body.len(), at, near);
            match cut {
                0 => body.truncate(at),
                1 => body.extend_from_within(at..),
                _ => body[at] ^= flip,
            }
        }
        let body = codec.compress(&body).expect("compresses");
        let mut batch = batch_of(codec, plain.header.record_count.saturating_add(count), &body);
        batch.header.attributes = batch.header.attributes.with_log_append_time(stamped);
        assert_agreement(&batch)?;
    }

    #[test]
    fn broken_streams_are_refused_by_both(
        codec in codecs(),
        bytes in records(),
        at: usize,
        near in 0..3_u8,
        flip in 1_u8..,
        cut: bool,
    ) {
        let plain = Batch::parse(&bytes).expect("a batch");
        let mut body = codec.compress(&plain.body()).expect("compresses").to_vec();
        if !body.is_empty() {
            let at = place(body.len(), at, near);
            if cut {
                body.truncate(at);
            } else {
                body[at] ^= flip;
            }
        }
        assert_agreement(&batch_of(codec, plain.header.record_count, &body))?;
    }

    #[test]
    fn random_bytes_read_the_same(codec in codecs(), count in -1..5_i32, bytes in vec(0_u8..12, 0..60), packed: bool) {
        let body = if packed { codec.compress(&bytes).expect("compresses") } else { bytes.into() };
        assert_agreement(&batch_of(codec, count, &body))?;
    }
}

/// The front of a record whose value of `size` zeros and whose lack of headers follow as `size + 1` zeros.
fn front_of_zeros(size: usize) -> Vec<u8> {
    let mut fields = vec![0, 0, 0];
    varint::put(&mut fields, -1);
    varint::put(&mut fields, i64::try_from(size).expect("small"));
    let length = i64::try_from(fields.len() + size + 1).expect("small");
    let mut front = Vec::new();
    varint::put(&mut front, length);
    front.extend(fields);
    front
}

/// One record of so many MiB of zeros. Streams may be joined, which keeps making a bomb cheap; but for lz4.
fn bomb(codec: Codec, mebibytes: usize) -> Vec<u8> {
    let mut front = front_of_zeros(mebibytes * MIB - 1);
    if codec == Codec::Lz4 {
        front.resize(front.len() + mebibytes * MIB, 0);
        return codec.compress(&front).expect("compresses").to_vec();
    }
    let zeros = codec.compress(&vec![0; MIB]).expect("compresses");
    let mut stream = codec.compress(&front).expect("compresses").to_vec();
    stream.extend(zeros.repeat(mebibytes));
    stream
}

#[test]
fn a_bomb_is_scanned_in_little_memory() {
    let limits = Limits {
        total: 256 * MIB,
        held: 16 * MIB,
    };
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let batch = batch_of(codec, 1, &bomb(codec, 64));
        let mut scan = batch.scan(limits).expect("opens");
        let record = scan.next().expect("one").expect("good");
        assert!(record.has_value && !record.has_key, "{codec}");
        assert!(scan.next().is_none(), "{codec}");
        assert!(scan.held() < 4 * MIB, "{codec} holds {}", scan.held());
    }
}

#[test]
fn a_bomb_beyond_the_limit_is_refused_in_little_memory() {
    let limits = Limits {
        total: 256 * MIB,
        held: 16 * MIB,
    };
    for codec in [Codec::Gzip, Codec::Zstd] {
        let bomb = bomb(codec, 500);
        assert!(bomb.len() < 600_000, "{codec} takes {}", bomb.len());
        let batch = batch_of(codec, 1, &bomb);
        let mut scan = batch.scan(limits).expect("opens");
        let refused = ScanError::Codec(CodecError::TooLarge {
            limit: limits.total,
        });
        assert_eq!(scan.next(), Some(Err(refused)), "{codec}");
        assert!(scan.next().is_none(), "{codec}");
        assert!(scan.held() < 4 * MIB, "{codec} holds {}", scan.held());
    }
}

#[test]
fn what_must_be_held_at_once_is_limited() {
    let limits = Limits {
        total: 64 * MIB,
        held: 2 * MIB,
    };
    let refused = Some(Err(ScanError::Codec(CodecError::TooLarge {
        limit: limits.held,
    })));
    let record = |size: usize| {
        let mut bytes = front_of_zeros(size);
        bytes.resize(bytes.len() + size + 1, 0);
        bytes
    };
    let (small, large) = (record(MIB), record(3 * MIB));

    // A bare block of snappy comes out whole.
    let bare = |bytes: &[u8]| {
        let block = snap::raw::Encoder::new().compress_vec(bytes);
        batch_of(Codec::Snappy, 1, &block.expect("compresses"))
    };
    let batch = bare(&small);
    assert!(
        batch
            .scan(limits)
            .expect("opens")
            .all(|record| record.is_ok())
    );
    let batch = bare(&large);
    assert_eq!(batch.scan(limits).expect("opens").next(), refused);

    // A window is touched only as far as output appears.
    let windowed = |bytes: &[u8], log: u8| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("encodes");
        std::io::Write::write_all(&mut encoder, bytes).expect("encodes");
        let mut stream = encoder.finish().expect("encodes");
        stream[5] = (log - 10) << 3;
        batch_of(Codec::Zstd, 1, &stream)
    };
    for log in [20, 21, 27] {
        let batch = windowed(&small, log);
        assert!(
            batch
                .scan(limits)
                .expect("opens")
                .all(|record| record.is_ok())
        );
    }
    let batch = windowed(&large, 21);
    assert!(
        batch
            .scan(limits)
            .expect("opens")
            .all(|record| record.is_ok())
    );
    let batch = windowed(&large, 27);
    assert_eq!(batch.scan(limits).expect("opens").next(), refused);
    let batch = windowed(&small, 28);
    let error = batch.scan(limits).expect("opens").next();
    assert!(matches!(
        error,
        Some(Err(ScanError::Codec(CodecError::Malformed { .. })))
    ));
}

#[test]
fn what_java_cannot_read_is_refused() {
    let plain = front_of_zeros(10);
    let body = [&plain[..], &[0; 11]].concat();
    let lz4 = Codec::Lz4.compress(&body).expect("compresses");
    let batch = batch_of(Codec::Lz4, 1, &lz4);
    assert_eq!(scanned(&batch).1, None);
    let joined = batch_of(Codec::Lz4, 2, &lz4.repeat(2));
    assert!(scanned(&joined).1.is_some());
    // A frame of zstd 0.7.
    let batch = batch_of(Codec::Zstd, 1, &[0x27, 0xB5, 0x2F, 0xFD, 0, 0, 0, 0]);
    assert!(scanned(&batch).1.is_some());
}

#[test]
fn errors_are_named() {
    let body = [&front_of_zeros(10)[..], &[0; 11]].concat();
    let error = |count, body: &[u8]| {
        let packed = Codec::Zstd.compress(body).expect("compresses");
        let batch = batch_of(Codec::Zstd, count, &packed);
        let error = batch.scan(LIMITS).expect("opens").find_map(Result::err);
        error.map(|error| match error {
            ScanError::Record(error) => error,
            ScanError::Codec(error) => panic!("{error}"),
        })
    };
    let length = i32::try_from(body.len() - 1).expect("short");
    assert_eq!(error(1, &body), None);
    assert_eq!(error(2, &body), Some(RecordError::Missing));
    assert_eq!(error(0, &body), Some(RecordError::LeftOver(body.len())));
    assert_eq!(error(-1, &body), Some(RecordError::NegativeCount(-1)));
    let cut = &body[..body.len() - 3];
    assert_eq!(error(1, cut), Some(RecordError::Length(length)));
    let mut trailing = body;
    trailing[0] += 2;
    trailing.push(0);
    assert_eq!(error(1, &trailing), Some(RecordError::TrailingBytes(1)));
}
