//! The sessions that there are, and which of them gives way to another one.
//!
//! Bounded are the number of sessions and the bytes that all of them take. When there is no room for one more:
//!
//! 1. A session that was not used for two minutes gives way, as with Kafka; the one first that was not used for
//!    longest.
//! 2. Else, one of the address that has most, if that has more than the address that asks will have: whatever one
//!    address does, the others get their share. Kafka prefers followers and large sessions here; a stranger can be
//!    both.
//! 3. Else, there is no session: the client names everything each time.
//!
//! A session that gives way is not found any more; its client starts anew.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::base::Timestamp;

use super::{Session, SessionLimits};

/// A session that was not used for so long may give its place to a new one.
pub(super) const REPLACEABLE_AFTER_MS: i64 = 120_000;

/// What a session costs beside its partitions, in bytes.
const SESSION_BYTES: usize = 1024;

/// Who has a share in the sessions: an IPv4 address, or the network of an IPv6 address, of which everybody has
/// more addresses than can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Holder(IpAddr);

impl From<IpAddr> for Holder {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
        })
    }
}

/// A number of sessions and the bytes that they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    sessions: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    session: Arc<Mutex<Session>>,
    last_used: Timestamp,
    bytes: usize,
    holder: Holder,
}

impl Kept {
    /// Whether a request of it is being worked on.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.session) > 1
    }
}

/// What was taken out of the table. To be dropped when the table is not locked: it may have many partitions.
pub(super) type Gone = Vec<Arc<Mutex<Session>>>;

/// All sessions.
#[derive(Debug)]
pub(super) struct SessionTable {
    limits: SessionLimits,
    sessions: HashMap<i32, Kept>,
    shares: HashMap<Holder, Share>,
    bytes: usize,
}

impl SessionTable {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            sessions: HashMap::new(),
            shares: HashMap::new(),
            bytes: 0,
        }
    }

    /// The session of this id.
    pub(super) fn get(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        let kept = self.sessions.get(&id)?;
        Some(Arc::clone(&kept.session))
    }

    /// Adds a session of these bytes if there is room, with its id.
    pub(super) fn insert(
        &mut self,
        session: Arc<Mutex<Session>>,
        bytes: usize,
        holder: Holder,
        now: Timestamp,
        gone: &mut Gone,
    ) -> Option<i32> {
        let bytes = bytes.saturating_add(SESSION_BYTES);
        let more = Share { sessions: 1, bytes };
        if !self.make_room(more, holder, None, now, gone) {
            return None;
        }
        let id = loop {
            let id = rand::random_range(1..i32::MAX);
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        self.add_to_share(holder, more);
        let kept = Kept {
            session,
            last_used: now,
            bytes,
            holder,
        };
        self.sessions.insert(id, kept);
        Some(id)
    }

    /// Takes note that the session is used and has these bytes now. False when it is not there any more, or has to
    /// go since there is no room for what it has become.
    pub(super) fn note_used(
        &mut self,
        id: i32,
        bytes: usize,
        now: Timestamp,
        gone: &mut Gone,
    ) -> bool {
        let bytes = bytes.saturating_add(SESSION_BYTES);
        let Some(kept) = self.sessions.get_mut(&id) else {
            return false;
        };
        kept.last_used = now;
        let (before, holder) = (kept.bytes, kept.holder);
        let more = Share {
            sessions: 0,
            bytes: bytes.saturating_sub(before),
        };
        if more.bytes > 0 && !self.make_room(more, holder, Some(id), now, gone) {
            gone.extend(self.remove(id));
            return false;
        }
        if let Some(kept) = self.sessions.get_mut(&id) {
            kept.bytes = bytes;
        }
        self.take_from_share(holder, 0, before);
        self.add_to_share(holder, Share { sessions: 0, bytes });
        true
    }

    /// Takes a session out.
    pub(super) fn remove(&mut self, id: i32) -> Option<Arc<Mutex<Session>>> {
        let kept = self.sessions.remove(&id)?;
        self.take_from_share(kept.holder, 1, kept.bytes);
        Some(kept.session)
    }

    /// Has others give way until there is room for `more`. `but` stays.
    fn make_room(
        &mut self,
        more: Share,
        holder: Holder,
        but: Option<i32>,
        now: Timestamp,
        gone: &mut Gone,
    ) -> bool {
        if more.bytes > self.limits.bytes || more.sessions > self.limits.slots {
            return false;
        }
        loop {
            let lacks_slot = self.sessions.len() + more.sessions > self.limits.slots;
            let lacks_bytes = self.bytes + more.bytes > self.limits.bytes;
            if !lacks_slot && !lacks_bytes {
                return true;
            }
            let measure = if lacks_slot {
                |share: Share| share.sessions
            } else {
                |share: Share| share.bytes
            };
            let gives_way = self
                .least_used(but, |kept| {
                    let unused = now.millis_since(kept.last_used);
                    unused >= REPLACEABLE_AFTER_MS && !kept.is_in_use()
                })
                .or_else(|| {
                    let greedy = self.greediest(measure, holder, measure(more))?;
                    self.least_used(but, |kept| kept.holder == greedy)
                });
            match gives_way.and_then(|id| self.remove(id)) {
                Some(session) => gone.push(session),
                None => return false,
            }
        }
    }

    /// Of these sessions the one that was not used for longest.
    fn least_used(&self, but: Option<i32>, may_go: impl Fn(&Kept) -> bool) -> Option<i32> {
        self.sessions
            .iter()
            .filter(|(id, kept)| Some(**id) != but && may_go(kept))
            .min_by_key(|(_, kept)| kept.last_used)
            .map(|(id, _)| *id)
    }

    /// Who has most, and more than `holder` would have with `more`.
    fn greediest(
        &self,
        measure: impl Fn(Share) -> usize,
        holder: Holder,
        more: usize,
    ) -> Option<Holder> {
        let own = self.shares.get(&holder).copied().unwrap_or_default();
        let (greedy, most) = self
            .shares
            .iter()
            .map(|(holder, share)| (*holder, measure(*share)))
            .max_by_key(|(_, has)| *has)?;
        (greedy != holder && most > measure(own) + more).then_some(greedy)
    }

    fn add_to_share(&mut self, holder: Holder, more: Share) {
        self.bytes += more.bytes;
        let share = self.shares.entry(holder).or_default();
        share.sessions += more.sessions;
        share.bytes += more.bytes;
    }

    fn take_from_share(&mut self, holder: Holder, sessions: usize, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(share) = self.shares.get_mut(&holder) {
            share.sessions = share.sessions.saturating_sub(sessions);
            share.bytes = share.bytes.saturating_sub(bytes);
            if share.sessions == 0 {
                self.shares.remove(&holder);
            }
        }
    }
}
