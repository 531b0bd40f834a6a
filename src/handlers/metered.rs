//! The memory cost of a request, known before the memory is used.
//!
//! A request of one megabyte can have a million entries, and an entry of one byte can take a hundred bytes of memory
//! when it is decoded, processed and answered. So each route in the table ([`super::ROUTES`]) declares how many
//! fields a request may have and the maximum cost of a field: its [`Bound`].
//!
//! ```text
//!   frame of n bytes ──► Bound::most(n)        set aside before the request is started
//!                  decode: Metered counts      ends as soon as there are more fields than the route takes
//!                  decoded ──► memory()        the charge shrinks to what these fields need
//!                  answered ──► its bytes      the charge shrinks to the answer and leaves with it
//! ```
//!
//! # What is counted
//!
//! The protocol crate reads a message value by value, so the buffer that it reads from can count. A *field* is one
//! read of at least one byte: an integer, a length, the bytes of a string. Every entry has at least one field, and
//! every field has at least one byte. One kind of field costs more than others: unknown tagged fields are stored in a
//! map, and the first entry of a map allocates [`MAP`] bytes. The buffer does not see maps, only the reads of a first
//! entry: a count that is not zero, a tag, a size, the value. Every such sequence is charged for a map. Sometimes
//! something else has the same pattern (a long string behind a byte). Then the request is charged for more than it
//! needs.
//!
//! Bytes are counted besides fields: a name is copied into a command, an answer and perhaps an error message. Records
//! are neither copied nor turned into fields, so they do not count (`produce/beside_records.rs`).
//!
//! An array that claims more entries than it has costs nothing: the allocator reserves lazily, the decoder fails at
//! the end of the frame, and every real entry has a field that was counted.

use bytes::{Buf, Bytes};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

/// The memory for the first entry of a map of unknown tagged fields: a node of a B-tree, including the allocator's
/// overhead.
const MAP: usize = 448;
/// The minimum size of such a map on the wire: count, tag and size.
const LEAST_MAP: usize = 3;
/// The memory of any request: its future, its place in the queue of a coordinator, an answer without rows.
const BASE: usize = 8 * 1024;

/// How many fields requests of an API may have, and their cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// The maximum number of fields: a multiple of what real clients send.
    fields: usize,
    /// Bytes of memory for each field: decoded, processed, answered.
    each: usize,
    /// Bytes of memory for any request.
    base: usize,
    /// How often the bytes of the request are copied at most: into commands, answers and error messages.
    copies: usize,
}

impl Bound {
    /// Requests of up to `fields` fields, each of which costs up to `each` bytes.
    pub(super) const fn new(fields: usize, each: usize) -> Self {
        Self {
            fields,
            each,
            base: BASE,
            copies: 4,
        }
    }

    /// The same for an API whose answers depend on more than the request: the part of an answer that is in memory at
    /// a time.
    pub(super) const fn with_answer(self, bytes: usize) -> Self {
        Self {
            base: BASE + bytes,
            ..self
        }
    }

    /// The maximum number of fields.
    pub(super) const fn fields(&self) -> usize {
        self.fields
    }

    /// The maximum memory that a request can need besides its frame, of which `size` bytes count.
    pub(super) const fn most(&self, size: usize) -> usize {
        let densest = self.each + MAP / LEAST_MAP + 1;
        let by_size = size.saturating_mul(densest);
        let by_fields = self.fields.saturating_mul(self.each);
        // The decoder stops behind the read that exceeds the bound.
        let decoded = if by_size < by_fields {
            by_size
        } else {
            by_fields + self.each + MAP
        };
        self.base
            .saturating_add(decoded)
            .saturating_add(size.saturating_mul(self.copies))
    }
}

/// The body of a request, which counts the reads. When they exceed the bound, it pretends to be at its end: the
/// decoder fails.
#[derive(Debug)]
pub(super) struct Metered {
    bytes: Bytes,
    bound: Bound,
    /// How many of the bytes may become entries or be copied.
    counted: usize,
    /// The cost of the reads so far, without copies.
    decoded: usize,
    /// How many single bytes were read since the last other read, and whether one of them, at least two back, was not
    /// zero.
    run: usize,
    last: [u8; 2],
    run_has_count: bool,
}

impl Metered {
    /// A request of these bytes, of which `counted` may become entries or be copied.
    pub(super) const fn new(bytes: Bytes, counted: usize, bound: Bound) -> Self {
        Self {
            counted,
            bytes,
            bound,
            decoded: 0,
            run: 0,
            last: [0; 2],
            run_has_count: false,
        }
    }

    /// Reads a message; `None` when it cannot be decoded, or has more fields than the route allows.
    pub(super) fn decode<M: Decodable>(&mut self, version: i16) -> Option<M> {
        let message = M::decode(self, version).ok()?;
        (!self.is_exceeded()).then_some(message)
    }

