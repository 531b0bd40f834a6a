//! APIs about the cluster and its settings.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData};
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource as IncrementalResource, AlterableConfig,
};
use kafka_protocol::messages::write_txn_markers_request::{self, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, AlterPartitionReassignmentsRequest,
    AlterReplicaLogDirsRequest, AlterUserScramCredentialsRequest, ApiKey, CreateAclsRequest,
    DeleteAclsRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeLogDirsRequest, DescribeQuorumRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, ListPartitionReassignmentsRequest, UnregisterBrokerRequest,
    UpdateFeaturesRequest,
};

use super::{Guarded, Probe, Seen, text, topic};
use crate::messages::{WritableTxnMarker, WriteTxnMarkersRequest};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const GROUP: i8 = 32;

pub(super) const PROBES: &[(ApiKey, &[Option<Probe>])] = &[
    (
        ApiKey::WriteTxnMarkers,
        &[Some(write_marker), Some(write_marker)],
    ),
    (
        ApiKey::DescribeAcls,
        &[Some(|on| {
            let request = DescribeAclsRequest::default()
                .with_resource_type_filter(1)
                .with_operation(1)
                .with_permission_type(1);
            Seen::code(on.ask(3, &request).error_code)
        })],
    ),
    (
        ApiKey::CreateAcls,
        &[Some(|on| {
            let acl = AclCreation::default()
                .with_resource_type(TOPIC)
                .with_resource_name(text("t"))
                .with_resource_pattern_type(3)
                .with_principal(text("User:nobody"))
                .with_host(text("*"))
                .with_operation(3)
                .with_permission_type(3);
            let request = CreateAclsRequest::default().with_creations(vec![acl]);
            Seen::code(on.ask(3, &request).results[0].error_code)
        })],
    ),
    (
        ApiKey::DeleteAcls,
        &[Some(|on| {
            let filter = DeleteAclsFilter::default()
                .with_resource_type_filter(TOPIC)
                .with_resource_name_filter(Some(text("nothing")))
                .with_pattern_type_filter(3)
                .with_operation(3)
                .with_permission_type(3);
            let filters = vec![filter];
            let request = DeleteAclsRequest::default().with_filters(filters);
            Seen::code(on.ask(3, &request).filter_results[0].error_code)
        })],
    ),
    (
        ApiKey::DescribeConfigs,
        &[
            Some(|on| describe_configs(on, TOPIC, "t")),
            Some(|on| describe_configs(on, GROUP, "g")),
            Some(|on| describe_configs(on, BROKER, "")),
        ],
    ),
    (
        ApiKey::AlterConfigs,
        &[
            Some(|on| alter_configs(on, TOPIC, "t")),
            Some(|on| alter_configs(on, GROUP, "g")),
            Some(|on| alter_configs(on, BROKER, "")),
        ],
    ),
    (
        ApiKey::IncrementalAlterConfigs,
        &[
            Some(|on| alter_one_config(on, TOPIC, "t")),
            Some(|on| alter_one_config(on, GROUP, "g")),
            Some(|on| {
                let of_loggers = alter_one_config(on, BROKER_LOGGER, "1");
                let of_brokers = alter_one_config(on, BROKER, "");
                if of_loggers == Seen::code(31) {
                    of_brokers
                } else {
                    of_loggers
                }
            }),
        ],
    ),
    (
        ApiKey::AlterReplicaLogDirs,
        &[Some(|on| {
            let moved = AlterReplicaLogDirTopic::default()
                .with_name(topic("t"))
                .with_partitions(vec![0]);
            let directory = AlterReplicaLogDir::default()
                .with_path(text("/no/such/directory"))
                .with_topics(vec![moved]);
            let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![directory]);
            Seen::code(on.ask(2, &request).results[0].partitions[0].error_code)
        })],
    ),
    (
        ApiKey::DescribeLogDirs,
        &[Some(|on| {
            // Versions without a code have no directories then.
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let old = on.ask(2, &request).results.is_empty();
            let answer = on.ask(4, &request);
            assert_eq!(old, answer.results.is_empty());
            Seen::code(answer.error_code)
        })],
    ),
    (
        ApiKey::ElectLeaders,
        &[Some(|on| {
            let wanted = TopicPartitions::default()
                .with_topic(topic("t"))
                .with_partitions(vec![0]);
            let request = ElectLeadersRequest::default()
                .with_topic_partitions(Some(vec![wanted]))
                .with_timeout_ms(10_000);
            let answer = on.ask(2, &request);
            let row = &answer.replica_election_results[0].partition_result[0];
            if answer.error_code != 0 {
                assert_eq!(row.error_code, answer.error_code);
            }
            Seen::code(answer.error_code)
        })],
    ),
    (
        ApiKey::AlterPartitionReassignments,
        &[Some(|on| {
            let partition = ReassignablePartition::default().with_replicas(None);
            let wanted = ReassignableTopic::default()
                .with_name(topic("t"))
                .with_partitions(vec![partition]);
            let request = AlterPartitionReassignmentsRequest::default()
                .with_topics(vec![wanted])
                .with_timeout_ms(10_000);
            let answer = on.ask(1, &request);
            let row = &answer.responses[0].partitions[0];
            if answer.error_code != 0 {
                assert_eq!(row.error_code, answer.error_code);
            }
            Seen::code(answer.error_code)
        })],
    ),
    (
        ApiKey::ListPartitionReassignments,
        &[Some(|on| {
            let request = ListPartitionReassignmentsRequest::default().with_topics(None);
            Seen::code(on.ask(0, &request).error_code)
        })],
    ),
    (
        ApiKey::DescribeClientQuotas,
        &[Some(|on| {
            let answer = on.ask(1, &DescribeClientQuotasRequest::default());
            assert_eq!(answer.entries.is_some(), answer.error_code == 0);
            Seen::code(answer.error_code)
        })],
    ),
    (
        ApiKey::AlterClientQuotas,
        &[Some(|on| {
            let entity = EntityData::default().with_entity_type(text("user"));
            let entry = EntryData::default().with_entity(vec![entity]);
            let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
            Seen::code(on.ask(1, &request).entries[0].error_code)
        })],
    ),
    (
        ApiKey::DescribeUserScramCredentials,
        &[Some(|on| {
            let request = DescribeUserScramCredentialsRequest::default().with_users(None);
            Seen::code(on.ask(0, &request).error_code)
        })],
    ),
    (
        ApiKey::AlterUserScramCredentials,
        &[Some(|on| {
            let deletion = ScramCredentialDeletion::default().with_name(text("alice"));
            let request =
                AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
            Seen::code(on.ask(0, &request).results[0].error_code)
        })],
    ),
    (
        ApiKey::DescribeQuorum,
        &[Some(|on| {
            Seen::code(on.ask(2, &DescribeQuorumRequest::default()).error_code)
        })],
    ),
    (
        ApiKey::UpdateFeatures,
        &[Some(|on| {
            let request = UpdateFeaturesRequest::default().with_timeout_ms(10_000);
            Seen::code(on.ask(1, &request).error_code)
        })],
    ),
    (
        ApiKey::DescribeCluster,
        &[Some(|on| {
            let request =
                DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
            let answer = on.ask(1, &request);
            assert_eq!((answer.error_code, answer.brokers.len()), (0, 1));
            Seen::Operations(answer.cluster_authorized_operations)
        })],
    ),
    (
        ApiKey::UnregisterBroker,
        &[Some(|on| {
            let request = UnregisterBrokerRequest::default().with_broker_id(77.into());
            Seen::code(on.ask(0, &request).error_code)
        })],
    ),
    (
        ApiKey::ListConfigResources,
        &[Some(|on| {
            Seen::code(on.ask(1, &ListConfigResourcesRequest::default()).error_code)
        })],
    ),
];

