use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::fixture::{self, Serving, over_the_wire};
use super::*;
use crate::base::{LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::coordinator::{CoordinatorError, Enlist, NotCommitted, NotEnlisted};
use crate::metadata::Image;
use crate::record::control::{EndTransactionMarker, TransactionMarker};

const PRODUCER: i64 = 7;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn partition(index: i32, version: i16) -> TxnOffsetCommitRequestPartition {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(index)
        .with_committed_offset(42)
        .with_committed_metadata(Some(text("note")));
    if version >= 2 {
        partition.with_committed_leader_epoch(4)
    } else {
        partition
    }
}

/// A request for these partitions of topics, with a name and an id each.
fn request(version: i16, topics: &[(&str, Uuid, &[i32])]) -> TxnOffsetCommitRequest {
    let wanted = topics.iter().map(|(name, _, indexes)| {
        let partitions = indexes.iter().map(|index| partition(*index, version));
        TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(text(name)))
            .with_partitions(partitions.collect())
    });
    let mut known = messages::TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text("id")))
        .with_group_id(GroupId(text("g")))
        .with_producer_id(messages::ProducerId(PRODUCER))
        .with_topics(wanted.collect());
    if version >= 3 {
        known = known.with_member_id(text("")).with_generation_id(-1);
    }
    let topic_ids = topics.iter().map(|(_, id, _)| *id).collect();
    let request = TxnOffsetCommitRequest { known, topic_ids };
    over_the_wire(&request, version)
}

fn read(
    image: &Image,
    request: &TxnOffsetCommitRequest,
    version: i16,
) -> (Vec<OffsetToCommit>, Asked) {
    committed::read(topics(request), |name, id| {
        topic_ids::find(image, name, id, version >= WITH_TOPIC_IDS)
    })
}

/// The codes of an answer, by topic.
fn codes_of(answer: &TxnOffsetCommitResponse) -> Vec<Vec<ErrorCode>> {
    let topics = answer.known.topics.iter();
    let codes = topics.map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|row| ErrorCode(row.error_code)).collect()
    });
    codes.collect()
}

#[test]
fn every_version_commits_what_exists() {
    for version in 0..=6 {
        let request = request(
            version,
            &[
                ("gone", Uuid::from_u128(77), &[0]),
                ("orders", fixture::ORDERS, &[1, 7, 0]),
            ],
        );
        let (offsets, asked) = read(&fixture::image(), &request, version);
        let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let gone = if version >= 6 {
            Some(ErrorCode::UNKNOWN_TOPIC_ID)
        } else {
            unknown
        };
        let refusals = [gone, None, unknown, None];
        assert_eq!(asked.refusals(), refusals, "version {version}");
        let committing = committing(&request.known, version, offsets);
        assert_eq!(committing.adds, version >= 5, "version {version}");
        assert_eq!(&*committing.transactional_id, "id");
        let CommitInTransaction {
            transaction,
            commit,
        } = committing.ask;
        assert_eq!(transaction.producer, ProducerId(PRODUCER));
        assert_eq!((commit.generation, commit.retention_ms), (-1, None));
        let first = &commit.offsets[0];
        assert_eq!(
            (first.at.to_string().as_str(), first.offset),
            ("orders-1", Offset(42))
        );
        assert_eq!(first.topic_id.0, fixture::ORDERS);
        let epoch = LeaderEpoch(if version >= 2 { 4 } else { -1 });
        assert_eq!(first.leader_epoch, epoch, "version {version}");
        assert_eq!(first.metadata.as_deref(), Some("note"));

        let no_group = Ok(CommitOffsetsReply {
            partitions: vec![
                (first.at.clone(), ErrorCode::NONE),
                (first.at.clone(), ErrorCode::GROUP_ID_NOT_FOUND),
            ],
        });
        let told = over_the_wire(&response(version, asked, no_group), version);
        let no_group = if version >= 6 {
            ErrorCode::GROUP_ID_NOT_FOUND
        } else {
            ErrorCode::ILLEGAL_GENERATION
        };
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(
            codes_of(&told),
            [
                vec![gone.unwrap()],
                vec![ErrorCode::NONE, unknown, no_group]
            ]
        );
        let ids: &[Uuid] = if version >= 6 {
            &[Uuid::from_u128(77), fixture::ORDERS]
        } else {
            &[]
        };
        assert_eq!(told.topic_ids, ids);
    }
}

