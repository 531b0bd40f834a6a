//! Maps the errors of the floors below to Kafka's codes. This is the only place for that.
//!
//! Two rooms use Kafka's codes themselves: [`crate::controller`] and [`crate::group`] make decisions that Kafka's
//! protocol defines, and each of their refusals is one of its codes. Every other room has errors of its own, with a
//! function here for each. If only an old version of an API uses another code, its handler translates it.
//!
//! # Retriable or not
//!
//! Clients repeat a request after a retriable code, and report nothing before their timeout. So such a code is only
//! for conditions that end without a change of the request: **a permanent condition never gets a retriable code.** A
//! failed log directory counts as temporary, as in Kafka: an operator repairs it, and clients should still be trying
//! then.
//!
//! | what is missing | temporary | code |
//! | --- | --- | --- |
//! | leadership, a coordinator that loads or moves, a controller that stops | yes | `NOT_LEADER_OR_FOLLOWER`, `NOT_COORDINATOR`, `COORDINATOR_LOAD_IN_PROGRESS`, `NOT_CONTROLLER` |
//! | a topic that was just made or deleted | yes | `UNKNOWN_TOPIC_OR_PARTITION`, `UNKNOWN_TOPIC_ID`, `LEADER_NOT_AVAILABLE` |
//! | a log directory, or space below the reserve | yes | `KAFKA_STORAGE_ERROR`; of a coordinator `NOT_COORDINATOR` |
//! | replicas in sync; time for a coordinator's write | yes | `NOT_ENOUGH_REPLICAS`; `COORDINATOR_NOT_AVAILABLE` |
//! | memory for one more member | yes | `COORDINATOR_NOT_AVAILABLE` |
//! | memory for a member that alone is too large | no | `MESSAGE_TOO_LARGE` |
//! | room for a group's record in a batch | no | at the join `MESSAGE_TOO_LARGE`, `GROUP_MAX_SIZE_REACHED`; later `UNKNOWN_SERVER_ERROR`, as in Kafka |
//! | brokers for so many replicas | no | `INVALID_REPLICATION_FACTOR` |
//! | the end of the last transaction; a producer id | yes | `CONCURRENT_TRANSACTIONS`; `COORDINATOR_LOAD_IN_PROGRESS` |
//! | memory for one more transactional id or partition | yes | `COORDINATOR_NOT_AVAILABLE` |
//! | room for a transaction's record in a batch | no | `MESSAGE_TOO_LARGE`, after which a producer aborts (Kafka: `UNKNOWN_SERVER_ERROR`) |
//! | coordinators of share groups | no | `INVALID_REQUEST` |
//! | share and streams groups (`group/unserved.rs`) | no | `INCONSISTENT_GROUP_PROTOCOL`, `UNKNOWN_MEMBER_ID`, `GROUP_ID_NOT_FOUND` |
//! | support for a special timestamp of ListOffsets | no | `UNSUPPORTED_VERSION` |
//! | a right (`checks.rs`) | no | `TOPIC_AUTHORIZATION_FAILED`, and similar codes for other resources |
//! | a whole API | no | it is not advertised |

use crate::base::ErrorCode;
use crate::cluster::ClusterError;
use crate::controller::{ElectionFailure, ReassignmentFailure, Refusal, names};
use crate::coordinator::{
    CoordinatorError, MarkerError, NotCommitted, NotEnlisted, TransactionError,
};
use crate::log::AppendError;
use crate::metadata::record::DecodeError;
use crate::partition::sessions::SessionError;
use crate::partition::{
    AfterAppend, AlterDirectoryError, AppendFailure, DeleteFailure, EpochMismatch, NotHosted,
    ReadFailure,
};
use crate::security::ResourceType;
use crate::txn::TxnError;

/// The code for a denied operation on a resource of this type.
pub(super) const fn of_denial(kind: ResourceType) -> ErrorCode {
    match kind {
        ResourceType::Topic => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ResourceType::Group => ErrorCode::GROUP_AUTHORIZATION_FAILED,
        // Access to delegation tokens of other users is a right on the user.
        ResourceType::DelegationToken | ResourceType::User => {
            ErrorCode::DELEGATION_TOKEN_AUTHORIZATION_FAILED
        }
        ResourceType::TransactionalId => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ResourceType::Cluster => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    }
}

