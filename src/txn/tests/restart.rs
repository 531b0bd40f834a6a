//! What is finished after a restart, and what the log may not accept.

use super::fixture::{Fixture, ID, TIMEOUT_MS, V0, V2, add, later, replayed};
use crate::base::KeyValue;
use crate::txn::StateName::{
    CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
};
use crate::txn::{EndTransaction, ReplayError, TimerKey, TxnError};

#[test]
fn what_is_decided_is_finished_after_a_restart() {
    for (prepared, complete) in [
        (PrepareCommit, CompleteCommit),
        (PrepareAbort, CompleteAbort),
    ] {
        for version in [V0, V2] {
            let mut f = Fixture::new();
            let ids = f.bring(prepared, version);
            let markers = f.effects.clone();
            f.reload();
            assert_eq!(f.effects, markers);
            f.write_markers();
            assert_eq!((f.state(), f.ids()), (complete, ids));
            f.reload();
            assert_eq!(f.effects, []);
        }
    }
}

#[test]
fn a_crash_between_the_two_records_of_an_empty_abort_is_finished() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let next = f.end(ids, false, V2).unwrap();
    assert_eq!(f.states(), [Empty, PrepareAbort, CompleteAbort]);
    f.crash_at(2);
    let [markers] = &*f.effects else { panic!() };
    assert_eq!(markers.partitions, []);
    f.write_markers();
    assert_eq!((f.state(), f.ids()), (CompleteAbort, next));
}

#[test]
fn a_decision_that_the_log_does_not_accept_changes_nothing() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    f.is_log_full = true;
    assert_eq!(f.send(add(ids, &[("a", 0)])), None);
    assert!(f.timers.is_empty());
    assert_eq!(f.state(), Empty);
    f.is_log_full = false;
    f.add(ids, V2).unwrap();
    f.is_log_full = true;
    let end = EndTransaction {
        transactional_id: ID.into(),
        ids,
        commit: true,
        client_version: V2,
        fresh: None,
    };
    assert_eq!(f.send(end), None);
    assert_eq!((f.state(), f.ids()), (Ongoing, ids));
    assert_eq!(f.effects, []);
    // The time limit is still there; an abort that is not accepted is tried again later.
    f.advance(TIMEOUT_MS.into());
    let key = TimerKey::Transaction {
        transactional_id: ID.into(),
    };
    assert!(f.timers[&key].0 > f.now);
    f.is_log_full = false;
    f.advance(20_000);
    assert_eq!((f.state(), f.ids()), (PrepareAbort, later(ids, 1)));
}

#[test]
fn what_was_not_written_is_not_remembered() {
    let mut f = Fixture::new();
    let first = f.init(None).unwrap();
    f.is_log_full = true;
    let ask = crate::txn::InitProducer {
        expected: Some(first),
        ..super::fixture::init()
    };
    assert_eq!(f.send(ask), None);
    f.is_log_full = false;
    assert_eq!(f.init(None), Ok(later(first, 1)));
    assert_eq!(f.init(Some(first)), Err(TxnError::ProducerFenced));
}

#[test]
fn records_that_cannot_be_read_change_nothing() {
    let mut f = Fixture::new();
    f.bring(Ongoing, V2);
    let KeyValue { key, value } = f.log.last().unwrap().clone();
    let value = value.unwrap();
    let change = |bytes: &[u8], at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let unknown = |part| Err(ReplayError::UnknownVersion { part, version: 9 });
    let before = f.value(ID).clone();
    for (key, value, error) in [
        (change(&key, 1, 9), value.clone(), unknown("key")),
        (key.clone(), change(&value, 1, 9), unknown("value")),
        (
            key.clone(),
            change(&value, 16, 6),
            Err(ReplayError::State(6)),
        ),
    ] {
        let value = Some(value);
        let replay = f.registry.replay(&replayed(&KeyValue { key, value }));
        assert_eq!(replay, error);
    }
    let cut = Some(value[..20].to_vec());
    assert!(
        f.registry
            .replay(&replayed(&KeyValue { key, value: cut }))
            .is_err()
    );
    assert_eq!(*f.value(ID), before);
}
