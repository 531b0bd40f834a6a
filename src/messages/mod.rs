//! Floor 2: messages of Kafka's newer releases that the protocol crate cannot read or write yet.
//!
//! One file per API, with only what the crate lacks: a request that has more fields than the crate's, or a response. The
//! types have the crate's traits, so a route and a handler take them like any other. Versions that the crate knows are
//! its own to read and write; ours begin where it ends (`newer.rs`), and a test holds the two against each other where
//! they meet.
//! When the crate has caught up, a file here goes.
//!
//! A message whose newest version has the fields of the one before needs nothing here: [`crate::handlers`] reads and
//! writes it as the newest that the crate has.
//!
//! Fields are written with [`crate::schema`]. They are read from the crate's kind of buffer, value by value, since that is
//! where what a request costs is counted: [`read`].

mod api_versions;
mod delete_groups;
mod describe_log_dirs;
mod newer;
mod offset_commit;
mod offset_fetch;
mod read;
mod txn_offset_commit;
mod write_txn_markers;

pub use api_versions::ApiVersionsRequest;
pub use delete_groups::{DeletableGroupResult, DeleteGroupsResponse};
pub use describe_log_dirs::end_of_directory;
pub use offset_commit::OffsetCommitRequest;
pub use offset_fetch::OffsetFetchRequest;
pub use txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
pub use write_txn_markers::{WritableTxnMarker, WriteTxnMarkersRequest};

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::protocol::Encodable;
    use uuid::Uuid;

    /// The id of a topic.
    pub(super) const ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);

    pub(super) fn encoded<M: Encodable>(message: &M, version: i16) -> Bytes {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes, version).unwrap();
        assert_eq!(bytes.len(), message.compute_size(version).unwrap());
        bytes.freeze()
    }

    /// The bytes with the topic's id in the place of its name, which is "name".
    pub(super) fn with_id(older: &[u8]) -> Vec<u8> {
        let name = b"\x05name";
        let place = older.windows(name.len()).position(|part| part == name);
        let (before, after) = older.split_at(place.unwrap());
        [before, ID.as_bytes(), &after[name.len()..]].concat()
    }
}
