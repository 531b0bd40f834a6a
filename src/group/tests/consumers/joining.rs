//! Members that come, change and go, and what the group writes then.

use super::{Bench, Client, all};
use crate::base::{ErrorCode, Offset, Token};
use crate::group::ConsumerHeartbeat;
use crate::group::consumer::MemberState;
use crate::group::tests::fixture::GROUP;

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut bench = Bench::new(&[], &[("t", 3)]);
    let topic = bench.cluster.topic("t");
    let mut client = Client::new("m", &["t"]);
    let reply = bench.beat(client.ask());
    assert_eq!(reply.member.as_deref(), Some("m"));
    assert_eq!(
        (reply.member_epoch, reply.heartbeat_interval_ms),
        (2, 5_000)
    );
    assert_eq!(reply.assignment, Some(vec![(topic, vec![0, 1, 2])]));
    // The member, the group's epoch, its target, the target's epoch, and what it has now.
    assert_eq!(bench.f.log.len(), 5);
    client.hear(&reply);
    client.revoke();
    assert_eq!(client.owned, all(topic, 3));
    assert_eq!(bench.group().state().name(), "Stable");
}

#[test]
fn a_heartbeat_without_news_writes_and_says_nothing() {
    let mut bench = Bench::new(&[], &[("t", 3)]);
    let mut client = Client::new("m", &["t"]);
    bench.settle(&mut [&mut client]);
    let ask = client.ask();
    assert_eq!(
        (&ask.topics, &ask.owned, ask.rebalance_timeout_ms),
        (&None, &None, -1)
    );
    let written = bench.written(|bench| {
        let reply = bench.beat(ask);
        assert_eq!((reply.member_epoch, reply.assignment), (2, None));
    });
    assert_eq!(written, 0);
    // Whoever says everything hears everything.
    let topic = bench.cluster.topic("t");
    let full = ConsumerHeartbeat {
        rebalance_timeout_ms: 60_000,
        topics: Some(vec!["t".into()]),
        owned: Some(vec![(topic, vec![0, 1, 2])]),
        ..client.ask()
    };
    let written = bench.written(|bench| {
        let reply = bench.beat(full);
        assert_eq!(reply.assignment, Some(vec![(topic, vec![0, 1, 2])]));
    });
    assert_eq!(written, 0);
}

#[test]
fn the_coordinator_makes_ids_for_old_clients_only() {
    let mut bench = Bench::new(&[], &[("t", 1)]);
    let ask = ConsumerHeartbeat {
        member: "".into(),
        ..Client::new("m", &["t"]).ask()
    };
    let invalid = ErrorCode::INVALID_REQUEST;
    let refused = bench.refused(ask.clone());
    assert_eq!(refused, (invalid, "MemberId can't be empty.".to_owned()));
    let reply = bench.beat(ConsumerHeartbeat {
        needs_member_id: false,
        ..ask
    });
    let id = reply.member.unwrap();
    assert_eq!(id.len(), 22);
    assert!(bench.group().member(&id).is_some());
}

#[test]
fn a_member_that_reads_nothing_is_in_the_group() {
    let mut bench = Bench::new(&[], &[("t", 1)]);
    let mut client = Client::new("m", &[]);
    let reply = bench.beat(client.ask());
    // As in Kafka: the group stays in its first epoch.
    assert_eq!(
        (reply.member_epoch, &reply.assignment),
        (1, &Some(Vec::new()))
    );
    client.hear(&reply);
    client.topics = vec!["t".into()];
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(bench.cluster.topic("t"), 1));
}

