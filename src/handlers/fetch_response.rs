//! A fetch response as a list of parts: between the parts that the protocol crate encodes are the records. Small
//! records are sent from memory, others as ranges of segment files. Record bytes are most of what a broker sends;
//! copying them into an encode buffer would be most of its work.
//!
//! In every version the records are the last field of a partition before its tagged fields, and a partition with
//! records has no tagged fields. So a partition is encoded without its records, and the encoding of "no records" at
//! its end is replaced.
//!
//! ```text
//!   [header, topic, partition ... length][records][length of tags, next partition ...][records]...
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::{NodeEndpoint, PartitionData};
use kafka_protocol::protocol::{Encodable as _, HeaderVersion as _};

use crate::partition::fetch::{FetchedRecords, PartitionKey, TopicKey};
use crate::wire::{FileRange, Part, Parts, Reply};

use super::route::Call;

/// First version with compact lengths and tagged fields.
const FLEXIBLE: i16 = 12;
/// Tag of the endpoints of leaders.
const NODE_ENDPOINTS: u32 = 0;

/// One partition of the answer.
pub(super) struct Answer {
    pub(super) key: PartitionKey,
    /// Everything except the records.
    pub(super) data: PartitionData,
    pub(super) records: FetchedRecords,
}

/// Encodes a successful response with these partitions; consecutive partitions of one topic share that topic's entry.
/// `leaders` are the leaders that partitions refer to.
pub(super) fn encode(
    call: &Call,
    session: i32,
    answers: impl Iterator<Item = Answer>,
    leaders: &[NodeEndpoint],
) -> Reply {
    let mut topics: Vec<(TopicKey, Vec<Answer>)> = Vec::new();
    for answer in answers {
        match topics.last_mut() {
            Some((last, partitions)) if *last == answer.key.0 => partitions.push(answer),
            _ => topics.push((answer.key.0.clone(), vec![answer])),
        }
    }
    match encode_topics(call, session, topics, leaders) {
        Ok(parts) => Reply::Send(parts),
        Err(error) => {
            crate::base::limited!(error, "fetch response cannot be encoded", %error, version = call.version);
            Reply::close("a response could not be encoded")
        }
    }
}

type EncodeError = Box<dyn std::error::Error + Send + Sync>;

fn encode_topics(
    call: &Call,
    session: i32,
    topics: Vec<(TopicKey, Vec<Answer>)>,
    leaders: &[NodeEndpoint],
) -> Result<Parts, EncodeError> {
    let version = call.version;
    let mut writer = Writer {
        flexible: version >= FLEXIBLE,
        bytes: BytesMut::new(),
        parts: Vec::new(),
    };
    writer.bytes.put_i32(0); // throttle time
    if version >= 7 {
        writer.bytes.put_i16(0); // error
        writer.bytes.put_i32(session);
    }
    writer.length(topics.len())?;
    for (topic, partitions) in topics {
        match topic {
            TopicKey::Id(id) => writer.bytes.put_slice(id.0.as_bytes()),
            TopicKey::Name(name) => writer.name(&name)?,
        }
        writer.length(partitions.len())?;
        for partition in partitions {
            writer.partition(partition, version)?;
        }
        writer.end_of_struct();
    }
    if leaders.is_empty() {
        writer.end_of_struct();
    } else {
        writer.leaders(leaders, version)?;
    }
    Ok(writer.finish(call))
}

struct Writer {
    flexible: bool,
    bytes: BytesMut,
    parts: Vec<Part>,
}

impl Writer {
    fn partition(&mut self, answer: Answer, version: i16) -> Result<(), EncodeError> {
        let Answer { data, records, .. } = answer;
        let data = data.with_records(Some(Bytes::new()));
        let start = self.bytes.len();
        data.encode(&mut self.bytes, version)?;
        if records.is_empty() {
            return Ok(());
        }
        let nothing: &[u8] = if self.flexible { &[1, 0] } else { &[0; 4] };
        let encoded = self.bytes.get(start..).unwrap_or_default();
        if !encoded.ends_with(nothing) {
            return Err("a partition with records must not have tagged fields".into());
        }
        self.bytes.truncate(self.bytes.len() - nothing.len());
        if self.flexible {
            self.unsigned_varint(
                u32::try_from(records.len())?
                    .checked_add(1)
                    .ok_or("records too long")?,
            );
        } else {
            self.bytes.put_i32(i32::try_from(records.len())?);
        }
        self.parts.push(self.bytes.split().into());
        self.parts.push(match records {
            FetchedRecords::InMemory(bytes) => bytes.into(),
            FetchedRecords::InFile(slice) => Part::File(FileRange {
                file: slice.file,
                position: slice.position,
                length: slice.length,
            }),
        });
        self.end_of_struct();
        Ok(())
    }

    fn length(&mut self, count: usize) -> Result<(), EncodeError> {
        if self.flexible {
            self.unsigned_varint(
                u32::try_from(count)?
                    .checked_add(1)
                    .ok_or("too many entries")?,
            );
        } else {
            self.bytes.put_i32(i32::try_from(count)?);
        }
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), EncodeError> {
        if self.flexible {
            self.length(name.len())?;
        } else {
            self.bytes.put_i16(i16::try_from(name.len())?);
        }
        self.bytes.put_slice(name.as_bytes());
        Ok(())
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    /// The end of the response with its only tagged field, the endpoints of leaders.
    fn leaders(&mut self, leaders: &[NodeEndpoint], version: i16) -> Result<(), EncodeError> {
        let mut field = Self {
            flexible: true,
            bytes: BytesMut::new(),
            parts: Vec::new(),
        };
        field.length(leaders.len())?;
        for leader in leaders {
            leader.encode(&mut field.bytes, version)?;
        }
        self.unsigned_varint(1);
        self.unsigned_varint(NODE_ENDPOINTS);
        self.unsigned_varint(u32::try_from(field.bytes.len())?);
        self.bytes.put_slice(&field.bytes);
        Ok(())
    }

    /// No tagged fields.
    fn end_of_struct(&mut self) {
        if self.flexible {
            self.bytes.put_u8(0);
        }
    }

    fn finish(mut self, call: &Call) -> Parts {
        let end = self.bytes.split();
        self.parts.push(end.into());
        let header_version = FetchResponse::header_version(call.version);
        let mut parts = call.parts(header_version, Bytes::new());
        for part in self.parts {
            parts.push(part);
        }
        parts
    }
}
