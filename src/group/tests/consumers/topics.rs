//! Topics come, grow and go.

use super::{Bench, Client, all};

fn settled(topics: &[(&str, usize)], reads: &[&str]) -> (Bench, Client) {
    let mut bench = Bench::new(&[], topics);
    let mut client = Client::new("m", reads);
    bench.settle(&mut [&mut client]);
    (bench, client)
}

#[test]
fn a_topic_that_comes_later_is_read() {
    let (mut bench, mut client) = settled(&[("t", 2)], &["t", "u"]);
    let epoch = bench.group().epoch();
    bench.change(|cluster| cluster.create("other", 3));
    client.heartbeat(&mut bench);
    assert_eq!(bench.group().epoch(), epoch);
    bench.change(|cluster| cluster.create("u", 1));
    assert_eq!(bench.group().epoch(), epoch);
    client.heartbeat(&mut bench);
    assert_eq!(bench.group().epoch(), epoch + 1);
    bench.settle(&mut [&mut client]);
    let (t, u) = (bench.cluster.topic("t"), bench.cluster.topic("u"));
    assert_eq!(client.owned, &all(t, 2) | &all(u, 1));
}

#[test]
fn new_partitions_are_read() {
    let (mut bench, mut client) = settled(&[("t", 2)], &["t"]);
    bench.change(|cluster| cluster.grow("t"));
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(bench.cluster.topic("t"), 3));
}

#[test]
fn a_deleted_topic_vanishes_and_may_come_back_as_another() {
    let (mut bench, mut client) = settled(&[("t", 2), ("u", 1)], &["t", "u"]);
    let old = bench.cluster.topic("t");
    bench.change(|cluster| cluster.delete("t"));
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(bench.cluster.topic("u"), 1));
    bench.change(|cluster| cluster.create("t", 3));
    bench.settle(&mut [&mut client]);
    let new = bench.cluster.topic("t");
    assert_ne!(old, new);
    assert_eq!(
        client.owned,
        &all(new, 3) | &all(bench.cluster.topic("u"), 1)
    );
}

#[test]
fn what_happened_while_nobody_looked_is_seen_after_a_restart() {
    let (mut bench, mut client) = settled(&[("t", 2)], &["t"]);
    bench.cluster.grow("t");
    let image = bench.cluster.image();
    bench.f.move_to(image);
    bench.f.reload();
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(bench.cluster.topic("t"), 3));
}

#[test]
fn old_news_is_none() {
    let (mut bench, mut client) = settled(&[("t", 2)], &["t"]);
    bench.cluster.grow("t");
    let old = bench.cluster.take_news();
    bench.change(|cluster| cluster.grow("t"));
    for news in &old {
        bench.f.hear(news);
    }
    bench.settle(&mut [&mut client]);
    assert_eq!(client.owned, all(bench.cluster.topic("t"), 4));
}
