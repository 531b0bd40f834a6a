//! Groups that change between the protocols while they are in use, and members of both in one group.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::classic_client::{self, ClassicClient};
use super::{Bench, Client, all};
use crate::base::ErrorCode;
use crate::group::consumer::{ConsumerState, MemberState};
use crate::group::tests::fixture::{
    GROUP, REBALANCE_MS, SESSION_MS, join, protocols, static_join, sync_of,
};
use crate::group::{Join, JoinReply, Leave, Leaver, NotDescribed, StateName};

const POLICY: &str = "group.consumer.migration.policy";

fn bench() -> Bench {
    Bench::new(&[], &[("t", 4)])
}

fn with_policy(policy: &str) -> Bench {
    Bench::new(&[(POLICY, policy)], &[("t", 4)])
}

/// Lets everybody do what they must until nobody has anything to do.
fn live(bench: &mut Bench, classic: &mut [ClassicClient], clients: &mut [Client]) {
    for _ in 0..20 {
        for client in classic.iter_mut() {
            client.act(bench);
        }
        for client in clients.iter_mut() {
            client.heartbeat(bench);
            client.revoke();
        }
        bench.f.advance(500);
    }
}

/// The partitions of everybody, which must be those of the topic, each once.
fn check_shared(bench: &Bench, classic: &[ClassicClient], clients: &[Client]) {
    let classic = classic.iter().map(|client| &client.owned);
    let owned: Vec<_> = classic
        .chain(clients.iter().map(|client| &client.owned))
        .flatten()
        .copied()
        .collect();
    assert_eq!(owned.len(), 4);
    assert_eq!(
        owned.into_iter().collect::<super::client::Partitions>(),
        all(bench.cluster.topic("t"), 4)
    );
}

fn is_classic(bench: &Bench) -> bool {
    bench.f.registry.describe(GROUP).is_ok()
}

/// A stable classic group of two.
fn classic_pair(bench: &mut Bench) -> Vec<ClassicClient> {
    let mut classic = vec![ClassicClient::new(&["t"]), ClassicClient::new(&["t"])];
    live(bench, &mut classic, &mut []);
    assert_eq!(bench.f.state(), StateName::Stable);
    check_shared(bench, &classic, &[]);
    classic
}

fn join_refused(bench: &mut Bench, join: Join) -> ErrorCode {
    let records = bench.f.log.len();
    let reply = bench.f.ask(join);
    assert_eq!(bench.f.log.len(), records, "a refused join writes nothing");
    reply.error
}

#[test]
fn a_classic_group_becomes_a_consumer_group_and_back_and_nobody_loses_a_partition() {
    let mut bench = bench();
    let mut classic = classic_pair(&mut bench);
    let generation = classic[0].generation;
    let mut new = [Client::new("new", &["t"])];
    new[0].heartbeat(&mut bench);
    assert_eq!(
        bench.f.registry.describe(GROUP),
        Err(NotDescribed::OtherType)
    );
    let group = bench.group();
    assert_eq!((group.epoch(), group.member_count()), (generation + 1, 3));
    for client in &classic {
        let member = group.member(&client.id).unwrap();
        assert_eq!(
            (member.epoch, member.state),
            (generation, MemberState::Stable)
        );
        assert_eq!(
            member.assigned.partitions(),
            client.owned.iter().copied().collect()
        );
        assert!(member.is_classic());
    }
    bench.f.check();

    // The others hear of it with a heartbeat, join, and give up what the new one gets.
    assert_eq!(classic[0].act(&mut bench), ErrorCode::REBALANCE_IN_PROGRESS);
    live(&mut bench, &mut classic, &mut new);
    check_shared(&bench, &classic, &new);
    assert!(!new[0].owned.is_empty());
    assert_eq!(bench.group().state(), ConsumerState::Stable);
    bench.f.reload();
    assert_eq!(bench.group().state(), ConsumerState::Stable);

    // The last one that speaks the new protocol leaves.
    let epoch = bench.group().epoch();
    bench.beat(new[0].leaving(-1));
    let described = bench.f.registry.describe(GROUP).unwrap();
    assert_eq!(described.state, StateName::PreparingRebalance);
    assert_eq!(described.members.len(), 2);
    assert_eq!(bench.f.written().generation, epoch);
    bench.f.check();
    live(&mut bench, &mut classic, &mut []);
    assert_eq!(bench.f.state(), StateName::Stable);
    check_shared(&bench, &classic, &[]);
    assert!(classic[0].generation > epoch);
}

