//! Transactions that take too long, and transactional ids that nobody uses.

use super::fixture::{Fixture, ID, TIMEOUT_MS, V0, V2, add, init, later};
use crate::base::{ProducerEpoch, Timestamp, TransactionVersion};
use crate::txn::StateName::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort};
use crate::txn::{ExpireTransactionalIds, InitProducer, StateName, TimerKey, TxnError};

fn timer() -> TimerKey {
    TimerKey::Transaction {
        transactional_id: ID.into(),
    }
}

#[test]
fn a_transaction_is_aborted_when_its_time_is_up() {
    for version in [V0, V2] {
        let mut f = Fixture::with(Default::default(), version);
        let ids = f.init(None).unwrap();
        f.add(ids, version).unwrap();
        f.advance(i64::from(TIMEOUT_MS) - 1);
        // More partitions do not give it more time.
        f.ask(add(ids, &[("b", 0)])).unwrap();
        assert_eq!(f.state(), Ongoing);
        f.advance(1);
        assert_eq!(f.state(), PrepareAbort);
        let [markers] = &*f.effects else { panic!() };
        assert_eq!((markers.ids, markers.commit), (later(ids, 1), false));
        assert_eq!(markers.partitions.len(), 2);
        assert!(f.end(ids, true, version).is_err());
        f.write_markers();
        assert_eq!((f.state(), f.ids()), (CompleteAbort, later(ids, 1)));
        if version == V0 {
            // The producer is fenced for good.
            assert_eq!(f.end(ids, false, V0), Err(TxnError::ProducerFenced));
            assert_eq!(f.init(Some(ids)), Err(TxnError::ProducerFenced));
        } else {
            // The commit has failed, but the producer can go on with an abort.
            assert_eq!(f.end(ids, true, V2), Err(TxnError::InvalidTxnState));
            assert_eq!(f.end(ids, false, V2), Ok(later(ids, 1)));
        }
    }
}

#[test]
fn level_1_aborts_as_level_0_does() {
    let mut f = Fixture::with(Default::default(), TransactionVersion(1));
    let ids = f.bring(Ongoing, V0);
    f.advance(TIMEOUT_MS.into());
    assert_eq!(f.effects[0].ids, later(ids, 1));
    assert_eq!(f.effects[0].client_version, V0);
    f.write_markers();
    assert_eq!(f.end(ids, false, V0), Err(TxnError::ProducerFenced));
}

#[test]
fn ended_transactions_have_no_time_limit() {
    let mut f = Fixture::new();
    let ids = f.bring(CompleteCommit, V0);
    let before = f.log.len();
    f.advance(10 * i64::from(TIMEOUT_MS));
    assert_eq!(f.log.len(), before);
    f.add(ids, V0).unwrap();
    f.end(ids, true, V0).unwrap();
    f.advance(10 * i64::from(TIMEOUT_MS));
    assert_eq!(f.state(), StateName::PrepareCommit);
}

#[test]
fn the_time_of_a_transaction_counts_through_a_restart() {
    let mut f = Fixture::new();
    f.bring(Ongoing, V2);
    f.advance(20_000);
    f.reload();
    assert_eq!(f.timers[&timer()].0, f.now.plus_millis(40_000));
    f.now = f.now.plus_millis(100_000);
    f.reload();
    f.advance(0);
    assert_eq!(f.state(), PrepareAbort);
}

#[test]
fn a_clock_that_is_set_back_delays_an_abort_by_one_time_limit_at_most() {
    let mut f = Fixture::new();
    f.bring(Ongoing, V2);
    f.now = Timestamp(f.now.0 - 1_000_000);
    f.reload();
    let limit = i64::from(TIMEOUT_MS);
    assert_eq!(f.timers[&timer()].0, f.now.plus_millis(limit));
}

#[test]
fn a_timer_that_is_early_is_set_again() {
    let mut f = Fixture::new();
    f.bring(Ongoing, V2);
    let due = f.timers[&timer()].0;
    let now = f.now.plus_millis(10);
    let outcome = f.registry.timer_fired(timer(), now);
    assert!(outcome.records.is_empty());
    assert_eq!(outcome.timers.len(), 1);
    assert_eq!(due, f.now.plus_millis(TIMEOUT_MS.into()));
    let outcome = f.registry.timer_fired(
        TimerKey::Transaction {
            transactional_id: "u".into(),
        },
        now,
    );
    assert!(outcome.records.is_empty() && outcome.timers.is_empty());
}

