//! What may be asked of the machine, and what it answers: domain values, free of API versions.
//!
//! Where versions of an API differ in what they ask for, a field says so; where they differ only in
//! how an answer is told, the handler sees to it, and the field's text says how.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Ask, ErrorCode, LeaderEpoch, Offset, TopicId, TopicPartition};

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
    /// The id that the member got earlier; empty before it has one.
    pub member: Arc<str>,
    /// The name under which a static member keeps its place over restarts.
    pub instance: Option<Arc<str>>,
    /// The name that the client gave itself; empty for none.
    pub client_id: Arc<str>,
    /// Where the client connected from, as Kafka writes it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// How long the member may take to join again; the session timeout in version 0.
    pub rebalance_timeout_ms: i32,
    /// What kind of group the member believes it is in.
    pub protocol_type: Arc<str>,
    /// The protocols that the member supports, in order of preference.
    pub protocols: Vec<Protocol>,
    /// 128 random bits, for the member's id if one has to be made.
    pub member_id_seed: u128,
    /// Whether a member without an id is first given one, to come back with (version 4 and later).
    pub needs_known_member_id: bool,
    /// Whether a leader can be told to keep the assignment as it is (version 9 and later).
    pub can_skip_assignment: bool,
    /// Why the client says it joins, for the log.
    pub reason: Option<Arc<str>>,
}

impl Ask for Join {
    type Reply = JoinReply;
}

/// The answer to [`Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// Why not, if not.
    pub error: ErrorCode,
    /// The generation; -1 with an error.
    pub generation: i32,
    /// The kind of the group; none with an error.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that was chosen; none with an error (versions below 7 say "" then).
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; empty with an error.
    pub leader: Arc<str>,
    /// Whether the leader shall not make a new assignment.
    pub skip_assignment: bool,
    /// The member's own id.
    pub member: Arc<str>,
    /// Everybody, for the leader; nobody, for the others.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A refusal.
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

/// A member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// What the member says under the chosen protocol.
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
    /// The kind of group that the member believes it is in (version 5 and later).
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that the member believes was chosen (version 5 and later).
    pub protocol: Option<Arc<str>>,
    /// From the leader: member ids and what they shall have.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

impl Ask for Sync {
    type Reply = SyncReply;
}

/// The answer to [`Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// Why not, if not.
    pub error: ErrorCode,
    /// The kind of the group; none with an error.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that was chosen; none with an error.
    pub protocol: Option<Arc<str>>,
    /// What the leader gave to this member.
    pub assignment: Bytes,
}

impl SyncReply {
    /// A refusal.
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
    /// The generation that the member is in.
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
    /// Who goes.
    pub members: Vec<Leaver>,
}

impl Ask for Leave {
    type Reply = LeaveReply;
}

/// Somebody who goes, named by member id, or by instance alone (then the id is empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaver {
    /// The member's id, or nothing.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// Why the client says it goes, for the log.
    pub reason: Option<Arc<str>>,
}

/// The answer to [`Leave`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveReply {
    /// Why the request as a whole was refused. Versions below 3, which name one member, put that
    /// member's error here.
    pub error: ErrorCode,
    /// What became of each, in the order of the request; nobody with an error.
    pub members: Vec<(Leaver, ErrorCode)>,
}

/// OffsetCommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsets {
    /// The group's id.
    pub group: Arc<str>,
    /// The member's id; empty for a consumer that manages its partitions itself.
    pub member: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's generation; -1 for a consumer that manages its partitions itself.
    pub generation: i32,
    /// A retention that the client asks for (versions 2 to 4, and only when it is not -1).
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
    /// Where it is an offset of.
    pub at: TopicPartition,
    /// The life of the topic, or zero.
    pub topic_id: TopicId,
    /// The next offset to consume.
    pub offset: Offset,
    /// The leader epoch of the record before it, where known.
    pub leader_epoch: LeaderEpoch,
    /// Whatever shall be kept with it.
    pub metadata: Option<Arc<str>>,
}

/// The answer to [`CommitOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsetsReply {
    /// What became of each, in the order of the request. A group that does not exist is
    /// GROUP_ID_NOT_FOUND here, which versions below 9 call ILLEGAL_GENERATION.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// OffsetDelete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsets {
    /// The group's id.
    pub group: Arc<str>,
    /// Where the group's offsets shall be forgotten.
    pub partitions: Vec<TopicPartition>,
}

impl Ask for DeleteOffsets {
    type Reply = DeleteOffsetsReply;
}

/// The answer to [`DeleteOffsets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteOffsetsReply {
    /// Why nothing could be deleted.
    pub error: ErrorCode,
    /// What became of each, in the order of the request; none with an error.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// DeleteGroups, one group of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroup {
    /// The group's id.
    pub group: Arc<str>,
}

impl Ask for DeleteGroup {
    type Reply = ErrorCode;
}

/// A topic that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// Which life of the topic ended: offsets of a later one stay. Zero for any.
    pub id: TopicId,
}

/// It is time to remove offsets that nobody will ask for, and groups that are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireOffsets;

impl Ask for ExpireOffsets {
    type Reply = ();
}
