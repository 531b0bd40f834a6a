//! Records there and back: content, codecs, idempotence.

use std::collections::HashMap;
use std::time::Instant;

use rdkafka::consumer::Consumer;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage};
use rdkafka::producer::BaseRecord;
use rdkafka::Timestamp;

use crate::session::{consumer, nothing_more, read, reader, topic, Sending};

const PARTITIONS: i32 = 6;
const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

/// A record as we keep it for the comparison.
#[derive(Debug, PartialEq)]
struct Row {
    partition: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: Timestamp,
}

impl Row {
    /// A null key, an empty one or a short one, the same of values, and headers now and then.
    fn varied(number: usize) -> Self {
        let kind = number % 10;
        let text = number.to_string();
        let bytes = |length: usize| (0..length).map(|at| ((number + 1) * (at + 7) % 251) as u8).collect::<Vec<u8>>();
        Self {
            partition: (number * 7919 % 31) as i32 % PARTITIONS,
            key: match kind {
                0 => None,
                1 => Some(Vec::new()),
                _ => Some(format!("key-{}", number % 1000).into_bytes()),
            },
            value: match kind {
                2 => None,
                3 => Some(Vec::new()),
                _ => Some([bytes(kind * 15), text.clone().into_bytes()].concat()),
            },
            headers: if kind < 5 {
                Vec::new()
            } else {
                let named = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
                vec![named("number", Some(text.as_bytes())), named("number", Some(b"again")), named("none", None), named("", Some(b""))]
            },
            timestamp: Timestamp::CreateTime(FIRST_TIMESTAMP + number as i64),
        }
    }

    fn of(message: &OwnedMessage) -> Self {
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
            timestamp: message.timestamp(),
        }
    }

    fn send(&self, topic: &str, sending: &Sending) {
        let mut record = BaseRecord::to(topic).partition(self.partition);
        record.key = self.key.as_deref();
        record.payload = self.value.as_deref();
        record.timestamp = self.timestamp.to_millis();
        if !self.headers.is_empty() {
            let headers = self.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header { key, value: value.as_deref() })
            });
            record = record.headers(headers);
        }
        sending.send(record).expect("room for a record");
    }
}

fn there_and_back(name: &str, count: usize, settings: &[(&str, &str)]) {
    let name = topic(name, PARTITIONS, &[]);
    let rows: Vec<Row> = (0..count).map(Row::varied).collect();
    let began = Instant::now();
    let sending = Sending::new(settings);
    for row in &rows {
        row.send(&name, &sending);
    }
    sending.acknowledged(count, &mut HashMap::new());
    let seconds_in = began.elapsed().as_secs_f32();

    let began = Instant::now();
    let reading = consumer("records", &[]);
    reading.subscribe(&[&name]).expect("subscribe");
    let messages = read(&reading, count);
    nothing_more(&reading);
    for partition in 0..PARTITIONS {
        let mut wanted = rows.iter().filter(|row| row.partition == partition);
        let got = messages.iter().filter(|message| message.partition() == partition);
        for (offset, message) in got.enumerate() {
            assert_eq!(message.offset(), offset as i64, "offset in partition {partition}");
            assert_eq!(Some(&Row::of(message)), wanted.next(), "partition {partition}, offset {offset}");
        }
        assert!(wanted.next().is_none(), "partition {partition} lacks records");
    }
    // Most offsets lie inside a batch; the records before them must not show.
    let inside = read(&reader(&name, 0, 123), 1);
    assert_eq!(inside[0].offset(), 123);
    assert_eq!(Some(&Row::of(&inside[0])), rows.iter().filter(|row| row.partition == 0).nth(123));
    println!("figures: in {seconds_in:.1} s, out {:.1} s", began.elapsed().as_secs_f32());
}

/// 100,000 records over six partitions: keys, values, headers and timestamps come back byte for byte, in order.
pub fn records() {
    there_and_back("records", 100_000, &[]);
}

/// Every codec that the client has.
pub fn codecs() {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        there_and_back(&format!("codec-{codec}"), 5_000, &[("compression.codec", codec)]);
    }
}

/// An idempotent producer with five requests in flight and small batches: each record once, each partition in order.
pub fn idempotent() {
    there_and_back("idempotent", 50_000, &[("enable.idempotence", "true"), ("batch.size", "4000"), ("linger.ms", "1")]);
}
