//! The rights that each API checks, as in Kafka: an operation on a type of resource, the condition of the check, and
//! the effect of a denial.
//!
//! A denial changes nothing. The refused item gets the code of its resource's type ([`super::errors::of_denial`])
//! where the answer has a field for it: in the row of the topic, partition or group, or for the answer as a whole. A
//! client that may not describe a topic gets the same answer whether it exists or not.
//!
//! If one of two rights is enough, they are two rows here: the condition of the second row says so.
//!
//! The table is for readers, and for the tests (`denial_tests`): they deny each row and check the answer. A handler
//! that checks a right that is not in its rows fails them.

use kafka_protocol::messages::ApiKey;

use crate::security::Operation::{self, *};
use crate::security::ResourceType::{self, Cluster, Group, Topic, TransactionalId};

/// One right that an API checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// The required operation.
    pub(super) operation: Operation,
    /// The resources: each one that the request is about.
    pub(super) resource: ResourceType,
    /// The condition of the check; empty for always.
    pub(super) when: &'static str,
    /// The effect of a denial.
    pub(super) denied: Denied,
}

/// The effect of a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Everything that needs the right gets the code for this type of resource.
    Refused(ResourceType),
    /// The resource is not in the answer.
    LeftOut,
    /// The answer has empty bits of authorized operations: 0.
    NoOperations,
    /// The next row of the API is checked instead.
    NextAsked,
}

const fn check(operation: Operation, resource: ResourceType) -> Check {
    Check {
        operation,
        resource,
        when: "",
        denied: Denied::Refused(resource),
    }
}

impl Check {
    const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }

    const fn denied(self, denied: Denied) -> Self {
        Self { denied, ..self }
    }
}

