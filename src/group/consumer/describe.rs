//! The details of a consumer group, for administrators.

use std::sync::Arc;

use super::{Assignment, ConsumerGroup, Held, Member};
use crate::base::TopicId;
use crate::group::describe::NotDescribed;
use crate::group::registry::Registry;

/// A consumer group in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerDescription {
    /// The name of the state.
    pub state: &'static str,
    /// The group epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// The assignor that most members ask for, or the broker's.
    pub assignor: Arc<str>,
    /// The members, in the order of their ids.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    /// The member's id.
    pub id: Arc<str>,
    /// The name of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's rack.
    pub rack: Option<Arc<str>>,
    /// The member's epoch.
    pub epoch: i32,
    /// The client id.
    pub client_id: Arc<str>,
    /// The client's host.
    pub client_host: Arc<str>,
    /// The topics that it names.
    pub subscribed_topics: Vec<Arc<str>>,
    /// The regular expression; empty for none, as Kafka answers.
    pub subscribed_expression: Option<Arc<str>>,
    /// The partitions that it has or has not given up yet.
    pub assigned: Vec<(TopicId, Vec<i32>)>,
    /// The partitions that it shall have.
    pub target: Vec<(TopicId, Vec<i32>)>,
    /// 1, or 0 if it speaks the classic protocol.
    pub member_type: i8,
}

impl Registry {
    /// A consumer group in detail.
    ///
    /// # Errors
    /// When there is no consumer group with this id.
    pub fn describe_consumer_group(&self, id: &str) -> Result<ConsumerDescription, NotDescribed> {
        let group = self.consumer(id).ok_or_else(|| self.not_described(id))?;
        let assignor = group.preferred_assignor().cloned();
        let default = || self.world.assignor(None).name().into();
        Ok(ConsumerDescription {
            state: group.state().name(),
            epoch: group.epoch(),
            assignment_epoch: group.target_epoch(),
            assignor: assignor.unwrap_or_else(default),
            members: group
                .members()
                .map(|member| described(group, member))
                .collect(),
        })
    }
}

fn described(group: &ConsumerGroup, member: &Member) -> DescribedConsumerMember {
    let all = member
        .owned()
        .map(|(topic, Held { partition, .. })| (topic, partition));
    let expression = member.subscription.expression.clone();
    DescribedConsumerMember {
        id: Arc::clone(&member.id),
        instance: member.instance.clone(),
        rack: member.rack.clone(),
        epoch: member.epoch,
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        subscribed_topics: member.subscription.names.as_slice().to_vec(),
        subscribed_expression: Some(expression.unwrap_or_default()),
        assigned: listed(&all.collect()),
        target: group.target(&member.id).map(listed).unwrap_or_default(),
        member_type: i8::from(!member.is_classic()),
    }
}

fn listed(assignment: &Assignment) -> Vec<(TopicId, Vec<i32>)> {
    let topics = assignment.topics();
    topics
        .map(|(topic, partitions)| (topic, partitions.to_vec()))
        .collect()
}