#[test]
fn a_session_that_ends_makes_a_group_classic_too() {
    let mut bench = bench();
    let mut classic = classic_pair(&mut bench);
    let mut new = [Client::new("new", &["t"])];
    live(&mut bench, &mut classic, &mut new);
    assert!(!is_classic(&bench));
    for _ in 0..100 {
        live(&mut bench, &mut classic, &mut []);
    }
    assert_eq!(bench.f.state(), StateName::Stable);
    check_shared(&bench, &classic, &[]);
    assert!(bench.f.registry.consumers.get(GROUP).is_none());
}

#[test]
fn who_waits_in_a_classic_group_is_sent_to_the_consumer_group() {
    let mut bench = bench();
    let mut classic = classic_pair(&mut bench);
    // The leader begins a rebalance for which the other does not come.
    let leader = usize::from(classic[1].id == bench.f.written().leader.clone().unwrap());
    let join = classic[leader].ask(&bench);
    let waiting = bench.f.send(join);
    assert_eq!(bench.f.answer::<JoinReply>(waiting), None);
    let mut new = [Client::new("new", &["t"])];
    new[0].heartbeat(&mut bench);
    let reply = bench.f.answered(waiting);
    assert_eq!(
        (reply.error, &reply.member),
        (ErrorCode::REBALANCE_IN_PROGRESS, &classic[leader].id)
    );
    live(&mut bench, &mut classic, &mut new);
    check_shared(&bench, &classic, &new);
    bench.f.check();
}

#[test]
fn before_the_first_generation_there_is_nothing_to_lose() {
    let mut bench = bench();
    let mut classic = [ClassicClient::new(&["t"])];
    classic[0].act(&mut bench);
    classic[0].act(&mut bench);
    assert_eq!(bench.f.state(), StateName::PreparingRebalance);
    let mut new = [Client::new("new", &["t"])];
    live(&mut bench, &mut classic, &mut new);
    check_shared(&bench, &classic, &new);
}

#[test]
fn groups_that_may_not_change_say_why() {
    let refused = |bench: &mut Bench, reason: &str| {
        let (error, message) = bench.refused(Client::new("new", &["t"]).ask());
        assert_eq!(error, ErrorCode::GROUP_ID_NOT_FOUND);
        assert_eq!(
            message,
            format!("Cannot upgrade classic group g to consumer group because {reason}.")
        );
    };
    for policy in ["disabled", "downgrade"] {
        let mut bench = with_policy(policy);
        classic_pair(&mut bench);
        refused(&mut bench, "online upgrade is disabled");
    }
    let mut other = bench();
    let worker = Join {
        protocol_type: "connect".into(),
        protocols: protocols(&["range"], &["t"]),
        ..join()
    };
    other.f.join_with_new_id(worker);
    refused(
        &mut other,
        "the group does not use the consumer embedded protocol",
    );
    let mut full = Bench::new(&[("group.consumer.max.size", "1")], &[("t", 4)]);
    classic_pair(&mut full);
    refused(
        &mut full,
        "the group size exceeds the consumer group maximum size",
    );
    // The leader's assignment is not of consumers.
    let mut malformed = bench();
    malformed.f.stable_group(1);
    refused(
        &mut malformed,
        "the embedded consumer protocol is malformed",
    );
    let mut custom = bench();
    let (id, token) = custom.f.join_with_new_id(join());
    custom.f.advance(6_000);
    custom.f.answered(token);
    let mut sync = sync_of(&id, 1, &[]);
    let plain = classic_client::assignment(&BTreeMap::new());
    let data = [&plain[..plain.len() - 4], &[0, 0, 0, 1, 7]].concat();
    sync.assignments = vec![(Arc::clone(&id), Bytes::from(data))];
    custom.f.send(sync);
    refused(
        &mut custom,
        "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor \
         before re-attempting the upgrade",
    );
}

#[test]
fn a_group_that_may_not_become_classic_goes_on_with_classic_members() {
    let mut bench = with_policy("upgrade");
    let mut classic = classic_pair(&mut bench);
    let mut new = [Client::new("new", &["t"])];
    live(&mut bench, &mut classic, &mut new);
    bench.beat(new[0].leaving(-1));
    live(&mut bench, &mut classic, &mut []);
    assert!(!is_classic(&bench));
    check_shared(&bench, &classic, &[]);
}

