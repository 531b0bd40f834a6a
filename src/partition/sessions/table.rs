//! All sessions, and which of them is evicted for a new one.
//!
//! The number of sessions and their total bytes are bounded. When there is no room for another one:
//!
//! 1. A session that was not used for two minutes is evicted, as in Kafka; the least recently used one first.
//! 2. Otherwise, a session of the address with the largest share is evicted, if that share is larger than the new
//!    share of the requesting address: whatever one address does, the others get their share. Kafka prefers followers
//!    and large sessions here; any client can claim to be both.
//! 3. Otherwise, there is no session: the client names everything each time.
//!
//! An evicted session is not found any more; its client starts anew.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::base::Timestamp;

use super::{Session, SessionLimits};

/// A session that was not used for this time may be replaced by a new one.
pub(super) const REPLACEABLE_AFTER_MS: i64 = 120_000;

/// The memory of a session besides its partitions, in bytes.
const SESSION_BYTES: usize = 1024;

/// The owner of a share of the sessions: an IPv4 address, or an IPv6 network, since everybody has any number of
/// addresses in theirs.
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
    /// Whether one of its requests is being processed.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.session) > 1
    }
}

/// Sessions removed from the table. Drop them when the table is not locked: they may have many partitions.
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

    /// The session with this id.
    pub(super) fn get(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        let kept = self.sessions.get(&id)?;
        Some(Arc::clone(&kept.session))
    }

    /// Adds a session with this many bytes if there is room. Returns its id.
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

    /// Records that the session was used and has this many bytes now. False when it was evicted before, or is evicted
    /// now because there is no room for its growth.
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

    /// Removes a session.
    pub(super) fn remove(&mut self, id: i32) -> Option<Arc<Mutex<Session>>> {
        let kept = self.sessions.remove(&id)?;
        self.take_from_share(kept.holder, 1, kept.bytes);
        Some(kept.session)
    }

    /// Evicts sessions until there is room for `more`. `but` is never evicted.
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

    /// The least recently used one of these sessions.
    fn least_used(&self, but: Option<i32>, may_go: impl Fn(&Kept) -> bool) -> Option<i32> {
        self.sessions
            .iter()
            .filter(|(id, kept)| Some(**id) != but && may_go(kept))
            .min_by_key(|(_, kept)| kept.last_used)
            .map(|(id, _)| *id)
    }

    /// The owner with the largest share, if it is larger than the share of `holder` would be with `more`.
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
