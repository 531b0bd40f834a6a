//! The function for each command, and the type of its reply.

use crate::base::{Ask, ErrorCode, TopicPartition};

use super::command::{
    AllocateProducerIds, AlterConfigs, AssignReplicas, Command, CreatePartitions, CreateTopics,
    CreatedTopic, Decision, DeleteTopics, DeletedTopic, FailDirectories, FenceBroker,
    ProducerIdBlock, Refusal, RegisterBroker, UnfenceBroker, UnregisterBroker,
};
use super::elections::{ElectLeaders, ElectionFailure};
use super::feature_updates::UpdateFeatures;
use super::reassignments::{AlterReassignments, ReassignmentFailure};
use super::{
    Situation, alter_configs, brokers, directories, elections, feature_updates, partitions,
    producer_ids, reassignments, topics,
};

impl Ask for CreateTopics {
    /// For each topic of the request, in its order.
    type Reply = Vec<(String, Result<CreatedTopic, Refusal>)>;
}

impl Command for CreateTopics {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        topics::create(situation, self)
    }
}

impl Ask for DeleteTopics {
    /// For each topic of the request, in its order.
    type Reply = Vec<DeletedTopic>;
}

impl Command for DeleteTopics {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        topics::delete(situation, self)
    }
}

impl Ask for CreatePartitions {
    /// For each topic of the request, in its order.
    type Reply = Vec<(String, Result<(), Refusal>)>;
}

impl Command for CreatePartitions {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        partitions::create(situation, self)
    }
}

impl Ask for AlterConfigs {
    /// For each resource of the request, in its order.
    type Reply = Vec<Result<(), Refusal>>;
}

impl Command for AlterConfigs {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        alter_configs::alter(situation, self)
    }
}

impl Ask for AlterReassignments {
    /// For each partition of the request, in its order.
    type Reply = Vec<Result<(), ReassignmentFailure>>;
}

impl Command for AlterReassignments {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        reassignments::alter(situation, self)
    }
}

impl Ask for ElectLeaders {
    /// For each partition of the request, in its order. A request for all partitions has a row for those that
    /// have something to report.
    type Reply = Vec<(TopicPartition, Result<(), ElectionFailure>)>;
}

impl Command for ElectLeaders {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        elections::elect(situation, self)
    }
}

impl Ask for UpdateFeatures {
    /// All features are updated, or none.
    type Reply = Result<(), Refusal>;
}

impl Command for UpdateFeatures {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        feature_updates::update(situation, self)
    }
}

impl Ask for RegisterBroker {
    /// The broker's epoch.
    type Reply = Result<i64, Refusal>;
}

impl Command for RegisterBroker {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::register(situation, self)
    }
}

impl Ask for UnregisterBroker {
    type Reply = Result<(), Refusal>;
}

impl Command for UnregisterBroker {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::unregister(situation, self)
    }
}

impl Ask for UnfenceBroker {
    type Reply = Result<(), Refusal>;
}

impl Command for UnfenceBroker {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::unfence(situation, self)
    }
}

impl Ask for FenceBroker {
    type Reply = Result<(), Refusal>;
}

impl Command for FenceBroker {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::fence(situation, self)
    }
}

impl Ask for FailDirectories {
    type Reply = Result<(), Refusal>;
}

impl Command for FailDirectories {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        directories::fail(situation, self)
    }
}

impl Ask for AssignReplicas {
    /// For each assignment of the request, in its order; or a refusal of the whole request.
    type Reply = Result<Vec<Result<(), ErrorCode>>, Refusal>;
}

impl Command for AssignReplicas {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        directories::assign(situation, self)
    }
}

impl Ask for AllocateProducerIds {
    type Reply = Result<ProducerIdBlock, Refusal>;
}

impl Command for AllocateProducerIds {
    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        producer_ids::allocate(situation, self)
    }
}
