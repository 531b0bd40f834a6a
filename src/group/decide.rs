//! Dispatches a request to its operation. Each operation has a file of its own.

use std::sync::Arc;

use super::asks::{
    CommitInTransaction, CommitOffsets, CommitOffsetsReply, DeleteGroup, DeleteOffsets,
    ExpireOffsets, Heartbeat, Join, Leave, Sync,
};
use super::registry::{Outcome, Registry, Turn};
use crate::base::{Ask, Timestamp, Token};

/// A request to the group coordinator that is decided as it comes.
pub trait GroupAsk: Ask {
    /// The operation, with Kafka's API name where there is one.
    const NAME: &'static str;

    /// Whether the answer may have to wait for other members.
    const WAITS_FOR_MEMBERS: bool = false;

    /// The group id; empty for a request about all groups.
    fn group(&self) -> Arc<str>;

    /// Lets `registry` decide.
    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>);
}

impl Registry {
    /// Decides on a request, which `token` identifies in the reply, now or later.
    pub fn decide<A: GroupAsk>(
        &mut self,
        token: Token<A::Reply>,
        ask: A,
        now: Timestamp,
    ) -> Outcome {
        self.is_loading = false;
        let settings = self.settings;
        let mut turn = Turn::new(&settings, now);
        ask.decide(token, self, &mut turn);
        self.end(turn)
    }

    /// Decides on a commit in a transaction. It is no [`GroupAsk`], since its records need a partition that is in the
    /// transaction: the host has to know that first.
    pub fn decide_in_transaction(
        &mut self,
        token: Token<CommitOffsetsReply>,
        ask: CommitInTransaction,
        now: Timestamp,
    ) -> Outcome {
        self.is_loading = false;
        let settings = self.settings;
        let mut turn = Turn::new(&settings, now);
        let reply = self.commit_in_transaction(ask, &mut turn);
        turn.reply(token, reply);
        self.end(turn)
    }
}

impl GroupAsk for Join {
    const NAME: &'static str = "JoinGroup";
    const WAITS_FOR_MEMBERS: bool = true;

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        registry.join(token, self, turn);
    }
}

impl GroupAsk for Sync {
    const NAME: &'static str = "SyncGroup";
    const WAITS_FOR_MEMBERS: bool = true;

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        registry.sync(token, self, turn);
    }
}

impl GroupAsk for Heartbeat {
    const NAME: &'static str = "Heartbeat";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let error = registry.heartbeat(&self, turn);
        turn.reply(token, error);
    }
}

impl GroupAsk for Leave {
    const NAME: &'static str = "LeaveGroup";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let reply = registry.leave(self, turn);
        turn.reply(token, reply);
    }
}

impl GroupAsk for CommitOffsets {
    const NAME: &'static str = "OffsetCommit";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let reply = registry.commit_offsets(self, turn);
        turn.reply(token, reply);
    }
}

impl GroupAsk for DeleteOffsets {
    const NAME: &'static str = "OffsetDelete";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let reply = registry.delete_offsets(self, turn);
        turn.reply(token, reply);
    }
}

impl GroupAsk for DeleteGroup {
    const NAME: &'static str = "DeleteGroups";

    fn group(&self) -> Arc<str> {
        Arc::clone(&self.group)
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        let error = registry.delete_group(&self, turn);
        turn.reply(token, error);
    }
}

impl GroupAsk for ExpireOffsets {
    const NAME: &'static str = "expiry of offsets";

    fn group(&self) -> Arc<str> {
        Arc::default()
    }

    fn decide(self, token: Token<Self::Reply>, registry: &mut Registry, turn: &mut Turn<'_>) {
        registry.expire_offsets(turn);
        turn.reply(token, ());
    }
}
