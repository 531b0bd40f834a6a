//! Which function decides about which command.

use super::command::{Command, Decision, Reply};
use super::{
    Situation, alter_configs, brokers, directories, elections, feature_updates, partitions,
    producer_ids, reassignments, topics,
};

/// Decides about `command`.
pub fn decide(situation: &mut Situation<'_>, command: &Command) -> Decision {
    match command {
        Command::CreateTopics(command) => {
            topics::create(situation, command).map(Reply::CreateTopics)
        }
        Command::DeleteTopics(command) => {
            topics::delete(situation, command).map(Reply::DeleteTopics)
        }
        Command::CreatePartitions(command) => {
            partitions::create(situation, command).map(Reply::CreatePartitions)
        }
        Command::AlterConfigs(command) => {
            alter_configs::alter(situation, command).map(Reply::AlterConfigs)
        }
        Command::AlterReassignments(command) => {
            reassignments::alter(situation, command).map(Reply::AlterReassignments)
        }
        Command::ElectLeaders(command) => {
            elections::elect(situation, command).map(Reply::ElectLeaders)
        }
        Command::UpdateFeatures(command) => {
            feature_updates::update(situation, command).map(Reply::UpdateFeatures)
        }
        Command::RegisterBroker(command) => {
            brokers::register(situation, command).map(Reply::RegisterBroker)
        }
        Command::UnregisterBroker(command) => {
            brokers::unregister(situation, command).map(Reply::UnregisterBroker)
        }
        Command::UnfenceBroker(command) => {
            brokers::unfence(situation, command).map(Reply::UnfenceBroker)
        }
        Command::FenceBroker(command) => brokers::fence(situation, command).map(Reply::FenceBroker),
        Command::FailDirectories(command) => {
            directories::fail(situation, command).map(Reply::FailDirectories)
        }
        Command::AssignReplicas(command) => {
            directories::assign(situation, command).map(Reply::AssignReplicas)
        }
        Command::AllocateProducerIds(command) => {
            producer_ids::allocate(situation, command).map(Reply::AllocateProducerIds)
        }
    }
}
