//! What a plain commit and one in a transaction have in common: their topics are read, and answered, in the same way.
//!
//! Old versions name topics, new ones identify them by id. Partitions that cannot be committed are refused here, and the
//! coordinator is asked for the others.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use crate::group::{CommitOffsetsReply, OffsetToCommit};
use crate::metadata::TopicImage;

use super::text::optional_domain_text;
use super::topic_ids;

/// A topic of a request.
pub(super) struct Topic<'a, P> {
    /// Empty in versions with ids.
    pub(super) name: &'a TopicName,
    /// Zero in versions with names.
    pub(super) id: Uuid,
    pub(super) partitions: P,
}

/// A partition of a request.
pub(super) struct Partition<'a> {
    pub(super) number: i32,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: Option<&'a StrBytes>,
}

/// The topics of a request as they will be answered. Keeps nothing of the frame, since the log may be slow.
pub(super) struct Asked(Vec<AskedTopic>);

struct AskedTopic {
    name: TopicName,
    id: Uuid,
    /// With the error of those that are refused.
    partitions: Vec<(i32, Option<ErrorCode>)>,
}

/// A topic of the answer.
pub(super) struct Told {
    pub(super) name: TopicName,
    pub(super) id: Uuid,
    pub(super) partitions: Vec<(i32, ErrorCode)>,
}

/// Reads the topics of a request. `find` looks up a topic, or says why its partitions are refused.
///
/// Kafka builds its answer from partitions: a topic without any is not in it.
pub(super) fn read<'a, 'i, P: Iterator<Item = Partition<'a>>>(
    topics: impl Iterator<Item = Topic<'a, P>>,
    find: impl Fn(&str, Uuid) -> Result<&'i Arc<TopicImage>, ErrorCode>,
) -> (Vec<OffsetToCommit>, Asked) {
    let mut offsets = Vec::new();
    let mut asked = Vec::new();
    for topic in topics {
        let found = find(topic.name, topic.id);
        let partition = |partition: Partition<'_>| {
            let found = found.and_then(|topic| topic_ids::with_partition(topic, partition.number));
            let refusal = found.map(|topic| offsets.push(offset(topic, &partition)));
            (partition.number, refusal.err())
        };
        let partitions: Vec<_> = topic.partitions.map(partition).collect();
        if !partitions.is_empty() {
            asked.push(AskedTopic {
                name: topic_ids::owned_name(topic.name),
                id: topic.id,
                partitions,
            });
        }
    }
    (offsets, Asked(asked))
}

fn offset(topic: &TopicImage, partition: &Partition<'_>) -> OffsetToCommit {
    OffsetToCommit {
        at: TopicPartition::new(Arc::clone(&topic.name), partition.number),
        topic_id: topic.id,
        offset: Offset(partition.offset),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        metadata: optional_domain_text(partition.metadata),
    }
}

impl Asked {
    /// The answer in the order of the request: the error of a partition that was refused, or else what the coordinator
    /// has `decided` on the next of the others, as the version of the request `knows` it.
    pub(super) fn told(
        self,
        decided: Result<CommitOffsetsReply, ErrorCode>,
        knows: impl Fn(ErrorCode) -> ErrorCode,
    ) -> impl Iterator<Item = Told> {
        let (reply, error) = match decided {
            Ok(reply) => (reply.partitions, ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(error) => (Vec::new(), error),
        };
        let mut codes = reply.into_iter();
        self.0.into_iter().map(move |topic| {
            let mut code = || knows(codes.next().map_or(error, |(_, code)| code));
            let partition =
                |(number, refusal): (i32, Option<_>)| (number, refusal.unwrap_or_else(&mut code));
            Told {
                name: topic.name,
                id: topic.id,
                partitions: topic.partitions.into_iter().map(partition).collect(),
            }
        })
    }

    #[cfg(test)]
    pub(super) fn refusals(&self) -> Vec<Option<ErrorCode>> {
        let partitions = self.0.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|(_, refusal)| *refusal).collect()
    }
}
