//! What a batch of the log and the memory allow.

use std::sync::Arc;

use super::fixture::{Fixture, ID, V0, V2, add, init};
use crate::base::{Bounds, TopicPartition};
use crate::txn::records::batch_bytes;
use crate::txn::{AddPartitions, InitProducer, Settings, StateName, TxnError};

fn partitions(count: i32) -> Vec<TopicPartition> {
    let topic: Arc<str> = "topic".into();
    let at = |number| TopicPartition::new(Arc::clone(&topic), number);
    (0..count).map(at).collect()
}

fn largest_batch(f: &mut Fixture, bytes: usize) {
    f.registry.within(Bounds {
        largest_batch: bytes,
        ..Bounds::default()
    });
}

#[test]
fn a_transaction_that_fits_no_batch_is_refused_for_good() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    largest_batch(&mut f, 4_100);
    let add_many = |count| AddPartitions {
        partitions: partitions(count),
        ..add(ids, &[])
    };
    assert_eq!(f.ask(add_many(900)), Ok(()));
    let before = f.log.len();
    assert_eq!(f.ask(add_many(1_000)), Err(TxnError::TooLarge));
    assert_eq!(f.log.len(), before);
    // What is there can be ended.
    let used = batch_bytes(ID, &f.value(ID).partitions);
    assert!(used <= 4_100);
    f.end(ids, true, V2).unwrap();
    assert!(f.log.last().unwrap().value.as_ref().unwrap().len() < used);
    f.write_markers();
    assert_eq!(f.state(), StateName::CompleteCommit);
}

#[test]
fn topics_whose_names_fit_no_record_are_refused() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let name = "x".repeat(32_768);
    assert_eq!(f.ask(add(ids, &[(&name, 0)])), Err(TxnError::TooLarge));
    assert_eq!(f.ask(add(ids, &[(&name[1..], 0)])), Ok(()));
}

#[test]
fn the_longest_transactional_id_works_through_a_transaction() {
    let mut f = Fixture::with(Settings::default(), V0);
    let transactional_id: Arc<str> = "x".repeat(32_767).into();
    let ask = InitProducer {
        transactional_id: Arc::clone(&transactional_id),
        ..init()
    };
    let ids = f.init_with(ask.clone()).unwrap();
    let add = AddPartitions {
        transactional_id: Arc::clone(&transactional_id),
        ..add(ids, &[("a", 0)])
    };
    f.ask(add).unwrap();
    assert_eq!(
        f.init_with(ask.clone()),
        Err(TxnError::ConcurrentTransactions)
    );
    f.write_markers();
    f.reload();
    assert_eq!(f.init_with(ask).unwrap().epoch.0, 2);
    assert!(f.registry.held() >= 32_767);
}

#[test]
fn a_transactional_id_that_fits_no_batch_is_refused() {
    let mut f = Fixture::new();
    largest_batch(&mut f, 10_000);
    let transactional_id = "x".repeat(10_000).into();
    let ask = InitProducer {
        transactional_id,
        ..init()
    };
    assert_eq!(f.init_with(ask), Err(TxnError::TooLarge));
}

#[test]
fn when_memory_is_short_what_is_there_goes_on() {
    let mut f = Fixture::with(
        Settings {
            max_bytes: 1_000,
            ..Settings::default()
        },
        V2,
    );
    let ids = f.init(None).unwrap();
    f.ask(add(ids, &[("a", 0)])).unwrap();
    let other = InitProducer {
        transactional_id: "u".into(),
        ..init()
    };
    let within = |f: &mut Fixture, held_elsewhere| {
        f.registry.within(Bounds {
            held_elsewhere,
            ..Bounds::default()
        });
    };
    within(&mut f, 800);
    assert_eq!(f.init_with(other.clone()), Err(TxnError::NoMemory));
    assert_eq!(f.ask(add(ids, &[("a", 1)])), Err(TxnError::NoMemory));
    assert_eq!(f.ask(add(ids, &[("a", 0)])), Ok(()));
    let ids = f.end(ids, true, V2).unwrap();
    f.write_markers();
    assert!(f.init(Some(ids)).is_ok());
    within(&mut f, 0);
    assert!(f.init_with(other).is_ok());
}

#[test]
fn the_end_of_a_transaction_frees_its_memory() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let before = f.registry.held();
    let partitions = partitions(10_000);
    f.ask(AddPartitions {
        partitions,
        ..add(ids, &[])
    })
    .unwrap();
    assert!(f.registry.held() >= before + 40_000);
    f.end(ids, true, V2).unwrap();
    f.write_markers();
    assert_eq!(f.registry.held(), before);
}
