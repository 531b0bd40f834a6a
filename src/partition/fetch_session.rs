//! Fetch sessions (KIP-227): the broker remembers what a consumer fetches, so that requests carry
//! only what has changed and answers only what is new.
//!
//! ```text
//!   epoch 0, id 0      full fetch: everything is named; a session is made if there is room
//!   epoch n, id s      incremental: changes since the last request; unchanged partitions stay out
//!                      of the answer
//!   epoch -1           full fetch without a session; one that is named is closed
//! ```
//!
//! A session is an optimisation that either side may drop: an unknown id or an unexpected epoch is
//! answered with an error, upon which the client begins again with a full fetch.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{Offset, Timestamp, TopicId};

/// A session that was not used for so long may give its place to a new one.
const REPLACEABLE_AFTER_MS: i64 = 120_000;

/// A fetch of more partitions than this gets no session: what is remembered for a client is bounded,
/// and so is the work that is done on it while other sessions wait.
const MOST_PARTITIONS: usize = 20_000;

/// How a session names a topic: as the version of its requests does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// Fetch 13 and later.
    Id(TopicId),
    /// Before.
    Name(Arc<str>),
}

/// A partition in a session.
pub type PartitionKey = (TopicKey, i32);

/// What the client wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// First offset wanted.
    pub fetch_offset: i64,
    /// Most bytes wanted.
    pub max_bytes: i32,
    /// The client's leader epoch, -1 for none.
    pub current_leader_epoch: i32,
    /// Epoch of the last record that the client has, -1 for none.
    pub last_fetched_epoch: i32,
    /// Whether an earlier answer of the session could speak of the partition's topic. A request cannot know.
    pub was_known: bool,
}

/// What an answer would say of a partition, as far as a session cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// High watermark.
    pub high_watermark: Offset,
    /// Log start offset.
    pub log_start: Offset,
    /// Whether the partition's topic exists.
    pub is_known: bool,
    /// Whether the answer carries records, an error or a divergence: then it must be sent.
    pub is_news: bool,
}

/// Why a session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No session of this id.
    #[error("no such fetch session")]
    NotFound,
    /// The epoch is not the one that follows.
    #[error("unexpected fetch session epoch")]
    InvalidEpoch,
    /// The session's requests name topics the other way.
    #[error("a fetch session cannot change between topic names and ids")]
    TopicKeyChanged,
}

/// What a request says of its session.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// Session id, 0 for none.
    pub id: i32,
    /// Session epoch.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_topic_id: bool,
}

/// The fetch that a request amounts to, with what its session remembers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The session that the answer belongs to, if any.
    session: Option<i32>,
    /// Whether partitions without news stay out of the answer.
    incremental: bool,
    /// What to fetch, in order.
    pub wishes: Vec<(PartitionKey, Wish)>,
}

impl Plan {
    /// The id to answer with: 0 for no session.
    pub fn session_id(&self) -> i32 {
        self.session.unwrap_or(0)
    }
}

/// All fetch sessions of the broker, at most as many as there are slots.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: Mutex<HashMap<i32, Session>>,
}

#[derive(Debug)]
struct Session {
    /// The epoch that the next request must have.
    next_epoch: i32,
    by_topic_id: bool,
    last_used: Timestamp,
    partitions: Vec<Cached>,
}

#[derive(Debug)]
struct Cached {
    key: PartitionKey,
    wish: Wish,
    said: Option<(Offset, Offset)>,
}

