//! OffsetFetch: the committed offsets of a group, from version 8 on of several groups. Old versions name topics, new
//! ones identify them by id.
//!
//! A request for stable offsets (version 7, KIP-447) gets an error for the partitions whose offsets an open transaction
//! may change. Otherwise every answer is stable: the coordinator answers when all its earlier decisions are durable.
//! From version 9 on a member of a consumer group may say who it is: then its epoch is checked.
//!
//! A group may be named many times, and may have very many offsets: it is looked up once, and [`rows`] produces the
//! rows of the answer when the socket takes them.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{self, OffsetFetchResponse, TopicName};
use uuid::Uuid;

use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::coordinator::CoordinatorError;
use crate::group::{FetchedOffset, Registry};
use crate::messages::OffsetFetchRequest;
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::authorize::Rights;
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Pace};
use super::text::{domain_text, optional_domain_text};
use super::topic_ids;

/// First version with an error for the whole group.
const WITH_GROUP_ERROR: i16 = 2;
/// The first version that may ask for all topics; the decoder accepts this in earlier ones, too.
const WITH_ALL_TOPICS: i16 = 2;
/// The first version with any number of groups (KIP-709).
const WITH_MANY_GROUPS: i16 = 8;
/// The first version that identifies topics by id (KIP-848).
const WITH_TOPIC_IDS: i16 = 10;

pub(super) struct OffsetFetch;

impl Handler for OffsetFetch {
    type Request = OffsetFetchRequest;

    async fn handle(call: Call, OffsetFetchRequest(request): OffsetFetchRequest) -> Reply {
        if call.version < WITH_ALL_TOPICS && request.topics.is_none() {
            return Reply::close("a null where the version has none");
        }
        let (version, image) = (call.version, call.broker.cluster.image());
        let requires_stable = request.require_stable;
        let (wanted, order) = distinct(wanted(request, version));
        let topics = Topics {
            image,
            version,
            rights: call.rights(),
        };
        let permit =
            |one: &Wanted| call.permit(Operation::Describe, Resource::group(&one.asker.group));
        let permits: Vec<_> = wanted.iter().map(permit).collect();
        let mut found = {
            let permitted = wanted.iter().zip(&permits);
            let permitted = permitted.filter(|(_, permit)| permit.is_ok());
            let asked = permitted.map(|(one, _)| (one.asker.clone(), one.partitions(&topics)));
            let asked: Arc<[_]> = asked.collect();
            let groups: Vec<_> = asked
                .iter()
                .map(|(asker, _)| Arc::clone(&asker.group))
                .collect();
            let look = move |registry: &Registry, place: usize| {
                let (
                    Asker {
                        group,
                        member,
                        epoch,
                    },
                    partitions,
                ) = &asked[place];
                registry.allow_fetch(group, member.as_deref(), *epoch)?;
                Ok(registry.fetch_offsets(group, partitions.as_deref(), requires_stable))
            };
            call.broker
                .groups
                .hosts()
                .read_all(&groups, look)
                .await
                .into_iter()
        };
        let mut told = Vec::with_capacity(wanted.len());
        let mut pace = Pace::default();
        for (wanted, permit) in wanted.into_iter().zip(permits) {
            let offsets = permit.and_then(|()| {
                let found = found.next().unwrap_or(Err(CoordinatorError::Refused));
                found.map_err(errors::of_offset_fetch)?
            });
            told.push(Arc::new(answer(&topics, wanted, offsets)));
            pace.step().await;
        }
        reply(&call, told, order).await
    }
}

/// Sends the result of each group, once for each time that it is named.
async fn reply(call: &Call, told: Vec<Arc<Answer>>, order: Vec<u32>) -> Reply {
    let version = call.version;
    if version >= WITH_MANY_GROUPS {
        let (count, told) = (order.len(), Arc::new((told, order)));
        let rows = (0..count).flat_map(move |row| {
            let (told, order) = &*told;
            rows::of_group(version, &told[order[row] as usize])
        });
        return streamed::rows(call, of_groups, count, rows).await;
    }
    // Old versions ask for one group.
    let Some(answer) = told.into_iter().next() else {
        return call.reply(&OffsetFetchResponse::default());
    };
    let code = answer.code;
    let response = |topics| of_one_group(version, code, topics);
    let count = answer.topics.len();
    let rows = (0..count).flat_map(move |topic| rows::of_topic(version, &answer, topic));
    streamed::rows(call, response, count, rows).await
}

