//! Which function decides about which command, and what it answers.

use crate::base::{ErrorCode, TopicPartition};

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

impl Command for CreateTopics {
    /// For each topic of the request, in its order.
    type Reply = Vec<(String, Result<CreatedTopic, Refusal>)>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        topics::create(situation, self)
    }
}

impl Command for DeleteTopics {
    /// For each topic of the request, in its order.
    type Reply = Vec<DeletedTopic>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        topics::delete(situation, self)
    }
}

impl Command for CreatePartitions {
    /// For each topic of the request, in its order.
    type Reply = Vec<(String, Result<(), Refusal>)>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        partitions::create(situation, self)
    }
}

impl Command for AlterConfigs {
    /// For each resource of the request, in its order.
    type Reply = Vec<Result<(), Refusal>>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        alter_configs::alter(situation, self)
    }
}

impl Command for AlterReassignments {
    /// For each partition of the request, in its order.
    type Reply = Vec<Result<(), ReassignmentFailure>>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        reassignments::alter(situation, self)
    }
}

impl Command for ElectLeaders {
    /// For each partition of the request, in its order. A request for all partitions has a row for those that
    /// have something to report.
    type Reply = Vec<(TopicPartition, Result<(), ElectionFailure>)>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        elections::elect(situation, self)
    }
}

impl Command for UpdateFeatures {
    /// All features are updated, or none.
    type Reply = Result<(), Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        feature_updates::update(situation, self)
    }
}

impl Command for RegisterBroker {
    /// The broker's epoch.
    type Reply = Result<i64, Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::register(situation, self)
    }
}

impl Command for UnregisterBroker {
    type Reply = Result<(), Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::unregister(situation, self)
    }
}

impl Command for UnfenceBroker {
    type Reply = Result<(), Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::unfence(situation, self)
    }
}

impl Command for FenceBroker {
    type Reply = Result<(), Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        brokers::fence(situation, self)
    }
}

impl Command for FailDirectories {
    type Reply = Result<(), Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        directories::fail(situation, self)
    }
}

impl Command for AssignReplicas {
    /// For each assignment of the request, in its order; or a refusal of the whole request.
    type Reply = Result<Vec<Result<(), ErrorCode>>, Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        directories::assign(situation, self)
    }
}

impl Command for AllocateProducerIds {
    type Reply = Result<ProducerIdBlock, Refusal>;

    fn decide(&self, situation: &mut Situation<'_>) -> Decision<Self::Reply> {
        producer_ids::allocate(situation, self)
    }
}