/// The same with Kafka's message.
pub(super) fn denial(kind: ResourceType) -> Refusal {
    let resource = match kind {
        ResourceType::Topic => "Topic",
        ResourceType::Group => "Group",
        ResourceType::DelegationToken | ResourceType::User => "Delegation Token",
        ResourceType::TransactionalId => "Transactional Id",
        ResourceType::Cluster => "Cluster",
    };
    Refusal::new(of_denial(kind), format!("{resource} authorization failed."))
}

/// The code for a failed append.
pub(super) fn of_append(failure: &AppendFailure) -> ErrorCode {
    match failure {
        AppendFailure::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        AppendFailure::NotEnoughReplicas { .. } => ErrorCode::NOT_ENOUGH_REPLICAS,
        // Both are storage errors that clients retry; the message distinguishes them.
        AppendFailure::DiskNearlyFull | AppendFailure::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendFailure::Refused(refusal) => of_refused_append(refusal),
        AppendFailure::TimedOut(_) => ErrorCode::REQUEST_TIMED_OUT,
        AppendFailure::AfterAppend(_, reason) => match reason {
            AfterAppend::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
            AfterAppend::NotEnoughReplicas => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            AfterAppend::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            AfterAppend::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
        },
        // The partition was deleted while the append was queued, or the broker stops: the client looks again.
        AppendFailure::Gone => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

const fn of_refused_append(refusal: &AppendError) -> ErrorCode {
    match refusal {
        AppendError::CorruptMessage(_) => ErrorCode::CORRUPT_MESSAGE,
        AppendError::MessageTooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        AppendError::RecordListTooLarge { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
        AppendError::NotOneBatch(_) | AppendError::InvalidRecord { .. } => {
            ErrorCode::INVALID_RECORD
        }
        AppendError::InvalidTimestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
        AppendError::UnsupportedCompressionType(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
        AppendError::InvalidTransactionState { .. } | AppendError::NotInTransaction { .. } => {
            ErrorCode::INVALID_TXN_STATE
        }
        AppendError::CoordinatorFenced { .. } => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        AppendError::Offline(_) | AppendError::Io(_) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for a transactional batch that is not verified, in this version of Produce.
pub(super) const fn of_unverified(error: NotEnlisted, version: i16) -> ErrorCode {
    match error {
        // Producers repeat the batch, and do not look for the leader of the partition.
        NotEnlisted::Coordinator(_) => ErrorCode::NOT_ENOUGH_REPLICAS,
        NotEnlisted::ConcurrentTransactions if version < 12 => ErrorCode::NOT_ENOUGH_REPLICAS,
        NotEnlisted::ConcurrentTransactions => ErrorCode::CONCURRENT_TRANSACTIONS,
        NotEnlisted::InvalidTransactionalId => ErrorCode::INVALID_REQUEST,
        NotEnlisted::InvalidProducerIdMapping => ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        // A producer that gets this code aborts and goes on, if it is the current one after all.
        NotEnlisted::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        NotEnlisted::InvalidTransactionState => ErrorCode::INVALID_TXN_STATE,
        // Older clients do not know the other code (KIP-890).
        NotEnlisted::NotInTransaction if version < 11 => ErrorCode::INVALID_TXN_STATE,
        NotEnlisted::NotInTransaction => ErrorCode::TRANSACTION_ABORTABLE,
    }
}

/// The code for offsets that are not committed in a transaction, in this version of TxnOffsetCommit.
pub(super) const fn of_not_committed(error: NotCommitted, version: i16) -> ErrorCode {
    match error {
        NotCommitted::Coordinator(error)
        | NotCommitted::NotEnlisted(NotEnlisted::Coordinator(error)) => of_coordinator(error),
        NotCommitted::NotEnlisted(NotEnlisted::InvalidTransactionalId) => {
            ErrorCode::INVALID_REQUEST
        }
        NotCommitted::NotEnlisted(NotEnlisted::InvalidProducerIdMapping) => {
            ErrorCode::INVALID_PRODUCER_ID_MAPPING
        }
        NotCommitted::NotEnlisted(NotEnlisted::ProducerFenced) => ErrorCode::INVALID_PRODUCER_EPOCH,
        NotCommitted::NotEnlisted(NotEnlisted::ConcurrentTransactions) => {
            ErrorCode::CONCURRENT_TRANSACTIONS
        }
        NotCommitted::NotEnlisted(NotEnlisted::InvalidTransactionState) => {
            ErrorCode::INVALID_TXN_STATE
        }
        // Older clients do not know the other code (KIP-890).
        NotCommitted::NotEnlisted(NotEnlisted::NotInTransaction) if version < 4 => {
            ErrorCode::INVALID_TXN_STATE
        }
        NotCommitted::NotEnlisted(NotEnlisted::NotInTransaction) => {
            ErrorCode::TRANSACTION_ABORTABLE
        }
    }
}

/// The code for a marker that a group's coordinator has not written. Whoever sends markers knows leaders only.
pub(super) const fn of_marker(error: &MarkerError) -> ErrorCode {
    match error {
        MarkerError::Refused(refusal) => of_refused_append(refusal),
        MarkerError::Coordinator(
            CoordinatorError::NotCoordinator
            | CoordinatorError::Loading
            | CoordinatorError::NotAvailable,
        ) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        MarkerError::Coordinator(error) => of_coordinator(*error),
    }
}

/// The code for a client's leader epoch that differs from the broker's.
pub(super) const fn of_epoch(mismatch: EpochMismatch) -> ErrorCode {
    match mismatch {
        EpochMismatch::Fenced => ErrorCode::FENCED_LEADER_EPOCH,
        EpochMismatch::Unknown => ErrorCode::UNKNOWN_LEADER_EPOCH,
        EpochMismatch::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}

/// The code for a partition that cannot be used here.
pub(super) const fn of_not_hosted(reason: NotHosted) -> ErrorCode {
    match reason {
        NotHosted::Unknown => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        NotHosted::Unreadable => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for a replica that cannot move to another directory.
pub(super) const fn of_alter_directory(
    error: AlterDirectoryError,
    partition_is_known: bool,
) -> ErrorCode {
    match error {
        AlterDirectoryError::NameTooLong => ErrorCode::INVALID_TOPIC_EXCEPTION,
        AlterDirectoryError::NoSuchDirectory => ErrorCode::LOG_DIR_NOT_FOUND,
        AlterDirectoryError::Offline => ErrorCode::KAFKA_STORAGE_ERROR,
        AlterDirectoryError::NotHosted if partition_is_known => ErrorCode::REPLICA_NOT_AVAILABLE,
        AlterDirectoryError::NotHosted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

/// The code for a failed read.
pub(super) const fn of_read(failure: &ReadFailure) -> ErrorCode {
    match failure {
        ReadFailure::NotFound(code) => *code,
        ReadFailure::Epoch(mismatch) => of_epoch(*mismatch),
        ReadFailure::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadFailure::RecordTooLarge(_) => ErrorCode::INVALID_RECORD,
        ReadFailure::Damaged(_) => ErrorCode::CORRUPT_MESSAGE,
        ReadFailure::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for a failed DeleteRecords.
pub(super) const fn of_delete(failure: &DeleteFailure) -> ErrorCode {
    match failure {
        DeleteFailure::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        DeleteFailure::Policy => ErrorCode::POLICY_VIOLATION,
        DeleteFailure::OutOfRange(_) => ErrorCode::OFFSET_OUT_OF_RANGE,
        DeleteFailure::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for an error of a coordinator.
pub(super) const fn of_coordinator(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        CoordinatorError::Loading => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        CoordinatorError::NotAvailable => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        CoordinatorError::Refused => ErrorCode::UNKNOWN_SERVER_ERROR,
        CoordinatorError::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        CoordinatorError::TransactionEnded => ErrorCode::INVALID_TXN_STATE,
    }
}

/// The code for a request about a transaction that is not granted. `knows_fenced` says whether the version of the API
/// has `PRODUCER_FENCED` (KIP-588): older clients get what was there before.
pub(super) const fn of_transaction(error: TransactionError, knows_fenced: bool) -> ErrorCode {
    match error {
        TransactionError::Coordinator(CoordinatorError::Refused)
        | TransactionError::Refused(TxnError::TooLarge) => ErrorCode::MESSAGE_TOO_LARGE,
        TransactionError::Coordinator(error) => of_coordinator(error),
        TransactionError::Refused(refusal) => match refusal {
            TxnError::InvalidTransactionalId => ErrorCode::INVALID_REQUEST,
            TxnError::InvalidTransactionTimeout => ErrorCode::INVALID_TRANSACTION_TIMEOUT,
            TxnError::InvalidPidMapping => ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            TxnError::ProducerFenced if knows_fenced => ErrorCode::PRODUCER_FENCED,
            TxnError::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
            TxnError::ConcurrentTransactions => ErrorCode::CONCURRENT_TRANSACTIONS,
            TxnError::InvalidTxnState => ErrorCode::INVALID_TXN_STATE,
            TxnError::NotFound => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
            TxnError::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
            TxnError::NoMemory => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        },
    }
}

/// The same for OffsetFetch.
pub(super) const fn of_offset_fetch(error: CoordinatorError) -> ErrorCode {
    match error {
        // Consumers older than 3.9 fail on this code in an OffsetFetch response. If they get NOT_COORDINATOR, they
        // look for the coordinator again, which is what this code means elsewhere.
        CoordinatorError::NotAvailable => ErrorCode::NOT_COORDINATOR,
        error => of_coordinator(error),
    }
}

/// The same for Heartbeat. While its group is loading the member need not do anything: its session starts again
/// afterwards.
pub(super) const fn of_heartbeat(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::Loading => ErrorCode::NONE,
        error => of_coordinator(error),
    }
}

/// The code for a fetch session that cannot continue.
pub(super) const fn of_session(error: SessionError) -> ErrorCode {
    match error {
        SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        SessionError::InvalidEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        SessionError::TopicKeyChanged => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
    }
}

/// The code for an error of the controller.
pub(super) const fn of_cluster(error: ClusterError) -> ErrorCode {
    match error {
        // Clients look for the controller again and repeat.
        ClusterError::Stopped => ErrorCode::NOT_CONTROLLER,
        ClusterError::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
        ClusterError::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
    }
}

/// Metadata records that only Kafka uses cannot be described.
pub(super) fn unreadable(error: &DecodeError) -> Refusal {
    Refusal::new(
        ErrorCode::UNKNOWN_SERVER_ERROR,
        format!("the metadata log holds what this release of Zurau cannot read: {error}"),
    )
}

/// The code for an election that has no effect.
pub(super) const fn of_election(failure: ElectionFailure) -> ErrorCode {
    match failure {
        ElectionFailure::NoSuchTopic | ElectionFailure::NoSuchPartition => {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
        ElectionFailure::NotNeeded => ErrorCode::ELECTION_NOT_NEEDED,
        ElectionFailure::PreferredNotAvailable => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        ElectionFailure::NobodyEligible => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
    }
}

/// The code for a reassignment that is refused.
pub(super) const fn of_reassignment(failure: &ReassignmentFailure) -> ErrorCode {
    match failure {
        ReassignmentFailure::NoSuchTopic | ReassignmentFailure::NoSuchPartition => {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
        ReassignmentFailure::NotInProgress => ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        ReassignmentFailure::NobodyInSync => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ReassignmentFailure::ReplicationFactor { .. } => ErrorCode::INVALID_REPLICATION_FACTOR,
        ReassignmentFailure::Assignment(refusal) => refusal.code,
        ReassignmentFailure::TooMany => ErrorCode::POLICY_VIOLATION,
    }
}

/// The topic does not exist, or cannot exist.
pub(super) fn unknown_topic(name: &str) -> Refusal {
    match names::validate(name) {
        Err(refusal) if refusal.code == ErrorCode::INVALID_TOPIC_EXCEPTION => refusal,
        // Names of the broker's own topics are unknown, not invalid.
        Err(_) | Ok(()) => Refusal::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}
