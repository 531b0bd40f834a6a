//! The clients of a schedule at one broker: their connections, what they have been told, what they wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::TOPIC;
use super::names::Names;
use super::ops::{Id, Kind, MORTAL, Op, Step, TASTES};
use crate::client::{Client, Outcome};
use crate::connection::Connection;
use crate::execution::Versions;

/// A request that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    api: &'static str,
    version: i16,
    number: i32,
}

#[derive(Debug)]
struct Person {
    connection: Connection,
    instance: Option<&'static str>,
    /// The member id that it was given last.
    id: String,
    generation: i64,
    protocol_type: String,
    protocol: Json,
    /// The members' ids, if it leads.
    others: Vec<String>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
pub(super) struct Side<'a> {
    client: Client<'a>,
    versions: &'a Versions,
    group: String,
    control: Connection,
    people: Vec<Person>,
    names: Names,
    number: i32,
    /// The group as it was described last.
    pub(super) described: Json,
    /// Names of ids that were given out and may not be used yet.
    pending: BTreeSet<String>,
    /// The members of the generation that have not got their assignment.
    unsynced: BTreeSet<String>,
    generation: i64,
    /// What was answered since the step began, by client.
    pub(super) heard: BTreeMap<usize, Json>,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        client: Client<'a>,
        versions: &'a Versions,
        group: &str,
        clients: &[Option<&'static str>],
    ) -> Result<Self, String> {
        let person = |instance: &Option<&'static str>| {
            Ok(Person {
                connection: Connection::open(client.address)?,
                instance: *instance,
                id: String::new(),
                generation: -1,
                protocol_type: "consumer".to_owned(),
                protocol: Json::Null,
                others: Vec::new(),
                waiting: None,
            })
        };
        let people: Result<_, String> = clients.iter().map(person).collect();
        let mut side = Self {
            client,
            versions,
            group: group.to_owned(),
            control: Connection::open(client.address)?,
            people: people?,
            names: Names::default(),
            number: 0,
            described: Json::Null,
            pending: BTreeSet::new(),
            unsynced: BTreeSet::new(),
            generation: -1,
            heard: BTreeMap::new(),
        };
        side.describe()?;
        Ok(side)
    }

    pub(super) fn state(&self) -> &str {
        self.described["GroupState"].as_str().unwrap_or_default()
    }

    pub(super) fn has_generation(&self) -> bool {
        matches!(self.state(), "CompletingRebalance" | "Stable")
    }

    pub(super) fn members(&self) -> Vec<String> {
        let members = self.described["Members"].as_array().into_iter().flatten();
        let names = members.filter_map(|member| member["MemberId"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Who may be removed. Kafka never answers the SyncGroup of a member that is removed meanwhile.
    pub(super) fn leavable(&self) -> Vec<String> {
        let syncing = self.syncing().filter_map(|client| self.own_name(client));
        let syncing: Vec<_> = syncing.collect();
        let mut names = self.members();
        names.retain(|name| !syncing.contains(name));
        if !self.has_generation() {
            names.extend(self.pending.iter().cloned());
        }
        names
    }

    fn syncing(&self) -> impl Iterator<Item = usize> {
        let waiting = self.waiting().into_iter();
        waiting
            .filter(|(_, api)| *api == "SyncGroup")
            .map(|(client, _)| client)
    }

    /// The same for an instance.
    pub(super) fn is_leavable(&self, instance: &str) -> bool {
        !self
            .syncing()
            .any(|client| self.instance(client) == Some(instance))
    }

    /// The clients that do not wait for an answer.
    pub(super) fn free(&self) -> impl Iterator<Item = usize> {
        (0..self.people.len()).filter(|client| self.people[*client].waiting.is_none())
    }

    pub(super) fn waiting(&self) -> Vec<(usize, &'static str)> {
        let people = self.people.iter().enumerate();
        people
            .filter_map(|(client, person)| Some((client, person.waiting?.api)))
            .collect()
    }

    pub(super) fn instance(&self, client: usize) -> Option<&'static str> {
        self.people[client].instance
    }

    fn own_name(&self, client: usize) -> Option<String> {
        let id = &self.people[client].id;
        (!id.is_empty()).then(|| self.names.known(id))
    }

    pub(super) fn is_member(&self, client: usize) -> bool {
        let name = self.own_name(client);
        name.is_some_and(|name| self.members().contains(&name))
    }

    pub(super) fn is_pending(&self, client: usize) -> bool {
        let name = self.own_name(client);
        name.is_some_and(|name| self.pending.contains(&name))
    }

    /// Whether a timeout runs that a schedule with short ones must wait for.
    pub(super) fn awaits_timeout(&self) -> bool {
        let members = self.members();
        match self.state() {
            "PreparingRebalance" | "CompletingRebalance" => true,
            "Stable" => {
                self.is_member(MORTAL) || members.iter().any(|name| self.unsynced.contains(name))
            }
            _ => false,
        }
    }

    /// Keeps the session of the client alive whose session is short.
    pub(super) fn keep_alive(&mut self) -> Result<(), String> {
        if self.people[MORTAL].waiting.is_some() || !self.is_member(MORTAL) {
            return Ok(());
        }
        let generation = self.people[MORTAL].generation;
        let body = json!({"GroupId": self.group, "GenerationId": generation, "MemberId": self.people[MORTAL].id});
        self.put(MORTAL, "Heartbeat", 2, &body)?;
        self.await_answer(MORTAL)?;
        self.heard.clear();
        Ok(())
    }

    /// Sends the request of a step. Joins and syncs may wait; everything else is answered.
    pub(super) fn send(&mut self, step: &Step, kind: Kind) -> Result<(), String> {
        let client = step.client;
        let group = self.group.clone();
        let instance = self.people[client].instance;
        let mut lowest = 0;
        let (api, body) = match &step.op {
            Op::Wait => return Ok(()),
            Op::Join {
                id,
                taste,
                kind: protocol_type,
            } => {
                lowest = if instance.is_some() {
                    5
                } else {
                    i16::from(kind == Kind::Timed)
                };
                self.people[client].protocol_type = (*protocol_type).to_owned();
                let subscription = json!({"message": "ConsumerProtocolSubscription", "version": 1, "body": {"Topics": [TOPIC]}});
                let protocol = |name: &&str| json!({"Name": name, "Metadata": subscription});
                let protocols: Vec<_> = TASTES[*taste].iter().map(protocol).collect();
                let body = json!({"GroupId": group, "SessionTimeoutMs": kind.session_ms(client), "RebalanceTimeoutMs": kind.rebalance_ms(),
                    "MemberId": self.id(client, id), "GroupInstanceId": instance, "ProtocolType": protocol_type, "Protocols": protocols,
                    "Reason": "chance"});
                ("JoinGroup", body)
            }
            Op::Sync { id, off, protocol } => {
                let member = self.id(client, id);
                let person = &self.people[client];
                let part = |id: &String| {
                    let part = format!("{} in {}", self.names.known(id), person.generation);
                    json!({"MemberId": id, "Assignment": part})
                };
                let parts: Vec<_> = person.others.iter().map(part).collect();
                let protocol = protocol.map_or_else(|| person.protocol.clone(), Json::from);
                let body = json!({"GroupId": group, "GenerationId": person.generation + off, "MemberId": member, "GroupInstanceId": instance,
                    "ProtocolType": person.protocol_type, "ProtocolName": protocol, "Assignments": parts});
                ("SyncGroup", body)
            }
            Op::Heartbeat { id, off } => {
                let body = json!({"GroupId": group, "GenerationId": self.people[client].generation + off, "MemberId": self.id(client, id),
                    "GroupInstanceId": instance});
                ("Heartbeat", body)
            }
            Op::Commit { id, off } => {
                let generation = self.people[client].generation + off;
                (
                    "OffsetCommit",
                    self.commit(&self.id(client, id), generation, instance),
                )
            }
            Op::SimpleCommit => ("OffsetCommit", self.commit("", -1, None)),
            Op::Leave { members } => {
                let one = |(id, instance): &(Id, Option<&'static str>)| json!({"MemberId": self.id(client, id), "GroupInstanceId": instance, "Reason": "chance"});
                let first = members.first().map(|(id, _)| self.id(client, id));
                let members: Vec<_> = members.iter().map(one).collect();
                (
                    "LeaveGroup",
                    json!({"GroupId": group, "MemberId": first, "Members": members}),
                )
            }
            Op::Delete => ("DeleteGroups", json!({"GroupsNames": [group]})),
        };
        let range = self
            .versions
            .get(api)
            .ok_or_else(|| format!("{api} is not spoken"))?;
        // Later versions of the last two name topics by id, or say no more about groups.
        let high = if api == "OffsetCommit" {
            range.high.min(9)
        } else {
            range.high
        };
        let count = usize::try_from(high - range.low + 1).unwrap_or(1);
        let version = range.low + i16::try_from(step.version * count / 100).unwrap_or(0);
        self.put(client, api, version.max(lowest), &body)?;
        if !matches!(api, "JoinGroup" | "SyncGroup") {
            self.await_answer(client)?;
        }
        Ok(())
    }

    fn commit(&self, member: &str, generation: i64, instance: Option<&'static str>) -> Json {
        let partitions =
            json!([{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": ""}]);
        json!({"GroupId": self.group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, "GroupInstanceId": instance,
            "Topics": [{"Name": TOPIC, "Partitions": partitions}]})
    }

    fn id(&self, client: usize, id: &Id) -> String {
        match id {
            Id::Own => self.people[client].id.clone(),
            Id::None => String::new(),
            Id::Named(name) => self.names.id(name),
        }
    }

    fn put(
        &mut self,
        client: usize,
        api: &'static str,
        version: i16,
        body: &Json,
    ) -> Result<(), String> {
        self.number += 1;
        let number = self.number;
        let request = self
            .client
            .request(api, version, number, &format!("c{client}"), body)?;
        let person = &mut self.people[client];
        person
            .connection
            .send(&[&(request.len() as u32).to_be_bytes(), request.as_slice()].concat());
        person.waiting = Some(Waiting {
            api,
            version,
            number,
        });
        Ok(())
    }

    /// Reads the answers that have come. Says whether there were any.
    pub(super) fn collect(&mut self) -> Result<bool, String> {
        let mut any = false;
        for client in 0..self.people.len() {
            let person = &self.people[client];
            if person.waiting.is_some() && person.connection.is_ready(Duration::from_millis(1)) {
                self.await_answer(client)?;
                any = true;
            }
        }
        Ok(any)
    }

    fn await_answer(&mut self, client: usize) -> Result<(), String> {
        let person = &mut self.people[client];
        let Some(waiting) = person.waiting.take() else {
            return Ok(());
        };
        let answer = person.connection.answer(waiting.number);
        let answer = match self.client.outcome(waiting.api, waiting.version, answer) {
            Outcome::Answer(answer) => answer,
            other => return Err(format!("{} of client {client}: {other}", waiting.api)),
        };
        let normal = self.names.normal(&answer);
        let raw = answer.to_json();
        match waiting.api {
            "JoinGroup" => self.hear_join(client, &raw),
            "SyncGroup" if raw["ErrorCode"] == 0 => {
                let name = self.names.known(&self.people[client].id);
                self.unsynced.remove(&name);
            }
            _ => {}
        }
        self.heard.insert(client, normal);
        Ok(())
    }

    fn hear_join(&mut self, client: usize, answer: &Json) {
        /// The member must join again with this id.
        const MEMBER_ID_REQUIRED: i64 = 79;
        let error = answer["ErrorCode"].as_i64().unwrap_or(-1);
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        let person = &mut self.people[client];
        if error == MEMBER_ID_REQUIRED {
            person.id = text("MemberId");
            let name = self.names.known(&person.id);
            self.pending.insert(name);
        } else if error == 0 {
            person.id = text("MemberId");
            person.generation = answer["GenerationId"].as_i64().unwrap_or(-1);
            person.protocol = answer["ProtocolName"].clone();
            let members = answer["Members"].as_array().into_iter().flatten();
            let ids = members.filter_map(|member| member["MemberId"].as_str());
            person.others = ids.map(str::to_owned).collect();
            if person.generation > self.generation {
                self.generation = person.generation;
                self.unsynced.clear();
            }
            let name = self.names.known(&person.id);
            self.unsynced.insert(name);
        }
    }

    pub(super) fn describe(&mut self) -> Result<(), String> {
        let version = self
            .versions
            .get("DescribeGroups")
            .map_or(0, |range| range.high);
        self.number += 1;
        let body = json!({"Groups": [self.group]});
        let request =
            self.client
                .request("DescribeGroups", version, self.number, "control", &body)?;
        self.control
            .send(&[&(request.len() as u32).to_be_bytes(), request.as_slice()].concat());
        let answer = self.control.answer(self.number);
        match self.client.outcome("DescribeGroups", version, answer) {
            Outcome::Answer(answer) => {
                self.described = self.names.normal(&answer)["Groups"][0].take();
                for name in self.members() {
                    self.pending.remove(&name);
                }
                if self.state() == "Dead" {
                    self.generation = -1;
                }
                Ok(())
            }
            other => Err(format!("DescribeGroups: {other}")),
        }
    }
}
