//! Why a heartbeat is refused: Kafka's error codes, and the texts that a client gets beside them.

use std::fmt;
use std::sync::Arc;

use crate::base::ErrorCode;

/// An error for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) message: Arc<str>,
}

impl Refusal {
    pub(super) fn new(error: ErrorCode, message: impl fmt::Display) -> Self {
        Self {
            error,
            message: message.to_string().into(),
        }
    }

    pub(super) fn not_upgraded(group: &str, reason: &'static str) -> Self {
        Self::new(
            ErrorCode::GROUP_ID_NOT_FOUND,
            format_args!(
                "Cannot upgrade classic group {group} to consumer group because {reason}."
            ),
        )
    }

    pub(super) fn malformed_members(group: &str) -> Self {
        Self::not_upgraded(group, "the embedded consumer protocol is malformed")
    }

    pub(super) fn custom_assignor(group: &str) -> Self {
        Self::not_upgraded(
            group,
            "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor \
             before re-attempting the upgrade",
        )
    }

    pub(super) fn invalid(message: &'static str) -> Self {
        Self::new(ErrorCode::INVALID_REQUEST, message)
    }

    /// A group that would have to exist, for a heartbeat of a member.
    pub(super) fn no_consumer_group(group: &str) -> Self {
        Self::new(
            ErrorCode::GROUP_ID_NOT_FOUND,
            format_args!("Consumer group {group} not found."),
        )
    }

    /// A group that would have to exist, for a member that leaves.
    pub(super) fn no_group(group: &str) -> Self {
        Self::new(
            ErrorCode::GROUP_ID_NOT_FOUND,
            format_args!("Group {group} not found."),
        )
    }

    pub(super) fn other_type(group: &str) -> Self {
        Self::new(
            ErrorCode::GROUP_ID_NOT_FOUND,
            format_args!("Group {group} is not a consumer group."),
        )
    }

    pub(super) fn full(max_size: i32) -> Self {
        Self::new(
            ErrorCode::GROUP_MAX_SIZE_REACHED,
            format_args!(
                "The consumer group has reached its maximum capacity of {max_size} members."
            ),
        )
    }

    /// There is no memory for the member, now or ever.
    pub(super) fn no_room(error: ErrorCode) -> Self {
        Self::new(error, "There is no memory for more members of groups.")
    }

    pub(super) fn unknown_member(member: &str, group: &str) -> Self {
        Self::new(
            ErrorCode::UNKNOWN_MEMBER_ID,
            format_args!("Member {member} is not a member of group {group}."),
        )
    }

    pub(super) fn unknown_instance(instance: &str) -> Self {
        Self::new(
            ErrorCode::UNKNOWN_MEMBER_ID,
            format_args!("Instance id {instance} is unknown."),
        )
    }

    pub(super) fn unreleased_instance(member: &str, instance: &str, owner: &str) -> Self {
        Self::new(
            ErrorCode::UNRELEASED_INSTANCE_ID,
            format_args!(
                "Static member {member} with instance id {instance} cannot join the group because the instance id is \
                 owned by {owner} member."
            ),
        )
    }

    pub(super) fn fenced_instance(member: &str, instance: &str, owner: &str) -> Self {
        Self::new(
            ErrorCode::FENCED_INSTANCE_ID,
            format_args!(
                "Static member {member} with instance id {instance} was fenced by member {owner}."
            ),
        )
    }

    /// `is` says how the member's epoch compares with the one that is known.
    pub(super) fn fenced_epoch(is: &'static str, epoch: i32, known: i32) -> Self {
        Self::new(
            ErrorCode::FENCED_MEMBER_EPOCH,
            format_args!(
                "The consumer group member has a {is} member epoch ({epoch}) than the one known by the group \
                 coordinator ({known}). The member must abandon all its partitions and rejoin."
            ),
        )
    }

    pub(super) fn unknown_state() -> Self {
        Self::new(
            ErrorCode::FENCED_MEMBER_EPOCH,
            "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
        )
    }

    pub(super) fn unsupported_assignor(assignor: &str, supported: &[String]) -> Self {
        Self::new(
            ErrorCode::UNSUPPORTED_ASSIGNOR,
            format_args!(
                "ServerAssignor {assignor} is not supported. Supported assignors: {}.",
                supported.join(", ")
            ),
        )
    }

    pub(super) fn invalid_expression(expression: &str, reason: &str) -> Self {
        Self::new(
            ErrorCode::INVALID_REGULAR_EXPRESSION,
            format_args!(
                "SubscribedTopicRegex `{expression}` is not a valid regular expression: {reason}."
            ),
        )
    }
}
