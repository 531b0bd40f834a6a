//! Properties of the whole room: what is built can be read, what is broken is refused.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::batch::{Batch, BatchError, BatchHeader, Batches, HEADER_SIZE, NO_SEQUENCE};
use super::build::{BatchBuilder, BatchOptions};
use super::compress::{Codec, CodecError};
use super::control::{
    ControlPlace, ControlType, EndTransactionMarker, leader_change, snapshot_footer,
    snapshot_header,
};
use super::iter::{Header, RecordError, Records};
use crate::base::{LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp};

const LIMIT: usize = 1 << 20;
const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

/// A record that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn codecs() -> impl Strategy<Value = Codec> {
    proptest::sample::select(CODECS.to_vec())
}

fn records() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = || vec(any::<u8>(), 0..80);
    // Few possible keys, so that headers of one key come up.
    let headers = vec((vec(0_u8..2, 0..2), option::of(bytes())), 0..4);
    // Timestamps in any order: deltas of both signs.
    let record = (
        -1_i64..1 << 45,
        option::of(bytes()),
        option::of(bytes()),
        headers,
    );
    let record = record.prop_map(|(timestamp, key, value, headers)| Owned {
        timestamp,
        key,
        value,
        headers,
    });
    vec(record, 1..20)
}

fn build(options: BatchOptions, records: &[Owned]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let headers: Vec<Header<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder.push(
            Timestamp(record.timestamp),
            record.key.as_deref(),
            record.value.as_deref(),
            &headers,
        );
    }
    builder.finish()
}

fn read(batch: &Batch) -> Result<Vec<Owned>, String> {
    let bytes = batch
        .record_bytes(LIMIT)
        .map_err(|error| error.to_string())?;
    batch
        .records(&bytes)
        .map(|record| {
            let record = record.map_err(|error| error.to_string())?;
            Ok(Owned {
                timestamp: record.timestamp.0,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers()
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            })
        })
        .collect()
}

fn one_batch(bytes: &Bytes) -> Batch {
    let batch = Batch::parse(bytes).expect("a whole batch");
    assert_eq!(batch.bytes.len(), bytes.len());
    batch.check_crc().expect("a right checksum");
    batch
}

/// The same batch after `change`, with a right checksum.
fn resealed(batch: &Batch, change: impl FnOnce(&mut BatchHeader)) -> Batch {
    let mut header = batch.header;
    change(&mut header);
    header.crc = batch.crc_with_header(&header);
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&batch.body());
    one_batch(&bytes.into())
}

fn plain(count: i64) -> Batch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for number in 0..count {
        builder.push(Timestamp(number), Some(b"key"), Some(b"value"), &[]);
    }
    one_batch(&builder.finish())
}

