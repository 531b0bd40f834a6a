use super::*;
use crate::base::{LeaderEpoch, Timestamp, TopicId};

const ONE: ProducerId = ProducerId(1);
const TWO: ProducerId = ProducerId(2);

/// Pending offsets of one group: partitions are single letters.
#[derive(Default)]
struct Log {
    pending: PendingOffsets,
}

impl Log {
    /// The offset is the place.
    fn hold(&mut self, place: i64, producer: ProducerId, topic: &str) {
        let offset = CommittedOffset {
            offset: Offset(place),
            leader_epoch: LeaderEpoch::NONE,
            metadata: "".into(),
            committed: Timestamp(0),
            expires: None,
            topic_id: TopicId::ZERO,
        };
        let at = TopicPartition::new(topic, 0);
        self.pending
            .hold(producer, Offset(place), &"g".into(), at, offset, false);
    }

    /// The log has what was added at this place, or has refused it.
    fn settle(&mut self, place: i64, producer: ProducerId, is_written: bool) {
        let places = Offset(place)..Offset(place + 1);
        self.pending.settle(producer, &places, is_written);
    }

    /// The same for everything.
    fn settle_all(&mut self) {
        let unsettled = self.pending.unsettled.iter();
        for place in unsettled.map(|(place, ..)| *place).collect::<Vec<_>>() {
            self.settle(place.0, ONE, true);
        }
    }

    fn note(&mut self, place: i64, topic: &str) {
        let at = TopicPartition::new(topic, 0);
        self.pending.overtake("g", &at, Offset(place));
    }

    fn delete(&mut self, topic: &str) {
        let at = TopicPartition::new(topic, 0);
        self.pending.remove(&"g".into(), &at);
    }

    /// What is committed, and what is decided.
    fn end(&mut self, place: i64, producer: ProducerId, is_committed: bool) -> Vec<String> {
        let decided = self.pending.end(&TransactionEnd {
            producer,
            is_committed,
            place: Offset(place),
        });
        let told = |one: Decided| match one.committed {
            Some(offset) => format!("{}={}", one.at.topic, offset.offset),
            None => one.at.topic.to_string(),
        };
        decided.into_iter().map(told).collect()
    }

    fn is_pending(&self, topic: &str) -> bool {
        self.pending.has("g", &TopicPartition::new(topic, 0))
    }

    fn assert_empty(&mut self) {
        self.settle_all();
        assert_eq!(self.pending, PendingOffsets::default());
    }
}

#[test]
fn what_is_committed_counts_unless_something_newer_does() {
    let mut log = Log::default();
    log.note(0, "a");
    log.hold(1, ONE, "a");
    log.hold(2, ONE, "b");
    log.note(3, "a");
    log.hold(4, TWO, "b");
    log.hold(5, TWO, "c");
    assert!(log.is_pending("a"), "until the marker");
    assert_eq!(log.end(6, ONE, true), ["a", "b=2"]);
    assert!(!log.is_pending("a") && log.is_pending("b"));
    assert_eq!(log.end(7, TWO, true), ["b=4", "c=5"]);
    log.assert_empty();
}

#[test]
fn what_is_aborted_or_unknown_never_counts() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    assert!(log.end(2, TWO, true).is_empty());
    assert_eq!(log.end(3, ONE, false), ["a"]);
    assert!(log.end(4, ONE, true).is_empty());
    log.assert_empty();
}

#[test]
fn an_older_transaction_that_commits_later_does_not_go_back() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    log.hold(2, TWO, "a");
    assert_eq!(log.end(3, TWO, true), ["a=2"]);
    assert_eq!(log.end(4, ONE, true), ["a"]);
    log.assert_empty();
}

#[test]
fn a_newer_transaction_that_aborts_overtakes_nothing() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    log.hold(2, TWO, "a");
    assert_eq!(log.end(3, TWO, false), ["a"]);
    assert_eq!(log.end(4, ONE, true), ["a=1"]);
    log.assert_empty();
}

#[test]
fn a_marker_ends_what_was_before_it() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    // Its marker is being written to the log, and the next transaction has begun.
    log.hold(3, ONE, "a");
    log.hold(4, ONE, "b");
    assert_eq!(log.end(2, ONE, true), ["a=1", "b"]);
    assert!(log.is_pending("a") && log.is_pending("b"));
    assert_eq!(log.end(5, ONE, true), ["a=3", "b=4"]);
    log.assert_empty();
}

#[test]
fn the_last_commit_of_a_transaction_counts_and_the_others_cost_nothing() {
    let mut log = Log::default();
    log.hold(0, ONE, "a");
    log.settle(0, ONE, true);
    let held = log.pending.held();
    for place in 1..100 {
        log.hold(place, ONE, "a");
        log.settle(place, ONE, true);
        assert_eq!(log.pending.held(), held);
    }
    assert_eq!(log.end(100, ONE, true), ["a=99"]);
    log.assert_empty();
}

#[test]
fn what_the_log_refuses_never_was_there() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    log.hold(2, ONE, "a");
    // Two of the same producer that come too late: its marker is before them.
    log.hold(4, ONE, "a");
    log.hold(5, ONE, "b");
    log.settle(1, ONE, true);
    log.settle(2, ONE, true);
    assert_eq!(log.end(3, ONE, true), ["a=2", "b"]);
    assert!(log.is_pending("a") && log.is_pending("b"));
    log.settle(4, ONE, false);
    log.settle(5, ONE, false);
    log.assert_empty();
    // What was deleted meanwhile is not missed.
    log.hold(6, ONE, "a");
    log.delete("a");
    log.settle(6, ONE, false);
    log.assert_empty();
}

#[test]
fn what_is_deleted_is_not_pending() {
    let mut log = Log::default();
    log.hold(1, ONE, "a");
    log.hold(2, TWO, "a");
    log.hold(3, ONE, "b");
    log.delete("a");
    assert!(!log.is_pending("a"));
    assert!(log.end(4, TWO, true).is_empty());
    assert_eq!(log.end(5, ONE, true), ["b=3"]);
    log.assert_empty();
}
