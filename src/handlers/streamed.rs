//! Answers whose rows are produced when the socket takes them.
//!
//! A request of a few bytes may have an answer of megabytes: all topics, all groups, one group named a thousand
//! times. Such an answer is not kept in memory. Its rows come from data that does not change (an image, shared
//! descriptions) and are produced twice: once to compute the size, which comes first on the wire, and once for
//! sending, in pieces of about 64 KiB. An answer that fits in one piece is encoded at once, like any other answer.
//!
//! ```text
//!   response ──► [ head ][ length of the array ][ row ][ row ] ... [ tail ]
//!                  \__ bytes of the response without rows __________/
//! ```
//!
//! The bytes are the same as the protocol crate's encoding of the whole response: it encodes the rows, and [`Around`]
//! takes the bytes around them from its encoding of a response without rows.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use crate::base::SharedCost;
use crate::wire::{Part, Pieces, Reply};

use super::route::Call;

/// The approximate size of a piece, and the maximum size of an answer that is encoded at once.
const PIECE: usize = 64 * 1024;
/// The largest answer that fits in Kafka's size field.
const LARGEST: usize = i32::MAX as usize - 64;
/// Byte strings up to this size are copied; longer ones are pieces of their own.
const LONG: usize = 16 * 1024;
/// After this many rows the task yields.
const ROWS_AT_ONCE: u32 = 64;

/// Something that can be encoded.
pub(super) trait Row: Send + Sync {
    /// The size of its encoding.
    fn size(&self, version: i16) -> Result<usize, Unencodable>;
    /// Appends its encoding.
    fn encode(&self, version: i16, into: &mut BytesMut) -> Result<(), Unencodable>;
}

impl<M: Encodable + Send + Sync> Row for M {
    fn size(&self, version: i16) -> Result<usize, Unencodable> {
        self.compute_size(version)
            .map_err(|error| Unencodable(error.to_string()))
    }

    fn encode(&self, version: i16, into: &mut BytesMut) -> Result<(), Unencodable> {
        Encodable::encode(self, into, version).map_err(|error| Unencodable(error.to_string()))
    }
}

/// A field that the version does not have was set: this is a bug of the handler.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unencodable(String);

/// The next part of an answer.
#[derive(Clone)]
pub(super) enum Chunk {
    Bytes(Bytes),
    Row(Arc<dyn Row>),
}

impl Chunk {
    pub(super) fn row(row: impl Row + 'static) -> Self {
        Self::Row(Arc::new(row))
    }

    fn size(&self, version: i16) -> Result<usize, Unencodable> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len()),
            Self::Row(row) => row.size(version),
        }
    }

    fn encode(&self, version: i16, into: &mut BytesMut) -> Result<(), Unencodable> {
        match self {
            Self::Bytes(bytes) => into.put_slice(bytes),
            Self::Row(row) => row.encode(version, into)?,
        }
        Ok(())
    }
}

/// The bytes around the rows of one array of a message, or around one of its fields of bytes.
#[derive(Clone, Debug)]
pub(super) struct Around {
    head: Bytes,
    tail: Bytes,
    is_flexible: bool,
}

impl Around {
    /// The bytes around the rows in `message`, a function that builds a message from rows. No other array of it may
    /// depend on the rows.
    pub(super) fn new<M: Encodable, T: Default>(
        version: i16,
        is_flexible: bool,
        message: impl Fn(Vec<T>) -> M,
    ) -> Result<Self, Unencodable> {
        Self::between(
            version,
            is_flexible,
            &message(Vec::new()),
            &message(vec![T::default()]),
        )
    }

    /// The bytes around a field of bytes that is passed to `message`.
    pub(super) fn bytes<M: Encodable>(
        version: i16,
        is_flexible: bool,
        message: impl Fn(Bytes) -> M,
    ) -> Result<Self, Unencodable> {
        let one = Bytes::from_static(&[0]);
        Self::between(version, is_flexible, &message(Bytes::new()), &message(one))
    }

    /// Takes the parts from two messages that differ in one place: one has nothing there, and the other one item.
    fn between<M: Encodable>(
        version: i16,
        is_flexible: bool,
        none: &M,
        one: &M,
    ) -> Result<Self, Unencodable> {
        let encoded = |message: &M| {
            let mut bytes = BytesMut::new();
            match message.encode(&mut bytes, version) {
                Ok(()) => Ok(bytes),
                Err(error) => Err(Unencodable(error.to_string())),
            }
        };
        // They differ first in the last byte of the length.
        let (none, one) = (encoded(none)?.freeze(), encoded(one)?);
        let length_ends = none
            .iter()
            .zip(&one)
            .take_while(|(none, one)| none == one)
            .count()
            + 1;
        let length_begins = length_ends.checked_sub(if is_flexible { 1 } else { 4 });
        match length_begins {
            Some(begins) if length_ends <= none.len() => Ok(Self {
                head: none.slice(..begins),
                tail: none.slice(length_ends..),
                is_flexible,
            }),
            _ => Err(Unencodable("a message without a place for rows".to_owned())),
        }
    }