proptest! {
    #[test]
    fn what_is_built_can_be_read(codec in codecs(), first in records(), second in records(), base in 0..1_i64 << 50) {
        let options = BatchOptions {
            base_offset: Offset(base),
            leader_epoch: LeaderEpoch(7),
            codec,
            producer_id: ProducerId(9),
            producer_epoch: ProducerEpoch(1),
            base_sequence: i32::MAX,
            transactional: true,
            ..BatchOptions::default()
        };
        let mut bytes = build(options, &first).to_vec();
        let next = base + i64::try_from(first.len()).expect("few");
        bytes.extend(build(BatchOptions { base_offset: Offset(next), ..options }, &second));

        let batches: Vec<Batch> =
            Batches::new(bytes.into()).collect::<Result<_, _>>().expect("whole batches");
        prop_assert_eq!(batches.len(), 2);
        for (batch, records) in batches.iter().zip([&first, &second]) {
            prop_assert_eq!(batch.check_crc(), Ok(()));
            prop_assert_eq!(&read(batch), &Ok(records.clone()));
            let times = records.iter().map(|record| record.timestamp);
            prop_assert_eq!(Some(batch.header.max_timestamp.0), times.max());
            prop_assert_eq!(batch.header.base_timestamp.0, records[0].timestamp);
            prop_assert_eq!(batch.header.attributes.codec(), Ok(codec));
            prop_assert_eq!(BatchHeader::parse(&batch.header.encode()), Ok(batch.header));
            let last = i32::try_from(records.len()).expect("few") - 1;
            prop_assert_eq!(batch.header.last_sequence(), if last == 0 { i32::MAX } else { last - 1 });
        }
        prop_assert_eq!(batches[0].header.next_offset(), batches[1].header.base_offset);
    }

    /// What compaction writes: some of the records, at their offsets, in a batch of the same range.
    #[test]
    fn what_is_left_after_a_filter_stays_as_it_was(
        codec in codecs(), target in codecs(), records in records(), keep in vec(any::<bool>(), 20), horizon in option::of(0_i64..1 << 45),
    ) {
        let before = one_batch(&build(BatchOptions { codec, base_offset: Offset(1000), ..BatchOptions::default() }, &records));
        let bytes = before.record_bytes(LIMIT).expect("unpacks");
        let mut builder = BatchBuilder::new(BatchOptions { codec: target, base_offset: Offset(1000), ..BatchOptions::default() });
        if let Some(horizon) = horizon {
            builder = builder.with_delete_horizon(Timestamp(horizon));
        }
        for (record, _) in before.records(&bytes).zip(&keep).filter(|(_, keep)| **keep) {
            let record = record.expect("a record");
            let headers: Vec<Header<'_>> = record.headers().collect();
            builder.push_at(record.offset_delta, record.timestamp, record.key, record.value, &headers);
        }
        builder.extend_to(before.header.last_offset_delta);
        let after = one_batch(&builder.finish());
        let kept: Vec<(Owned, i64)> = records.iter().cloned().zip(1000..).zip(&keep).filter(|(_, keep)| **keep).map(|(record, _)| record).collect();
        let bytes = after.record_bytes(LIMIT).expect("unpacks");
        let offsets: Vec<i64> = after.records(&bytes).map(|record| record.expect("a record").offset.0).collect();
        prop_assert_eq!(offsets, kept.iter().map(|(_, offset)| *offset).collect::<Vec<_>>());
        prop_assert_eq!(read(&after), Ok(kept.into_iter().map(|(record, _)| record).collect()));
        prop_assert_eq!(after.header.last_offset(), before.header.last_offset());
        prop_assert_eq!(after.header.delete_horizon(), horizon.map(Timestamp));
    }

    #[test]
    fn log_append_time_hides_the_records_times(records in records(), time in 0..1_i64 << 45) {
        let batch = one_batch(&build(BatchOptions::default(), &records));
        let stamped = resealed(&batch, |header| {
            header.max_timestamp = Timestamp(time);
            header.attributes = header.attributes.with_log_append_time(true);
        });
        prop_assert!(read(&stamped).expect("records").iter().all(|record| record.timestamp == time));
        let options = BatchOptions { log_append_time: Some(Timestamp(time)), ..BatchOptions::default() };
        prop_assert_eq!(build(options, &records), stamped.bytes);
    }

    #[test]
    fn a_flipped_byte_is_noticed(codec in codecs(), records in records(), at: prop::sample::Index, flip in 1_u8..) {
        let options = BatchOptions { codec, ..BatchOptions::default() };
        let mut bytes = build(options, &records).to_vec();
        let at = 16 + at.index(bytes.len() - 16);
        bytes[at] ^= flip;
        if let Ok(batch) = Batch::parse(&bytes.into()) {
            let noticed = matches!(batch.check_crc(), Err(BatchError::CorruptCrc { .. }));
            prop_assert!(noticed);
            // Without the checksum it may read as other records, but it must not panic.
            let _ = read(&batch);
        }
    }

    #[test]
    fn random_bytes_never_panic(codec in codecs(), bytes in vec(any::<u8>(), 0..400), count: i32, tame: bool) {
        let mut bytes = bytes;
        if tame && bytes.len() > HEADER_SIZE {
            // Let it pass for a batch, so that the records are reached.
            let length = i32::try_from(bytes.len() - 12).expect("short");
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            bytes[22] = bytes[22] & !7 | u8::try_from(codec.id()).expect("small");
        }
        let _ = codec.decompress(&bytes, LIMIT);
        let header = BatchHeader { record_count: count, ..plain(1).header };
        let _ = Records::new(&header, &bytes).count();
        for batch in Batches::new(bytes.into()).flatten() {
            let _ = (read(&batch), batch.check_crc(), batch.header.last_sequence(), batch.header.next_offset());
        }
    }

    #[test]
    fn broken_streams_never_panic(codec in codecs(), size in 0..200_000_usize, at: prop::sample::Index, flip: u8, cut: bool) {
        let text: Vec<u8> = (0..size).map(|n| u8::try_from(n / 9 % 251).expect("small")).collect();
        let mut stream = codec.compress(&text).expect("compresses").to_vec();
        let whole = codec.decompress(&stream, LIMIT).expect("decompresses");
        prop_assert_eq!(&whole[..], &text[..]);
        if stream.is_empty() {
            return Ok(());
        }
        let at = at.index(stream.len());
        if cut {
            stream.truncate(at);
            // A stream of snappy-java may end after any chunk.
            if codec != Codec::None && codec != Codec::Snappy && !stream.is_empty() {
                prop_assert!(codec.decompress(&stream, LIMIT).is_err());
            }
        } else {
            stream[at] ^= flip;
        }
        if let Ok(out) = codec.decompress(&stream, LIMIT) {
            prop_assert!(out.len() <= LIMIT);
        }
    }

    #[test]
    fn headers_never_panic(bytes in vec(any::<u8>(), HEADER_SIZE..HEADER_SIZE + 1)) {
        let mut bytes = bytes;
        bytes[16] = 2;
        if let Ok(header) = BatchHeader::parse(&bytes) {
            prop_assert_eq!(&header.encode()[..], &bytes[..]);
            prop_assert!(header.size() >= HEADER_SIZE);
        }
    }
}

