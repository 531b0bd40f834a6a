//! Static members.

use super::{Bench, Client, all};
use crate::base::ErrorCode;

fn one_member() -> (Bench, Client) {
    let mut bench = Bench::new(
        &[("group.consumer.assignment.interval.ms", "0")],
        &[("t", 4)],
    );
    let mut client = Client::named("m1", "i", &["t"]);
    bench.settle(&mut [&mut client]);
    (bench, client)
}

#[test]
fn whoever_comes_back_has_everything_again() {
    let (mut bench, mut client) = one_member();
    let (epoch, owned) = (bench.group().epoch(), client.owned.clone());
    let reply = bench.beat(client.leaving(-2));
    assert_eq!(
        (reply.member.as_deref(), reply.member_epoch),
        (Some("m1"), -2)
    );
    assert_eq!((reply.heartbeat_interval_ms, reply.assignment), (0, None));
    assert_eq!(bench.group().member("m1").unwrap().epoch, -2);

    // Meanwhile nobody else gets its partitions.
    let mut other = Client::new("m2", &["t"]);
    other.heartbeat(&mut bench);
    assert_eq!((bench.group().epoch(), other.told.len()), (epoch + 1, 0));
    bench.beat(other.leaving(-1));

    client.begin_anew();
    client.id = "m3".into();
    client.heartbeat(&mut bench);
    client.revoke();
    assert_eq!(client.owned, owned);
    assert!(bench.group().member("m1").is_none());
    bench.f.check();
    // The old id's session is over, which concerns nobody.
    for _ in 0..10 {
        bench.f.advance(10_000);
        client.heartbeat(&mut bench);
    }
    assert_eq!(bench.group().member_count(), 1);
}

#[test]
fn nobody_takes_the_name_of_a_member_that_is_there() {
    let (mut bench, _) = one_member();
    let rival = Client::named("m2", "i", &["t"]);
    let text = "Static member m2 with instance id i cannot join the group because the instance id is owned by m1 \
                member.";
    let refused = bench.refused(rival.ask());
    assert_eq!(
        refused,
        (ErrorCode::UNRELEASED_INSTANCE_ID, text.to_owned())
    );
    let mut member = rival;
    member.epoch = 2;
    let text = "Static member m2 with instance id i was fenced by member m1.";
    let refused = bench.refused(member.ask());
    assert_eq!(refused, (ErrorCode::FENCED_INSTANCE_ID, text.to_owned()));
    let refused = bench.refused(member.leaving(-1));
    assert_eq!(refused, (ErrorCode::FENCED_INSTANCE_ID, text.to_owned()));
    member.instance = Some("j".into());
    let text = "Instance id j is unknown.";
    for ask in [member.ask(), member.leaving(-2)] {
        assert_eq!(
            bench.refused(ask),
            (ErrorCode::UNKNOWN_MEMBER_ID, text.to_owned())
        );
    }
}

#[test]
fn a_member_that_stays_away_is_removed() {
    let (mut bench, mut client) = one_member();
    client.heartbeat(&mut bench);
    bench.beat(client.leaving(-2));
    bench.f.advance(44_999);
    assert_eq!(bench.group().member_count(), 1);
    bench.f.advance(1);
    assert_eq!(bench.group().member_count(), 0);
    let mut next = Client::named("m2", "i", &["t"]);
    bench.settle(&mut [&mut next]);
    assert_eq!(next.owned, all(bench.cluster.topic("t"), 4));
}

#[test]
fn a_static_member_may_leave_for_good() {
    let (mut bench, client) = one_member();
    let reply = bench.beat(client.leaving(-1));
    assert_eq!(reply.member_epoch, -1);
    assert_eq!(bench.group().member_count(), 0);
    let mut next = Client::named("m2", "i", &["t"]);
    bench.settle(&mut [&mut next]);
    bench.f.check();
}
