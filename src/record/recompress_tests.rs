//! Another codec changes nothing that a consumer sees.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::batch::{Attributes, Batch, BatchHeader, HEADER_SIZE};
use super::build::{BatchBuilder, BatchOptions};
use super::compress::{Codec, Compression};
use super::compressor::Compressor;
use super::iter::Header;
use super::recompress::Recompressed;
use super::stream::Limits;
use crate::base::Timestamp;

const ROOM: Limits = Limits {
    total: 1 << 26,
    held: 1 << 26,
};

fn codecs() -> impl Strategy<Value = Codec> {
    prop::sample::select(vec![
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ])
}

fn compressions() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        prop_oneof![Just(-1), 1..10].prop_map(Compression::Gzip),
        Just(Compression::Snappy),
        (1..18).prop_map(Compression::Lz4),
        prop_oneof![-131_072..0, 0..20].prop_map(Compression::Zstd),
    ]
}

/// Bytes that shrink a little, of any size around the blocks of the codecs.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![0..200_usize, 32_000..33_000_usize, 65_000..200_000_usize];
    (size, any::<u8>(), 1..1000_usize).prop_map(|(size, seed, period)| {
        (0..size)
            .map(|at| ((at % period).wrapping_mul(at / 1000 + 7) >> 2) as u8 ^ seed)
            .collect()
    })
}

/// What a consumer sees of a record.
type Seen = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn seen(batch: &Batch) -> Vec<Seen> {
    let bytes = batch.record_bytes(ROOM.total).expect("unpacks");
    let records = batch.records(&bytes).map(|record| {
        let record = record.expect("a record");
        let headers = record.headers();
        (
            record.timestamp.0,
            record.offset.0,
            record.key.map(<[u8]>::to_vec),
            record.value.map(<[u8]>::to_vec),
            headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        )
    });
    records.collect()
}

fn with_header(batch: &Batch, change: impl FnOnce(&mut BatchHeader)) -> Batch {
    let mut header = batch.header;
    change(&mut header);
    joined(header, &batch.body())
}

fn joined(mut header: BatchHeader, body: &[u8]) -> Batch {
    header.length = i32::try_from(body.len() + HEADER_SIZE - 12).expect("a small batch");
    header.crc = header.crc_over(body);
    let bytes: Bytes = [&header.encode(), body].concat().into();
    Batch::parse(&bytes).expect("a batch")
}

/// The batch as it would be stored.
fn stored(batch: &Batch, target: Compression, done: &Recompressed) -> Batch {
    let header = BatchHeader {
        attributes: Attributes(0).with_codec(target.codec()),
        base_timestamp: done.base_timestamp,
        ..batch.header
    };
    joined(header, done.body.as_ref().expect("a body"))
}

fn batches() -> impl Strategy<Value = Batch> {
    let field = || vec(any::<u8>(), 0..60);
    let large = prop_oneof![9 => field(), 1 => vec(Just(7), 0..70_000)];
    let headers = vec((vec(0_u8..2, 0..2), option::of(field())), 0..4);
    let record = (
        -1_i64..1 << 45,
        option::of(field()),
        option::of(large),
        headers,
    );
    (codecs(), vec(record, 1..20)).prop_map(|(codec, records)| {
        let mut builder = BatchBuilder::new(BatchOptions {
            codec,
            ..BatchOptions::default()
        });
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<Header<'_>> = headers
                .iter()
                .map(|(key, value)| Header {
                    key,
                    value: value.as_deref(),
                })
                .collect();
            builder.push(
                Timestamp(*timestamp),
                key.as_deref(),
                value.as_deref(),
                &headers,
            );
        }
        Batch::parse(&builder.finish()).expect("a batch")
    })
}

/// What a scan says that the records unpack to.
fn unpacked(batch: &Batch) -> usize {
    let mut scan = batch.scan(ROOM).expect("a stream");
    scan.by_ref().for_each(|record| assert!(record.is_ok()));
    scan.unpacked()
}

