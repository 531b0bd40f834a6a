//! EndTxn and the completion after the markers.

use super::fixture::{Fixture, ID, V0, V2, add, later, other_producer};
use crate::base::{ProducerEpoch, Timestamp};
use crate::txn::StateName::{
    CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
};
use crate::txn::TxnError::{
    ConcurrentTransactions, InvalidPidMapping, InvalidTransactionalId, InvalidTxnState,
    ProducerFenced,
};
use crate::txn::{EndReply, EndTransaction, MarkersReply, MarkersWritten, StateName, TxnError};

const LAST: i16 = i16::MAX - 1;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    /// The transaction goes into this state; the client gets this many more epochs.
    Moves(StateName, i16),
    /// Nothing is written, and the client gets what the producer has.
    Done,
    Refused(TxnError),
}
use Becomes::{Done, Moves, Refused};

/// Ends a transaction of a client that was brought into `state`, with an epoch `back` epochs before its own.
fn check(version: i16, state: StateName, commit: bool, back: i16, expected: Becomes) {
    let version = crate::base::TransactionVersion(version);
    let mut f = Fixture::new();
    let ids = f.bring(state, version);
    let before = f.log.len();
    let reply = f.end(later(ids, -back), commit, version);
    let case = format!("{version:?} {state:?} {commit} {back}");
    match expected {
        Moves(state, epochs) => {
            assert_eq!(reply, Ok(later(ids, epochs)), "{case}");
            assert_eq!(f.states().last(), Some(&state), "{case}");
            assert_eq!(f.ids(), later(ids, epochs), "{case}");
        }
        Done => assert_eq!(reply, Ok(ids), "{case}"),
        Refused(error) => assert_eq!(reply, Err(error), "{case}"),
    }
    let is_written = matches!(expected, Moves(..));
    assert_eq!(f.log.len() > before, is_written, "{case}");
}

#[test]
fn clients_before_version_2() {
    let fenced = Refused(ProducerFenced);
    let wait = Refused(ConcurrentTransactions);
    let wrong = Refused(InvalidTxnState);
    for (state, on_commit, on_abort) in [
        (Ongoing, Moves(PrepareCommit, 0), Moves(PrepareAbort, 0)),
        (PrepareCommit, wait, wait),
        (PrepareAbort, wait, wait),
        (CompleteCommit, Done, wrong),
        (CompleteAbort, wrong, Done),
        (Empty, wrong, wrong),
    ] {
        check(0, state, true, 0, on_commit);
        check(0, state, false, 0, on_abort);
        for commit in [true, false] {
            check(0, state, commit, 1, fenced);
            check(0, state, commit, -1, fenced);
        }
    }
}

#[test]
fn clients_from_version_2_on() {
    let fenced = Refused(ProducerFenced);
    let wait = Refused(ConcurrentTransactions);
    let wrong = Refused(InvalidTxnState);
    // Aborts of nothing are complete at once.
    let nothing = Moves(CompleteAbort, 1);
    for (state, on_commit, on_abort, on_commit_again, on_abort_again) in [
        (
            Ongoing,
            Moves(PrepareCommit, 1),
            Moves(PrepareAbort, 1),
            fenced,
            fenced,
        ),
        (PrepareCommit, wait, wait, wait, wait),
        (PrepareAbort, wait, wait, wait, wait),
        (CompleteCommit, wrong, nothing, Done, wrong),
        (CompleteAbort, wrong, nothing, wrong, Done),
        (Empty, wrong, nothing, fenced, fenced),
    ] {
        check(2, state, true, 0, on_commit);
        check(2, state, false, 0, on_abort);
        check(2, state, true, 1, on_commit_again);
        check(2, state, false, 1, on_abort_again);
        if !state.is_prepared() {
            check(2, state, true, -1, fenced);
            check(2, state, false, 2, fenced);
        }
    }
}

#[test]
fn strangers_are_refused() {
    for version in [V0, V2] {
        for state in [Empty, Ongoing, CompleteCommit, CompleteAbort] {
            let mut f = Fixture::new();
            let ids = f.bring(state, version);
            let reply = f.end(other_producer(ids), false, version);
            assert_eq!(reply, Err(InvalidPidMapping));
        }
        let mut f = Fixture::new();
        let ids = f.init(None).unwrap();
        let ask = |id: &str| EndTransaction {
            transactional_id: id.into(),
            ids,
            commit: false,
            client_version: version,
            fresh: None,
        };
        assert_eq!(f.ask(ask("u")), Err(InvalidPidMapping));
        assert_eq!(f.ask(ask("")), Err(InvalidTransactionalId));
    }
}