    /// The beginning of the message, if `length` rows or bytes follow.
    pub(super) fn head(&self, length: usize) -> Chunk {
        let mut head = BytesMut::with_capacity(self.head.len() + 5);
        head.put_slice(&self.head);
        self.put_length(length, &mut head);
        Chunk::Bytes(head.freeze())
    }

    /// Only the length of `length` rows or bytes, for a field that follows directly behind another.
    pub(super) fn length(&self, length: usize) -> Chunk {
        let mut bytes = BytesMut::new();
        self.put_length(length, &mut bytes);
        Chunk::Bytes(bytes.freeze())
    }

    fn put_length(&self, length: usize, into: &mut BytesMut) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if self.is_flexible {
            let mut rest = length.saturating_add(1);
            while rest >= 0x80 {
                into.put_u8((rest % 0x80) as u8 | 0x80);
                rest /= 0x80;
            }
            into.put_u8(rest as u8);
        } else {
            into.put_u32(length);
        }
    }

    /// The end of the message.
    pub(super) fn tail(&self) -> Chunk {
        Chunk::Bytes(self.tail.clone())
    }

    /// The same in a version that the protocol crate does not know.
    pub(super) fn tail_as(&self, newer: impl FnOnce(&[u8]) -> Bytes) -> Chunk {
        Chunk::Bytes(newer(&self.tail))
    }
}

/// The reply with `count` rows in `response`, a function that builds a response from rows.
pub(super) async fn rows<R, T>(
    call: &Call,
    response: impl Fn(Vec<T>) -> R,
    count: usize,
    rows: impl Iterator<Item = Chunk> + Clone + Send + 'static,
) -> Reply
where
    R: Encodable + HeaderVersion,
    T: Default,
{
    let version = call.message_version();
    let header_version = R::header_version(version);
    match Around::new(version, header_version >= 1, response) {
        Ok(around) => {
            let first = std::iter::once(around.head(count));
            let last = std::iter::once(around.tail());
            chunks(call, header_version, first.chain(rows).chain(last)).await
        }
        Err(error) => call.unencodable::<R>(&error),
    }
}

/// The reply that consists of `chunks`.
pub(super) async fn chunks(
    call: &Call,
    header_version: i16,
    chunks: impl Iterator<Item = Chunk> + Clone + Send + 'static,
) -> Reply {
    let version = call.message_version();
    match measure(version, chunks.clone()).await {
        Ok(Measured::Small(bytes)) => call.parts(header_version, bytes).into(),
        Ok(Measured::Large(length)) if length > LARGEST => Reply::close(format!(
            "an answer of {length} bytes or more, which Kafka's size field has no place for"
        )),
        Ok(Measured::Large(length)) => call
            .parts(header_version, pieces(version, length, chunks))
            .into(),
        Err(error) => call.unencodable::<()>(&error),
    }
}

/// Charges the answer for the data of its rows, if it keeps the data because rows are still to be produced.
pub(super) fn pay(reply: &mut Reply, costs: impl IntoIterator<Item = Arc<SharedCost>>) {
    if let Some(parts) = reply.parts_mut()
        && parts
            .body()
            .iter()
            .any(|part| matches!(part, Part::Pieces(_)))
    {
        costs.into_iter().for_each(|cost| parts.share(cost));
    }
}

enum Measured {
    /// The whole answer.
    Small(Bytes),
    /// Its size, or at least a number above the maximum.
    Large(usize),
}

async fn measure(
    version: i16,
    chunks: impl Iterator<Item = Chunk>,
) -> Result<Measured, Unencodable> {
    let mut encoded = BytesMut::new();
    let mut length = 0_usize;
    let mut pace = Pace::default();
    for chunk in chunks {
        let size = chunk.size(version)?;
        length = length.saturating_add(size);
        if length <= PIECE {
            chunk.encode(version, &mut encoded)?;
        } else if length > LARGEST {
            break;
        }
        pace.step().await;
    }
    Ok(if length <= PIECE {
        Measured::Small(encoded.freeze())
    } else {
        Measured::Large(length)
    })
}