proptest! {
    #[test]
    fn a_stream_does_not_depend_on_how_it_was_written(
        compression in compressions(), bytes in bytes(), cuts in vec(1..50_000_usize, 1..20),
    ) {
        let whole = compression.compress(&bytes).expect("compresses");
        let mut compressor = Compressor::open(compression, Vec::new(), Some(bytes.len())).expect("opens");
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            compressor.write(piece).expect("writes");
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let pieces = compressor.finish().expect("finishes");
        let codec = compression.codec();
        prop_assert_eq!(codec.decompress(&pieces, bytes.len()).expect("unpacks"), &bytes);
        prop_assert_eq!(codec.decompress(&whole, bytes.len()).expect("unpacks"), &bytes);
        if matches!(codec, Codec::Snappy | Codec::Lz4) {
            prop_assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn records_stay_as_they_are(batch in batches(), target in compressions(), counted: bool) {
        let size = counted.then(|| unpacked(&batch));
        let done = batch.recompress(target, size, ROOM, usize::MAX).expect("recompresses");
        let after = stored(&batch, target, &done);
        prop_assert_eq!(seen(&after), seen(&batch));
        prop_assert_eq!(done.base_timestamp, batch.header.base_timestamp);
        // Not a byte of them changes.
        prop_assert_eq!(after.record_bytes(ROOM.total), batch.record_bytes(ROOM.total));
        // The largest size that is allowed is exact.
        let fits = batch.recompress(target, size, ROOM, done.size).expect("recompresses");
        prop_assert_eq!(fits.body, done.body);
        let large = batch.recompress(target, size, ROOM, done.size - 1).expect("recompresses");
        prop_assert_eq!(large.body, None);
        prop_assert!(large.size >= done.size && large.size < done.size + 100_000);
    }

    #[test]
    fn the_first_record_becomes_the_base(batch in batches(), target in compressions(), base in 0_i64..1 << 45, counted: bool) {
        let moved = with_header(&batch, |header| header.base_timestamp = Timestamp(base));
        let size = counted.then(|| unpacked(&moved));
        let done = moved.recompress(target, size, ROOM, usize::MAX).expect("recompresses");
        // All times lie as far apart as before: with the first one as the base these are the same bytes.
        prop_assert_eq!(done.base_timestamp.0, seen(&moved)[0].0);
        let after = stored(&moved, target, &done);
        prop_assert_eq!(seen(&after), seen(&moved));
        let again = after.recompress(Compression::None, None, ROOM, usize::MAX).expect("recompresses");
        prop_assert_eq!(again.body, Some(after.record_bytes(ROOM.total).expect("unpacks")));
    }

    #[test]
    fn one_time_for_all_records_is_written_to_each(batch in batches(), target in compressions(), time in 0_i64..1 << 45) {
        let stamped = with_header(&batch, |header| {
            header.attributes = header.attributes.with_log_append_time(true);
            header.max_timestamp = Timestamp(time);
        });
        let done = stamped.recompress(target, None, ROOM, usize::MAX).expect("recompresses");
        prop_assert_eq!(seen(&stored(&stamped, target, &done)), seen(&stamped));
        prop_assert_eq!(done.base_timestamp, Timestamp(time));
    }
}

#[test]
fn a_higher_level_is_smaller() {
    let text: Vec<u8> = (0..60_000_u32)
        .flat_map(|n| {
            (n.wrapping_mul(2_654_435_761) >> 20)
                .to_string()
                .into_bytes()
        })
        .collect();
    let size = |compression: Compression| compression.compress(&text).expect("compresses").len();
    assert!(size(Compression::Gzip(9)) < size(Compression::Gzip(1)));
    assert_eq!(size(Compression::Gzip(-1)), size(Compression::Gzip(6)));
    assert!(size(Compression::Lz4(12)) < size(Compression::Lz4(3)));
    assert!(
        size(Compression::Lz4(3)) < size(Compression::Lz4(9)),
        "9 is the fast one"
    );
    assert_eq!(size(Compression::Lz4(17)), size(Compression::Lz4(12)));
    assert!(size(Compression::Zstd(19)) < size(Compression::Zstd(1)));
    assert!(size(Compression::Zstd(1)) < size(Compression::Zstd(-50)));
    for level in [-131_072, 22] {
        let packed = Compression::Zstd(level)
            .compress(&text)
            .expect("compresses");
        assert_eq!(
            Codec::Zstd
                .decompress(&packed, text.len())
                .expect("unpacks"),
            text
        );
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: Codec::Zstd,
        ..BatchOptions::default()
    });
    builder.push(Timestamp(1), None, Some(&vec![0; 8 << 20]), &[]);
    let batch = Batch::parse(&builder.finish()).expect("a batch");
    let limits = Limits {
        total: 4 << 20,
        held: 4 << 20,
    };
    assert!(
        batch
            .recompress(Compression::None, None, limits, usize::MAX)
            .is_err()
    );
    let done = batch
        .recompress(Compression::None, None, ROOM, 1000)
        .expect("recompresses");
    // It ends with the piece that is too much.
    assert!(done.body.is_none() && done.size > 1000 && done.size < 1 << 20);
}
