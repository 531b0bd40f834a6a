//! The requests to consumer groups and their replies.

use std::sync::Arc;

use crate::base::{Ask, ErrorCode, Offset, Timestamp, TopicId};

/// ConsumerGroupHeartbeat. Members send only what has changed since the last one: `None` means as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeat {
    /// The group's id.
    pub group: Arc<str>,
    /// The member's id; empty if the coordinator is to make one (version 0).
    pub member: Arc<str>,
    /// The member's epoch; 0 to join, -1 to leave, -2 for a static member that means to come back.
    pub member_epoch: i32,
    /// The name under which a static member keeps its place over restarts.
    pub instance: Option<Arc<str>>,
    /// Where the member is, for assignments that prefer near replicas.
    pub rack: Option<Arc<str>>,
    /// How long the member may take to give partitions up; -1 for as before.
    pub rebalance_timeout_ms: i32,
    /// The topics that the member reads, by name.
    pub topics: Option<Vec<Arc<str>>>,
    /// A regular expression over names of topics that the member reads; empty for none.
    pub expression: Option<Arc<str>>,
    /// The assignor that the member asks for.
    pub assignor: Option<Arc<str>>,
    /// The partitions that the member owns.
    pub owned: Option<Vec<(TopicId, Vec<i32>)>>,
    /// The client id; empty for none.
    pub client_id: Arc<str>,
    /// The client's host, as Kafka writes it ("/127.0.0.1").
    pub client_host: Arc<str>,
    /// 128 random bits, for a new member id.
    pub member_id_seed: u128,
    /// Whether the member must bring its id (version 1 and later).
    pub needs_member_id: bool,
}

impl Ask for ConsumerHeartbeat {
    type Reply = ConsumerHeartbeatReply;
}

/// The answer to [`ConsumerHeartbeat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatReply {
    /// The error, if any.
    pub error: ErrorCode,
    /// What is wrong.
    pub message: Option<Arc<str>>,
    /// The member's id; `None` with an error.
    pub member: Option<Arc<str>>,
    /// The member's epoch; 0 with an error.
    pub member_epoch: i32,
    /// When the next heartbeat is due; 0 with an error, and for a member that leaves.
    pub heartbeat_interval_ms: i32,
    /// What the member shall own; `None` if that is as before.
    pub assignment: Option<Vec<(TopicId, Vec<i32>)>>,
}

impl ConsumerHeartbeatReply {
    /// A reply with an error.
    pub fn refused(error: ErrorCode, message: Option<Arc<str>>) -> Self {
        Self {
            error,
            message,
            member: None,
            member_epoch: 0,
            heartbeat_interval_ms: 0,
            assignment: None,
        }
    }
}

/// What else is to be done because of a decision about groups, outside of the machine.
#[derive(Clone, Debug)]
pub enum GroupEffect {
    /// Find the topics of regular expressions and ask [`ExpressionsResolved`].
    Resolve(Expressions),
}

/// Regular expressions of a group.
#[derive(Clone, Debug)]
pub struct Expressions {
    /// The group's id.
    pub group: Arc<str>,
    /// The expressions.
    pub expressions: Vec<Arc<str>>,
    /// The metadata to look them up in.
    pub image: Arc<crate::metadata::Image>,
}

/// The topics of a group's regular expressions were looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionsResolved {
    /// The group's id.
    pub group: Arc<str>,
    /// The topics of each expression.
    pub topics: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// The metadata that was looked at, by the offset in its log.
    pub version: Offset,
    /// When that began.
    pub began: Timestamp,
}

impl Ask for ExpressionsResolved {
    type Reply = ();
}