#[test]
fn a_bomb_is_refused() {
    let zeros = vec![0; 64 << 20];
    for codec in CODECS {
        let bomb = codec.compress(&zeros).expect("compresses");
        assert_eq!(
            codec.decompress(&bomb, LIMIT),
            Err(CodecError::TooLarge { limit: LIMIT }),
            "{codec}"
        );
        assert_eq!(
            codec.decompress(&bomb, zeros.len()).expect("fits").len(),
            zeros.len(),
            "{codec}"
        );
    }
}

#[test]
fn a_false_record_count_is_an_error() {
    let batch = plain(3);
    let error = |count| {
        let batch = resealed(&batch, |header| header.record_count = count);
        let bytes = batch.record_bytes(LIMIT).expect("plain bytes");
        batch.records(&bytes).find_map(Result::err)
    };
    assert_eq!(error(3), None);
    assert_eq!(error(i32::MAX), Some(RecordError::Missing));
    assert_eq!(error(4), Some(RecordError::Missing));
    assert!(matches!(error(2), Some(RecordError::LeftOver(_))));
    assert!(matches!(error(0), Some(RecordError::LeftOver(_))));
    assert_eq!(error(-1), Some(RecordError::NegativeCount(-1)));
}

#[test]
fn a_length_beyond_the_end_ends_the_iteration() {
    let mut bytes = plain(1).bytes.to_vec();
    let size = bytes.len();
    bytes.extend_from_within(..);
    bytes[size + 8..size + 12].copy_from_slice(&i32::MAX.to_be_bytes());
    let mut batches = Batches::new(bytes.into());
    assert!(batches.next().is_some_and(|batch| batch.is_ok()));
    assert_eq!(batches.rest().len(), size);
    let needed = usize::try_from(i32::MAX).expect("fits") + 12;
    let error = batches.next().and_then(Result::err);
    assert_eq!(
        error,
        Some(BatchError::Short {
            needed,
            available: size
        })
    );
    assert!(batches.next().is_none());
}

#[test]
fn reading_copies_nothing() {
    let bytes = plain(2).bytes;
    let batch = Batches::new(bytes.clone())
        .next()
        .expect("one")
        .expect("whole");
    let records = batch.record_bytes(LIMIT).expect("plain bytes");
    assert_eq!(batch.bytes.as_ptr(), bytes.as_ptr());
    assert_eq!(records.as_ptr(), bytes[HEADER_SIZE..].as_ptr());
}

#[test]
fn compaction_can_leave_gaps_a_horizon_and_a_range() {
    let options = BatchOptions {
        base_offset: Offset(100),
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options).with_delete_horizon(Timestamp(9_000));
    builder.push_at(3, Timestamp(50), Some(b"a"), None, &[]);
    builder.push_at(8, Timestamp(70), Some(b"b"), None, &[]);
    builder.extend_to(10);
    let batch = one_batch(&builder.finish());
    assert_eq!(batch.header.delete_horizon(), Some(Timestamp(9_000)));
    assert_eq!(batch.header.max_timestamp, Timestamp(70));
    assert_eq!(batch.header.next_offset(), Offset(111));
    let bytes = batch.record_bytes(LIMIT).expect("plain bytes");
    let places: Vec<_> = batch
        .records(&bytes)
        .map(|record| record.map(|record| (record.offset.0, record.timestamp.0)))
        .collect::<Result<_, _>>()
        .expect("records");
    assert_eq!(places, [(103, 50), (108, 70)]);
}

