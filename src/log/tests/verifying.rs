//! Which batches may begin a transaction, and which markers may end one.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TransactionVersion};
use crate::log::testing::{TestLog, batch_of, config};
use crate::log::{
    AppendError, AppendInfo, AppendOrigin, Guard, RecordSet, Standing, TransactionCheck,
    TransactionalBatch,
};
use crate::record::BatchOptions;
use crate::record::control::{EndTransactionMarker, TransactionMarker};

const PRODUCER: ProducerId = ProducerId(7);

fn append(
    test: &mut TestLog,
    records: Bytes,
    origin: AppendOrigin,
    transactions: TransactionCheck,
) -> Result<AppendInfo, AppendError> {
    let set = RecordSet {
        records,
        origin,
        epoch: LeaderEpoch(0),
        transactions,
    };
    let partition = test.log.topic_partition.clone();
    let prepared = set.prepare(&partition, test.log.config(), test.now)?;
    test.log.append(prepared, test.now)
}

/// Two records.
fn data(
    test: &mut TestLog,
    (epoch, sequence): (i16, i32),
    check: TransactionCheck,
) -> Result<AppendInfo, AppendError> {
    let options = BatchOptions {
        producer_id: PRODUCER,
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    };
    let records = batch_of(options, &[900_000, 900_000], b"value");
    append(test, records, AppendOrigin::Client, check)
}

fn end(
    test: &mut TestLog,
    epoch: i16,
    coordinator_epoch: i32,
    check: TransactionCheck,
) -> Result<AppendInfo, AppendError> {
    let marker = TransactionMarker {
        producer: PRODUCER,
        epoch: ProducerEpoch(epoch),
        end: EndTransactionMarker {
            committed: true,
            coordinator_epoch,
        },
        version: TransactionVersion::V0,
    };
    let records = marker.batch(test.now);
    append(test, records, AppendOrigin::Coordinator, check)
}

fn begin(test: &TestLog, epoch: i16, sequence: i32, new_epochs: bool) -> Standing {
    let batch = TransactionalBatch {
        producer: PRODUCER,
        epoch: ProducerEpoch(epoch),
        sequence,
        new_epochs,
    };
    test.log.transactions().begin(&batch, test.now)
}

fn guard(standing: Standing) -> Guard {
    match standing {
        Standing::Unverified(guard) => guard,
        other => panic!("{other:?}"),
    }
}

const MUST_BE_OPEN: TransactionCheck = TransactionCheck::MustBeOpen;
const NEW_EPOCH: TransactionCheck = TransactionCheck::EndsWithNewEpoch;

#[test]
fn a_transaction_begins_only_with_a_guard_that_holds() {
    let mut test = TestLog::new(config());
    let refused = data(&mut test, (0, 0), MUST_BE_OPEN);
    assert!(matches!(refused, Err(AppendError::NotInTransaction { .. })));
    let first = guard(begin(&test, 0, 0, false));
    data(&mut test, (0, 0), TransactionCheck::MayBegin(first)).unwrap();
    assert_eq!(begin(&test, 0, 2, false), Standing::Open);
    data(&mut test, (0, 2), MUST_BE_OPEN).unwrap();
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), Some(Offset(0)));
    end(&mut test, 0, 0, TransactionCheck::Trusted).unwrap();

    // Late batches of the transaction, and a repetition, which is none of them.
    for check in [MUST_BE_OPEN, TransactionCheck::MayBegin(first)] {
        let refused = data(&mut test, (0, 4), check);
        assert!(matches!(refused, Err(AppendError::NotInTransaction { .. })));
        let repeated = data(&mut test, (0, 2), check).unwrap();
        assert!(repeated.duplicate);
    }
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), None);

    // A marker takes the guard of a verification that is under way, and one that is refused does not.
    let second = guard(begin(&test, 0, 4, false));
    assert!(end(&mut test, 0, -1, TransactionCheck::Trusted).is_err());
    assert!(test.log.transactions().holds(PRODUCER, second));
    end(&mut test, 0, 0, TransactionCheck::Trusted).unwrap();
    let refused = data(&mut test, (0, 4), TransactionCheck::MayBegin(second));
    assert!(matches!(refused, Err(AppendError::NotInTransaction { .. })));
    let third = guard(begin(&test, 0, 4, false));
    data(&mut test, (0, 4), TransactionCheck::MayBegin(third)).unwrap();
}

