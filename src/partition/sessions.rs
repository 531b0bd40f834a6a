//! Fetch sessions (KIP-227): the broker remembers the partitions that a consumer fetches, so requests carry only
//! changes and answers only news.
//!
//! ```text
//!   epoch 0, id 0      full fetch: everything is named; a session is made if there is room
//!   epoch n, id s      incremental: changes since the last request; unchanged partitions stay out of the answer
//!   epoch -1           full fetch without a session; one that is named is closed
//! ```
//!
//! A session is an optimisation that either side may drop: an unknown id or an unexpected epoch is answered with an
//! error, and the client begins again with a full fetch. So sessions are bounded in all respects; if there is no
//! room, the client has to send longer requests ([`table`]). [`super::fetch`] describes the cost of a fetch with and
//! without a session.
//!
//! A session belongs to the connection that created it, and ends with it. A client that has lost its connection does
//! not know which of its requests arrived, so it begins with a full fetch. Kafka's clients close their old session
//! with that fetch, others leave it behind. A client that continues the session on another connection gets the error
//! for an unknown session, and then begins anew too. Kafka keeps such sessions for two minutes, and nobody else can
//! use their place meanwhile.
//!
//! A connection has few sessions, since a client uses one at a time; one more replaces the oldest.
//!
//! # Locks
//!
//! The sessions of a connection, then the table of all sessions, each for a moment. A session has its own lock, held
//! while a request of it is processed, including its wait. The table may be locked under it; nobody waits for it
//! while holding the table. Under the session: waiters, then watch ([`super::waiters`]).

mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;
use tokio::task::coop::consume_budget;

use crate::base::{Timestamp, lock};

use super::fetch::interest::Interest;
use super::fetch::run::{self, FetchLimits, FetchedRow};
use super::fetch::{Finder, PartitionKey, Reported, RowId, WantedPartition};
use table::{Gone, Holder, SessionTable};

/// The maximum number of partitions of a session: the memory for a client is bounded.
const MOST_PARTITIONS: usize = 20_000;

/// The maximum number of sessions of a connection.
const MOST_OF_A_CONNECTION: usize = 4;

/// The bounds of all sessions together.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// The maximum number of sessions.
    pub slots: usize,
    /// The maximum memory, approximately.
    pub bytes: usize,
}

/// Why a session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no session with this id.
    #[error("no such fetch session")]
    NotFound,
    /// The epoch is not the expected one.
    #[error("unexpected fetch session epoch")]
    InvalidEpoch,
    /// The session's requests identify topics the other way (by name or by id).
    #[error("a fetch session cannot change between topic names and ids")]
    TopicKeyChanged,
}

/// The session fields of a request.
#[derive(Clone, Copy, Debug)]
pub struct SessionRequest {
    /// Session id, 0 for none.
    pub id: i32,
    /// Session epoch.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_topic_id: bool,
}

/// The changes in a request, or its full list if there is no session yet.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Partitions that are new or changed. If one is named twice, the last entry counts.
    pub wanted: Vec<(PartitionKey, WantedPartition)>,
    /// Partitions to remove from the session.
    pub forgotten: Vec<PartitionKey>,
}

/// One session.
#[derive(Debug)]
struct Session {
    /// The expected epoch of the next request.
    next_epoch: i32,
    by_topic_id: bool,
    interest: Interest,
}

/// All fetch sessions of the broker.
#[derive(Debug)]
pub struct FetchSessions {
    table: Arc<Mutex<SessionTable>>,
}

/// The sessions that were made on one connection. They end when this is dropped.
#[derive(Debug)]
pub struct ConnectionSessions {
    table: Arc<Mutex<SessionTable>>,
    holder: Holder,
    /// The oldest first; some may be gone.
    made: Mutex<VecDeque<i32>>,
}

/// A fetch in progress. Other requests of its session wait until it is dropped.
#[derive(Debug)]
pub struct Fetch {
    id: i32,
    session: Used,
    /// Whether unchanged partitions are left out of the answer.
    is_incremental: bool,
}

#[derive(Debug)]
enum Used {
    Kept(OwnedMutexGuard<Session>),
    Alone(Box<Session>),
}

impl FetchSessions {
    /// No sessions yet.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            table: Arc::new(Mutex::new(SessionTable::new(limits))),
        }
    }

    /// A new connection from this address.
    pub fn connection(&self, address: IpAddr) -> ConnectionSessions {
        ConnectionSessions {
            table: Arc::clone(&self.table),
            holder: address.into(),
            made: Mutex::default(),
        }
    }
}