#[test]
fn markers_are_written_before_the_next_transaction() {
    for (version, commit) in [(V0, true), (V0, false), (V2, true), (V2, false)] {
        let mut f = Fixture::new();
        let ids = f.init(None).unwrap();
        f.ask(add(ids, &[("b", 1), ("a", 0)])).unwrap();
        let started = f.value(ID).started;
        f.advance(10);
        let next = f.end(ids, commit, version).unwrap();
        let [markers] = &*f.effects else { panic!() };
        assert_eq!((&*markers.transactional_id, markers.commit), (ID, commit));
        assert_eq!((markers.ids, markers.client_version), (next, version));
        assert_eq!(markers.prepared, f.now);
        assert_eq!(
            markers.partitions,
            add(ids, &[("a", 0), ("b", 1)]).partitions
        );
        assert!(f.timers.is_empty());
        f.advance(10);
        f.write_markers();
        let value = f.value(ID);
        assert_eq!(
            value.state,
            if commit {
                CompleteCommit
            } else {
                CompleteAbort
            }
        );
        assert!(value.partitions.is_empty());
        assert_eq!((value.started, value.updated), (started, f.now));
        assert_eq!(f.add(next, version), Ok(()));
    }
}

#[test]
fn only_the_markers_of_this_end_complete_it() {
    let mut f = Fixture::new();
    let ids = f.bring(PrepareCommit, V0);
    let first = f.effects[0].written();
    f.write_markers();
    let before = f.log.len();
    assert_eq!(f.ask(first.clone()), MarkersReply::Done);
    assert_eq!(f.log.len(), before);
    // The same producer, epoch and millisecond, but another transaction.
    f.add(ids, V0).unwrap();
    assert_eq!(f.ask(first.clone()), MarkersReply::Done);
    assert_eq!(f.state(), Ongoing);
    f.end(ids, false, V0).unwrap();
    assert_eq!(f.ask(first), MarkersReply::Done);
    assert_eq!(f.state(), PrepareAbort);
    for wrong in [
        MarkersWritten {
            ids: later(ids, 1),
            ..f.effects[0].written()
        },
        MarkersWritten {
            transactional_id: "u".into(),
            ..f.effects[0].written()
        },
    ] {
        assert_eq!(f.ask(wrong), MarkersReply::Done);
    }
    assert_eq!(f.state(), PrepareAbort);
    f.write_markers();
    assert_eq!(f.state(), CompleteAbort);
}

#[test]
fn a_transaction_without_partitions_is_complete_at_once() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    f.advance(5);
    let next = f.end(ids, false, V2).unwrap();
    assert_eq!(f.states(), [Empty, PrepareAbort, CompleteAbort]);
    assert_eq!(f.effects, []);
    assert_eq!(f.value(ID).started, f.now);
    // Again, and on.
    assert_eq!(f.end(ids, false, V2), Ok(next));
    assert_eq!(f.end(next, false, V2), Ok(later(next, 1)));
    assert_eq!(f.add(later(next, 1), V2), Ok(()));
    // A transaction can have begun with no partitions.
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    f.ask(add(ids, &[])).unwrap();
    assert_eq!(f.end(ids, true, V0), Ok(ids));
    assert_eq!(f.states(), [Empty, Ongoing, PrepareCommit, CompleteCommit]);
    assert!(f.timers.is_empty());
}