#[test]
fn members_join_and_leave() {
    let mut bench = Bench::new(&[], &[("t", 4)]);
    let topic = bench.cluster.topic("t");
    let (mut one, mut two) = (Client::new("m1", &["t"]), Client::new("m2", &["t"]));
    bench.settle(&mut [&mut one]);
    assert_eq!(one.owned, all(topic, 4));
    bench.settle(&mut [&mut one, &mut two]);
    assert_eq!((one.owned.len(), two.owned.len()), (2, 2));
    assert!(one.owned.is_disjoint(&two.owned));
    assert_eq!(one.epoch, two.epoch);

    let epoch = bench.group().epoch();
    let reply = bench.beat(one.leaving(-1));
    assert_eq!(
        (reply.member.as_deref(), reply.member_epoch),
        (Some("m1"), -1)
    );
    assert_eq!((reply.heartbeat_interval_ms, reply.assignment), (0, None));
    assert_eq!(bench.group().epoch(), epoch + 1);
    bench.settle(&mut [&mut two]);
    assert_eq!(two.owned, all(topic, 4));
    bench.beat(two.leaving(-1));
    assert_eq!(bench.group().state().name(), "Empty");
    assert_eq!(bench.group().metadata_hash(), 0);
    bench.f.check();
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut bench = Bench::new(&[("group.consumer.max.size", "1")], &[("t", 1)]);
    let mut one = Client::named("m1", "i", &["t"]);
    bench.settle(&mut [&mut one]);
    let refused = bench.refused(Client::new("m2", &["t"]).ask());
    let text = "The consumer group has reached its maximum capacity of 1 members.";
    assert_eq!(
        refused,
        (ErrorCode::GROUP_MAX_SIZE_REACHED, text.to_owned())
    );
    // It is there already, or has a place.
    bench.beat(one.ask());
    bench.beat(one.leaving(-2));
    bench.beat(Client::named("m3", "i", &["t"]).ask());
}

#[test]
fn assignments_have_an_interval() {
    let mut bench = Bench::new(&[], &[("t", 4)]);
    let (mut one, mut two) = (Client::new("m1", &["t"]), Client::new("m2", &["t"]));
    one.heartbeat(&mut bench);
    one.revoke();
    two.heartbeat(&mut bench);
    // The group has a new epoch, but the target is the old one: nothing for the second member.
    assert_eq!(
        (bench.group().epoch(), bench.group().target_epoch()),
        (3, 2)
    );
    assert_eq!(bench.group().state().name(), "Assigning");
    assert_eq!((two.epoch, two.told.len()), (2, 0));
    bench.f.advance(999);
    one.heartbeat(&mut bench);
    assert_eq!(bench.group().target_epoch(), 2);
    bench.f.advance(1);
    one.heartbeat(&mut bench);
    assert_eq!(bench.group().target_epoch(), 3);
    assert_eq!(one.told.len(), 2);

    // A group may have its own interval.
    bench.change(|cluster| cluster.set(GROUP, "consumer.assignment.interval.ms", "0"));
    bench.settle(&mut [&mut one, &mut two]);
    let mut three = Client::new("m3", &["t"]);
    three.heartbeat(&mut bench);
    assert_eq!(bench.group().target_epoch(), bench.group().epoch());
}

#[test]
fn most_members_choose_the_assignor() {
    let mut bench = Bench::new(&[], &[("t", 5)]);
    let mut one = Client::new("m1", &["t"]);
    let mut two = Client::new("m2", &["t"]);
    bench.settle(&mut [&mut one, &mut two]);
    let epoch = bench.group().epoch();
    one.assignor = Some("range".into());
    one.heartbeat(&mut bench);
    assert_eq!(bench.group().epoch(), epoch + 1);
    bench.settle(&mut [&mut one, &mut two]);
    let numbers = |client: &Client| {
        client
            .owned
            .iter()
            .map(|(_, number)| *number)
            .collect::<Vec<_>>()
    };
    assert_eq!((numbers(&one), numbers(&two)), (vec![0, 1, 2], vec![3, 4]));
    // One for each: as many want the one as the other, and uniform is the first.
    two.assignor = Some("uniform".into());
    two.heartbeat(&mut bench);
    let assignors = bench.group().assignors();
    assert_eq!(assignors.values().copied().collect::<Vec<_>>(), [1, 1]);

    let mut three = Client::new("m3", &["t"]);
    three.assignor = Some("sticky".into());
    let text = "ServerAssignor sticky is not supported. Supported assignors: uniform, range.";
    let refused = bench.refused(three.ask());
    assert_eq!(refused, (ErrorCode::UNSUPPORTED_ASSIGNOR, text.to_owned()));
}