#[test]
fn each_version_is_told_what_its_clients_know() {
    let code = |version, error| {
        let request = request(version, &[("orders", fixture::ORDERS, &[0])]);
        let (_, asked) = read(&fixture::image(), &request, version);
        let error = errors::of_not_committed(error, version);
        codes_of(&response(version, asked, Err(error)))[0][0]
    };
    let loading = NotCommitted::Coordinator(CoordinatorError::Loading);
    assert_eq!(code(1, loading), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(code(2, loading), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let absent = NotCommitted::NotEnlisted(NotEnlisted::NotInTransaction);
    assert_eq!(code(3, absent), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(code(4, absent), ErrorCode::TRANSACTION_ABORTABLE);
    let concurrent = NotCommitted::NotEnlisted(NotEnlisted::ConcurrentTransactions);
    assert_eq!(code(5, concurrent), ErrorCode::CONCURRENT_TRANSACTIONS);
}

/// Commits an offset of `t`, and returns the code.
fn commit(serving: &Serving, version: i16, epoch: i16) -> ErrorCode {
    let image = serving.context.cluster.image();
    let id = image.topic("t").map_or(TopicId::ZERO, |topic| topic.id);
    let mut request = request(version, &[("t", id.0, &[0])]);
    request.known.producer_epoch = epoch;
    codes_of(&serving.ask(version, &request))[0][0]
}

/// Ends the producer's transaction.
fn end(serving: &Serving, epoch: i16, committed: bool) {
    let groups = &serving.context.groups;
    let partition = groups
        .hosts()
        .coordinator_partition("g")
        .expect("a coordinator");
    let marker = TransactionMarker {
        producer: ProducerId(PRODUCER),
        epoch: ProducerEpoch(epoch),
        end: EndTransactionMarker {
            committed,
            coordinator_epoch: 0,
        },
        version: crate::base::TransactionVersion::V0,
    };
    // Its first question may find the machine loading.
    let told = serving.block_on(groups.end_transaction(partition, marker));
    assert!(told.is_ok(), "{told:?}");
}

/// The offset, and the stable one.
fn offsets(serving: &Serving) -> (Offset, Option<Offset>) {
    let at = (TopicPartition::new("t", 0), TopicId::ZERO);
    let look = move |registry: &crate::group::Registry, _: usize| {
        let fetch = |stable| {
            registry
                .fetch_offsets("g", Some(std::slice::from_ref(&at)), stable)
                .remove(0)
        };
        let stable = fetch(true);
        (
            fetch(false).offset,
            (!stable.is_unstable).then_some(stable.offset),
        )
    };
    let groups = ["g".into()];
    let read = serving.context.groups.hosts().read_all(&groups, look);
    serving.block_on(read).remove(0).expect("a coordinator")
}

#[test]
fn the_partition_of_the_group_is_verified_or_added_once_in_a_transaction() {
    let serving = Serving::start(&[]);
    for version in 0..=6 {
        serving.enlisting.answer(Ok(()));
        let epoch = version;
        assert_eq!(commit(&serving, version, epoch), ErrorCode::NONE);
        assert_eq!(commit(&serving, version, epoch), ErrorCode::NONE);
        let groups = &serving.context.groups;
        let partition = groups
            .hosts()
            .coordinator_partition("g")
            .expect("a coordinator");
        let asked = Enlist {
            transactional_id: "id".into(),
            transaction: Transaction {
                producer: ProducerId(PRODUCER),
                epoch: ProducerEpoch(epoch),
            },
            partitions: vec![TopicPartition::new("__consumer_offsets", partition)],
            adds: version >= 5,
        };
        assert_eq!(serving.enlisting.asked(), [asked], "version {version}");
        assert_eq!(offsets(&serving).1, None);
        end(&serving, epoch, version % 2 == 0);
        assert_eq!(offsets(&serving), (Offset(42), Some(Offset(42))));
    }
}

#[test]
fn what_the_coordinator_refuses_is_not_written() {
    let serving = Serving::start(&[]);
    let told = [
        (
            NotEnlisted::InvalidProducerIdMapping,
            ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        ),
        (
            NotEnlisted::ProducerFenced,
            ErrorCode::INVALID_PRODUCER_EPOCH,
        ),
        (
            NotEnlisted::ConcurrentTransactions,
            ErrorCode::CONCURRENT_TRANSACTIONS,
        ),
        (
            NotEnlisted::InvalidTransactionState,
            ErrorCode::INVALID_TXN_STATE,
        ),
        (
            NotEnlisted::NotInTransaction,
            ErrorCode::TRANSACTION_ABORTABLE,
        ),
        (
            NotEnlisted::Coordinator(CoordinatorError::Loading),
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ),
    ];
    for (answer, code) in told {
        serving.enlisting.answer(Err(answer));
        assert_eq!(commit(&serving, 5, 0), code);
    }
    assert_eq!(offsets(&serving), (Offset::NONE, Some(Offset::NONE)));
}

#[test]
fn a_commit_that_comes_after_the_marker_begins_nothing() {
    let serving = Serving::start(&[]);
    serving.enlisting.answer(Ok(()));
    assert_eq!(commit(&serving, 4, 0), ErrorCode::NONE);
    end(&serving, 0, true);
    // It is verified while its transaction ends.
    let released = serving.enlisting.hold();
    let groups = &serving.context.groups;
    let mut request = request(4, &[("t", Uuid::nil(), &[0])]);
    request.known.topics[0].partitions[0].committed_offset = 50;
    let image = serving.context.cluster.image();
    let (offsets_of, _) = read(&image, &request, 4);
    let late = committing(&request.known, 4, offsets_of);
    let late = groups.commit_in_transaction(late, &serving.context.enlists);
    end(&serving, 0, true);
    released.notify_one();
    let late = serving.block_on(late);
    assert_eq!(
        late,
        Err(NotCommitted::Coordinator(
            CoordinatorError::TransactionEnded
        ))
    );
    assert_eq!(offsets(&serving), (Offset(42), Some(Offset(42))));
}

#[test]
fn an_old_epoch_is_refused_and_nothing_is_loaded_again() {
    let serving = Serving::start(&[("transaction.partition.verification.enable", "false")]);
    assert_eq!(commit(&serving, 4, 3), ErrorCode::NONE);
    assert!(serving.enlisting.asked().is_empty());
    assert_eq!(commit(&serving, 4, 2), ErrorCode::INVALID_PRODUCER_EPOCH);
    // A machine that is loaded would refuse this.
    assert_eq!(offsets(&serving), (Offset::NONE, None));
    end(&serving, 3, true);
    assert_eq!(offsets(&serving), (Offset(42), Some(Offset(42))));
}

#[test]
fn what_is_wrong_with_all_of_a_request_is_said_of_each_partition() {
    let serving = Serving::start(&[]);
    serving.enlisting.answer(Ok(()));
    let code = |change: fn(&mut messages::TxnOffsetCommitRequest)| {
        let mut request = request(5, &[("t", Uuid::nil(), &[0, 9])]);
        change(&mut request.known);
        codes_of(&serving.ask(5, &request)).remove(0)
    };
    assert_eq!(
        code(|_| ()),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );
    assert_eq!(
        code(|request| request.transactional_id = TransactionalId::default()),
        [ErrorCode::INVALID_REQUEST; 2]
    );
    assert_eq!(
        code(|request| request.producer_id = messages::ProducerId(-1)),
        [ErrorCode::INVALID_PRODUCER_ID_MAPPING; 2]
    );
    assert_eq!(
        code(|request| request.group_id = GroupId::default()),
        [
            ErrorCode::INVALID_GROUP_ID,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        ]
    );
}