fn describe_configs(on: &Guarded, resource_type: i8, name: &str) -> Seen {
    let wanted = DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![wanted]);
    let row = on.ask(4, &request).results.remove(0);
    if row.error_code != 0 {
        assert!(row.configs.is_empty());
    }
    Seen::code(row.error_code)
}

fn alter_configs(on: &Guarded, resource_type: i8, name: &str) -> Seen {
    let wanted = AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name));
    let request = AlterConfigsRequest::default().with_resources(vec![wanted]);
    Seen::code(on.ask(2, &request).responses[0].error_code)
}

fn alter_one_config(on: &Guarded, resource_type: i8, name: &str) -> Seen {
    let key = if resource_type == BROKER {
        "log.cleaner.threads"
    } else {
        "retention.ms"
    };
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_value(Some(text("2")));
    let wanted = IncrementalResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![wanted]);
    Seen::code(on.ask(1, &request).responses[0].error_code)
}

fn write_marker(on: &Guarded) -> Seen {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic("t"))
        .with_partition_indexes(vec![0]);
    let known = write_txn_markers_request::WritableTxnMarker::default()
        .with_producer_id(7.into())
        .with_topics(vec![topic]);
    let markers = vec![WritableTxnMarker {
        known,
        transaction_version: 0,
    }];
    let told = on.ask(1, &WriteTxnMarkersRequest { markers });
    Seen::code(told.markers[0].topics[0].partitions[0].error_code)
}
