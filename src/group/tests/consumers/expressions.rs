//! Regular expressions, which others look up.

use super::{Bench, Client, all};
use crate::base::ErrorCode;

#[test]
fn topics_of_an_expression_are_looked_up_outside() {
    let mut bench = Bench::new(&[], &[("a1", 1), ("a2", 2), ("b", 1)]);
    let mut client = Client::matching("m", "a.*");
    client.heartbeat(&mut bench);
    assert_eq!((client.epoch, client.told.len()), (1, 0));
    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].expressions, ["a.*".into()]);
    // Once is enough.
    client.heartbeat(&mut bench);
    assert!(bench.asked().is_empty());
    bench.tell(&asked[0]);
    assert_eq!(bench.group().epoch(), 2);
    bench.settle(&mut [&mut client]);
    let (a1, a2) = (bench.cluster.topic("a1"), bench.cluster.topic("a2"));
    assert_eq!(client.owned, &all(a1, 1) | &all(a2, 2));
    bench.f.check();
}

#[test]
fn a_wrong_expression_is_refused() {
    let mut bench = Bench::new(&[], &[("a", 1)]);
    let (error, text) = bench.refused(Client::matching("m", "[a").ask());
    assert_eq!(error, ErrorCode::INVALID_REGULAR_EXPRESSION);
    let start = "SubscribedTopicRegex `[a` is not a valid regular expression: ";
    assert!(text.starts_with(start), "{text}");
    assert!(bench.asked().is_empty());
}

#[test]
fn new_topics_are_looked_up_but_not_too_often() {
    let mut bench = Bench::new(&[], &[("a1", 1)]);
    let mut client = Client::matching("m", "a.*");
    client.heartbeat(&mut bench);
    bench.look_up();
    bench.change(|cluster| cluster.create("a2", 1));
    bench.f.advance(10_000);
    client.heartbeat(&mut bench);
    client.revoke();
    assert!(bench.asked().is_empty());
    bench.f.advance(1);
    client.heartbeat(&mut bench);
    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    bench.tell(&asked[0]);
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned.len(), 2);
    // Now only the interval counts.
    bench.f.advance(20_000);
    client.heartbeat(&mut bench);
    assert!(bench.asked().is_empty());
    for _ in 0..20 {
        bench.f.advance(30_000);
        client.heartbeat(&mut bench);
    }
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn what_nobody_uses_is_forgotten() {
    let mut bench = Bench::new(&[], &[("a", 1), ("b", 1)]);
    let (mut one, mut two) = (Client::matching("m1", "a.*"), Client::matching("m2", "a.*"));
    bench.settle(&mut [&mut one, &mut two]);
    bench.beat(two.leaving(-1));
    assert_eq!(bench.group().expressions().len(), 1);
    // The second member finds the topics there.
    let mut three = Client::matching("m3", "a.*");
    three.heartbeat(&mut bench);
    assert!(bench.asked().is_empty());
    bench.beat(three.leaving(-1));
    one.expression = Some("b.*".into());
    bench.settle(&mut [&mut one]);
    assert_eq!(one.owned, all(bench.cluster.topic("b"), 1));
    let known: Vec<_> = bench
        .group()
        .expressions()
        .map(|(known, _)| known.clone())
        .collect();
    assert_eq!(known, ["b.*".into()]);
    bench.beat(one.leaving(-1));
    assert_eq!(bench.group().expressions().len(), 0);
    bench.f.check();
}

#[test]
fn names_and_an_expression_add_up() {
    let mut bench = Bench::new(&[], &[("a", 1), ("b", 1), ("c", 1)]);
    let mut client = Client::matching("m", "a.*");
    client.topics = vec!["b".into()];
    bench.settle(&mut [&mut client]);
    let (a, b) = (bench.cluster.topic("a"), bench.cluster.topic("b"));
    assert_eq!(client.owned, &all(a, 1) | &all(b, 1));
    client.expression = None;
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(b, 1));
    bench.f.check();
}

#[test]
fn a_result_that_nobody_waits_for_changes_nothing() {
    let mut bench = Bench::new(&[], &[("a", 1)]);
    let mut client = Client::matching("m", "a.*");
    client.heartbeat(&mut bench);
    let asked = bench.asked();
    bench.beat(client.leaving(-1));
    let written = bench.written(|bench| bench.tell(&asked[0]));
    assert_eq!(written, 0);
    // A restart forgets that somebody looks, and asks again.
    client.begin_anew();
    client.heartbeat(&mut bench);
    assert_eq!(bench.asked().len(), 1);
    bench.f.reload();
    client.heartbeat(&mut bench);
    assert_eq!(bench.asked().len(), 1);
}