#[test]
fn a_newer_epoch_is_verified_although_a_transaction_is_open() {
    let mut test = TestLog::new(config());
    data(&mut test, (3, 0), TransactionCheck::Trusted).unwrap();
    let refused = data(&mut test, (4, 0), MUST_BE_OPEN);
    assert!(matches!(refused, Err(AppendError::NotInTransaction { .. })));
    let refused = data(&mut test, (2, 0), MUST_BE_OPEN);
    assert!(matches!(
        refused,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    let of_the_new = guard(begin(&test, 4, 0, false));
    assert_eq!(begin(&test, 2, 0, false), Standing::Fenced);
    data(&mut test, (4, 0), TransactionCheck::MayBegin(of_the_new)).unwrap();
    assert_eq!(begin(&test, 3, 2, false), Standing::Fenced);
    assert_eq!(begin(&test, 4, 2, false), Standing::Open);
}

#[test]
fn a_later_batch_does_not_come_before_one_that_must_be_sent_again() {
    let mut test = TestLog::new(config());
    let guard = guard(begin(&test, 0, 10, false));
    assert_eq!(begin(&test, 0, 12, false), Standing::Unverified(guard));
    let refused = data(&mut test, (0, 12), TransactionCheck::MayBegin(guard));
    assert!(matches!(
        refused,
        Err(AppendError::OutOfOrderSequence { expected: 10, .. })
    ));
    data(&mut test, (0, 10), TransactionCheck::MayBegin(guard)).unwrap();
    data(&mut test, (0, 12), TransactionCheck::MayBegin(guard)).unwrap();
}

#[test]
fn with_new_epochs_a_transaction_begins_at_sequence_0() {
    let mut test = TestLog::new(config());
    let first = guard(begin(&test, 5, 3, true));
    let refused = data(&mut test, (5, 3), TransactionCheck::MayBegin(first));
    assert!(matches!(
        refused,
        Err(AppendError::OutOfOrderSequence { expected: 0, .. })
    ));
    begin(&test, 5, 0, true);
    data(&mut test, (5, 0), TransactionCheck::MayBegin(first)).unwrap();
    end(&mut test, 6, 0, NEW_EPOCH).unwrap();
    let second = guard(begin(&test, 6, 2, true));
    let refused = data(&mut test, (6, 2), TransactionCheck::MayBegin(second));
    assert!(matches!(
        refused,
        Err(AppendError::OutOfOrderSequence { expected: 0, .. })
    ));
}

#[test]
fn a_marker_of_version_2_has_a_new_epoch() {
    let mut test = TestLog::new(config());
    data(&mut test, (5, 0), TransactionCheck::Trusted).unwrap();
    for epoch in [4, 5] {
        let late = end(&mut test, epoch, 0, NEW_EPOCH);
        assert!(matches!(
            late,
            Err(AppendError::InvalidProducerEpoch { .. })
        ));
    }
    end(&mut test, 6, 0, NEW_EPOCH).unwrap();
    // Its coordinator was restarted.
    end(&mut test, 6, 1, NEW_EPOCH).unwrap();
    let late = end(&mut test, 5, 1, NEW_EPOCH);
    assert!(matches!(
        late,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    let fenced = end(&mut test, 6, 0, NEW_EPOCH);
    assert!(matches!(fenced, Err(AppendError::CoordinatorFenced { .. })));
    // The next transaction has the epoch of the last marker, which would end it now.
    data(&mut test, (6, 0), TransactionCheck::Trusted).unwrap();
    let late = end(&mut test, 6, 1, NEW_EPOCH);
    assert!(matches!(
        late,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    assert!(test.log.first_unstable(Offset(i64::MAX)).is_some());
    // Without new epochs they are those of the records.
    end(&mut test, 6, 1, TransactionCheck::Trusted).unwrap();
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), None);
}

#[test]
fn open_transactions_are_known_after_a_restart_and_a_truncation() {
    let mut test = TestLog::new(config());
    data(&mut test, (5, 0), TransactionCheck::Trusted).unwrap();
    let mut test = test.reopen();
    assert_eq!(begin(&test, 5, 2, false), Standing::Open);
    data(&mut test, (5, 2), MUST_BE_OPEN).unwrap();
    let mut test = test.crash(|_| ());
    assert_eq!(begin(&test, 5, 4, false), Standing::Open);
    end(&mut test, 5, 0, TransactionCheck::Trusted).unwrap();
    let mut test = test.crash(|_| ());
    guard(begin(&test, 5, 4, false));
    test.log.truncate(Offset(4)).unwrap();
    assert_eq!(
        begin(&test, 5, 4, false),
        Standing::Open,
        "the marker is cut off"
    );
    test.log.truncate(Offset(0)).unwrap();
    guard(begin(&test, 5, 0, false));
}