impl FetchSessions {
    /// Room for `slots` sessions.
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            sessions: Mutex::default(),
        }
    }

    /// Works out what a request asks for.
    ///
    /// # Errors
    /// When it refers to a session that is not as it believes; the client then starts anew.
    pub fn plan(
        &self,
        request: SessionRequest,
        wishes: Vec<(PartitionKey, Wish)>,
        forgotten: &[PartitionKey],
        now: Timestamp,
    ) -> Result<Plan, SessionError> {
        let wishes = last_of_each(wishes);
        let mut sessions = self.lock();
        // 0 begins a session and -1 does without: every other epoch goes on with one.
        if !matches!(request.epoch, 0 | -1) {
            return incremental(&mut sessions, request, wishes, forgotten, now);
        }
        if request.id != 0 {
            sessions.remove(&request.id);
        }
        let session = if request.epoch == 0 && wishes.len() <= MOST_PARTITIONS {
            self.make(&mut sessions, request.by_topic_id, &wishes, now)
        } else {
            None
        };
        Ok(Plan {
            session,
            incremental: false,
            wishes,
        })
    }

    /// Which parts of the answer are to be sent, one flag for each wish, and remembers what was said.
    pub fn select(&self, plan: &Plan, said: &[Said]) -> Vec<bool> {
        let mut sessions = self.lock();
        let session = plan.session.and_then(|id| sessions.get_mut(&id));
        let Some(session) = session else {
            return vec![true; said.len()];
        };
        let mut positions: HashMap<PartitionKey, usize> = session
            .partitions
            .iter()
            .enumerate()
            .map(|(index, cached)| (cached.key.clone(), index))
            .collect();
        let mut with_news = HashSet::new();
        let mut selected = Vec::with_capacity(said.len());
        for ((key, _), said) in plan.wishes.iter().zip(said) {
            let now = Some((said.high_watermark, said.log_start));
            let changed = match positions
                .remove(key)
                .and_then(|index| session.partitions.get_mut(index))
            {
                Some(cached) => {
                    cached.wish.was_known |= said.is_known;
                    std::mem::replace(&mut cached.said, now) != now
                }
                None => true,
            };
            if said.is_news {
                with_news.insert(key.clone());
            }
            selected.push(!plan.incremental || said.is_news || changed);
        }
        session.rotate(&with_news);
        selected
    }

    fn make(
        &self,
        sessions: &mut HashMap<i32, Session>,
        by_topic_id: bool,
        wishes: &[(PartitionKey, Wish)],
        now: Timestamp,
    ) -> Option<i32> {
        if sessions.len() >= self.slots {
            let (oldest, last_used) = sessions
                .iter()
                .map(|(id, session)| (*id, session.last_used))
                .min_by_key(|(_, used)| *used)?;
            if now.millis_since(last_used) < REPLACEABLE_AFTER_MS {
                return None;
            }
            sessions.remove(&oldest);
        }
        let id = loop {
            let id = rand::random_range(1..i32::MAX);
            if !sessions.contains_key(&id) {
                break id;
            }
        };
        let partitions = wishes
            .iter()
            .map(|(key, wish)| Cached {
                key: key.clone(),
                wish: *wish,
                said: None,
            })
            .collect();
        sessions.insert(
            id,
            Session {
                next_epoch: 1,
                by_topic_id,
                last_used: now,
                partitions,
            },
        );
        Some(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Session>> {
        // What a panicking holder left half done is one session; its client starts anew.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wish for each partition, the last one, in the place of the first.
fn last_of_each(wishes: Vec<(PartitionKey, Wish)>) -> Vec<(PartitionKey, Wish)> {
    let mut places: HashMap<PartitionKey, usize> = HashMap::with_capacity(wishes.len());
    let mut kept: Vec<(PartitionKey, Wish)> = Vec::with_capacity(wishes.len());
    for (key, wish) in wishes {
        match places.get(&key).and_then(|place| kept.get_mut(*place)) {
            Some((_, earlier)) => *earlier = wish,
            None => {
                places.insert(key.clone(), kept.len());
                kept.push((key, wish));
            }
        }
    }
    kept
}

fn incremental(
    sessions: &mut HashMap<i32, Session>,
    request: SessionRequest,
    wishes: Vec<(PartitionKey, Wish)>,
    forgotten: &[PartitionKey],
    now: Timestamp,
) -> Result<Plan, SessionError> {
    let session = sessions
        .get_mut(&request.id)
        .ok_or(SessionError::NotFound)?;
    if session.next_epoch != request.epoch {
        return Err(SessionError::InvalidEpoch);
    }
    if session.by_topic_id != request.by_topic_id {
        return Err(SessionError::TopicKeyChanged);
    }
    session.change(wishes, forgotten);
    if session.partitions.is_empty() {
        // A session of nothing has nothing to remember.
        sessions.remove(&request.id);
        return Ok(Plan {
            session: None,
            incremental: false,
            wishes: Vec::new(),
        });
    }
    session.next_epoch = if request.epoch == i32::MAX {
        1
    } else {
        request.epoch + 1
    };
    session.last_used = now;
    let wishes = session
        .partitions
        .iter()
        .map(|cached| (cached.key.clone(), cached.wish))
        .collect();
    Ok(Plan {
        session: Some(request.id),
        incremental: true,
        wishes,
    })
}

impl Session {
    fn change(&mut self, wishes: Vec<(PartitionKey, Wish)>, forgotten: &[PartitionKey]) {
        if !wishes.is_empty() {
            let positions: HashMap<PartitionKey, usize> = self
                .partitions
                .iter()
                .enumerate()
                .map(|(index, cached)| (cached.key.clone(), index))
                .collect();
            for (key, wish) in wishes {
                match positions
                    .get(&key)
                    .and_then(|index| self.partitions.get_mut(*index))
                {
                    Some(cached) => {
                        let was_known = cached.wish.was_known;
                        cached.wish = Wish { was_known, ..wish };
                    }
                    None => self.partitions.push(Cached {
                        key,
                        wish,
                        said: None,
                    }),
                }
            }
        }
        if !forgotten.is_empty() {
            let forgotten: HashSet<_> = forgotten.iter().collect();
            self.partitions
                .retain(|cached| !forgotten.contains(&cached.key));
        }
    }

    /// Partitions that were answered with records go to the end, so that the next answer, if it has
    /// not room for all, begins with others.
    fn rotate(&mut self, answered: &HashSet<PartitionKey>) {
        if !answered.is_empty() {
            self.partitions
                .sort_by_key(|cached| answered.contains(&cached.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(offset: i64) -> Wish {
        Wish {
            fetch_offset: offset,
            max_bytes: 1024,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            was_known: false,
        }
    }

    /// A wish of a session that has answered about the partition.
    fn known(offset: i64) -> Wish {
        Wish {
            was_known: true,
            ..wish(offset)
        }
    }

    fn key(partition: i32) -> PartitionKey {
        (TopicKey::Name("topic".into()), partition)
    }

    fn said(high_watermark: i64, is_news: bool) -> Said {
        Said {
            is_known: true,
            high_watermark: Offset(high_watermark),
            log_start: Offset(0),
            is_news,
        }
    }

    fn request(id: i32, epoch: i32) -> SessionRequest {
        SessionRequest {
            id,
            epoch,
            by_topic_id: false,
        }
    }

    #[test]
    fn an_incremental_fetch_says_only_what_is_new() {
        let sessions = FetchSessions::new(1);
        let now = Timestamp(0);
        let full = sessions
            .plan(
                request(0, 0),
                vec![(key(0), wish(0)), (key(1), wish(0))],
                &[],
                now,
            )
            .expect("a plan");
        let id = full.session_id();
        assert_ne!(id, 0);
        assert_eq!(
            sessions.select(&full, &[said(5, true), said(0, false)]),
            [true, true]
        );

        let next = sessions
            .plan(request(id, 1), vec![(key(0), wish(5))], &[], now)
            .expect("a plan");
        assert_eq!(
            next.wishes,
            [(key(1), known(0)), (key(0), known(5))],
            "what was answered goes to the end"
        );
        assert_eq!(
            sessions.select(&next, &[said(3, false), said(5, false)]),
            [true, false]
        );
    }

    #[test]
    fn a_session_is_closed_forgotten_or_refused() {
        let sessions = FetchSessions::new(1);
        let now = Timestamp(0);
        let full = sessions
            .plan(request(0, 0), vec![(key(0), wish(0))], &[], now)
            .expect("a plan");
        let id = full.session_id();
        let second = sessions
            .plan(request(0, 0), vec![(key(0), wish(0))], &[], now)
            .expect("a plan");
        assert_eq!(
            second.session_id(),
            0,
            "no slot is free and none may be taken yet"
        );
        assert_eq!(
            sessions.plan(request(id, 9), vec![], &[], now).err(),
            Some(SessionError::InvalidEpoch)
        );
        let emptied = sessions
            .plan(request(id, 1), vec![], &[key(0)], now)
            .expect("a plan");
        assert_eq!(emptied.session_id(), 0);
        assert_eq!(
            sessions.plan(request(id, 2), vec![], &[], now).err(),
            Some(SessionError::NotFound)
        );
    }

    #[test]
    fn a_partition_that_is_named_twice_is_fetched_once() {
        let sessions = FetchSessions::new(1);
        let twice = vec![(key(0), wish(1)), (key(1), wish(2)), (key(0), wish(3))];
        let plan = sessions
            .plan(request(0, -1), twice, &[], Timestamp(0))
            .expect("a plan");
        assert_eq!(plan.wishes, [(key(0), wish(3)), (key(1), wish(2))]);
    }

    #[test]
    fn an_idle_session_gives_way() {
        let sessions = FetchSessions::new(1);
        let first = sessions
            .plan(request(0, 0), vec![(key(0), wish(0))], &[], Timestamp(0))
            .expect("a plan");
        let later = Timestamp(REPLACEABLE_AFTER_MS);
        let second = sessions
            .plan(request(0, 0), vec![(key(1), wish(0))], &[], later)
            .expect("a plan");
        assert_ne!(second.session_id(), 0);
        assert_eq!(
            sessions
                .plan(request(first.session_id(), 1), vec![], &[], later)
                .err(),
            Some(SessionError::NotFound)
        );
    }
}