    /// Whether there were more fields than the route allows.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.decoded > self.bound.fields.saturating_mul(self.bound.each)
    }

    /// Sets the maximum number of copied bytes: the rest of the frame is not used.
    pub(super) fn copies_at_most(&mut self, bytes: usize) {
        self.counted = self.counted.min(bytes);
    }

    /// Bytes of memory that the decoded fields may need until the request has been answered.
    pub(super) const fn memory(&self) -> usize {
        self.bound
            .base
            .saturating_add(self.decoded)
            .saturating_add(self.counted.saturating_mul(self.bound.copies))
    }

    const fn count(&mut self, bytes: usize) {
        if bytes > 0 {
            self.decoded = self.decoded.saturating_add(self.bound.each);
        }
    }

    /// A single byte was read: it may belong to a count, a tag or a size.
    const fn continue_run(&mut self, byte: u8) {
        self.run = self.run.saturating_add(1);
        self.run_has_count |= self.last[0] != 0;
        self.last = [self.last[1], byte];
    }

    const fn end_run(&mut self) {
        self.run = 0;
        self.last = [0; 2];
        self.run_has_count = false;
    }
}

impl Buf for Metered {
    fn remaining(&self) -> usize {
        if self.is_exceeded() {
            return 0;
        }
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        match self.bytes.first() {
            Some(byte) if count == 1 => self.continue_run(*byte),
            _ => self.end_run(),
        }
        self.count(count);
        self.bytes.advance(count);
    }
}

impl ByteBuf for Metered {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        if self.run >= LEAST_MAP && self.run_has_count {
            self.decoded = self.decoded.saturating_add(MAP);
        }
        self.end_run();
        self.count(size);
        self.bytes.split_to(size)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes, BytesMut};
    use kafka_protocol::messages::{DescribeGroupsRequest, MetadataRequest};
    use kafka_protocol::protocol::Encodable as _;
    use proptest::prelude::*;

    use super::{BASE, Bound, MAP, Metered};

    fn metered(body: Bytes, bound: Bound) -> Metered {
        Metered::new(body.clone(), body.len(), bound)
    }

    fn groups(count: u8) -> Bytes {
        let mut body = BytesMut::new();
        body.put_u8(count + 1);
        body.put_bytes(1, usize::from(count));
        body.put_slice(&[0, 0]);
        body.freeze()
    }

    #[test]
    fn what_is_within_the_bound_is_read_and_what_is_not_is_not() {
        // Length, groups, a flag, and the number of tagged fields.
        let bound = Bound::new(1 + 100 + 2, 10);
        let mut body = metered(groups(100), bound);
        let request: DescribeGroupsRequest = body.decode(5).unwrap();
        assert_eq!(request.groups.len(), 100);
        assert!(!body.is_exceeded());
        assert_eq!(body.memory(), BASE + 1030 + 4 * 103);

        let mut body = metered(groups(101), bound);
        assert!(body.decode::<DescribeGroupsRequest>(5).is_none());
        assert!(body.is_exceeded());
        assert!(body.memory() <= bound.most(104));
    }

    #[test]
    fn a_map_of_unknown_tagged_fields_is_paid_for() {
        // One topic with an empty name; then its tagged fields.
        let decode = |tagged: &[u8]| {
            let mut body = BytesMut::new();
            body.put_slice(&[2, 1]);
            body.put_slice(tagged);
            body.put_slice(&[0, 0, 0, 0]);
            let mut body = Metered::new(body.freeze(), 0, Bound::new(1000, 1));
            body.decode::<MetadataRequest>(9).unwrap();
            body.memory() - BASE
        };
        let without = decode(&[0]);
        assert_eq!(without, 7);
        // The tag, the size, and the bytes of the value if there are any.
        assert_eq!(decode(&[1, 9, 0]), without + 2 + MAP);
        assert_eq!(decode(&[1, 9, 2, 5, 5]), without + 3 + MAP);
        // Varints may be longer than necessary.
        assert_eq!(
            decode(&[0x81, 0x80, 0, 0x80, 0, 0x80, 0]),
            without + 6 + MAP
        );
        // Several entries in one map allocate no more than their fields are charged for.
        assert_eq!(decode(&[2, 8, 0, 9, 0]), without + 4 + MAP);
    }

    #[test]
    fn honest_requests_are_not_taken_for_maps() {
        let names = ["orders", "", "audit"].map(super::super::topic_ids::wire_name);
        for version in 0..=6 {
            let request = DescribeGroupsRequest::default().with_groups(
                names
                    .iter()
                    .map(|name| kafka_protocol::messages::GroupId(name.0.clone()))
                    .collect(),
            );
            let mut bytes = BytesMut::new();
            request.encode(&mut bytes, version).unwrap();
            let mut body = Metered::new(bytes.freeze(), 0, Bound::new(1000, 1));
            assert_eq!(
                body.decode::<DescribeGroupsRequest>(version).unwrap(),
                request
            );
            assert!(body.memory() < BASE + MAP, "version {version}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_read_costs_more_than_was_said_before(
            bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200),
        ) {
            let bound = Bound::new(60, 30);
            let most = bound.most(bytes.len());
            let mut body = metered(bytes.into(), bound);
            // Claims of two billion entries are for the allocator of the release binary.
            let claims = body.bytes.first().is_some_and(|count| *count > 0x7f);
            if !claims {
                body.decode::<MetadataRequest>(12);
            }
            prop_assert!(body.memory() <= most);
        }
    }
}
