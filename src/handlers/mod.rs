//! Floor 7: Kafka's APIs, one file each, or one file for several APIs with a common answer.
//!
//! Owns: the route table, the session of a connection, the rights that each API checks, and the translation between
//! messages and the domain values of the rooms below. A handler turns its request into domain values, calls one floor
//! down and translates the result. [`errors`] is the place where errors become Kafka's codes, and [`ask`] is the only
//! way to the controller.
//!
//! Must not: keep state, take locks, touch the disk, or start tasks.
//!
//! # What a client may do
//!
//! A handler checks the rights that Kafka checks, by [`authorize`], before it uses the resources. `checks.rs` has the
//! table of all rights, and `denial_tests` denies each of them.
//!
//! # What a request may cost
//!
//! Clients need not authenticate before their requests are decoded, so the memory that a request can take is limited
//! first. Each route in [`ROUTES`] says how many fields a request may have, and how much memory each of them may take. A
//! request with more fields closes its connection, and a log line says why. The limit is a multiple of what real clients
//! send; Kafka would answer larger requests. [`metered`] has the reasons and the arithmetic. A test (`costs_tests`)
//! builds the worst request for each array of each API and measures what it takes.
//!
//! An answer may be much larger than its request. The rows of such an answer are made when the socket takes them
//! ([`streamed`]), and what a request names several times is looked up once. Long loops yield to other tasks. A request
//! that waits for other clients, or for the log, copies the few names that it needs and keeps no part of its frame,
//! because the memory of a frame is free only when nobody has a part of it. Only requests that the active controller
//! answers keep their frame ([`route::Call::frame`]): a controller that is elsewhere will get them as they came.
//!
//! # Reading order
//!
//! [`ROUTES`] (the served APIs), [`router`] (how a request finds its handler), [`route`] (what every handler has),
//! then any handler; [`produce`] and [`fetch`] are the two that are more than plain request and answer.

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod advertised;
mod all_topics;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod altered_configs;
mod api_names;
mod api_versions;
mod ask;
mod authorize;
mod auto_create;
#[cfg(test)]
mod checks;
mod cluster_view;
mod committed;
mod consumer_group_describe;
mod consumer_group_heartbeat;
#[cfg(test)]
mod coordinated_tests;
#[cfg(test)]
mod costs_tests;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
#[cfg(test)]
mod denial_tests;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod errors;
mod fetch;
mod fetch_response;
mod find_coordinator;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hanging_disk_tests;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod isolation;
mod join_group;
mod leader_hints;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod metered;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod refused_changes;
mod requested;
mod route;
mod router;
mod sasl;
mod streamed;
mod sync_group;
mod text;
mod topic_ids;
#[cfg(test)]
mod transaction_tests;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

use metered::Bound;
pub use route::{Context, Route};
pub use router::Router;

/// The memory of an answer that is produced when the socket takes it: its next piece, and the rows that are being
/// built.
const PIECES: usize = 160 * 1024;
/// A group and its first member, besides their counted fields.
const NEW_GROUP: usize = 8 * 1024;
/// A list of APIs or of brokers.
const LIST: usize = 16 * 1024;
/// A page of DescribeTopicPartitions.
const PAGE: usize = 1024 * 1024;