#[test]
fn a_bare_header_has_no_records_whatever_its_codec() {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: Codec::Zstd,
        ..BatchOptions::default()
    });
    builder.extend_to(4);
    let batch = one_batch(&builder.finish());
    assert_eq!(batch.bytes.len(), HEADER_SIZE);
    let zstd = resealed(&batch, |header| {
        header.attributes = header.attributes.with_codec(Codec::Zstd);
    });
    assert_eq!(read(&zstd), Ok(Vec::new()));
}

#[test]
fn unknown_codecs_are_named() {
    for id in 5..8 {
        let batch = resealed(&plain(1), |header| header.attributes.0 = id);
        assert_eq!(batch.record_bytes(LIMIT), Err(BatchError::UnknownCodec(id)));
    }
}

#[test]
fn control_batches_have_kafkas_bytes() {
    let place = ControlPlace {
        base_offset: Offset(5),
        leader_epoch: LeaderEpoch(3),
        timestamp: Timestamp(1_000),
    };
    let cases: [(Bytes, ControlType, &[u8]); 3] = [
        (
            leader_change(place, NodeId(1), &[NodeId(1), NodeId(2)], &[NodeId(1)]),
            ControlType::LeaderChange,
            &[
                0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0, 0,
            ],
        ),
        (
            snapshot_header(place, Timestamp(0x0102), std::iter::empty()),
            ControlType::SnapshotHeader,
            &[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0],
        ),
        (
            snapshot_footer(place),
            ControlType::SnapshotFooter,
            &[0, 0, 0],
        ),
    ];
    for (bytes, kind, value) in cases {
        let batch = one_batch(&bytes);
        assert_eq!(batch.header.attributes.0, 1 << 5);
        assert_eq!(
            (batch.header.base_offset, batch.header.leader_epoch),
            (Offset(5), LeaderEpoch(3))
        );
        assert!(!batch.header.has_producer());
        let records = read(&batch).expect("records");
        assert_eq!(records.len(), 1);
        assert_eq!(ControlType::parse(records[0].key.as_deref()), Ok(kind));
        assert_eq!(records[0].value.as_deref(), Some(value));
    }
}

#[test]
fn transaction_markers_survive_a_round_trip() {
    for committed in [true, false] {
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 11,
        };
        let place = ControlPlace {
            base_offset: Offset(5),
            leader_epoch: LeaderEpoch(3),
            timestamp: Timestamp(1_000),
        };
        let batch = one_batch(&marker.batch(place, ProducerId(4), ProducerEpoch(2)));
        assert_eq!(batch.header.attributes.0, 1 << 4 | 1 << 5);
        assert_eq!(batch.header.base_sequence, NO_SEQUENCE);
        let bytes = batch.record_bytes(LIMIT).expect("plain bytes");
        let record = batch.records(&bytes).next().expect("one").expect("whole");
        assert_eq!(EndTransactionMarker::parse(&record), Ok(Some(marker)));
    }
    assert_eq!(
        ControlType::parse(Some(&[0, 9, 0, 77])),
        Ok(ControlType::Unknown(77))
    );
    assert!(ControlType::parse(Some(&[0xff, 0xff, 0, 1])).is_err());
    assert!(ControlType::parse(None).is_err());
}

#[test]
fn the_protocol_crate_reads_the_same_records() {
    use kafka_protocol::records::RecordBatchDecoder;
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: Offset(40),
        leader_epoch: LeaderEpoch(2),
        ..BatchOptions::default()
    });
    builder.push(
        Timestamp(100),
        Some(b"k"),
        Some(b"v"),
        &[Header {
            key: b"h",
            value: Some(b"1"),
        }],
    );
    builder.push(
        Timestamp(90),
        None,
        None,
        &[Header {
            key: b"n",
            value: None,
        }],
    );
    let set = RecordBatchDecoder::decode(&mut builder.finish()).expect("decodes");
    let records = set.records;
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].offset, records[1].offset), (40, 41));
    assert_eq!((records[0].timestamp, records[1].timestamp), (100, 90));
    assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
    assert_eq!(records[1].value, None);
    assert_eq!(records[0].headers.len(), 1);
}
