//! What a client may do, and how the seed chooses it.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::side::Side;

/// What the schedules of a seed are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No timeout can run out.
    Steady,
    /// Rebalances end with their timeout, and one client's session is short.
    Timed,
}

impl Kind {
    pub(super) const fn of(seed: u64) -> Self {
        if seed % 4 == 3 {
            Self::Timed
        } else {
            Self::Steady
        }
    }

    /// The clients: the instance of each that is static. Two of them have the same.
    pub(super) const fn clients(self) -> &'static [Option<&'static str>] {
        match self {
            Self::Steady => &[
                None,
                None,
                None,
                Some("static"),
                Some("other"),
                Some("other"),
            ],
            Self::Timed => &[None, None, Some("static")],
        }
    }

    pub(super) const fn session_ms(self, client: usize) -> i32 {
        match self {
            Self::Timed if client == MORTAL => 1_000,
            _ => 600_000,
        }
    }

    pub(super) const fn rebalance_ms(self) -> i32 {
        match self {
            Self::Steady => 600_000,
            Self::Timed => 1_000,
        }
    }
}

/// The client whose session is short.
pub(super) const MORTAL: usize = 1;

/// The id of no member.
const NOBODY: &str = "nobody";

/// A member id that a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Own,
    None,
    /// Another's, or a former one.
    Named(String),
}

/// What a client does.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Join {
        id: Id,
        taste: usize,
        kind: &'static str,
    },
    Sync {
        id: Id,
        off: i64,
        protocol: Option<&'static str>,
    },
    Heartbeat {
        id: Id,
        off: i64,
    },
    Commit {
        id: Id,
        off: i64,
    },
    /// From outside of group management.
    SimpleCommit,
    /// Each by id, by instance or both.
    Leave {
        members: Vec<(Id, Option<&'static str>)>,
    },
    Delete,
    /// Nobody does anything until a timeout has changed the group.
    Wait,
}

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) client: usize,
    /// 0 to 99, for one of the versions that there are.
    pub(super) version: usize,
    pub(super) op: Op,
}

/// The protocols of a join, in their order.
pub(super) const TASTES: [&[&str]; 6] = [
    &["range", "roundrobin"],
    &["range"],
    &["roundrobin", "range"],
    &["range", "sticky"],
    &["sticky"],
    &[],
];

#[derive(Debug)]
pub(super) struct Choice {
    rng: StdRng,
    pub(super) kind: Kind,
    /// In a timed schedule: how many steps there are before the next timeout is waited for.
    before_wait: usize,
}

