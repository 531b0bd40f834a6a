//! Commit and resume, seeking, and offsets by time.

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rdkafka::{Offset, TopicPartitionList};

use crate::session::{consumer, nothing_more, read, reader, topic, Sending, PATIENCE};

fn list(topic: &str, offsets: &[(i32, i64)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset");
    }
    list
}

/// What was committed is where the group goes on, backwards too.
pub fn commits() {
    let name = topic("commits", 3, &[]);
    let sending = Sending::new(&[]);
    for number in 0..300 {
        sending.send(BaseRecord::to(&name).partition(number % 3).payload(number.to_string().as_bytes())).expect("room for a record");
    }
    sending.acknowledged(300, &mut Default::default());

    let committed = || {
        let asking = consumer("commits", &[]);
        let answer = asking.committed_offsets(list(&name, &[(0, 0), (1, 0), (2, 0)]), PATIENCE).expect("committed offsets");
        answer.elements().iter().map(|entry| entry.offset()).collect::<Vec<Offset>>()
    };
    // The first offset of each partition that a member of the group gets.
    let visit = |count, commits: &[(i32, i64)]| {
        let member = consumer("commits", &[]);
        member.subscribe(&[&name]).expect("subscribe");
        let mut first = BTreeMap::new();
        for message in read(&member, count) {
            first.entry(message.partition()).or_insert(message.offset());
        }
        nothing_more(&member);
        member.commit(&list(&name, commits), CommitMode::Sync).expect("commit");
        first.into_iter().collect::<Vec<(i32, i64)>>()
    };
    assert_eq!(committed(), [Offset::Invalid; 3]);
    assert_eq!(visit(300, &[(0, 40), (2, 60)]), [(0, 0), (1, 0), (2, 0)]);
    assert_eq!(committed(), [Offset::Offset(40), Offset::Invalid, Offset::Offset(60)]);
    assert_eq!(visit(60 + 100 + 40, &[(0, 100), (1, 7), (2, 100)]), [(0, 40), (1, 0), (2, 60)]);
    assert_eq!(visit(93, &[(1, 5)]), [(1, 7)]);
    assert_eq!(committed(), [Offset::Offset(100), Offset::Offset(5), Offset::Offset(100)]);
}

pub fn positions() {
    const BASE: i64 = 1_700_000_000_000;
    let name = topic("positions", 2, &[]);
    let sending = Sending::new(&[]);
    // Partition 0: a second apart. Partition 1: nothing.
    for number in 0..100 {
        sending.send(BaseRecord::to(&name).partition(0).timestamp(BASE + number * 1000).payload(b"x")).expect("room for a record");
    }
    sending.acknowledged(100, &mut Default::default());

    let reading: BaseConsumer = reader(&name, 0, 0);
    assert_eq!(reading.fetch_watermarks(&name, 0, PATIENCE).expect("both ends"), (0, 100));
    assert_eq!(reading.fetch_watermarks(&name, 1, PATIENCE).expect("both ends"), (0, 0));
    let by_time = |partition, when| {
        let answer = reading.offsets_for_times(list(&name, &[(partition, when)]), PATIENCE).expect("an offset by time");
        answer.elements()[0].offset()
    };
    assert_eq!(by_time(0, BASE + 30_000), Offset::Offset(30), "exactly the time of a record");
    assert_eq!(by_time(0, BASE + 30_001), Offset::Offset(31), "between two records");
    assert_eq!(by_time(0, 1), Offset::Offset(0), "before all records");
    assert_eq!(by_time(0, BASE + 99_001), Offset::End, "after all records");
    assert_eq!(by_time(1, BASE), Offset::End, "in an empty partition");

    assert_eq!(read(&reading, 100)[99].offset(), 99);
    for target in [90, 5, 42] {
        reading.seek(&name, 0, Offset::Offset(target), PATIENCE).expect("seek");
        let offsets: Vec<i64> = read(&reading, 3).iter().map(Message::offset).collect();
        assert_eq!(offsets, [target, target + 1, target + 2], "after a seek");
    }
    reading.seek(&name, 0, Offset::End, PATIENCE).expect("seek");
    nothing_more(&reading);
}
