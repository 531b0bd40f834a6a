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
mod newer;
mod read;
mod txn_offset_commit;
mod write_txn_markers;

pub use api_versions::ApiVersionsRequest;
pub use delete_groups::{DeletableGroupResult, DeleteGroupsResponse};
pub use txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
pub use write_txn_markers::{WritableTxnMarker, WriteTxnMarkersRequest};