impl Choice {
    pub(super) const fn new(rng: StdRng, kind: Kind) -> Self {
        Self {
            rng,
            kind,
            before_wait: 0,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// The next step, from what the clients of one broker know; both know the same.
    pub(super) fn next(&mut self, side: &Side<'_>) -> Step {
        let version = self.rng.random_range(0..100);
        if self.kind == Kind::Timed && side.awaits_timeout() {
            if self.before_wait == 0 {
                self.before_wait = self.rng.random_range(0..4);
                return Step {
                    client: 0,
                    version,
                    op: Op::Wait,
                };
            }
            self.before_wait -= 1;
        }
        let free: Vec<usize> = side.free().collect();
        let client = free.choose(&mut self.rng).copied().unwrap_or(0);
        let op = match free.is_empty() {
            // Everybody waits for somebody who has gone away.
            true => self.removal(side),
            false => self.op(side, client),
        };
        Step {
            client,
            version,
            op,
        }
    }

    fn op(&mut self, side: &Side<'_>, client: usize) -> Op {
        if self.chance(3) {
            return self.removal(side);
        }
        if self.chance(3) {
            return [Op::SimpleCommit, Op::Delete][usize::from(self.chance(40))].clone();
        }
        let is_member = side.is_member(client);
        if !is_member && self.chance(85) {
            return self.join(side, client);
        }
        let usual = match side.state() {
            "PreparingRebalance" => [60, 3, 15, 10],
            "CompletingRebalance" => [8, 70, 8, 8],
            "Stable" => [20, 20, 30, 20],
            _ => [70, 10, 10, 5],
        };
        let roll = self.rng.random_range(0..100);
        let id = self.id(side, client);
        // A join or sync in another's name would take the place of its own, which Kafka then never answers.
        let as_itself = match &id {
            Id::Named(name) if name != NOBODY => Id::Own,
            id => id.clone(),
        };
        let off = [0, 0, 0, 0, 0, 0, 0, 0, 1, -1][self.rng.random_range(0..10)];
        if roll < usual[0] {
            self.join(side, client)
        } else if roll < usual[0] + usual[1] {
            let protocol = [None, None, None, None, None, Some("nothing")].choose(&mut self.rng);
            Op::Sync {
                id: as_itself,
                off,
                protocol: protocol.copied().flatten(),
            }
        } else if roll < usual[0] + usual[1] + usual[2] {
            Op::Heartbeat { id, off }
        } else if roll < usual.iter().sum() {
            Op::Commit { id, off }
        } else {
            self.leave(side, client)
        }
    }

    fn join(&mut self, side: &Side<'_>, client: usize) -> Op {
        // Mostly the same, so that groups form.
        let usual = usize::from(client == 1) * 2;
        let taste = if self.chance(75) {
            usual
        } else {
            self.rng.random_range(0..TASTES.len())
        };
        let kind = if self.chance(96) {
            "consumer"
        } else {
            "connect"
        };
        // A group whose first join is refused does not come into being, other than in Kafka.
        let (taste, kind) = if side.state() == "Dead" {
            (usual, "consumer")
        } else {
            (taste, kind)
        };
        let is_known = side.is_member(client) || side.is_pending(client);
        let id = match self.rng.random_range(0..100) {
            0..3 => Id::Named(NOBODY.to_owned()),
            3..8 if side.instance(client).is_some() => Id::None,
            8..80 if !is_known => Id::None,
            _ => Id::Own,
        };
        Op::Join { id, taste, kind }
    }

    /// Mostly its own.
    fn id(&mut self, side: &Side<'_>, client: usize) -> Id {
        match self.rng.random_range(0..100) {
            0..3 if side.instance(client).is_some() => Id::None,
            3..6 => side
                .members()
                .choose(&mut self.rng)
                .map_or(Id::Own, |name| Id::Named(name.clone())),
            6..8 => Id::Named(NOBODY.to_owned()),
            _ => Id::Own,
        }
    }

    fn leave(&mut self, side: &Side<'_>, client: usize) -> Op {
        // An id that is not used yet leaves only where that means no rebalance: see the chosen differences.
        let own = if side.is_pending(client) && side.has_generation() {
            (Id::Named(NOBODY.to_owned()), None)
        } else {
            (Id::Own, side.instance(client))
        };
        let mut members = vec![own];
        while self.chance(25) {
            members.push(self.leaver(side));
        }
        Op::Leave { members }
    }

    /// An administrator removes members.
    fn removal(&mut self, side: &Side<'_>) -> Op {
        let mut members = vec![self.leaver(side)];
        while self.chance(40) {
            members.push(self.leaver(side));
        }
        Op::Leave { members }
    }

    fn leaver(&mut self, side: &Side<'_>) -> (Id, Option<&'static str>) {
        let instance = [
            None,
            None,
            None,
            Some("static"),
            Some("other"),
            Some("nobody"),
        ];
        let instance = instance.choose(&mut self.rng).copied().flatten();
        let instance = instance.filter(|instance| side.is_leavable(instance));
        if instance.is_some() && self.chance(60) {
            return (Id::None, instance);
        }
        let member = side.leavable();
        match member.choose(&mut self.rng) {
            Some(name) if self.chance(90) => (Id::Named(name.clone()), instance),
            _ => (Id::Named(NOBODY.to_owned()), instance),
        }
    }
}