fn pieces(
    version: i16,
    length: usize,
    mut chunks: impl Iterator<Item = Chunk> + Send + 'static,
) -> Pieces {
    // Long byte strings are not copied: they are pieces of their own.
    let mut long = None;
    Pieces::new(length, move || {
        if let Some(bytes) = long.take() {
            return Some(bytes);
        }
        let mut piece = BytesMut::new();
        while piece.len() < PIECE
            && let Some(chunk) = chunks.next()
        {
            if let Chunk::Bytes(bytes) = &chunk
                && bytes.len() > LONG
            {
                if piece.is_empty() {
                    return Some(bytes.clone());
                }
                long = Some(bytes.clone());
                break;
            }
            // It was encoded before, or at least measured. If encoding fails now, the answer is too short and the
            // connection ends.
            chunk.encode(version, &mut piece).ok()?;
        }
        (!piece.is_empty()).then(|| piece.freeze())
    })
}

/// Yields to other tasks in a loop that may be long.
#[derive(Debug, Default)]
pub(super) struct Pace {
    steps: u32,
}

impl Pace {
    /// Await this in each iteration of the loop.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        if self.steps == ROWS_AT_ONCE {
            self.steps = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// The rows as a client of this version decodes them, sent as [`rows`] sends them.
#[cfg(test)]
pub(super) fn received<R, T>(
    version: i16,
    response: impl Fn(Vec<T>) -> R,
    count: usize,
    rows: impl Iterator<Item = Chunk>,
) -> R
where
    R: Encodable + HeaderVersion + kafka_protocol::protocol::Decodable,
    T: Default,
{
    let around = Around::new(version, R::header_version(version) >= 1, response).unwrap();
    let (first, last) = (around.head(count), around.tail());
    let mut bytes = written(version, std::iter::once(first).chain(rows).chain([last]));
    let response = R::decode(&mut bytes, version).unwrap();
    assert!(bytes.is_empty(), "version {version} leaves bytes unread");
    response
}

/// The bytes of these parts.
#[cfg(test)]
pub(super) fn written(version: i16, chunks: impl Iterator<Item = Chunk>) -> Bytes {
    let mut bytes = BytesMut::new();
    for chunk in chunks {
        let before = bytes.len();
        chunk.encode(version, &mut bytes).unwrap();
        assert_eq!(chunk.size(version).unwrap(), bytes.len() - before);
    }
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::describe_groups_response::{
        DescribedGroup, DescribedGroupMember,
    };
    use kafka_protocol::messages::{ApiKey, DescribeGroupsResponse, SyncGroupResponse, TopicName};
    use kafka_protocol::messages::{
        DescribeConfigsResponse, FindCoordinatorResponse, ListGroupsResponse, MetadataResponse,
        OffsetFetchResponse, describe_configs_response, find_coordinator_response,
        list_groups_response, metadata_response, offset_fetch_response,
    };
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::Serving;
    use super::*;
    use crate::wire::Parts;

    /// Compares the assembled bytes with the protocol crate's encoding of the whole message.
    fn compare<M: Encodable, T>(
        versions: std::ops::RangeInclusive<i16>,
        is_flexible: impl Fn(i16) -> bool,
        message: impl Fn(Vec<T>) -> M,
        row: &T,
    ) where
        T: Encodable + Default + Clone + Send + Sync + 'static,
    {
        for version in versions {
            for count in [0, 1, 126, 127, 128, 300] {
                let whole = message(vec![row.clone(); count]);
                let mut expected = BytesMut::new();
                whole.encode(&mut expected, version).unwrap();
                let around = Around::new(version, is_flexible(version), &message).unwrap();
                let rows = (0..count).map(|_| Chunk::row(row.clone()));
                let all = std::iter::once(around.head(count))
                    .chain(rows)
                    .chain(std::iter::once(around.tail()));
                assert_eq!(
                    written(version, all),
                    expected,
                    "version {version}, {count} rows"
                );
            }
        }
    }

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    #[test]
    fn answers_in_parts_are_the_answers_as_a_whole() {
        let flexible = |key: ApiKey| move |version| key.response_header_version(version) >= 1;
        let member = DescribedGroupMember::default().with_member_assignment(vec![1, 2].into());
        let group = DescribedGroup::default()
            .with_group_state(text("Stable"))
            .with_members(vec![member.clone(); 3]);
        let groups = |groups| DescribeGroupsResponse::default().with_groups(groups);
        compare(0..=6, flexible(ApiKey::DescribeGroups), groups, &group);
        let members = |members| group.clone().with_members(members);
        compare(0..=6, flexible(ApiKey::DescribeGroups), members, &member);

        let listed = list_groups_response::ListedGroup::default().with_protocol_type(text("t"));
        let list = |groups| ListGroupsResponse::default().with_groups(groups);
        compare(0..=5, flexible(ApiKey::ListGroups), list, &listed);

        let coordinator = find_coordinator_response::Coordinator::default().with_host(text("h"));
        let found = |rows| FindCoordinatorResponse::default().with_coordinators(rows);
        compare(
            4..=6,
            flexible(ApiKey::FindCoordinator),
            found,
            &coordinator,
        );

        let partition = metadata_response::MetadataResponsePartition::default()
            .with_replica_nodes(vec![1.into(), 2.into()]);
        let topic = metadata_response::MetadataResponseTopic::default()
            .with_name(Some(TopicName(text("t"))))
            .with_partitions(vec![partition.clone(); 2]);
        let brokers = vec![metadata_response::MetadataResponseBroker::default(); 2];
        let topics = |topics| {
            MetadataResponse::default()
                .with_brokers(brokers.clone())
                .with_topics(topics)
        };
        compare(0..=13, flexible(ApiKey::Metadata), topics, &topic);
        let partitions = |partitions| topic.clone().with_partitions(partitions);
        compare(0..=13, flexible(ApiKey::Metadata), partitions, &partition);

        let config = describe_configs_response::DescribeConfigsResourceResult::default();
        let result = describe_configs_response::DescribeConfigsResult::default()
            .with_configs(vec![config; 3]);
        let results = |results| DescribeConfigsResponse::default().with_results(results);
        compare(1..=4, flexible(ApiKey::DescribeConfigs), results, &result);

        let offset = offset_fetch_response::OffsetFetchResponsePartitions::default();
        let topic = offset_fetch_response::OffsetFetchResponseTopics::default()
            .with_partitions(vec![offset.clone(); 2]);
        let group = offset_fetch_response::OffsetFetchResponseGroup::default()
            .with_topics(vec![topic.clone(); 2]);
        let of_groups = flexible(ApiKey::OffsetFetch);
        let groups = |groups| OffsetFetchResponse::default().with_groups(groups);
        compare(8..=9, of_groups, groups, &group);
        let topics = |topics| group.clone().with_topics(topics);
        compare(8..=9, of_groups, topics, &topic);
        let partitions = |partitions| topic.clone().with_partitions(partitions);
        compare(8..=9, of_groups, partitions, &offset);
    }

    #[test]
    fn long_bytes_are_sent_as_they_are() {
        let assignment = Bytes::from(vec![7; 200_000]);
        for version in 0..=5 {
            let response = |bytes| SyncGroupResponse::default().with_assignment(bytes);
            let is_flexible = ApiKey::SyncGroup.response_header_version(version) >= 1;
            let around = Around::bytes(version, is_flexible, response).unwrap();
            let all = [
                around.head(assignment.len()),
                Chunk::Bytes(assignment.clone()),
                around.tail(),
            ];
            let mut expected = BytesMut::new();
            Encodable::encode(&response(assignment.clone()), &mut expected, version).unwrap();
            let parts = Parts::message(
                1,
                0,
                pieces(version, expected.len(), all.clone().into_iter()),
            );
            assert_eq!(parts.into_body_bytes().unwrap(), expected);
            assert_eq!(written(version, all.into_iter()), expected);
        }
    }

    #[test]
    fn what_is_longer_than_a_piece_is_made_when_it_is_taken() {
        let serving = Serving::start(&[]);
        let call = serving.call(ApiKey::ListGroups, 5);
        for count in [0, 10, 100_000] {
            let row = |number: usize| {
                list_groups_response::ListedGroup::default()
                    .with_group_id(super::super::text::wire_group(&number.to_string()))
            };
            let response = |groups| ListGroupsResponse::default().with_groups(groups);
            let whole = call.reply(&response((0..count).map(row).collect()));
            let streamed = rows(
                &call,
                response,
                count,
                (0..count).map(move |number| Chunk::row(row(number))),
            );
            let (whole, streamed) = match (whole, serving.block_on(streamed)) {
                (Reply::Send(whole), Reply::Send(streamed)) => (whole, streamed),
                other => panic!("no answers: {other:?}"),
            };
            assert_eq!(whole.size(), streamed.size());
            let in_memory = matches!(streamed.body(), [crate::wire::Part::Bytes(_)]);
            assert_eq!(in_memory, whole.size() <= PIECE);
            assert_eq!(
                whole.into_body_bytes().unwrap(),
                streamed.into_body_bytes().unwrap()
            );
        }
    }

    #[test]
    fn what_the_size_field_has_no_place_for_closes_the_connection() {
        let serving = Serving::start(&[]);
        let call = serving.call(ApiKey::DescribeGroups, 5);
        // Shared bytes: they are never all in memory.
        let large = Bytes::from(vec![0; 1 << 20]);
        let all = (0..3_000).map(move |_| Chunk::Bytes(large.clone()));
        let reply = serving.block_on(chunks(&call, 1, all));
        assert!(
            matches!(&reply, Reply::Close(reason) if reason.contains("2147")),
            "{reply:?}"
        );
    }
}
