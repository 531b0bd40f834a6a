//! Record batches: as bytes, record by record, and as the leader of a topic takes them.

use bytes::Bytes;
use zurau::fuzzed::base::{Offset, Timestamp, TopicPartition};
use zurau::fuzzed::config::TopicConfig;
use zurau::fuzzed::config::topic::{CompressionType, TimestampType};
use zurau::fuzzed::log::fuzzing::accept;
use zurau::fuzzed::record::{
    Attributes, Batch, BatchBuilder, BatchHeader, BatchOptions, Batches, Codec, HEADER_SIZE,
    Header, Limits,
};

use crate::input::Input;

/// What a batch may unpack to here. The engine's own limit of memory is above it, and not far.
const LIMIT: usize = 8 << 20;
const LIMITS: Limits = Limits {
    total: LIMIT,
    held: LIMIT,
};

/// What a consumer sees of a record.
type Seen = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

/// The records of a batch; `None` where anything is wrong with it.
fn seen(batch: &Batch) -> Option<Vec<Seen>> {
    let bytes = batch.record_bytes(LIMIT).ok()?;
    let records = batch.records(&bytes).map(|record| {
        let record = record.ok()?;
        let headers = record.headers();
        Some((
            record.timestamp.0,
            record.offset.0,
            record.key.map(<[u8]>::to_vec),
            record.value.map(<[u8]>::to_vec),
            headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        ))
    });
    records.collect()
}

/// Timestamps and offsets as a scan sees them.
fn scanned(batch: &Batch) -> Option<Vec<(i64, i64)>> {
    let scan = batch.scan(LIMITS).ok()?;
    scan.map(|record| {
        record
            .ok()
            .map(|record| (record.timestamp.0, record.offset.0))
    })
    .collect()
}

fn joined(mut header: BatchHeader, body: &[u8]) -> Batch {
    header.length = i32::try_from(body.len() + HEADER_SIZE - 12).expect("a small batch");
    header.crc = header.crc_over(body);
    let bytes: Bytes = [&header.encode(), body].concat().into();
    Batch::parse(&bytes).expect("a batch")
}

/// Batches one after another, whatever their checksums say.
pub(crate) fn batch(bytes: &[u8]) {
    for batch in Batches::new(Bytes::copy_from_slice(bytes)) {
        let Ok(batch) = batch else { return };
        assert_eq!(batch.header.encode(), batch.bytes[..HEADER_SIZE]);
        let whole = batch.check_crc().is_ok();
        assert_eq!(
            whole,
            batch.crc_with_header(&batch.header) == batch.header.crc
        );
        // The two readers agree on what is a good batch, and on what is in it.
        let records = seen(&batch);
        let places = records
            .as_ref()
            .map(|records| records.iter().map(|record| (record.0, record.1)).collect());
        assert_eq!(scanned(&batch), places);
        let _ = (batch.header.next_offset(), batch.header.last_sequence());
    }
}

/// Records without a codec: what can be read can be written, and is then the same.
pub(crate) fn record(bytes: &[u8]) {
    let mut input = Input(bytes);
    let count = i32::from(input.byte().cast_signed());
    let mut header =
        BatchHeader::parse(&BatchBuilder::new(BatchOptions::default()).finish()).expect("a header");
    header.record_count = count;
    header.base_timestamp = Timestamp(1_000);
    let batch = joined(header, input.0);
    let Some(records) = seen(&batch) else { return };
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let mut previous = -1;
    for (time, offset, key, value, headers) in &records {
        let Ok(delta) = i32::try_from(*offset) else {
            return;
        };
        if delta <= previous {
            return;
        }
        previous = delta;
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        // Deltas of the whole range do not fit another base.
        if time.checked_sub(records[0].0).is_none() {
            return;
        }
        builder.push_at(
            delta,
            Timestamp(*time),
            key.as_deref(),
            value.as_deref(),
            &headers,
        );
    }
    let built = Batch::parse(&builder.finish()).expect("a batch");
    assert_eq!(seen(&built), Some(records));
}

