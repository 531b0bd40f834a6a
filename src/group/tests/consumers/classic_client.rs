//! A consumer that speaks the classic protocol, as cooperative clients do: it keeps what it has while it joins again, says
//! so, and gives up what it does not get any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::Bench;
use super::client::Partitions;
use crate::base::{ErrorCode, Token};
use crate::group::tests::fixture::{GROUP, join};
use crate::group::{
    Heartbeat, Join, JoinReply, JoinedMember, Leave, Leaver, Protocol, Sync, SyncReply,
};
use crate::schema::{Reader, Writer};

#[derive(Clone, Debug)]
pub(crate) struct ClassicClient {
    /// The id that it was given; empty before that.
    pub(crate) id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) generation: i32,
    /// What it reads from.
    pub(crate) owned: Partitions,
    /// Whether it was removed since its last assignment. It does not hear of that if it joins again, since the id of no
    /// member is that of a new one in a consumer group.
    pub(crate) is_stale: bool,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    Join,
    Joining(Token<JoinReply>),
    /// With the other members, if it leads.
    Sync(Vec<JoinedMember>),
    Syncing(Token<SyncReply>),
    Heartbeat,
}

impl ClassicClient {
    pub(crate) fn new(topics: &[&str]) -> Self {
        Self {
            id: "".into(),
            instance: None,
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            generation: -1,
            owned: Partitions::new(),
            is_stale: false,
            next: Next::Join,
        }
    }

    pub(crate) fn named(instance: &str, topics: &[&str]) -> Self {
        Self {
            instance: Some(instance.into()),
            ..Self::new(topics)
        }
    }

    /// Whether it has its assignment.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.next, Next::Heartbeat)
    }

    /// Its join.
    pub(crate) fn ask(&self, bench: &Bench) -> Join {
        let name_of = |topic| {
            let mut partitions = bench.cluster.partitions();
            partitions.find_map(|(name, id, _)| (id == topic).then(|| name.to_owned()))
        };
        let mut owned: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in &self.owned {
            if let Some(name) = name_of(*topic) {
                owned.entry(name).or_default().push(*partition);
            }
        }
        let protocol = Protocol {
            name: "range".into(),
            metadata: metadata(&self.topics, &owned),
        };
        Join {
            member: Arc::clone(&self.id),
            instance: self.instance.clone(),
            protocols: vec![protocol],
            ..join()
        }
    }

    /// Sends its next request, or reads an answer that has come.
    pub(crate) fn act(&mut self, bench: &mut Bench) -> ErrorCode {
        match self.next.clone() {
            Next::Join => {
                let token = bench.f.send(self.ask(bench));
                self.next = Next::Joining(token);
                self.hear_join(token, bench)
            }
            Next::Joining(token) => self.hear_join(token, bench),
            Next::Sync(members) => {
                let token = bench.f.send(Sync {
                    group: GROUP.into(),
                    member: Arc::clone(&self.id),
                    instance: self.instance.clone(),
                    generation: self.generation,
                    protocol_type: Some("consumer".into()),
                    protocol: Some("range".into()),
                    assignments: divided(&members, bench),
                });
                self.next = Next::Syncing(token);
                self.hear_sync(token, bench)
            }
            Next::Syncing(token) => self.hear_sync(token, bench),
            Next::Heartbeat => {
                let token = bench.f.send(Heartbeat {
                    group: GROUP.into(),
                    member: Arc::clone(&self.id),
                    instance: self.instance.clone(),
                    generation: self.generation,
                });
                let error = bench.f.answer(token).unwrap_or(ErrorCode::NONE);
                self.obey(error)
            }
        }
    }

    fn hear_join(&mut self, token: Token<JoinReply>, bench: &mut Bench) -> ErrorCode {
        if bench.is_lost(token.number()) {
            self.next = Next::Join;
            return ErrorCode::UNKNOWN_SERVER_ERROR;
        }
        let Some(reply) = bench.f.answer(token) else {
            return ErrorCode::NONE;
        };
        match reply.error {
            ErrorCode::NONE => {
                self.id = reply.member;
                self.generation = reply.generation;
                self.next = Next::Sync(reply.members);
            }
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.id = reply.member;
                self.next = Next::Join;
            }
            error => return self.obey(error),
        }
        reply.error
    }

    fn hear_sync(&mut self, token: Token<SyncReply>, bench: &mut Bench) -> ErrorCode {
        if bench.is_lost(token.number()) {
            self.next = Next::Join;
            return ErrorCode::UNKNOWN_SERVER_ERROR;
        }
        let Some(reply) = bench.f.answer(token) else {
            return ErrorCode::NONE;
        };
        if reply.error == ErrorCode::NONE {
            let told = assigned(&reply.assignment, bench);
            // What it must give up it gives up first, and then joins again.
            let is_less = !self.owned.is_subset(&told);
            self.owned = told;
            self.is_stale = false;
            self.next = if is_less { Next::Join } else { Next::Heartbeat };
        }
        self.obey(reply.error)
    }

    fn obey(&mut self, error: ErrorCode) -> ErrorCode {
        match error {
            ErrorCode::NONE => {}
            ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::ILLEGAL_GENERATION => self.begin_anew(),
            _ => self.next = Next::Join,
        }
        error
    }

    /// It abandons everything and joins again.
    pub(crate) fn begin_anew(&mut self) {
        self.id = "".into();
        self.generation = -1;
        self.owned.clear();
        self.next = Next::Join;
    }

    pub(crate) fn leaving(&self) -> Leave {
        Leave {
            group: GROUP.into(),
            members: vec![Leaver {
                member: Arc::clone(&self.id),
                instance: self.instance.clone(),
                reason: None,
            }],
        }
    }
}