#[test]
fn a_member_may_read_other_topics() {
    let mut bench = Bench::new(&[], &[("t", 2), ("u", 2)]);
    let (t, u) = (bench.cluster.topic("t"), bench.cluster.topic("u"));
    let mut client = Client::new("m", &["t"]);
    bench.settle(&mut [&mut client]);
    client.topics = vec!["u".into()];
    client.heartbeat(&mut bench);
    // It is told at once, though the next target may not be made yet.
    assert!(client.told.iter().all(|(topic, _)| *topic != t));
    assert_eq!(
        bench.group().member("m").unwrap().state,
        MemberState::UnrevokedPartitions
    );
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(u, 2));
    bench.f.check();
}

#[test]
fn a_restart_fences_nobody() {
    let mut bench = Bench::new(&[], &[("t", 4)]);
    let (mut one, mut two) = (Client::new("m1", &["t"]), Client::new("m2", &["t"]));
    bench.settle(&mut [&mut one, &mut two]);
    let (epochs, owned) = ((one.epoch, two.epoch), one.owned.clone());
    bench.f.advance(40_000);
    bench.f.reload();
    bench.f.advance(44_000);
    let written = bench.written(|bench| {
        one.heartbeat(bench);
        two.heartbeat(bench);
    });
    assert_eq!(
        (written, (one.epoch, two.epoch), &one.owned),
        (0, epochs, &owned)
    );
    bench.f.advance(45_000);
    assert_eq!(bench.group().state().name(), "Empty");
}

#[test]
fn an_empty_classic_group_becomes_a_consumer_group() {
    let mut bench = Bench::new(&[], &[("t", 2)]);
    bench.f.commit_as("", -1, "t", 7);
    assert!(bench.f.registry.groups.contains(GROUP));
    let mut client = Client::new("m", &["t"]);
    client.epoch = 1;
    let text = "Group g is not a consumer group.".to_owned();
    let missing = ErrorCode::GROUP_ID_NOT_FOUND;
    assert_eq!(bench.refused(client.ask()), (missing, text.clone()));
    assert_eq!(bench.refused(client.leaving(-1)), (missing, text));
    client.epoch = 0;
    bench.settle(&mut [&mut client]);
    assert!(!bench.f.registry.groups.contains(GROUP));
    assert_eq!((client.owned.len(), bench.f.offset("t")), (2, Offset(7)));
    bench.f.check();
}

#[test]
fn a_heartbeat_without_news_needs_hardly_any_memory() {
    let mut bench = Bench::new(&[], &[("t", 100)]);
    let mut clients: Vec<_> = (0..50)
        .map(|number| Client::new(&format!("m{number}"), &["t"]))
        .collect();
    bench.settle(&mut clients.iter_mut().collect::<Vec<_>>());
    let ask = clients[7].ask();
    let now = bench.f.now;
    let registry = &mut bench.f.registry;
    let mut outcome = None;
    let used = allocation_counter::measure(|| {
        outcome = Some(registry.decide(Token::new(1_000_000), ask, now));
    });
    let outcome = outcome.unwrap();
    assert!(outcome.records.is_empty() && outcome.timers.len() == 1);
    assert!(used.count_total <= 8, "{used:?}");
}

#[test]
fn a_thousand_members_share_a_thousand_partitions() {
    let mut bench = Bench::new(&[], &[("t", 1_000)]);
    let mut clients: Vec<_> = (0..1_000)
        .map(|number| Client::new(&format!("m{number}"), &["t"]))
        .collect();
    bench.settle(&mut clients.iter_mut().collect::<Vec<_>>());
    assert!(clients.iter().all(|client| client.owned.len() == 1));
    // One assignment a second, not one for each member.
    assert!(bench.group().target_epoch() <= 1_001);
    let made = bench
        .f
        .log
        .iter()
        .filter(|record| record.key[..2] == [0, 6]);
    assert!(made.count() < 10);
}