fn of_groups(groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    OffsetFetchResponse::default().with_groups(groups)
}

fn of_one_group(
    version: i16,
    code: ErrorCode,
    topics: Vec<OffsetFetchResponseTopic>,
) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default().with_topics(topics);
    if version >= WITH_GROUP_ERROR {
        response.with_error_code(code.0)
    } else {
        response
    }
}

/// Each question for all topics of a group once, and for each row of the answer the index of its group.
fn distinct(wanted: Vec<Wanted>) -> (Vec<Wanted>, Vec<u32>) {
    let mut places = HashMap::new();
    let mut once = Vec::<Wanted>::new();
    let mut order = Vec::with_capacity(wanted.len());
    for one in wanted {
        // The number is limited by the route's number of fields.
        let next = u32::try_from(once.len()).unwrap_or(u32::MAX);
        let place = if one.topics.is_none() {
            *places.entry(one.asker.clone()).or_insert(next)
        } else {
            next
        };
        order.push(place);
        if place == next {
            once.push(one);
        }
    }
    (once, order)
}

/// A group, and the member that asks, if it says who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asker {
    group: Arc<str>,
    member: Option<Arc<str>>,
    epoch: i32,
}

/// The requested topics of a group; `None` means all.
struct Wanted {
    asker: Asker,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
}

fn wanted(request: messages::OffsetFetchRequest, version: i16) -> Vec<Wanted> {
    if version >= WITH_MANY_GROUPS {
        let groups = request.groups.into_iter();
        return groups
            .map(|group| Wanted {
                asker: Asker {
                    group: domain_text(&group.group_id),
                    member: optional_domain_text(group.member_id.as_ref()),
                    epoch: group.member_epoch,
                },
                topics: group.topics,
            })
            .collect();
    }
    let as_in_new_versions = |topic: OffsetFetchRequestTopic| {
        OffsetFetchRequestTopics::default()
            .with_name(topic.name)
            .with_partition_indexes(topic.partition_indexes)
    };
    let topics = request
        .topics
        .map(|topics| topics.into_iter().map(as_in_new_versions).collect());
    vec![Wanted {
        asker: Asker {
            group: domain_text(&request.group_id),
            member: None,
            epoch: -1,
        },
        topics,
    }]
}

impl Wanted {
    /// The query for the coordinator.
    fn partitions(&self, topics: &Topics) -> Option<Vec<(TopicPartition, TopicId)>> {
        let mut partitions = Vec::new();
        for wanted in self.topics.as_ref()? {
            let Ok((name, id)) = topics.find(wanted) else {
                continue;
            };
            let numbers = wanted.partition_indexes.iter();
            partitions.extend(
                numbers.map(|number| (TopicPartition::new(Arc::clone(&name), *number), id)),
            );
        }
        Some(partitions)
    }
}

/// The requested topics, as far as the client may see them.
struct Topics {
    image: Arc<Image>,
    version: i16,
    rights: Rights,
}

impl Topics {
    fn permit(&self, topic: &str) -> Result<(), ErrorCode> {
        self.rights
            .permit(Operation::Describe, Resource::topic(topic))
    }

    /// The name and id of a topic of the request. An unknown name may have offsets from an earlier topic of that
    /// name; an unknown id cannot be looked up.
    fn find(&self, wanted: &OffsetFetchRequestTopics) -> Result<(Arc<str>, TopicId), ErrorCode> {
        let by_id = self.version >= WITH_TOPIC_IDS;
        let permit = |topic: &str| self.permit(topic);
        let (name, id) = (&wanted.name, wanted.topic_id);
        match topic_ids::find_permitted(&self.image, name, id, by_id, permit) {
            Ok(topic) => Ok((Arc::clone(&topic.name), topic.id)),
            Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok((domain_text(name), TopicId::ZERO)),
            Err(code) => Err(code),
        }
    }
}

/// The result for a group.
struct Answer {
    group: Arc<str>,
    code: ErrorCode,
    topics: Vec<Topic>,
}

/// The result for a topic: by name in old versions, by id in new ones.
struct Topic {
    name: TopicName,
    id: Uuid,
    partitions: Vec<Partition>,
}

/// The result for a partition.
struct Partition {
    number: i32,
    epoch: LeaderEpoch,
    offset: Offset,
    metadata: Arc<str>,
    code: ErrorCode,
}

