//! The leader and the voters of the metadata log: this node, from its start to its end.

use crate::base::{DirectoryId, LeaderEpoch, NodeId, Offset};

/// The leadership of a quorum of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumLeadership {
    /// The leader, and only voter.
    pub leader: NodeId,
    /// Its leader epoch.
    pub epoch: LeaderEpoch,
    /// The voter's directory id in the log; the zero id if the configuration names the voters.
    pub directory: DirectoryId,
    /// The end offset of the log when the leadership began. Later records are in the image.
    pub began_at: Offset,
}
