//! InitProducerId.

use super::fixture::{Fixture, ID, TIMEOUT_MS, V0, V2, add, init, later, other_producer};
use crate::base::{ProducerEpoch, ProducerId, Timestamp};
use crate::txn::{InitProducer, InitReply, ProducerIdAndEpoch, StateName, TxnError};

const LAST: i16 = i16::MAX - 1;

#[test]
fn a_new_transactional_id_needs_a_producer_id() {
    let mut f = Fixture::new();
    assert_eq!(f.ask(init()), Ok(InitReply::NeedsProducerId));
    assert_eq!(f.log, []);
    let ids = f.init(None).unwrap();
    assert_eq!(
        ids,
        ProducerIdAndEpoch::new(ProducerId(1_001), ProducerEpoch(0))
    );
    let value = f.value(ID);
    assert_eq!(
        (value.state, value.timeout_ms),
        (StateName::Empty, TIMEOUT_MS)
    );
    assert_eq!((value.started, value.updated), (Timestamp::NONE, f.now));
    assert_eq!(value.previous, ids.producer);
}

#[test]
fn what_a_client_says_of_an_id_that_is_gone_does_not_matter() {
    let mut f = Fixture::new();
    let had = ProducerIdAndEpoch::new(ProducerId(5), ProducerEpoch(9));
    assert_eq!(f.init(Some(had)).unwrap().epoch, ProducerEpoch(0));
}

#[test]
fn requests_are_checked() {
    let mut f = Fixture::new();
    let max = f.settings.max_timeout_ms;
    for (timeout_ms, is_allowed) in [
        (1, true),
        (max, true),
        (0, false),
        (-1, false),
        (max + 1, false),
    ] {
        let reply = f.ask(InitProducer {
            timeout_ms,
            ..init()
        });
        let expected = if is_allowed {
            Ok(InitReply::NeedsProducerId)
        } else {
            Err(TxnError::InvalidTransactionTimeout)
        };
        assert_eq!(reply, expected, "{timeout_ms}");
    }
    for (length, is_allowed) in [(0, false), (1, true), (32_767, true), (32_768, false)] {
        let transactional_id = "x".repeat(length).into();
        let reply = f.init_with(InitProducer {
            transactional_id,
            ..init()
        });
        assert_eq!(reply.is_ok(), is_allowed, "{length}");
        assert!(is_allowed || reply == Err(TxnError::InvalidTransactionalId));
    }
}

#[test]
fn another_instance_fences_the_one_before() {
    for version in [V0, V2] {
        for state in [
            StateName::Empty,
            StateName::CompleteCommit,
            StateName::CompleteAbort,
        ] {
            let mut f = Fixture::new();
            let first = f.bring(state, version);
            let second = f.init(None).unwrap();
            assert_eq!(second, later(first, 1));
            assert_eq!(f.state(), StateName::Empty);
            assert_eq!(f.value(ID).started, Timestamp::NONE);
            assert_eq!(f.add(first, version), Err(TxnError::ProducerFenced));
            assert_eq!(f.end(first, false, version), Err(TxnError::ProducerFenced));
            assert_eq!(f.init(Some(first)), Err(TxnError::ProducerFenced));
            assert_eq!(f.add(second, version), Ok(()));
        }
    }
}

#[test]
fn the_timeout_of_the_last_request_counts() {
    let mut f = Fixture::new();
    f.init(None).unwrap();
    f.init_with(InitProducer {
        timeout_ms: 7,
        ..init()
    })
    .unwrap();
    assert_eq!(f.value(ID).timeout_ms, 7);
}

#[test]
fn a_prepared_transaction_is_waited_for_whoever_asks() {
    for state in [StateName::PrepareCommit, StateName::PrepareAbort] {
        let mut f = Fixture::new();
        let ids = f.bring(state, V2);
        let before = f.log.len();
        for expected in [
            None,
            Some(ids),
            Some(later(ids, -1)),
            Some(other_producer(ids)),
        ] {
            assert_eq!(f.init(expected), Err(TxnError::ConcurrentTransactions));
        }
        assert_eq!(f.log.len(), before);
        f.write_markers();
        assert_eq!(f.init(None), Ok(later(ids, 1)));
    }
}

