//! Members of other epochs: fenced, unless only an answer was lost.

use super::client::by_topic;
use super::{Bench, Client};
use crate::base::ErrorCode;
use crate::group::ConsumerHeartbeat;

/// Two members that share four partitions, in the same epoch.
fn two_members() -> (Bench, Client, Client) {
    let mut bench = Bench::new(
        &[("group.consumer.assignment.interval.ms", "0")],
        &[("t", 4)],
    );
    let (mut one, mut two) = (Client::new("m1", &["t"]), Client::new("m2", &["t"]));
    bench.settle(&mut [&mut one, &mut two]);
    (bench, one, two)
}

fn says(client: &Client, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        member_epoch: epoch,
        owned: Some(by_topic(&client.owned)),
        ..client.ask()
    }
}

#[test]
fn only_the_members_own_epoch_is_accepted() {
    let (mut bench, one, _) = two_members();
    let fenced = ErrorCode::FENCED_MEMBER_EPOCH;
    let text = format!(
        "The consumer group member has a greater member epoch ({}) than the one known by the group coordinator ({}). \
         The member must abandon all its partitions and rejoin.",
        one.epoch + 1,
        one.epoch
    );
    assert_eq!(bench.refused(says(&one, one.epoch + 1)), (fenced, text));
    let text = format!(
        "The consumer group member has a smaller member epoch ({}) than the one known by the group coordinator ({}). \
         The member must abandon all its partitions and rejoin.",
        one.epoch - 2,
        one.epoch
    );
    assert_eq!(bench.refused(says(&one, one.epoch - 2)), (fenced, text));
}

#[test]
fn an_answer_may_be_lost_once() {
    let (mut bench, mut one, mut two) = two_members();
    bench.beat(two.leaving(-1));
    let before = one.epoch;
    one.heartbeat_in_vain(&mut bench);
    let now = bench.group().member("m1").unwrap().epoch;
    assert_eq!(now, before + 1);
    // It does not say what it owns, or owns what it should not.
    assert_eq!(
        bench
            .refused(ConsumerHeartbeat {
                owned: None,
                ..says(&one, before)
            })
            .0,
        ErrorCode::FENCED_MEMBER_EPOCH
    );
    let mut owns_more = says(&one, before);
    owns_more.owned.as_mut().unwrap()[0].1.push(17);
    assert_eq!(bench.refused(owns_more).0, ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(one.heartbeat(&mut bench), ErrorCode::NONE);
    one.revoke();
    assert_eq!((one.epoch, one.owned.len()), (now, 4));
    two.begin_anew();
    bench.settle(&mut [&mut one, &mut two]);
}

#[test]
fn a_member_may_always_join_again() {
    let (mut bench, mut one, mut two) = two_members();
    let owned = one.owned.clone();
    one.begin_anew();
    one.heartbeat(&mut bench);
    one.revoke();
    assert_eq!(one.owned, owned);
    bench.settle(&mut [&mut one, &mut two]);
}

#[test]
fn strangers_are_told_what_they_are() {
    let (mut bench, _, _) = two_members();
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let stranger = Client::new("m3", &["t"]);
    let text = "Member m3 is not a member of group g.".to_owned();
    assert_eq!(bench.refused(says(&stranger, 1)), (unknown, text.clone()));
    assert_eq!(bench.refused(stranger.leaving(-1)), (unknown, text));

    let elsewhere = |ask: ConsumerHeartbeat| ConsumerHeartbeat {
        group: "h".into(),
        ..ask
    };
    let missing = ErrorCode::GROUP_ID_NOT_FOUND;
    let text = "Consumer group h not found.".to_owned();
    assert_eq!(
        bench.refused(elsewhere(says(&stranger, 1))),
        (missing, text)
    );
    let text = "Group h not found.".to_owned();
    assert_eq!(
        bench.refused(elsewhere(stranger.leaving(-1))),
        (missing, text)
    );
}
