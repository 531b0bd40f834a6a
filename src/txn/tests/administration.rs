//! DescribeTransactions and ListTransactions.

use std::sync::Arc;

use super::fixture::{Fixture, ID, TIMEOUT_MS, V2, add, init};
use crate::base::{ProducerId, Timestamp};
use crate::txn::{Description, InitProducer, ListFilter, Partitions, StateName, TxnError};

#[test]
fn a_description_has_the_open_transaction() {
    let mut f = Fixture::new();
    assert_eq!(f.registry.describe(ID), Err(TxnError::NotFound));
    assert_eq!(
        f.registry.describe(""),
        Err(TxnError::InvalidTransactionalId)
    );
    let ids = f.init(None).unwrap();
    let empty = Description {
        state: StateName::Empty,
        ids,
        timeout_ms: TIMEOUT_MS,
        started: Timestamp::NONE,
        partitions: Partitions::default(),
    };
    assert_eq!(f.registry.describe(ID), Ok(empty.clone()));
    let ask = add(ids, &[("b", 0), ("a", 1)]);
    f.ask(ask).unwrap();
    let ongoing = Description {
        state: StateName::Ongoing,
        started: f.value(ID).started,
        partitions: [("a".into(), vec![1]), ("b".into(), vec![0])]
            .into_iter()
            .collect(),
        ..empty
    };
    assert_eq!(f.registry.describe(ID), Ok(ongoing.clone()));
    let next = f.end(ids, true, V2).unwrap();
    f.write_markers();
    let complete = Description {
        state: StateName::CompleteCommit,
        ids: next,
        partitions: Partitions::default(),
        ..ongoing
    };
    assert_eq!(f.registry.describe(ID), Ok(complete));
}

#[test]
fn a_list_is_filtered() {
    let mut f = Fixture::new();
    let ids = f.bring(StateName::Ongoing, V2);
    let other = InitProducer {
        transactional_id: "u".into(),
        ..init()
    };
    let other = f.init_with(other).unwrap();
    let now = f.now.plus_millis(1_000);
    let listing = f.registry.listing();
    let listed = |states: &[&'static str], producers: &[ProducerId], duration| {
        let filter = ListFilter::new(states.iter().copied(), producers.iter().copied(), duration);
        let listed = listing.transactions.iter();
        let listed = listed.filter(|one| filter.lets(one, now));
        listed.map(|one| &*one.transactional_id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[], &[], -1), [ID, "u"]);
    assert_eq!(listed(&["Ongoing"], &[], -1), [ID]);
    assert_eq!(listed(&["Ongoing", "Empty"], &[], -1), [ID, "u"]);
    assert_eq!(listed(&["Dead", "PrepareCommit"], &[], -1), [""; 0]);
    assert_eq!(listed(&["ongoing"], &[], -1), [""; 0]);
    assert_eq!(listed(&["nonsense", "Empty"], &[], -1), ["u"]);
    assert_eq!(listed(&[], &[other.producer], -1), ["u"]);
    assert_eq!(listed(&[], &[ids.producer, ProducerId(1)], -1), [ID]);
    assert_eq!(listed(&["Empty"], &[ids.producer], -1), [""; 0]);
    // One that never began has been running for ever, as in Kafka.
    assert_eq!(listed(&[], &[], 999), [ID, "u"]);
    assert_eq!(listed(&[], &[], 1_000), ["u"]);
}

#[test]
fn a_listing_is_shared_until_something_changes() {
    let mut f = Fixture::new();
    let ids = f.init(None).unwrap();
    let first = f.registry.listing();
    assert!(Arc::ptr_eq(&first, &f.registry.listing()));
    f.add(ids, V2).unwrap();
    let second = f.registry.listing();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(second.transactions[0].state, StateName::Ongoing);
}
