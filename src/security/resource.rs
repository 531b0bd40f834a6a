//! What something is done to, and what can be done: Kafka's resource types and operations, with Kafka's numbers.

use std::fmt;

/// The name of the one resource of type [`ResourceType::Cluster`].
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// What can be done to a resource. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Fetching records; taking part in a group; committing offsets of a topic.
    Read = 3,
    /// Producing records; using a transactional id.
    Write = 4,
    /// Creating topics.
    Create = 5,
    /// Deleting a topic, its records, a group or its offsets.
    Delete = 6,
    /// Changing what is no setting: numbers of partitions, replicas, leaders, ACLs, users.
    Alter = 7,
    /// Seeing that a resource exists, and what it is like.
    Describe = 8,
    /// What brokers do among each other.
    ClusterAction = 9,
    /// Seeing settings.
    DescribeConfigs = 10,
    /// Changing settings.
    AlterConfigs = 11,
    /// Producing with a producer id.
    IdempotentWrite = 12,
    /// Creating delegation tokens for another user.
    CreateTokens = 13,
    /// Seeing the delegation tokens of another user.
    DescribeTokens = 14,
    /// Taking part in somebody else's two-phase commit (KIP-939).
    TwoPhaseCommit = 15,
}

impl Operation {
    /// Its place in the fields of authorized operations (KIP-430).
    pub const fn bit(self) -> i32 {
        1 << self as u8
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Alter => "ALTER",
            Self::Describe => "DESCRIBE",
            Self::ClusterAction => "CLUSTER_ACTION",
            Self::DescribeConfigs => "DESCRIBE_CONFIGS",
            Self::AlterConfigs => "ALTER_CONFIGS",
            Self::IdempotentWrite => "IDEMPOTENT_WRITE",
            Self::CreateTokens => "CREATE_TOKENS",
            Self::DescribeTokens => "DESCRIBE_TOKENS",
            Self::TwoPhaseCommit => "TWO_PHASE_COMMIT",
        })
    }
}

/// What kind of thing a resource is. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ResourceType {
    /// A topic.
    Topic = 2,
    /// A group of any kind.
    Group = 3,
    /// The cluster as a whole.
    Cluster = 4,
    /// A producer's transactional id.
    TransactionalId = 5,
    /// A delegation token.
    DelegationToken = 6,
    /// A user, as the owner of delegation tokens.
    User = 7,
}

impl ResourceType {
    /// The operations that a resource of the type knows.
    pub const fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe,
            DescribeConfigs, DescribeTokens, IdempotentWrite, Read, TwoPhaseCommit, Write,
        };
        match self {
            Self::Topic => &[
                Read,
                Write,
                Create,
                Delete,
                Alter,
                Describe,
                DescribeConfigs,
                AlterConfigs,
            ],
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => &[
                Create,
                Alter,
                Describe,
                ClusterAction,
                DescribeConfigs,
                AlterConfigs,
                IdempotentWrite,
            ],
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }
}

/// One resource, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// What kind of thing it is.
    pub kind: ResourceType,
    /// Its name among those of its kind.
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    /// The cluster as a whole.
    pub const CLUSTER: Resource<'static> = Resource {
        kind: ResourceType::Cluster,
        name: CLUSTER_NAME,
    };

    /// The topic of this name.
    pub const fn topic(name: &'a str) -> Self {
        let kind = ResourceType::Topic;
        Self { kind, name }
    }

    /// The group of this id.
    pub const fn group(name: &'a str) -> Self {
        let kind = ResourceType::Group;
        Self { kind, name }
    }

    /// This transactional id.
    pub const fn transactional_id(name: &'a str) -> Self {
        let kind = ResourceType::TransactionalId;
        Self { kind, name }
    }
}

#[cfg(test)]
mod tests {
    use super::ResourceType;

    /// What Kafka answers without an authorizer: every operation of the type.
    #[test]
    fn the_bits_of_a_type_are_kafkas() {
        let bits = |kind: ResourceType| {
            let operations = kind.operations().iter();
            operations.fold(0, |bits, operation| bits | operation.bit())
        };
        assert_eq!(bits(ResourceType::Topic), 0b1101_1111_1000);
        assert_eq!(bits(ResourceType::Group), 0b1101_0100_1000);
        assert_eq!(bits(ResourceType::Cluster), 0b1_1111_1010_0000);
    }
}
