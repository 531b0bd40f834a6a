//! A member of a classic group.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{ErrorCode, Token};
use crate::group::asks::{Join, JoinReply, Protocol, SyncReply};
use crate::group::records::GenerationMember;
use crate::group::registry::Turn;

/// A member: its identity, its protocols, and its waiting requests.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    /// The protocols that it supports, in order of preference. After a load only the chosen one.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Whether it has never been in a formed generation. Such a member is removed at its timeout even while its join
    /// waits, since it is not known whether the client is still there.
    pub(crate) is_new: bool,
    /// The join that waits for the generation to be formed.
    pub(crate) joining: Option<Token<JoinReply>>,
    /// The sync that waits for the leader's assignment.
    pub(crate) syncing: Option<Token<SyncReply>>,
}

impl Member {
    /// A member that has just come, with its join waiting.
    pub(crate) fn joining(id: Arc<str>, token: Token<JoinReply>, join: Join) -> Self {
        Self {
            id,
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            is_new: true,
            joining: Some(token),
            syncing: None,
        }
    }

    /// A member from the log.
    pub(crate) fn restored(member: &GenerationMember, protocol: Option<&Arc<str>>) -> Self {
        let metadata = member.subscription.clone();
        let rebalance_timeout_ms = match member.rebalance_timeout_ms {
            -1 => member.session_timeout_ms,
            written => written,
        };
        Self {
            id: Arc::clone(&member.member),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms,
            protocols: protocol
                .map(|name| Protocol {
                    name: Arc::clone(name),
                    metadata,
                })
                .into_iter()
                .collect(),
            assignment: member.assignment.clone(),
            is_new: false,
            joining: None,
            syncing: None,
        }
    }

    /// The member for the log.
    pub(crate) fn to_record(
        &self,
        protocol: Option<&Arc<str>>,
        assignment: Bytes,
    ) -> GenerationMember {
        GenerationMember {
            member: Arc::clone(&self.id),
            instance: self.instance.clone(),
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::clone(&self.client_host),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// Updates the member from a repeated join. Its client id and host stay.
    pub(crate) fn renew(&mut self, join: Join) {
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        self.protocols = join.protocols;
    }

    pub(crate) const fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    pub(crate) const fn is_joining(&self) -> bool {
        self.joining.is_some()
    }

    /// Whether a missing heartbeat is excused: a member whose request waits here cannot send heartbeats.
    pub(crate) const fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    pub(crate) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|known| &*known.name == protocol)
    }

    /// The member's metadata for `protocol`; empty if it does not support it.
    pub(crate) fn metadata(&self, protocol: Option<&Arc<str>>) -> Bytes {
        let known = self
            .protocols
            .iter()
            .find(|known| Some(&known.name) == protocol);
        known
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Stores a waiting join, replacing an earlier one of the same member. The earlier one gets an error to join
    /// again; its client has probably stopped waiting for it.
    pub(crate) fn park_join(&mut self, token: Token<JoinReply>, turn: &mut Turn<'_>) {
        if let Some(earlier) = self.joining.replace(token) {
            let error = ErrorCode::REBALANCE_IN_PROGRESS;
            turn.reply(earlier, JoinReply::refused(Arc::clone(&self.id), error));
        }
    }

    /// Stores a waiting sync, replacing an earlier one of the same member.
    pub(crate) fn park_sync(&mut self, token: Token<SyncReply>, turn: &mut Turn<'_>) {
        if let Some(earlier) = self.syncing.replace(token) {
            let refusal = SyncReply::refused(ErrorCode::REBALANCE_IN_PROGRESS);
            turn.reply(earlier, refusal);
        }
    }

    /// Fails the waiting requests with `error`: the member is removed.
    pub(crate) fn dismiss(&mut self, told_id: &str, error: ErrorCode, turn: &mut Turn<'_>) {
        if let Some(token) = self.joining.take() {
            turn.reply(token, JoinReply::refused(told_id, error));
        }
        if let Some(token) = self.syncing.take() {
            turn.reply(token, SyncReply::refused(error));
        }
    }
}
