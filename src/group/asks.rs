//! The requests to the machine and its replies: domain values, independent of API versions.
//!
//! If versions of an API differ in the request, a field says so. If they differ only in the form of the reply, the
//! handler deals with it, and the field's comment describes it.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Ask, ErrorCode, LeaderEpoch, Offset, TopicId, TopicPartition, Transaction};

/// A protocol that a member supports, with its metadata for the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The protocol's name (for consumers: the assignor's).
    pub name: Arc<str>,
    /// For the leader; for consumers a `ConsumerProtocolSubscription`.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The group's id.
    pub group: Arc<str>,
    /// The id that the member got earlier; empty before that.
    pub member: Arc<str>,
    /// The name under which a static member keeps its place over restarts.
    pub instance: Option<Arc<str>>,
    /// The client id; empty for none.
    pub client_id: Arc<str>,
    /// The client's host, as Kafka writes it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// The session timeout.
    pub session_timeout_ms: i32,
    /// The rebalance timeout; the session timeout in version 0.
    pub rebalance_timeout_ms: i32,
    /// The protocol type that the member expects.
    pub protocol_type: Arc<str>,
    /// The protocols that the member supports, in order of preference.
    pub protocols: Vec<Protocol>,
    /// 128 random bits, for a new member id.
    pub member_id_seed: u128,
    /// Whether a member without an id first gets one and must join again with it (version 4 and later).
    pub needs_known_member_id: bool,
    /// Whether a leader can be told to keep the assignment (version 9 and later).
    pub can_skip_assignment: bool,
    /// The client's reason for joining, for the log.
    pub reason: Option<Arc<str>>,
}

impl Ask for Join {
    type Reply = JoinReply;
}

/// The answer to [`Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// The error, if any.
    pub error: ErrorCode,
    /// The generation; -1 with an error.
    pub generation: i32,
    /// The protocol type; `None` with an error.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol; `None` with an error (versions below 7 send "" then).
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; empty with an error.
    pub leader: Arc<str>,
    /// Whether the leader must not make a new assignment.
    pub skip_assignment: bool,
    /// The member's own id.
    pub member: Arc<str>,
    /// All members, for the leader; empty for the others.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A reply with an error.
    pub fn refused(member: impl Into<Arc<str>>, error: ErrorCode) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            skip_assignment: false,
            member: member.into(),
            members: Vec::new(),
        }
    }
}

/// A member, as sent to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The group's id.
    pub group: Arc<str>,
    /// The member's id.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The generation that the member joined.
    pub generation: i32,
    /// The protocol type that the member expects (version 5 and later).
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that the member expects (version 5 and later).
    pub protocol: Option<Arc<str>>,
    /// From the leader: member ids and their assignments.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

impl Ask for Sync {
    type Reply = SyncReply;
}

/// The answer to [`Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// The error, if any.
    pub error: ErrorCode,
    /// The protocol type; `None` with an error.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol; `None` with an error.
    pub protocol: Option<Arc<str>>,
    /// The member's assignment.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A reply with an error.
    pub const fn refused(error: ErrorCode) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// Heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The group's id.
    pub group: Arc<str>,
    /// The member's id.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's generation.
    pub generation: i32,
}

impl Ask for Heartbeat {
    type Reply = ErrorCode;
}

/// LeaveGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// The group's id.
    pub group: Arc<str>,
    /// The leaving members.
    pub members: Vec<Leaver>,
}

impl Ask for Leave {
    type Reply = LeaveReply;
}

/// A leaving member, identified by member id, or by instance id alone (then the member id is empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// The member's id, or empty.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The client's reason for leaving, for the log.
    pub reason: Option<Arc<str>>,
}

/// The answer to [`Leave`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveReply {
    /// The error for the whole request. Versions below 3, which name one member, send that member's error here.
    pub error: ErrorCode,
    /// The result for each member, in the order of the request; empty with an error.
    pub members: Vec<(Leaver, ErrorCode)>,
}

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsets {
    /// The group's id.
    pub group: Arc<str>,
    /// The member's id; empty for a consumer that assigns its partitions itself.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's generation, or its epoch in a consumer group; -1 for a consumer that assigns its partitions itself.
    pub generation: i32,
    /// Whether the client knows of epochs (version 9 and later). In a transaction it does not matter.
    pub knows_member_epochs: bool,
    /// The retention that the client asks for (versions 2 to 4, and only when it is not -1).
    pub retention_ms: Option<i64>,
    /// The offsets.
    pub offsets: Vec<OffsetToCommit>,
}

impl Ask for CommitOffsets {
    type Reply = CommitOffsetsReply;
}

/// One of the offsets of [`CommitOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The partition.
    pub at: TopicPartition,
    /// The topic id, or zero.
    pub topic_id: TopicId,
    /// The next offset to consume.
    pub offset: Offset,
    /// The leader epoch of the record before it, where known.
    pub leader_epoch: LeaderEpoch,
    /// The client's metadata.
    pub metadata: Option<Arc<str>>,
}

/// TxnOffsetCommit: the offsets count when the transaction is committed. Nobody needs to be a member for it: what is
/// given of member, instance and generation is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInTransaction {
    /// The producer and its epoch.
    pub transaction: Transaction,
    /// The offsets, and who commits them. There is no retention.
    pub commit: CommitOffsets,
}

impl Ask for CommitInTransaction {
    type Reply = CommitOffsetsReply;
}

/// The answer to [`CommitOffsets`] and [`CommitInTransaction`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOffsetsReply {
    /// The result for each offset, in the order of the request. A group that does not exist is GROUP_ID_NOT_FOUND
    /// here; old versions send ILLEGAL_GENERATION.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsets {
    /// The group's id.
    pub group: Arc<str>,
    /// The partitions whose offsets are to be deleted.
    pub partitions: Vec<TopicPartition>,
}

impl Ask for DeleteOffsets {
    type Reply = DeleteOffsetsReply;
}

/// The answer to [`DeleteOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsetsReply {
    /// The error for the whole request.
    pub error: ErrorCode,
    /// The result for each partition, in the order of the request; empty with an error.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// DeleteGroups, for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroup {
    /// The group's id.
    pub group: Arc<str>,
}

impl Ask for DeleteGroup {
    type Reply = ErrorCode;
}

/// A deleted topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// The id of the deleted topic: offsets of a later topic of this name stay. Zero for any.
    pub id: TopicId,
}

/// Time to remove expired offsets and groups that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireOffsets;

impl Ask for ExpireOffsets {
    type Reply = ();
}
