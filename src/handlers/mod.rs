//! Floor 7: Kafka's APIs, one file each.
//!
//! Owns: the route table, the session of a connection, authorisation, and the translation between
//! wire messages and what the floors below speak. A handler parses into domain values, calls one
//! floor down and maps the result; [`errors`] is the only place that turns errors into Kafka's codes.
//!
//! Must not: keep state, take locks, touch the disk, or start tasks.
//!
//! Reading order: [`ROUTES`] (what is served), [`route`] (how a request finds its handler), then any
//! handler; [`produce`] and [`fetch`] are the two that are not plain request and answer.

mod advertised;
mod alter_configs;
mod alter_replica_log_dirs;
mod altered_configs;
mod api_versions;
mod ask;
mod authorize;
mod auto_create;
mod cluster_view;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_topic_partitions;
mod errors;
mod fetch;
mod fetch_response;
mod find_coordinator;
#[cfg(test)]
mod fixture;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod isolation;
mod join_group;
mod leader_hints;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod requested;
mod route;
mod sync_group;
mod text;
mod topic_ids;

pub use route::{Call, Context, Route, Router};

/// Everything that is served. Dispatch and the ApiVersions answer both read this table, so what is
/// advertised is what is served.
pub static ROUTES: &[Route] = &[
    Route::ordered::<produce::Produce>(),
    Route::to::<fetch::Fetch>(),
    Route::to::<list_offsets::ListOffsets>(),
    Route::to::<metadata::Metadata>(),
    Route::to::<offset_commit::OffsetCommit>(),
    Route::to::<offset_fetch::OffsetFetch>(),
    Route::to::<find_coordinator::FindCoordinator>(),
    Route::to::<join_group::JoinGroup>(),
    Route::to::<heartbeat::Heartbeat>(),
    Route::to::<leave_group::LeaveGroup>(),
    Route::to::<sync_group::SyncGroup>(),
    Route::to::<describe_groups::DescribeGroups>(),
    Route::to::<list_groups::ListGroups>(),
    Route::to::<api_versions::ApiVersions>(),
    Route::to::<create_topics::CreateTopics>(),
    Route::to::<delete_topics::DeleteTopics>(),
    Route::to::<delete_records::DeleteRecords>(),
    Route::to::<init_producer_id::InitProducerId>(),
    Route::to::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    Route::to::<describe_configs::DescribeConfigs>(),
    Route::to::<alter_configs::AlterConfigs>(),
    Route::to::<alter_replica_log_dirs::AlterReplicaLogDirs>(),
    Route::to::<describe_log_dirs::DescribeLogDirs>(),
    Route::to::<create_partitions::CreatePartitions>(),
    Route::to::<delete_groups::DeleteGroups>(),
    Route::to::<incremental_alter_configs::IncrementalAlterConfigs>(),
    Route::to::<offset_delete::OffsetDelete>(),
    Route::to::<describe_cluster::DescribeCluster>(),
    Route::to::<describe_topic_partitions::DescribeTopicPartitions>(),
];