/// A produce request's record set for a topic of any kind. What is accepted holds the records that came.
pub(crate) fn produce(bytes: &[u8]) {
    let mut input = Input(bytes);
    let config = config(&mut input);
    let mut bytes = input.0.to_vec();
    // A wrong checksum would be the end of nearly every input.
    if let Ok(batch) = Batch::parse(&Bytes::copy_from_slice(&bytes)) {
        let sum = batch.crc_with_header(&batch.header);
        bytes[17..21].copy_from_slice(&sum.to_be_bytes());
    }
    let sent: Bytes = bytes.into();
    let now = Timestamp(1_800_000_000_000);
    let partition = TopicPartition::new("topic", 0);
    let Some(stored) = accept(&sent, &partition, &config, now) else {
        return;
    };
    assert!(stored.len() <= usize::try_from(config.max_message_bytes).expect("a size"));
    let before = Batch::parse(&sent).expect("it was accepted");
    let after = Batch::parse(&stored).expect("it is stored");
    after.check_crc().expect("it is stored with its checksum");
    assert_eq!(after.bytes.len(), stored.len());
    let header = before.header;
    check_header(&header, &after.header, &config, now);

    let (Some(mut before), Some(mut after)) = (seen(&before), seen(&after)) else {
        // More than this target unpacks; the leader's own limit is higher.
        return;
    };
    if config.message_timestamp_type == TimestampType::LogAppendTime {
        assert!(after.iter().all(|record| record.0 == now.0));
    }
    // A producer that claims the broker's time gets its records' own times back, where its batch is not
    // written anew; that is what Kafka does.
    let claimed = header.attributes.is_log_append_time();
    if claimed || config.message_timestamp_type == TimestampType::LogAppendTime {
        before
            .iter_mut()
            .chain(&mut after)
            .for_each(|record| record.0 = 0);
    }
    assert_eq!(before, after);
}

fn check_header(before: &BatchHeader, after: &BatchHeader, config: &TopicConfig, now: Timestamp) {
    let target = match config.compression_type {
        CompressionType::Producer => before.attributes.codec().expect("it was accepted"),
        CompressionType::Uncompressed => Codec::None,
        CompressionType::Gzip => Codec::Gzip,
        CompressionType::Snappy => Codec::Snappy,
        CompressionType::Lz4 => Codec::Lz4,
        CompressionType::Zstd => Codec::Zstd,
    };
    assert_eq!(after.attributes.codec(), Ok(target));
    let by_broker = config.message_timestamp_type == TimestampType::LogAppendTime;
    assert_eq!(after.attributes.is_log_append_time(), by_broker);
    assert!(!by_broker || after.max_timestamp == now);
    let transactional = Attributes::is_transactional;
    assert_eq!(
        transactional(before.attributes),
        transactional(after.attributes)
    );
    assert_eq!(before.base_offset, Offset::ZERO);
    let kept = |header: &BatchHeader| {
        (
            header.base_offset,
            header.last_offset_delta,
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.record_count,
        )
    };
    assert_eq!(kept(before), kept(after));
}

/// A topic as two bytes say.
fn config(input: &mut Input<'_>) -> TopicConfig {
    let (kind, level) = (input.byte(), i32::from(input.byte()));
    let mut config = TopicConfig {
        compression_type: match kind & 7 {
            1 => CompressionType::Uncompressed,
            2 => CompressionType::Gzip,
            3 => CompressionType::Snappy,
            4 => CompressionType::Lz4,
            5 => CompressionType::Zstd,
            _ => CompressionType::Producer,
        },
        compression_gzip_level: level % 9 + 1,
        compression_lz4_level: level % 17 + 1,
        compression_zstd_level: level % 20 - 5,
        ..TopicConfig::default()
    };
    if kind & 8 != 0 {
        config.message_timestamp_type = TimestampType::LogAppendTime;
    }
    config.cleanup_policy.compact = kind & 16 != 0;
    if kind & 32 != 0 {
        config.max_message_bytes = 200;
    }
    config
}
