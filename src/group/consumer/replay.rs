//! What a record does to a consumer group. Each record has a part of the group of its own, so any order is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::memory::{expression_bytes, target_bytes};
use super::records::{self, ConsumerKey};
use super::{Assignment, ConsumerGroup, Known, Member, Resolved};
use crate::group::replay::ReplayError;

impl ConsumerGroup {
    /// Applies a record of this group, or a tombstone.
    pub(super) fn replay(
        &mut self,
        key: &ConsumerKey,
        value: Option<&[u8]>,
    ) -> Result<(), ReplayError> {
        match key {
            ConsumerKey::Group => self.metadata = value.map(records::decode_group).transpose()?,
            // Its contents are replaced by the hash, which Kafka before 4.1 did not write: so it differs, and the
            // group gets a new epoch with the next heartbeat.
            ConsumerKey::TopicsRead => self.has_topics_read = value.is_some(),
            ConsumerKey::TargetEpoch => {
                self.target.metadata = value.map(records::decode_target_epoch).transpose()?;
            }
            ConsumerKey::TargetMember(member) => {
                let target = value.map(records::decode_target_member).transpose()?;
                self.replay_target(member, target);
            }
            ConsumerKey::Member(member) => {
                let decode = |value| records::decode_member(Arc::clone(member), value);
                let decoded = value.map(decode).transpose()?;
                self.replay_metadata(member, decoded);
            }
            ConsumerKey::CurrentAssignment(member) => {
                let decode = |value| records::decode_current_assignment(Arc::clone(member), value);
                let decoded = value.map(decode).transpose()?;
                self.replay_assignment(member, decoded);
            }
            ConsumerKey::Expression(expression) => {
                let resolved = value.map(records::decode_expression).transpose()?;
                self.replay_expression(expression, resolved);
            }
        }
        Ok(())
    }

    /// Whether none of its records is left.
    pub(super) fn is_gone(&self) -> bool {
        self.metadata.is_none()
            && !self.has_topics_read
            && self.members.is_empty()
            && self.target.metadata.is_none()
            && self.target.by_member.is_empty()
            && self.expressions.is_empty()
    }

    fn replay_target(&mut self, member: &Arc<str>, target: Option<Assignment>) {
        let before = match target {
            Some(target) => {
                self.held += target_bytes(member, &target);
                self.target.by_member.insert(Arc::clone(member), target)
            }
            None => self.target.by_member.remove(member),
        };
        if let Some(before) = before {
            self.held -= target_bytes(member, &before);
        }
        if self.target.by_member.is_empty() {
            self.target.by_member = BTreeMap::new();
        }
    }

    fn replay_metadata(&mut self, id: &Arc<str>, metadata: Option<Member>) {
        let has_metadata = metadata.is_some();
        let metadata = metadata.map(|mut metadata| {
            let names = &mut metadata.subscription.names;
            *names = self.index.share(names);
            metadata
        });
        let before = self.members.get(id);
        let has_assignment = before.is_some_and(|known| known.has_assignment);
        let old_name = before.and_then(|known| known.member.instance.clone());
        if let Some(instance) = old_name {
            self.index.unname(&instance, id);
        }
        if let Some(instance) = metadata
            .as_ref()
            .and_then(|metadata| metadata.instance.as_ref())
        {
            self.index.name(instance, id);
        }
        let metadata = metadata.unwrap_or_else(|| Member::new(Arc::clone(id)));
        let member = match self.members.get(id) {
            Some(known) => known.member.with_metadata_of(metadata),
            None => metadata,
        };
        self.put(member, has_metadata, has_assignment);
    }

    fn replay_assignment(&mut self, id: &Arc<str>, assignment: Option<Member>) {
        let has_assignment = assignment.is_some();
        let has_metadata = self.members.get(id).is_some_and(|known| known.has_metadata);
        let assignment = assignment.unwrap_or_else(|| Member::new(Arc::clone(id)));
        let member = match self.members.get(id) {
            Some(known) => known.member.with_assignment_of(assignment),
            None => assignment,
        };
        self.put(member, has_metadata, has_assignment);
    }

    /// The member is like this now. Without records it is gone. What is the same as before costs nothing: what a member
    /// reads can be long, and so can what it has.
    fn put(&mut self, member: Member, has_metadata: bool, has_assignment: bool) {
        let known = self.members.remove(&member.id);
        let before = known.map(|known| known.member);
        let after = (has_metadata || has_assignment).then(|| Arc::new(member));
        self.index_metadata(before.as_deref(), after.as_deref());
        self.index_claims(before.as_deref(), after.as_deref());
        if let Some(before) = before {
            self.index.remove_state(&before);
            self.held -= before.held_bytes();
        }
        if let Some(member) = after {
            self.index.add_state(&member);
            self.held += member.held_bytes();
            let known = Known {
                member,
                has_metadata,
                has_assignment,
            };
            self.members.insert(Arc::clone(&known.member.id), known);
        } else if self.members.is_empty() {
            // A tree that was not empty once keeps a node with room for eleven.
            self.members = BTreeMap::new();
            self.index.let_go_of_empty_maps();
        }
    }

    fn index_metadata(&mut self, before: Option<&Member>, after: Option<&Member>) {
        if let (Some(before), Some(after)) = (before, after)
            && before.subscription == after.subscription
            && before.assignor == after.assignor
            && before.classic == after.classic
        {
            return;
        }
        // The new entries first: others share those that stay.
        if let Some(after) = after {
            self.index.add_metadata(after);
        }
        if let Some(before) = before {
            self.index.remove_metadata(before);
        }
    }

    fn index_claims(&mut self, before: Option<&Member>, after: Option<&Member>) {
        if let (Some(before), Some(after)) = (before, after)
            && before.epoch == after.epoch
            && before.assigned == after.assigned
            && before.pending_revocation == after.pending_revocation
        {
            return;
        }
        if let Some(before) = before {
            let others = &self.members;
            self.index
                .release(before, || others.values().map(|known| &known.member));
        }
        if let Some(after) = after {
            self.index.claim(after);
        }
    }

    fn replay_expression(&mut self, expression: &Arc<str>, resolved: Option<Resolved>) {
        let resolved = resolved.map(|resolved| Resolved {
            topics: self.index.share(&resolved.topics),
            ..resolved
        });
        if let Some(resolved) = &resolved {
            self.index.resolve(resolved);
            self.held += expression_bytes(expression, resolved);
        }
        let before = match resolved {
            Some(resolved) => self.expressions.insert(Arc::clone(expression), resolved),
            None => self.expressions.remove(expression),
        };
        if let Some(before) = before {
            self.index.forget(&before);
            self.held -= expression_bytes(expression, &before);
        }
    }
}
