//! AddPartitionsToTxn.

use super::fixture::{Fixture, ID, TIMEOUT_MS, V0, V2, add, later, other_producer};
use crate::base::TopicPartition;
use crate::txn::{AddPartitions, StateName, TxnError, VerifyPartitions};

#[test]
fn a_transaction_begins_with_its_first_partitions() {
    for state in [
        StateName::Empty,
        StateName::CompleteCommit,
        StateName::CompleteAbort,
    ] {
        for version in [V0, V2] {
            let mut f = Fixture::new();
            let ids = f.bring(state, version);
            f.advance(1_000);
            let started = f.now;
            assert_eq!(f.add(ids, version), Ok(()));
            f.advance(1_000);
            assert_eq!(f.ask(add(ids, &[("b", 1), ("a", 0), ("a", 2)])), Ok(()));
            let value = f.value(ID);
            assert_eq!((value.state, value.started), (StateName::Ongoing, started));
            assert_eq!((value.ids, value.timeout_ms), (ids, TIMEOUT_MS));
            let partitions = value.partitions.to_vec();
            assert_eq!(
                partitions,
                add(ids, &[("a", 0), ("a", 2), ("b", 1)]).partitions
            );
        }
    }
}

#[test]
fn known_partitions_cost_no_record() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    f.ask(add(ids, &[("a", 0), ("a", 1)])).unwrap();
    let before = f.log.len();
    assert_eq!(f.ask(add(ids, &[("a", 1)])), Ok(()));
    assert_eq!(f.ask(add(ids, &[])), Ok(()));
    assert_eq!(f.log.len(), before);
    assert_eq!(f.ask(add(ids, &[("a", 1), ("a", 2)])), Ok(()));
    assert_eq!(f.log.len(), before + 1);
}

#[test]
fn only_the_present_producer_may_add() {
    let mut f = Fixture::new();
    let ids = f.bring(StateName::CompleteCommit, V2);
    let before = f.log.len();
    for (ids, error) in [
        (other_producer(ids), TxnError::InvalidPidMapping),
        (later(ids, -1), TxnError::ProducerFenced),
        (later(ids, 1), TxnError::ProducerFenced),
    ] {
        assert_eq!(f.add(ids, V2), Err(error));
    }
    let other_id = |transactional_id: &str| AddPartitions {
        transactional_id: transactional_id.into(),
        ..add(ids, &[("a", 0)])
    };
    assert_eq!(f.ask(other_id("u")), Err(TxnError::InvalidPidMapping));
    assert_eq!(f.ask(other_id("")), Err(TxnError::InvalidTransactionalId));
    assert_eq!(f.log.len(), before);
}

#[test]
fn nothing_is_added_while_markers_are_written() {
    for state in [StateName::PrepareCommit, StateName::PrepareAbort] {
        let mut f = Fixture::new();
        let ids = f.bring(state, V2);
        for ids in [ids, later(ids, -1), other_producer(ids)] {
            assert_eq!(f.add(ids, V2), Err(TxnError::ConcurrentTransactions));
        }
        f.write_markers();
        assert_eq!(f.add(ids, V2), Ok(()));
    }
}

#[test]
fn verification_tells_which_partitions_are_in_the_transaction() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let partitions = add(ids, &[("b", 0), ("a", 1), ("a", 0)]).partitions;
    let verify = |ids| VerifyPartitions {
        transactional_id: ID.into(),
        ids,
        partitions: partitions.clone(),
    };
    assert_eq!(f.ask(verify(ids)), Ok(vec![false, false, false]));
    f.ask(add(ids, &[("a", 0), ("b", 0)])).unwrap();
    assert_eq!(f.ask(verify(ids)), Ok(vec![true, false, true]));
    assert_eq!(f.ask(verify(later(ids, -1))), Err(TxnError::ProducerFenced));
    assert_eq!(
        f.ask(verify(other_producer(ids))),
        Err(TxnError::InvalidPidMapping)
    );
    let unknown = VerifyPartitions {
        transactional_id: "u".into(),
        ..verify(ids)
    };
    assert_eq!(f.ask(unknown), Err(TxnError::InvalidPidMapping));
    f.end(ids, true, V0).unwrap();
    assert_eq!(f.ask(verify(ids)), Err(TxnError::ConcurrentTransactions));
    f.write_markers();
    assert_eq!(f.ask(verify(ids)), Ok(vec![false, false, false]));
}

#[test]
fn topics_of_any_name_are_kept() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let at = TopicPartition::new("ü".repeat(100), i32::MAX);
    let partitions = vec![at.clone(), TopicPartition::new("", -1)];
    f.ask(AddPartitions {
        partitions,
        ..add(ids, &[])
    })
    .unwrap();
    assert!(f.value(ID).partitions.contains(&at));
}