#[test]
fn a_two_phase_transaction_of_kafkas_has_no_time_limit() {
    let mut f = Fixture::new();
    f.settings.max_timeout_ms = i32::MAX;
    f.reload();
    let ids = f
        .init_with(InitProducer {
            timeout_ms: i32::MAX,
            ..init()
        })
        .unwrap();
    let outcome = f
        .registry
        .decide(crate::base::Token::new(0), add(ids, &[("a", 0)]), f.now);
    assert_eq!(outcome.timers, []);
}

#[test]
fn the_last_epoch_is_aborted_in_the_largest_and_goes_on_with_a_new_id() {
    let mut f = Fixture::new();
    f.init(None).unwrap();
    let last = f.set_epoch(i16::MAX - 1);
    f.add(last, V2).unwrap();
    f.advance(TIMEOUT_MS.into());
    assert_eq!(f.effects[0].ids, later(last, 1));
    f.reload();
    f.write_markers();
    let ids = f.ids();
    assert_eq!((ids.epoch, f.state()), (ProducerEpoch(0), CompleteAbort));
    assert_eq!(f.end(last, false, V2), Ok(ids));
    assert_eq!(f.add(ids, V2), Ok(()));
}

#[test]
fn unused_transactional_ids_expire() {
    for state in StateName::ALL
        .into_iter()
        .filter(|state| state.is_written())
    {
        let mut f = Fixture::new();
        f.settings.id_expiration_ms = 1_000;
        f.reload();
        f.bring(state, V2);
        f.now = f.value(ID).updated.plus_millis(999);
        f.ask(ExpireTransactionalIds);
        assert!(f.registry.describe(ID).is_ok());
        f.now = f.now.plus_millis(1);
        f.ask(ExpireTransactionalIds);
        let is_gone = f.registry.describe(ID) == Err(TxnError::NotFound);
        assert_eq!(
            is_gone,
            matches!(state, Empty | CompleteCommit | CompleteAbort),
            "{state:?}"
        );
        if is_gone {
            assert_eq!(f.registry.held(), 0);
            assert_eq!(f.init(None).unwrap().epoch, ProducerEpoch(0));
        }
    }
}

#[test]
fn many_transactional_ids_expire_in_steps() {
    let mut f = Fixture::new();
    for number in 0..2_500 {
        let value = crate::txn::records::Value::created(f.fresh(), TIMEOUT_MS, f.now);
        let record = crate::txn::records::record(&format!("t{number}"), &value, V2);
        f.log.push(record);
    }
    f.reload();
    f.most_records = 0;
    f.now = f.now.plus_millis(f.settings.id_expiration_ms);
    f.ask(ExpireTransactionalIds);
    // A second sweep does not begin meanwhile.
    f.ask(ExpireTransactionalIds);
    assert_eq!(f.registry.listing().transactions.len(), 1_500);
    f.advance(100);
    assert_eq!(f.registry.listing().transactions.len(), 0);
    assert_eq!(f.most_records, 1_000);
    assert!(f.timers.is_empty());
}

#[test]
fn a_step_has_no_more_tombstones_than_fit_into_a_batch() {
    let mut f = Fixture::new();
    let name = |number: usize| format!("{number}{}", "x".repeat(1_000 * number));
    for number in 0..20 {
        let value = crate::txn::records::Value::created(f.fresh(), TIMEOUT_MS, f.now);
        f.log
            .push(crate::txn::records::record(&name(number), &value, V2));
    }
    f.reload();
    f.registry.within(crate::base::Bounds {
        largest_batch: 18_500,
        ..Default::default()
    });
    let before = f.log.len();
    f.now = f.now.plus_millis(f.settings.id_expiration_ms);
    f.ask(ExpireTransactionalIds);
    assert!(f.log.len() > before);
    assert!(f.log.len() < before + 18);
    f.advance(100);
    // Two do not even fit alone.
    assert_eq!(f.registry.listing().transactions.len(), 1);
    assert_eq!(f.log.len(), before + 19);
}
