//! Fetch sessions (KIP-227): the broker remembers what a consumer fetches, so that requests carry only what has
//! changed and answers only what is new.
//!
//! ```text
//!   epoch 0, id 0      full fetch: everything is named; a session is made if there is room
//!   epoch n, id s      incremental: changes since the last request; unchanged partitions stay out of the answer
//!   epoch -1           full fetch without a session; one that is named is closed
//! ```
//!
//! A session is an optimisation that either side may drop: an unknown id or an unexpected epoch is answered with an
//! error, upon which the client begins again with a full fetch. So sessions are bounded in all directions, and what
//! has no room costs its client a longer request ([`table`]). What a fetch costs with and without a session, says
//! [`super::fetch`].
//!
//! A session belongs to the connection that made it, and ends with it. A client that has lost its connection does
//! not know which of its requests were seen, so it begins with a full fetch: Kafka's closes its old session with
//! that, others leave theirs behind. One that would go on with it from another connection is told that there is no
//! such session, which is the other way to begin anew. Kafka lets such sessions stand for two minutes, in which
//! nobody else has their place.
//!
//! A connection has few sessions, since a client has one at a time; one more takes the place of the oldest.
//!
//! # Locks
//!
//! What a connection has made, then the table of all sessions, each for a moment. A session has a lock of its own, held
//! for as long as a request of it is worked on, its wait included: the table may be locked under it, and it is not
//! waited for under the table. Waiters, then watch ([`super::waiters`]), under the session.

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

/// A session has no more partitions than this: what is remembered for a client is bounded.
const MOST_PARTITIONS: usize = 20_000;

/// A connection has no more sessions than this.
const MOST_OF_A_CONNECTION: usize = 4;

/// What all sessions together may take.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// So many sessions.
    pub slots: usize,
    /// So much memory, about.
    pub bytes: usize,
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

/// What a request changes, or all that it wants if there is no session yet.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Partitions that are new or wanted differently. Of one that is named twice the last word counts.
    pub wanted: Vec<(PartitionKey, WantedPartition)>,
    /// Partitions that are not wanted any more.
    pub forgotten: Vec<PartitionKey>,
}

/// One session.
#[derive(Debug)]
struct Session {
    /// The epoch that the next request must have.
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

/// A fetch that is being worked on. Other requests of its session wait until it is dropped.
#[derive(Debug)]
pub struct Fetch {
    id: i32,
    session: Used,
    /// Whether partitions without news stay out of the answer.
    is_incremental: bool,
}

#[derive(Debug)]
enum Used {
    Kept(OwnedMutexGuard<Session>),
    Alone(Box<Session>),
}

impl FetchSessions {
    /// None yet.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            table: Arc::new(Mutex::new(SessionTable::new(limits))),
        }
    }

    /// A new connection, from this address.
    pub fn connection(&self, address: IpAddr) -> ConnectionSessions {
        ConnectionSessions {
            table: Arc::clone(&self.table),
            holder: address.into(),
            made: Mutex::default(),
        }
    }
}

impl ConnectionSessions {
    /// Works out what a request asks for. It waits while another request of the same session is worked on.
    ///
    /// # Errors
    /// When the request refers to a session that is not as it believes; the client then starts anew.
    pub async fn begin(
        &self,
        request: SessionRequest,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Fetch, SessionError> {
        // 0 begins a session and -1 does without: every other epoch goes on with one.
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
            // A session of nothing has nothing to remember.
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

    /// Makes a session, if there is room for it.
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
    /// Without partitions; room for so many.
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

    /// The id to answer with: 0 for no session.
    pub const fn session_id(&self) -> i32 {
        self.id
    }

    /// Waits as the limits say and reads what may have news, in order. `read_committed`: only what consumers of
    /// committed records may see.
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

    /// Whether a row of the answer is to be sent, which remembers what it says.
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