#[test]
fn a_static_member_that_goes_back_to_the_classic_protocol_takes_its_partitions_along() {
    let mut bench = bench();
    let mut one = [Client::named("one", "i1", &["t"])];
    let mut classic = [ClassicClient::new(&["t"])];
    live(&mut bench, &mut classic, &mut one);
    check_shared(&bench, &classic, &one);
    let epoch = bench.group().epoch();
    let mut back = ClassicClient::named("i1", &["t"]);
    back.act(&mut bench);
    assert_eq!(
        (back.generation, bench.f.state()),
        (epoch, StateName::Stable)
    );
    assert!(bench.f.registry.consumers.get(GROUP).is_none());
    bench.f.check();
    back.act(&mut bench);
    assert_eq!(back.owned, one[0].owned);
    let mut both = [classic[0].clone(), back];
    live(&mut bench, &mut both, &mut []);
    assert_eq!(both[1].generation, epoch, "nobody had to join again");
    check_shared(&bench, &both, &[]);
    // The former self is not a member any more.
    assert_eq!(one[0].heartbeat(&mut bench), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn a_static_member_changes_its_protocol_and_keeps_its_partitions() {
    let mut bench = bench();
    let mut classic = [
        ClassicClient::named("i1", &["t"]),
        ClassicClient::new(&["t"]),
    ];
    live(&mut bench, &mut classic, &mut []);
    let before = classic[0].owned.clone();
    let mut new = [Client::named("new", "i1", &["t"])];
    new[0].heartbeat(&mut bench);
    new[0].revoke();
    assert_eq!(new[0].owned, before);
    assert_eq!(bench.group().member_count(), 2);
    assert_eq!(classic[0].act(&mut bench), ErrorCode::FENCED_INSTANCE_ID);
    live(&mut bench, &mut classic[1..], &mut new);
    check_shared(&bench, &classic[1..], &new);
}

#[test]
fn classic_members_that_do_not_fit_are_refused() {
    let mut disabled = with_policy("disabled");
    disabled.beat(Client::new("new", &["t"]).ask());
    let error = join_refused(&mut disabled, join());
    assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);

    let mut bench = Bench::new(&[("group.consumer.max.size", "2")], &[("t", 4)]);
    let mut new = [Client::new("new", &["t"])];
    let mut classic = [ClassicClient::new(&["t"])];
    live(&mut bench, &mut classic, &mut new);
    let other = |join: Join| Join {
        member: Arc::clone(&classic[0].id),
        ..join
    };
    for wrong in [
        Join {
            protocol_type: "connect".into(),
            ..join()
        },
        Join {
            protocols: Vec::new(),
            ..join()
        },
    ] {
        let error = join_refused(&mut bench, other(wrong));
        assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let mut malformed = other(join());
    malformed.protocols[0].metadata = Bytes::from_static(&[0]);
    let error = join_refused(&mut bench, malformed);
    assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let error = join_refused(&mut bench, join());
    assert_eq!(error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let error = join_refused(&mut bench, static_join("i"));
    assert_eq!(error, ErrorCode::GROUP_MAX_SIZE_REACHED);

    // What no member supports is no common protocol, except for the first classic member.
    let mut bench = self::bench();
    live(
        &mut bench,
        &mut [ClassicClient::new(&["t"])],
        &mut [Client::new("new", &["t"])],
    );
    let sticky = Join {
        protocols: protocols(&["sticky"], &["t"]),
        needs_known_member_id: false,
        ..join()
    };
    let error = join_refused(&mut bench, sticky);
    assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn requests_in_another_name_or_of_another_generation_are_refused() {
    let mut bench = bench();
    let mut new = [Client::new("new", &["t"])];
    let mut classic = [ClassicClient::named("i1", &["t"])];
    live(&mut bench, &mut classic, &mut new);
    let (id, generation) = (Arc::clone(&classic[0].id), classic[0].generation);
    let f = &mut bench.f;
    assert_eq!(f.heartbeat(&id, generation), ErrorCode::NONE);
    assert_eq!(f.heartbeat_as(&id, Some("i1"), generation), ErrorCode::NONE);
    assert_eq!(
        f.heartbeat(&id, generation + 1),
        ErrorCode::ILLEGAL_GENERATION
    );
    assert_eq!(
        f.heartbeat("nobody", generation),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(f.heartbeat("new", generation), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        f.heartbeat_as("nobody", Some("i1"), generation),
        ErrorCode::FENCED_INSTANCE_ID
    );
    assert_eq!(
        f.heartbeat_as(&id, Some("i2"), generation),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    for (protocol_type, protocol) in [("connect", "range"), ("consumer", "sticky")] {
        let mut sync = sync_of(&id, generation, &[]);
        sync.protocol_type = Some(protocol_type.into());
        sync.protocol = Some(protocol.into());
        let error = f.ask(sync).error;
        assert_eq!(error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let again = Join {
        member: "nobody".into(),
        ..static_join("i1")
    };
    assert_eq!(
        join_refused(&mut bench, again),
        ErrorCode::FENCED_INSTANCE_ID
    );
    let again = Join {
        member: "nobody".into(),
        ..static_join("i2")
    };
    assert_eq!(
        join_refused(&mut bench, again),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn who_does_not_join_again_or_does_not_sync_is_removed() {
    let mut bench = bench();
    let mut new = [Client::new("new", &["t"])];
    let mut classic = [ClassicClient::new(&["t"]), ClassicClient::new(&["t"])];
    live(&mut bench, &mut classic, &mut new);
    let mut more = [new[0].clone(), Client::new("more", &["t"])];
    more[1].heartbeat(&mut bench);
    let alive = |bench: &mut Bench, more: &mut [Client; 2], milliseconds: i32| {
        for _ in 0..milliseconds / 1_000 {
            bench.f.advance(1_000);
            for client in more.iter_mut() {
                client.heartbeat(bench);
                client.revoke();
            }
        }
    };
    // It sends heartbeats, which tell it to join, and does not.
    let (id, generation) = (Arc::clone(&classic[0].id), classic[0].generation);
    for _ in 0..REBALANCE_MS / 1_000 - 1 {
        alive(&mut bench, &mut more, 1_000);
        assert_ne!(
            bench.f.heartbeat(&id, generation),
            ErrorCode::UNKNOWN_MEMBER_ID
        );
    }
    alive(&mut bench, &mut more, 5_000);
    let error = bench.f.heartbeat(&id, generation);
    assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);

    // It joins, sends heartbeats and does not sync.
    let mut idle = ClassicClient::new(&["t"]);
    idle.act(&mut bench);
    idle.act(&mut bench);
    for _ in 0..REBALANCE_MS / 1_000 - 1 {
        alive(&mut bench, &mut more, 1_000);
        assert_ne!(
            bench.f.heartbeat(&idle.id, idle.generation),
            ErrorCode::UNKNOWN_MEMBER_ID
        );
    }
    alive(&mut bench, &mut more, 5_000);
    let error = bench.f.heartbeat(&idle.id, idle.generation);
    assert_eq!(error, ErrorCode::UNKNOWN_MEMBER_ID);
    alive(&mut bench, &mut more, 2 * SESSION_MS);
    assert_eq!(bench.group().classic_count(), 0);
}

#[test]
fn members_of_both_protocols_leave_in_one_request() {
    let mut bench = bench();
    let mut new = [Client::new("new", &["t"]), Client::new("stays", &["t"])];
    let mut classic = [
        ClassicClient::named("i1", &["t"]),
        ClassicClient::new(&["t"]),
    ];
    live(&mut bench, &mut classic, &mut new);
    let epoch = bench.group().epoch();
    let leaver = |member: &str, instance: Option<&str>| Leaver {
        member: member.into(),
        instance: instance.map(Into::into),
        reason: None,
    };
    let reply = bench.f.ask(Leave {
        group: GROUP.into(),
        members: vec![
            leaver("new", None),
            leaver("", Some("i1")),
            leaver(&classic[0].id, Some("i1")),
            leaver(&classic[1].id, Some("i1")),
            leaver("nobody", None),
            leaver("", Some("i2")),
        ],
    });
    let errors: Vec<_> = reply.members.iter().map(|(_, error)| *error).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::NONE,
            ErrorCode::NONE,
            ErrorCode::NONE,
            ErrorCode::FENCED_INSTANCE_ID,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ]
    );
    let group = bench.group();
    assert_eq!((group.epoch(), group.member_count()), (epoch + 1, 2));
    live(&mut bench, &mut classic[1..], &mut new[1..]);
    check_shared(&bench, &classic[1..], &new[1..]);
}

#[test]
fn what_the_log_does_not_take_has_not_happened() {
    let mut bench = bench();
    let mut classic = classic_pair(&mut bench);
    let mut new = [Client::new("new", &["t"])];
    bench.f.is_log_full = true;
    new[0].heartbeat(&mut bench);
    assert_eq!(bench.f.state(), StateName::Stable);
    bench.f.is_log_full = false;
    live(&mut bench, &mut classic, &mut []);
    assert_eq!(bench.f.state(), StateName::Stable);

    live(&mut bench, &mut classic, &mut new);
    bench.f.is_log_full = true;
    bench.f.send(new[0].leaving(-1));
    assert!(!is_classic(&bench));
    bench.f.is_log_full = false;
    live(&mut bench, &mut classic, &mut new);
    check_shared(&bench, &classic, &new);
}