#[test]
fn the_last_epoch_ends_with_a_new_producer_id() {
    for commit in [true, false] {
        let mut f = Fixture::new();
        f.init(None).unwrap();
        let last = f.set_epoch(LAST);
        f.add(last, V2).unwrap();
        let ask = EndTransaction {
            transactional_id: ID.into(),
            ids: last,
            commit,
            client_version: V2,
            fresh: None,
        };
        let before = f.log.len();
        assert_eq!(f.ask(ask), Ok(EndReply::NeedsProducerId));
        assert_eq!(f.log.len(), before);
        let next = f.end(last, commit, V2).unwrap();
        assert_ne!(next.producer, last.producer);
        assert_eq!(next.epoch, ProducerEpoch(0));
        // The markers are of the former producer.
        assert_eq!(f.effects[0].ids, later(last, 1));
        assert_eq!((f.ids(), f.value(ID).next), (later(last, 1), next.producer));
        // Who has the new id already must wait, and so must who has not.
        assert_eq!(f.add(next, V2), Err(ConcurrentTransactions));
        assert_eq!(f.end(next, commit, V2), Err(ConcurrentTransactions));
        assert_eq!(f.end(last, commit, V2), Err(ConcurrentTransactions));
        f.reload();
        f.write_markers();
        assert_eq!((f.ids(), f.value(ID).previous), (next, last.producer));
        assert_eq!(f.end(last, commit, V2), Ok(next));
        assert_eq!(f.end(last, !commit, V2), Err(InvalidTxnState));
        assert_eq!(f.end(later(last, -1), commit, V2), Err(InvalidPidMapping));
        assert_eq!(f.add(next, V2), Ok(()));
        assert_eq!(f.end(last, commit, V2), Err(InvalidPidMapping));
    }
}

#[test]
fn a_lost_answer_is_known_after_a_restart() {
    for commit in [true, false] {
        let mut f = Fixture::new();
        let next = f.bring(
            if commit {
                CompleteCommit
            } else {
                CompleteAbort
            },
            V2,
        );
        f.reload();
        assert_eq!(f.end(later(next, -1), commit, V2), Ok(next));
        assert_eq!(f.init(None), Ok(later(next, 1)));
        assert_eq!(f.end(later(next, -1), commit, V2), Err(ProducerFenced));
    }
}

/// The present epoch belongs to another instance, which speaks the older protocol.
#[test]
fn an_epoch_that_was_given_to_another_is_not_given_again() {
    let mut f = Fixture::new();
    let first = f.init(None).unwrap();
    let second = f.init(None).unwrap();
    f.add(second, V0).unwrap();
    f.end(second, true, V0).unwrap();
    f.write_markers();
    assert_eq!(f.ids(), later(first, 1));
    assert_eq!(f.end(first, true, V2), Err(ProducerFenced));
}

/// Kafka has written such logs: there, the largest epoch has been given to a client.
#[test]
fn the_largest_epoch_ends_too() {
    for commit in [true, false] {
        let mut f = Fixture::new();
        f.init(None).unwrap();
        let largest = f.set_epoch(i16::MAX);
        f.add(largest, V2).unwrap();
        let next = f.end(largest, commit, V2).unwrap();
        assert_eq!(next.epoch, ProducerEpoch(0));
        // Markers of the same epoch as the records are those of version 0.
        assert_eq!(
            (f.effects[0].ids, f.effects[0].client_version),
            (largest, V0)
        );
        f.write_markers();
        assert_eq!(f.ids(), next);
    }
    let mut f = Fixture::new();
    f.init(None).unwrap();
    let largest = f.set_epoch(i16::MAX);
    f.add(largest, V2).unwrap();
    assert_eq!(f.init(None), Err(ConcurrentTransactions));
    assert_eq!(
        (f.effects[0].ids, f.effects[0].client_version),
        (largest, V0)
    );
    f.write_markers();
    assert_eq!(f.ids(), largest);
    assert_eq!(f.init(None).unwrap().epoch, ProducerEpoch(0));
}

#[test]
fn without_flexible_records_every_client_is_of_version_0() {
    let mut f = Fixture::with(Default::default(), V0);
    let ids = f.init(None).unwrap();
    f.add(ids, V2).unwrap();
    assert_eq!(f.end(ids, true, V2), Ok(ids));
    f.write_markers();
    assert_eq!((f.state(), f.ids()), (CompleteCommit, ids));
}

#[test]
fn a_clock_that_is_set_back_does_not_confuse_the_ends() {
    let mut f = Fixture::new();
    let ids = f.bring(PrepareCommit, V0);
    let old = f.effects[0].written();
    f.write_markers();
    f.now = Timestamp(f.now.0 - 1_000_000);
    f.add(ids, V0).unwrap();
    f.end(ids, true, V0).unwrap();
    assert!(f.effects[0].prepared > old.prepared);
    f.ask(old);
    assert_eq!(f.state(), PrepareCommit);
}
