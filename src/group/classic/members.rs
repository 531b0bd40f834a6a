//! The members of a group, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Member;

/// Members in the order of their ids. Most groups have one or two members, and any client can create many groups. So
/// a member is boxed, since a tree node has room for eleven. When the last member is removed the tree is dropped too;
/// otherwise it would keep a node.
#[derive(Debug)]
pub(crate) struct Members {
    by_id: BTreeMap<Arc<str>, Box<Member>>,
}

impl Members {
    pub(super) const fn new() -> Self {
        Self {
            by_id: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id).map(|member| &**member)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(id).map(|member| &mut **member)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_id.keys()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values().map(|member| &**member)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_id.values_mut().map(|member| &mut **member)
    }

    /// Inserts a member, replacing one with the same id.
    pub(super) fn insert(&mut self, member: Member) {
        self.by_id.insert(Arc::clone(&member.id), Box::new(member));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let removed = self.by_id.remove(id)?;
        if self.by_id.is_empty() {
            self.by_id = BTreeMap::new();
        }
        Some(*removed)
    }
}