/// The APIs of [`super::ROUTES`], each with the rights that it checks.
pub(super) const CHECKS: &[(ApiKey, &[Check])] = &[
    (
        ApiKey::Produce,
        &[
            check(Write, TransactionalId).when("a batch is transactional"),
            check(Write, Topic),
        ],
    ),
    (
        ApiKey::Fetch,
        &[
            check(Read, Topic).when("a client asks"),
            check(ClusterAction, Cluster)
                .when("a follower asks")
                .denied(Denied::Refused(Topic)),
        ],
    ),
    (ApiKey::ListOffsets, &[check(Describe, Topic)]),
    (
        ApiKey::Metadata,
        &[
            check(Describe, Topic).when("topics are named"),
            check(Describe, Topic)
                .when("all topics are asked for")
                .denied(Denied::LeftOut),
            check(Create, Cluster)
                .when("a topic does not exist and would be created")
                .denied(Denied::NextAsked),
            check(Create, Topic).when("topics may not be created in the cluster as a whole"),
            check(Describe, Cluster)
                .when("authorized operations of the cluster are asked for, up to version 10")
                .denied(Denied::NoOperations),
        ],
    ),
    (
        ApiKey::OffsetCommit,
        &[check(Read, Group), check(Read, Topic)],
    ),
    (
        ApiKey::OffsetFetch,
        &[
            check(Describe, Group),
            check(Describe, Topic).when("topics are named"),
            check(Describe, Topic)
                .when("all topics are asked for")
                .denied(Denied::LeftOut),
        ],
    ),
    (
        ApiKey::FindCoordinator,
        &[
            check(Describe, Group).when("the key is a group's"),
            check(Describe, TransactionalId).when("the key is a transactional id"),
            check(ClusterAction, Cluster).when("the key is a share group's partition"),
        ],
    ),
    (ApiKey::JoinGroup, &[check(Read, Group)]),
    (ApiKey::Heartbeat, &[check(Read, Group)]),
    (ApiKey::LeaveGroup, &[check(Read, Group)]),
    (ApiKey::SyncGroup, &[check(Read, Group)]),
    (ApiKey::DescribeGroups, &[check(Describe, Group)]),
    (
        ApiKey::ListGroups,
        &[
            check(Describe, Cluster).denied(Denied::NextAsked),
            check(Describe, Group)
                .when("the cluster as a whole may not be described")
                .denied(Denied::LeftOut),
        ],
    ),
    (ApiKey::SaslHandshake, &[]),
    (ApiKey::ApiVersions, &[]),
    (
        ApiKey::CreateTopics,
        &[
            check(Create, Cluster).denied(Denied::NextAsked),
            check(Create, Topic).when("topics may not be created in the cluster as a whole"),
            // The settings of a new topic are omitted, and the code is in the field beside them.
            check(DescribeConfigs, Topic).when("the version tells settings"),
        ],
    ),
    (
        ApiKey::DeleteTopics,
        &[
            check(Delete, Cluster).denied(Denied::NextAsked),
            check(Describe, Topic).when("topics may not be deleted in the cluster as a whole"),
            check(Delete, Topic).when("topics may not be deleted in the cluster as a whole"),
        ],
    ),
    (ApiKey::DeleteRecords, &[check(Delete, Topic)]),
    (
        ApiKey::InitProducerId,
        &[
            check(Write, TransactionalId).when("there is a transactional id"),
            check(IdempotentWrite, Cluster)
                .when("there is no transactional id")
                .denied(Denied::NextAsked),
            // For any topic: a client that may write to one topic may use idempotence.
            check(Write, Topic)
                .when("idempotent writes are not allowed as such")
                .denied(Denied::Refused(Cluster)),
        ],
    ),
    (
        ApiKey::OffsetForLeaderEpoch,
        &[
            check(ClusterAction, Cluster).denied(Denied::NextAsked),
            check(Describe, Topic).when("it is no broker that asks"),
        ],
    ),
    (
        ApiKey::AddPartitionsToTxn,
        &[
            check(Write, TransactionalId).when("a client asks, up to version 3"),
            // Clients have no right to internal topics.
            check(Write, Topic).when("a client asks, up to version 3"),
            check(ClusterAction, Cluster).when("a broker asks, from version 4 on"),
        ],
    ),
    (
        ApiKey::AddOffsetsToTxn,
        &[check(Write, TransactionalId), check(Read, Group)],
    ),
    (ApiKey::EndTxn, &[check(Write, TransactionalId)]),
    (
        ApiKey::WriteTxnMarkers,
        &[
            check(Alter, Cluster).denied(Denied::NextAsked),
            check(ClusterAction, Cluster).when("the cluster may not be altered"),
        ],
    ),
    (
        ApiKey::TxnOffsetCommit,
        &[
            check(Write, TransactionalId),
            check(Read, Group),
            check(Read, Topic),
        ],
    ),
    (ApiKey::DescribeAcls, &[check(Describe, Cluster)]),
    (ApiKey::CreateAcls, &[check(Alter, Cluster)]),
    (ApiKey::DeleteAcls, &[check(Alter, Cluster)]),
    (
        ApiKey::DescribeConfigs,
        &[
            check(DescribeConfigs, Topic).when("the resource is a topic"),
            check(DescribeConfigs, Group).when("the resource is a group"),
            check(DescribeConfigs, Cluster).when("the resource is of another type"),
        ],
    ),
    (
        ApiKey::AlterConfigs,
        &[
            check(AlterConfigs, Topic).when("the resource is a topic"),
            check(AlterConfigs, Group).when("the resource is a group"),
            check(AlterConfigs, Cluster).when("the resource is of another type"),
        ],
    ),
    (ApiKey::AlterReplicaLogDirs, &[check(Alter, Cluster)]),
    (ApiKey::DescribeLogDirs, &[check(Describe, Cluster)]),
    (ApiKey::SaslAuthenticate, &[]),
    (ApiKey::CreatePartitions, &[check(Alter, Topic)]),
    (ApiKey::DeleteGroups, &[check(Delete, Group)]),
    (ApiKey::ElectLeaders, &[check(Alter, Cluster)]),
    (
        ApiKey::IncrementalAlterConfigs,
        &[
            check(AlterConfigs, Topic).when("the resource is a topic"),
            check(AlterConfigs, Group).when("the resource is a group"),
            check(AlterConfigs, Cluster).when("the resource is of another type"),
        ],
    ),
    (
        ApiKey::AlterPartitionReassignments,
        &[check(Alter, Cluster)],
    ),
    (
        ApiKey::ListPartitionReassignments,
        &[check(Describe, Cluster)],
    ),
    (
        ApiKey::OffsetDelete,
        &[check(Delete, Group), check(Read, Topic)],
    ),
    (
        ApiKey::DescribeClientQuotas,
        &[check(DescribeConfigs, Cluster)],
    ),
    (ApiKey::AlterClientQuotas, &[check(AlterConfigs, Cluster)]),
    (
        ApiKey::DescribeUserScramCredentials,
        &[check(Describe, Cluster)],
    ),
    (ApiKey::AlterUserScramCredentials, &[check(Alter, Cluster)]),
    (ApiKey::DescribeQuorum, &[check(Describe, Cluster)]),
    (ApiKey::UpdateFeatures, &[check(Alter, Cluster)]),
    (
        ApiKey::DescribeCluster,
        &[check(Describe, Cluster)
            .when("authorized operations are asked for")
            .denied(Denied::NoOperations)],
    ),
    (ApiKey::DescribeProducers, &[check(Read, Topic)]),
    (ApiKey::UnregisterBroker, &[check(Alter, Cluster)]),
    (
        ApiKey::DescribeTransactions,
        &[
            check(Describe, TransactionalId),
            check(Describe, Topic)
                .when("the transaction has partitions")
                .denied(Denied::LeftOut),
        ],
    ),
    (
        ApiKey::ListTransactions,
        &[check(Describe, TransactionalId).denied(Denied::LeftOut)],
    ),
    (
        ApiKey::ConsumerGroupHeartbeat,
        &[
            check(Read, Group),
            check(Describe, Topic).when("topics are named"),
        ],
    ),
    (
        ApiKey::ConsumerGroupDescribe,
        &[
            check(Describe, Group),
            check(Describe, Topic).when("members have partitions"),
        ],
    ),
    (
        ApiKey::ListConfigResources,
        &[check(DescribeConfigs, Cluster)],
    ),
    (
        ApiKey::DescribeTopicPartitions,
        &[
            check(Describe, Topic).when("topics are named"),
            check(Describe, Topic)
                .when("all topics are asked for")
                .denied(Denied::LeftOut),
        ],
    ),
];