#[test]
fn an_open_transaction_is_aborted_and_its_producer_fenced() {
    for version in [V0, V2] {
        let mut f = Fixture::with(Default::default(), version);
        let first = f.bring(StateName::Ongoing, version);
        assert_eq!(
            f.init(Some(other_producer(first))),
            Err(TxnError::ProducerFenced)
        );
        assert_eq!(f.state(), StateName::Ongoing);
        assert_eq!(f.init(None), Err(TxnError::ConcurrentTransactions));
        assert_eq!(f.state(), StateName::PrepareAbort);
        let [markers] = &*f.effects else { panic!() };
        assert_eq!((markers.ids, markers.commit), (later(first, 1), false));
        assert_eq!(markers.client_version, version);
        assert_eq!(markers.partitions, add(first, &[("a", 0)]).partitions);
        assert_eq!(f.add(first, version), Err(TxnError::ConcurrentTransactions));
        assert_eq!(f.init(None), Err(TxnError::ConcurrentTransactions));
        f.write_markers();
        assert_eq!(f.init(None), Ok(later(first, 2)));
        assert_eq!(f.add(first, version), Err(TxnError::ProducerFenced));
    }
}

#[test]
fn a_client_that_goes_on_after_an_error_may_repeat_its_request() {
    for state in [
        StateName::Empty,
        StateName::CompleteCommit,
        StateName::CompleteAbort,
    ] {
        let mut f = Fixture::new();
        let first = f.bring(state, V0);
        let second = f.init(Some(first)).unwrap();
        assert_eq!(second, later(first, 1));
        // The answer was lost, twice.
        assert_eq!(f.init(Some(first)), Ok(second));
        assert_eq!(f.init(Some(first)), Ok(second));
        assert_eq!(
            f.init(Some(later(second, 1))),
            Err(TxnError::ProducerFenced)
        );
        let third = f.init(Some(second)).unwrap();
        assert_eq!(third, later(second, 1));
        assert_eq!(f.init(Some(first)), Err(TxnError::ProducerFenced));
        // An instance that says nothing ends this.
        let fourth = f.init(None).unwrap();
        assert_eq!(fourth, later(third, 1));
        assert_eq!(f.init(Some(third)), Err(TxnError::ProducerFenced));
    }
}

#[test]
fn the_epoch_before_is_forgotten_in_a_restart() {
    let mut f = Fixture::new();
    let first = f.init(None).unwrap();
    let second = f.init(Some(first)).unwrap();
    f.reload();
    assert_eq!(f.init(Some(first)), Err(TxnError::ProducerFenced));
    assert_eq!(f.init(Some(second)), Ok(later(second, 1)));
}

#[test]
fn exhausted_epochs_lead_to_a_new_producer_id() {
    for says in [false, true] {
        let mut f = Fixture::new();
        f.init(None).unwrap();
        let before = f.set_epoch(LAST - 1);
        let last = f.init(None).unwrap();
        assert_eq!(last, later(before, 1));
        let expected = says.then_some(last);
        assert_eq!(
            f.ask(InitProducer { expected, ..init() }),
            Ok(InitReply::NeedsProducerId)
        );
        let next = f.init(expected).unwrap();
        assert_ne!(next.producer, last.producer);
        assert_eq!(next.epoch, ProducerEpoch(0));
        assert_eq!(f.value(ID).previous, last.producer);
        assert_eq!(f.add(last, V0), Err(TxnError::InvalidPidMapping));
        // The answer was lost, twice.
        for _ in 0..2 {
            let again = f.init(Some(last));
            assert_eq!(
                again,
                if says {
                    Ok(next)
                } else {
                    Err(TxnError::ProducerFenced)
                }
            );
        }
        assert_eq!(
            f.init(Some(other_producer(last))),
            Err(TxnError::ProducerFenced)
        );
    }
}

#[test]
fn a_former_epoch_of_an_exhausted_producer_is_fenced() {
    let mut f = Fixture::new();
    f.init(None).unwrap();
    let last = f.set_epoch(LAST);
    assert_eq!(f.init(Some(later(last, -1))), Err(TxnError::ProducerFenced));
    assert_eq!(f.init(Some(later(last, 1))), Err(TxnError::ProducerFenced));
    assert_eq!(f.ids(), last);
}

#[test]
fn fencing_can_use_the_largest_epoch() {
    for version in [V0, V2] {
        let mut f = Fixture::with(Default::default(), version);
        f.init(None).unwrap();
        let last = f.set_epoch(LAST);
        f.add(last, version).unwrap();
        assert_eq!(f.init(None), Err(TxnError::ConcurrentTransactions));
        assert_eq!(f.effects[0].ids, later(last, 1));
        f.write_markers();
        assert_eq!(f.state(), StateName::CompleteAbort);
        let ids = f.ids();
        if version == V0 {
            assert_eq!(ids, later(last, 1));
        } else {
            // A client of version 2 may go on after the abort.
            assert_eq!(ids.epoch, ProducerEpoch(0));
            assert_eq!(f.end(last, false, V2), Ok(ids));
        }
        let next = f.init(None).unwrap();
        assert_ne!(next.producer, last.producer);
        assert_eq!(next.epoch, ProducerEpoch(if version == V0 { 0 } else { 1 }));
    }
}
