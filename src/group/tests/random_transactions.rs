//! Random commits in and out of transactions against a simple model, with a new process after every record.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::{Fixture, commit_of};
use crate::base::{ErrorCode, Offset, TopicId, TopicPartition};
use crate::group::{CommitOffsets, DeleteGroup, DeleteOffsets};

const GROUPS: [&str; 2] = ["g", "h"];
const TOPICS: [&str; 3] = ["t", "u", "v"];
const PRODUCERS: i64 = 3;
const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// A group and a topic of one partition.
type Key = (usize, usize);

#[derive(Clone, Debug)]
enum Step {
    Commit(Key),
    CommitUnder(i64, Key),
    End(i64, bool),
    DeleteOffset(Key),
    DeleteGroup(usize),
    DeleteTopic(usize),
    Expire,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || (0..GROUPS.len(), 0..TOPICS.len());
    prop_oneof![
        6 => key().prop_map(Step::Commit),
        12 => (0..PRODUCERS, key()).prop_map(|(producer, key)| Step::CommitUnder(producer, key)),
        6 => (0..PRODUCERS, any::<bool>())
            .prop_map(|(producer, commits)| Step::End(producer, commits)),
        1 => key().prop_map(Step::DeleteOffset),
        1 => (0..GROUPS.len()).prop_map(Step::DeleteGroup),
        1 => (0..TOPICS.len()).prop_map(Step::DeleteTopic),
        1 => Just(Step::Expire),
        2 => Just(Step::Reload),
    ]
}

/// An offset: it is unique, and larger than all before it in the log. And the time of its request.
#[derive(Clone, Copy)]
struct Written {
    offset: i64,
    at: i64,
}

#[derive(Default)]
struct Model {
    committed: BTreeMap<Key, Written>,
    pending: BTreeMap<(i64, Key), Written>,
    aborted: BTreeSet<i64>,
}

impl Model {
    fn end(&mut self, producer: i64, commits: bool) {
        let (ended, open) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|((one, _), _)| *one == producer);
        self.pending = open;
        let ended: BTreeMap<(i64, Key), Written> = ended;
        for ((_, key), written) in ended {
            if !commits {
                self.aborted.insert(written.offset);
            } else if self
                .committed
                .get(&key)
                .is_none_or(|last| last.offset < written.offset)
            {
                self.committed.insert(key, written);
            }
        }
    }

    fn delete(&mut self, is_gone: impl Fn(Key) -> bool) {
        self.committed.retain(|key, _| !is_gone(*key));
        self.pending.retain(|(_, key), _| !is_gone(*key));
    }

    fn is_pending(&self, key: Key) -> bool {
        self.pending.keys().any(|(_, one)| *one == key)
    }

    fn expire(&mut self, now: i64) {
        let old: Vec<_> = self
            .committed
            .iter()
            .filter(|(key, written)| now - written.at >= RETENTION_MS && !self.is_pending(**key))
            .map(|(key, _)| *key)
            .collect();
        self.committed.retain(|key, _| !old.contains(key));
    }
}

struct Run {
    host: Fixture,
    model: Model,
    next: i64,
}

impl Run {
    fn commit(&mut self, (group, topic): Key) -> (CommitOffsets, Written) {
        self.next += 1;
        let commit = CommitOffsets {
            group: GROUPS[group].into(),
            ..commit_of("", -1, TOPICS[topic], self.next)
        };
        let written = Written {
            offset: self.next,
            at: self.host.now.0,
        };
        (commit, written)
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Commit(key) => {
                let (commit, written) = self.commit(key);
                assert_eq!(self.host.commit(commit)[0].1, ErrorCode::NONE);
                self.model.committed.insert(key, written);
            }
            Step::CommitUnder(producer, key) => {
                let (commit, written) = self.commit(key);
                let codes = self.host.commit_under(producer, commit);
                assert_eq!(codes[0].1, ErrorCode::NONE);
                self.model.pending.insert((producer, key), written);
            }
            Step::End(producer, commits) => {
                self.host.end(producer, commits);
                self.model.end(producer, commits);
            }
            Step::DeleteOffset((group, topic)) => {
                self.host.ask(DeleteOffsets {
                    group: GROUPS[group].into(),
                    partitions: vec![TopicPartition::new(TOPICS[topic], 0)],
                });
                self.model.delete(|key| key == (group, topic));
            }
            Step::DeleteGroup(group) => {
                self.host.ask(DeleteGroup {
                    group: GROUPS[group].into(),
                });
                self.model.delete(|key| key.0 == group);
            }
            Step::DeleteTopic(topic) => {
                self.host.delete_topic(TOPICS[topic], TopicId::ZERO);
                self.host.advance(10);
                self.model.delete(|key| key.1 == topic);
            }
            Step::Expire => {
                self.host.advance(RETENTION_MS / 2);
                self.host.expire();
                self.host.advance(10);
                self.model.expire(self.host.now.0 - 10);
            }
            Step::Reload => self.host.reload(),
        }
        self.host.check();
        self.compare();
    }

    fn compare(&self) {
        for (number, group) in GROUPS.into_iter().enumerate() {
            for (topic, name) in TOPICS.into_iter().enumerate() {
                let key = (number, topic);
                let at = [(TopicPartition::new(name, 0), TopicId::ZERO)];
                let fetch = |stable| {
                    let registry = &self.host.registry;
                    registry.fetch_offsets(group, Some(&at), stable).remove(0)
                };
                let committed = self.model.committed.get(&key);
                let expected = committed.map_or(Offset::NONE, |written| Offset(written.offset));
                let seen = fetch(false);
                assert_eq!((seen.offset, seen.is_unstable), (expected, false));
                assert!(!self.model.aborted.contains(&seen.offset.0));
                let is_pending = self.model.is_pending(key);
                let stable = fetch(true);
                assert_eq!(stable.is_unstable, is_pending);
                let expected = if is_pending { Offset::NONE } else { expected };
                assert_eq!(stable.offset, expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn what_is_visible_is_what_was_committed_last(steps in vec(step(), 1..60)) {
        let mut run = Run {
            host: Fixture::new(),
            model: Model::default(),
            next: 0,
        };
        for step in &steps {
            run.step(step);
        }
        for producer in 0..PRODUCERS {
            run.step(&Step::End(producer, false));
        }
        prop_assert_eq!(run.host.registry.held(), 0);
    }
}