/// A subscription in version 1.
pub(crate) fn metadata(topics: &[Arc<str>], owned: &BTreeMap<String, Vec<i32>>) -> Bytes {
    let mut writer = Writer::starting_with(1, false);
    writer.array(topics, |writer, topic| writer.string(topic));
    writer.nullable_bytes(None);
    let owned: Vec<_> = owned.iter().collect();
    write_partitions(&mut writer, &owned);
    writer.into_bytes().into()
}

/// An assignment in version 1.
pub(crate) fn assignment(topics: &BTreeMap<String, Vec<i32>>) -> Bytes {
    let mut writer = Writer::starting_with(1, false);
    let topics: Vec<_> = topics.iter().collect();
    write_partitions(&mut writer, &topics);
    writer.nullable_bytes(None);
    writer.into_bytes().into()
}

fn write_partitions(writer: &mut Writer, topics: &[(&String, &Vec<i32>)]) {
    writer.array(topics, |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array(partitions, |writer, partition| writer.int32(*partition));
    });
}

fn read_partitions(reader: &mut Reader<'_>) -> Vec<(String, Vec<i32>)> {
    let topics = reader.array(|reader| Ok((reader.string()?, reader.array(Reader::int32)?)));
    topics.unwrap()
}

/// The partitions of an assignment.
pub(crate) fn assigned(bytes: &[u8], bench: &Bench) -> Partitions {
    if bytes.is_empty() {
        return Partitions::new();
    }
    let mut reader = Reader::new(bytes);
    reader.int16().unwrap();
    let topics = read_partitions(&mut reader);
    let all = topics.iter().flat_map(|(name, partitions)| {
        let topic = bench.cluster.has(name).then(|| bench.cluster.topic(name));
        let topic = topic.into_iter();
        topic.flat_map(|topic| partitions.iter().map(move |partition| (topic, *partition)))
    });
    all.collect()
}

/// What a leader assigns: everybody keeps what nobody else claims, and what nobody has goes round.
fn divided(members: &[JoinedMember], bench: &Bench) -> Vec<(Arc<str>, Bytes)> {
    struct Candidate {
        topics: Vec<String>,
        owned: Vec<(String, Vec<i32>)>,
        gets: BTreeMap<String, Vec<i32>>,
    }
    let mut readers: Vec<_> = members
        .iter()
        .map(|member| {
            let mut reader = Reader::new(&member.metadata);
            let version = reader.int16().unwrap();
            let topics = reader.array(Reader::string).unwrap();
            reader.nullable_bytes().unwrap();
            let owned = if version >= 1 {
                read_partitions(&mut reader)
            } else {
                Vec::new()
            };
            Candidate {
                topics,
                owned,
                gets: BTreeMap::new(),
            }
        })
        .collect();
    for (name, _, partition) in bench.cluster.partitions() {
        let claims = |reader: &&mut Candidate| {
            let mut owned = reader.owned.iter();
            owned.any(|(topic, partitions)| topic == name && partitions.contains(&partition))
        };
        let mut claimants: Vec<_> = readers.iter_mut().filter(claims).collect();
        let chosen = if claimants.is_empty() {
            let wants = |reader: &&mut Candidate| reader.topics.iter().any(|topic| topic == name);
            let wanting = readers.iter_mut().filter(wants);
            wanting.min_by_key(|reader| reader.gets.values().map(Vec::len).sum::<usize>())
        } else if claimants.len() == 1 && claimants[0].topics.iter().any(|topic| topic == name) {
            claimants.pop()
        } else {
            None
        };
        if let Some(reader) = chosen {
            let gets = reader.gets.entry(name.to_owned()).or_default();
            gets.push(partition);
        }
    }
    let ids = members.iter().map(|member| Arc::clone(&member.member));
    ids.zip(readers.iter().map(|reader| assignment(&reader.gets)))
        .collect()
}