/// All answered APIs, with the maximum number of fields of a request and the memory that each field takes. Dispatch
/// and the ApiVersions answer both use this table, so the advertised APIs are the served ones; APIs that are always
/// refused are not advertised.
pub static ROUTES: &[Route] = &[
    Route::to::<produce::Produce>(Bound::new(160_000, 160)),
    Route::to::<fetch::Fetch>(Bound::new(400_000, 130)),
    Route::to::<list_offsets::ListOffsets>(Bound::new(400_000, 90)),
    Route::to::<metadata::Metadata>(Bound::new(200_000, 180).with_answer(PIECES)),
    Route::to::<offset_commit::OffsetCommit>(Bound::new(200_000, 100)),
    Route::to::<offset_fetch::OffsetFetch>(Bound::new(100_000, 150).with_answer(PIECES)),
    Route::to::<find_coordinator::FindCoordinator>(Bound::new(200_000, 120)),
    Route::to::<join_group::JoinGroup>(Bound::new(10_000, 100).with_answer(NEW_GROUP)),
    Route::to::<heartbeat::Heartbeat>(Bound::new(100, 50)),
    Route::to::<leave_group::LeaveGroup>(Bound::new(50_000, 130)),
    Route::to::<sync_group::SyncGroup>(Bound::new(100_000, 60)),
    Route::to::<describe_groups::DescribeGroups>(Bound::new(200_000, 150).with_answer(PIECES)),
    Route::to::<list_groups::ListGroups>(Bound::new(1_000, 100).with_answer(PIECES)),
    Route::to::<sasl::SaslHandshake>(Bound::new(100, 50)),
    Route::to::<api_versions::ApiVersions>(Bound::new(100, 50).with_answer(LIST)),
    Route::to_controller::<create_topics::CreateTopics>(
        Bound::new(200_000, 150).with_answer(PIECES),
    ),
    Route::to_controller::<delete_topics::DeleteTopics>(Bound::new(100_000, 240)),
    Route::to::<delete_records::DeleteRecords>(Bound::new(300_000, 100)),
    Route::to::<init_producer_id::InitProducerId>(Bound::new(100, 50)),
    Route::to::<offset_for_leader_epoch::OffsetForLeaderEpoch>(Bound::new(400_000, 60)),
    Route::to::<add_partitions_to_txn::AddPartitionsToTxn>(Bound::new(200_000, 200)),
    Route::to::<add_offsets_to_txn::AddOffsetsToTxn>(Bound::new(100, 50)),
    Route::to::<end_txn::EndTxn>(Bound::new(100, 50)),
    Route::to::<write_txn_markers::WriteTxnMarkers>(Bound::new(100_000, 300)),
    Route::to::<txn_offset_commit::TxnOffsetCommit>(Bound::new(200_000, 100)),
    Route::to::<acls::DescribeAcls>(Bound::new(100, 50)),
    Route::to_controller::<acls::CreateAcls>(Bound::new(200_000, 60)),
    Route::to_controller::<acls::DeleteAcls>(Bound::new(200_000, 80)),
    Route::to::<describe_configs::DescribeConfigs>(Bound::new(200_000, 80).with_answer(4 * PIECES)),
    Route::to_controller::<alter_configs::AlterConfigs>(Bound::new(200_000, 120)),
    Route::to::<alter_replica_log_dirs::AlterReplicaLogDirs>(Bound::new(100_000, 180)),
    Route::to::<describe_log_dirs::DescribeLogDirs>(Bound::new(200_000, 60).with_answer(PIECES)),
    Route::to::<sasl::SaslAuthenticate>(Bound::new(100, 50)),
    Route::to_controller::<create_partitions::CreatePartitions>(Bound::new(200_000, 120)),
    Route::to::<delete_groups::DeleteGroups>(Bound::new(100_000, 120)),
    Route::to_controller::<elect_leaders::ElectLeaders>(Bound::new(100_000, 300).with_answer(PAGE)),
    Route::to_controller::<incremental_alter_configs::IncrementalAlterConfigs>(Bound::new(
        200_000, 120,
    )),
    Route::to_controller::<alter_partition_reassignments::AlterPartitionReassignments>(Bound::new(
        100_000, 150,
    )),
    Route::to_controller::<list_partition_reassignments::ListPartitionReassignments>(
        Bound::new(100_000, 300).with_answer(PIECES),
    ),
    Route::to::<offset_delete::OffsetDelete>(Bound::new(200_000, 120)),
    Route::to::<describe_client_quotas::DescribeClientQuotas>(
        Bound::new(1_000, 100).with_answer(PIECES),
    ),
    Route::to_controller::<refused_changes::AlterClientQuotas>(Bound::new(20_000, 150))
        .unadvertised(),
    Route::to::<describe_user_scram_credentials::DescribeUserScramCredentials>(
        Bound::new(100_000, 150).with_answer(PIECES),
    ),
    Route::to_controller::<refused_changes::AlterUserScramCredentials>(Bound::new(20_000, 150))
        .unadvertised(),
    Route::to_controller::<describe_quorum::DescribeQuorum>(Bound::new(1_000, 300)),
    Route::to_controller::<update_features::UpdateFeatures>(Bound::new(1_000, 150)),
    Route::to::<describe_cluster::DescribeCluster>(Bound::new(100, 50).with_answer(LIST)),
    Route::to::<describe_producers::DescribeProducers>(
        Bound::new(200_000, 300).with_answer(PIECES),
    ),
    Route::to_controller::<unregister_broker::UnregisterBroker>(Bound::new(100, 50)),
    Route::to::<describe_transactions::DescribeTransactions>(
        Bound::new(100_000, 200).with_answer(PIECES),
    ),
    Route::to::<list_transactions::ListTransactions>(Bound::new(100_000, 100).with_answer(PAGE)),
    Route::to::<consumer_group_heartbeat::ConsumerGroupHeartbeat>(
        Bound::new(200_000, 100).with_answer(NEW_GROUP),
    ),
    Route::to::<consumer_group_describe::ConsumerGroupDescribe>(
        Bound::new(200_000, 150).with_answer(PIECES),
    ),
    Route::to::<list_config_resources::ListConfigResources>(
        Bound::new(1_000, 50).with_answer(PIECES),
    ),
    Route::to::<describe_topic_partitions::DescribeTopicPartitions>(
        Bound::new(200_000, 120).with_answer(PAGE),
    ),
];