impl Partition {
    fn committed(offset: FetchedOffset) -> Self {
        Self {
            number: offset.at.partition,
            epoch: offset.leader_epoch,
            offset: offset.offset,
            metadata: offset.metadata,
            code: if offset.is_unstable {
                ErrorCode::UNSTABLE_OFFSET_COMMIT
            } else {
                ErrorCode::NONE
            },
        }
    }

    fn refused(number: i32, code: ErrorCode, nothing: &Arc<str>) -> Self {
        Self {
            number,
            epoch: LeaderEpoch::NONE,
            offset: Offset::NONE,
            metadata: Arc::clone(nothing),
            code,
        }
    }
}

fn answer(
    topics: &Topics,
    wanted: Wanted,
    offsets: Result<Vec<FetchedOffset>, ErrorCode>,
) -> Answer {
    let (code, topics) = match (offsets, wanted.topics) {
        (Ok(offsets), Some(named)) => {
            (ErrorCode::NONE, in_order_of_request(topics, named, offsets))
        }
        (Ok(offsets), None) => (ErrorCode::NONE, by_topic(topics, offsets)),
        (Err(code), named) => (
            code,
            refused(topics.version, named.unwrap_or_default(), code),
        ),
    };
    Answer {
        group: wanted.asker.group,
        code,
        topics,
    }
}

fn in_order_of_request(
    known: &Topics,
    wanted: Vec<OffsetFetchRequestTopics>,
    offsets: Vec<FetchedOffset>,
) -> Vec<Topic> {
    let mut offsets = offsets.into_iter();
    let nothing: Arc<str> = "".into();
    let mut topics = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let refusal = known.find(&wanted).err();
        let row = |number: &i32| {
            if let Some(code) = refusal {
                return Partition::refused(*number, code, &nothing);
            }
            offsets.next().map_or_else(
                || Partition::refused(*number, ErrorCode::UNKNOWN_SERVER_ERROR, &nothing),
                Partition::committed,
            )
        };
        let partitions = wanted.partition_indexes.iter().map(row).collect();
        topics.push(topic(wanted, partitions));
    }
    topics
}

/// All offsets of a group that the client may see, ordered by topic. Offsets of an earlier topic of the same name are
/// omitted. Versions that use ids also omit topics whose id is not known.
fn by_topic(known: &Topics, offsets: Vec<FetchedOffset>) -> Vec<Topic> {
    let mut topics = Vec::new();
    let mut offsets = offsets.into_iter().peekable();
    while let Some(first) = offsets.peek() {
        let name = Arc::clone(&first.at.topic);
        let topic = known.image.topic(&name);
        let is_of_this_life = |offset: &FetchedOffset| {
            topic.is_none_or(|topic| offset.topic_id.is_zero() || offset.topic_id == topic.id)
        };
        let mut partitions = Vec::new();
        while let Some(offset) = offsets.next_if(|offset| offset.at.topic == name) {
            if is_of_this_life(&offset) {
                partitions.push(Partition::committed(offset));
            }
        }
        let id = topic.map_or(TopicId::ZERO, |topic| topic.id);
        let has_no_id = known.version >= WITH_TOPIC_IDS && id.is_zero();
        if partitions.is_empty() || has_no_id || known.permit(&name).is_err() {
            continue;
        }
        topics.push(Topic {
            name: topic_ids::wire_name(&name),
            id: id.0,
            partitions,
        });
    }
    topics
}

/// If there is no field for the group's error, each partition has it.
fn refused(version: i16, wanted: Vec<OffsetFetchRequestTopics>, code: ErrorCode) -> Vec<Topic> {
    if version >= WITH_GROUP_ERROR {
        return Vec::new();
    }
    let nothing: Arc<str> = "".into();
    let refuse = |wanted: OffsetFetchRequestTopics| {
        let numbers = wanted.partition_indexes.iter();
        let partitions = numbers.map(|number| Partition::refused(*number, code, &nothing));
        let partitions = partitions.collect();
        topic(wanted, partitions)
    };
    wanted.into_iter().map(refuse).collect()
}

fn topic(wanted: OffsetFetchRequestTopics, partitions: Vec<Partition>) -> Topic {
    Topic {
        name: wanted.name,
        id: wanted.topic_id,
        partitions,
    }
}

#[cfg(test)]
mod tests;
