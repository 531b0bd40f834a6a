//! What is checked of a heartbeat before anybody looks at the group, in Kafka's order.

use super::asks::ConsumerHeartbeat;
use super::member::Member;
use super::refusal::Refusal;
use crate::schema::MAX_STRING;

/// Checks the request itself; `assignors` are those of the broker.
pub(super) fn check(ask: &ConsumerHeartbeat, assignors: &[String]) -> Result<(), Refusal> {
    let needs_id =
        ask.needs_member_id || ask.member_epoch > 0 || ask.member_epoch == Member::LEAVE_EPOCH;
    if needs_id {
        not_empty(Some(&ask.member), "MemberId can't be empty.")?;
    }
    not_empty(Some(&ask.group), "GroupId can't be empty.")?;
    not_empty(ask.instance.as_deref(), "InstanceId can't be empty.")?;
    not_empty(ask.rack.as_deref(), "RackId can't be empty.")?;
    match ask.member_epoch {
        Member::JOIN_EPOCH => check_join(ask)?,
        Member::LEAVE_STATIC_EPOCH if ask.instance.is_none() => {
            return Err(Refusal::invalid("InstanceId can't be null."));
        }
        epoch if epoch < Member::LEAVE_STATIC_EPOCH => {
            return Err(Refusal::invalid("MemberEpoch is invalid."));
        }
        _ => {}
    }
    if let Some(assignor) = &ask.assignor
        && !assignors.iter().any(|known| **known == **assignor)
    {
        return Err(Refusal::unsupported_assignor(assignor, assignors));
    }
    check_lengths(ask)
}

/// A text of nothing but what Java trims is empty, too.
fn not_empty(text: Option<&str>, message: &'static str) -> Result<(), Refusal> {
    let is_empty = |text: &str| text.chars().all(|character| character <= ' ');
    match text {
        Some(text) if is_empty(text) => Err(Refusal::invalid(message)),
        _ => Ok(()),
    }
}

fn check_join(ask: &ConsumerHeartbeat) -> Result<(), Refusal> {
    if ask.rebalance_timeout_ms == -1 {
        return Err(Refusal::invalid(
            "RebalanceTimeoutMs must be provided in first request.",
        ));
    }
    if ask.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
        return Err(Refusal::invalid(
            "TopicPartitions must be empty when (re-)joining.",
        ));
    }
    if ask.topics.is_none() && ask.expression.is_none() {
        return Err(Refusal::invalid(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ));
    }
    Ok(())
}

/// The request's strings can be longer than those of a record.
fn check_lengths(ask: &ConsumerHeartbeat) -> Result<(), Refusal> {
    let texts = [
        Some(&ask.member),
        Some(&ask.group),
        Some(&ask.client_id),
        Some(&ask.client_host),
        ask.instance.as_ref(),
        ask.rack.as_ref(),
        ask.expression.as_ref(),
    ];
    let topics = ask.topics.iter().flatten();
    let mut texts = texts.into_iter().flatten().chain(topics);
    if texts.any(|text| text.len() > MAX_STRING) {
        return Err(Refusal::invalid("A text of the request is too long."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::ErrorCode;

    fn join() -> ConsumerHeartbeat {
        ConsumerHeartbeat {
            group: "g".into(),
            member: "m".into(),
            member_epoch: 0,
            instance: None,
            rack: None,
            rebalance_timeout_ms: 1_000,
            topics: Some(vec!["t".into()]),
            expression: None,
            assignor: None,
            owned: Some(Vec::new()),
            client_id: Arc::default(),
            client_host: Arc::default(),
            member_id_seed: 1,
            needs_member_id: true,
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut ConsumerHeartbeat), error: ErrorCode, text: &str) {
        let mut ask = join();
        change(&mut ask);
        let assignors = ["uniform".to_owned(), "range".to_owned()];
        let refusal = check(&ask, &assignors).unwrap_err();
        assert_eq!((refusal.error, &*refusal.message), (error, text));
    }

    #[test]
    fn a_join_says_everything_once() {
        assert_eq!(check(&join(), &[]), Ok(()));
        let invalid = ErrorCode::INVALID_REQUEST;
        refused(
            |ask| ask.member = "".into(),
            invalid,
            "MemberId can't be empty.",
        );
        refused(
            |ask| ask.group = "".into(),
            invalid,
            "GroupId can't be empty.",
        );
        refused(
            |ask| ask.instance = Some(" \t".into()),
            invalid,
            "InstanceId can't be empty.",
        );
        refused(
            |ask| ask.rack = Some("".into()),
            invalid,
            "RackId can't be empty.",
        );
        refused(
            |ask| ask.rebalance_timeout_ms = -1,
            invalid,
            "RebalanceTimeoutMs must be provided in first request.",
        );
        refused(
            |ask| ask.owned = None,
            invalid,
            "TopicPartitions must be empty when (re-)joining.",
        );
        refused(
            |ask| ask.topics = None,
            invalid,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
        refused(
            |ask| ask.assignor = Some("best".into()),
            ErrorCode::UNSUPPORTED_ASSIGNOR,
            "ServerAssignor best is not supported. Supported assignors: uniform, range.",
        );
    }

    #[test]
    fn epochs_below_zero_have_a_meaning_or_are_wrong() {
        let invalid = ErrorCode::INVALID_REQUEST;
        refused(
            |ask| ask.member_epoch = -2,
            invalid,
            "InstanceId can't be null.",
        );
        refused(
            |ask| ask.member_epoch = -3,
            invalid,
            "MemberEpoch is invalid.",
        );
        let mut ask = join();
        (ask.member, ask.needs_member_id) = ("".into(), false);
        assert_eq!(check(&ask, &[]), Ok(()));
        ask.member_epoch = -1;
        assert!(check(&ask, &[]).is_err());
    }
}