impl ConnectionSessions {
    /// Applies a request to its session. It waits while another request of the same session is processed.
    ///
    /// # Errors
    /// When the request refers to an unknown session, or does not match it; the client then starts anew.
    pub async fn begin(
        &self,
        request: SessionRequest,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Fetch, SessionError> {
        // 0 begins a session and -1 goes without one: every other epoch continues one.
        if !matches!(request.epoch, 0 | -1) {
            return self.go_on(request, changes, now).await;
        }
        if request.id != 0 {
            self.end(request.id);
        }
        let mut session = Session::new(request.by_topic_id, changes.wanted.len());
        for (key, wanted) in changes.wanted {
            session.interest.want(key, wanted);
            consume_budget().await;
        }
        if request.epoch == 0 && session.interest.len() <= MOST_PARTITIONS {
            return Ok(self.make(session, now).await);
        }
        Ok(Fetch::alone(session))
    }

    async fn go_on(
        &self,
        request: SessionRequest,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Fetch, SessionError> {
        let SessionRequest { id, epoch, .. } = request;
        let session = lock(&self.table).get(id);
        let session = session.ok_or(SessionError::NotFound)?;
        let mut session = session.lock_owned().await;
        if session.next_epoch != epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if session.by_topic_id != request.by_topic_id {
            return Err(SessionError::TopicKeyChanged);
        }
        for (key, wanted) in changes.wanted {
            session.interest.want(key, wanted);
            consume_budget().await;
        }
        for key in changes.forgotten {
            session.interest.forget(&key);
            consume_budget().await;
        }
        let count = session.interest.len();
        if count == 0 {
            // A session without partitions is useless.
            self.end(id);
            return Ok(Fetch::alone(Session::new(request.by_topic_id, 0)));
        }
        let mut gone = Gone::new();
        let stays = count <= MOST_PARTITIONS
            && lock(&self.table).note_used(id, session.interest.bytes(), now, &mut gone);
        if !stays {
            self.end(id);
            return Err(SessionError::NotFound);
        }
        session.next_epoch = epoch.checked_add(1).unwrap_or(1);
        Ok(Fetch {
            id,
            session: Used::Kept(session),
            is_incremental: true,
        })
    }

    /// Creates a session, if there is room for it.
    async fn make(&self, session: Session, now: Timestamp) -> Fetch {
        let bytes = session.interest.bytes();
        let session = Arc::new(tokio::sync::Mutex::new(session));
        let kept = Arc::clone(&session).lock_owned().await;
        let mut gone = Gone::new();
        let mut made = lock(&self.made);
        let mut table = lock(&self.table);
        if made.len() >= MOST_OF_A_CONNECTION
            && let Some(oldest) = made.pop_front()
        {
            gone.extend(table.remove(oldest));
        }
        let id = table.insert(session, bytes, self.holder, now, &mut gone);
        made.extend(id);
        drop((table, made));
        Fetch {
            id: id.unwrap_or(0),
            session: Used::Kept(kept),
            is_incremental: false,
        }
    }

    fn end(&self, id: i32) {
        let gone = lock(&self.table).remove(id);
        // not while the table is locked: it may have many partitions
        drop(gone);
    }
}

impl Drop for ConnectionSessions {
    fn drop(&mut self) {
        let made = std::mem::take(&mut *lock(&self.made));
        for id in made {
            self.end(id);
        }
    }
}

impl Session {
    /// Without partitions, with room for this many.
    fn new(by_topic_id: bool, count: usize) -> Self {
        Self {
            next_epoch: 1,
            by_topic_id,
            interest: Interest::with_capacity(count),
        }
    }
}

impl Fetch {
    fn alone(mut session: Session) -> Self {
        session.interest.close();
        Self {
            id: 0,
            session: Used::Alone(Box::new(session)),
            is_incremental: false,
        }
    }

    /// The session id for the answer: 0 for no session.
    pub const fn session_id(&self) -> i32 {
        self.id
    }

    /// Waits as the limits say and reads the due partitions, in order. `read_committed`: the isolation level.
    pub async fn run(
        &mut self,
        finder: &impl Finder,
        limits: FetchLimits,
        read_committed: bool,
    ) -> Vec<FetchedRow> {
        let interest = self.interest();
        interest.read_committed(read_committed);
        run::run(interest, finder, limits).await
    }

    /// Whether a row must be sent. Records its contents as sent.
    pub fn tell(&mut self, row: RowId, reported: &Reported) -> bool {
        let is_incremental = self.is_incremental;
        let is_changed = self.interest().tell(row.0, reported);
        !is_incremental || reported.is_news || is_changed
    }

    fn interest(&mut self) -> &mut Interest {
        match &mut self.session {
            Used::Kept(session) => &mut session.interest,
            Used::Alone(session) => &mut session.interest,
        }
    }
}
