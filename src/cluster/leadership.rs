//! Who leads the metadata log, and who votes: this node, from its start to its end.

use crate::base::{DirectoryId, LeaderEpoch, NodeId, Offset};

/// The leadership of a quorum of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, and only voter.
    pub leader: NodeId,
    /// The number of its leadership.
    pub epoch: LeaderEpoch,
    /// The voter's directory as the log names it; the zero id where the configuration names the voters.
    pub directory: DirectoryId,
    /// Where the log ended when the leadership began. What was appended since is in the image.
    pub began_at: Offset,
}
