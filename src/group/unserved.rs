//! Groups of types that are not served here: share groups, streams groups.
//!
//! Kafka may have written them to the log, and may read them again later. Their records are not interpreted. Only the
//! keys of each group are kept, which also show whether it has members. This is enough to answer a classic client as
//! Kafka does, and never to overwrite such a group:
//!
//! | request | streams, without members | with members | share |
//! | --- | --- | --- | --- |
//! | join | its records are removed, it is a classic group from now on | `INCONSISTENT_GROUP_PROTOCOL` | the same |
//! | heartbeat, sync, leave | `UNKNOWN_MEMBER_ID` | the same | the same |
//! | commit from outside | accepted | `UNKNOWN_MEMBER_ID` | `GROUP_ID_NOT_FOUND` |
//! | commit of a member | `UNKNOWN_MEMBER_ID` | the same | `GROUP_ID_NOT_FOUND` |
//! | commit in a transaction, from outside | accepted | accepted | `GROUP_ID_NOT_FOUND` |
//! | delete offsets | done | `NON_EMPTY_GROUP` | `GROUP_ID_NOT_FOUND` |
//! | delete the group | done, all of its records | `NON_EMPTY_GROUP` | `GROUP_ID_NOT_FOUND` |
//!
//! A share group also has records in `__share_group_state`, so only Kafka can delete it. Offsets of groups of these
//! types do not expire here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::classic::StateName;
use crate::base::{ErrorCode, KeyValue};

/// A type of group that is not served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnservedType {
    /// A share group (KIP-932).
    Share,
    /// A streams group (KIP-1071).
    Streams,
}

impl UnservedType {
    /// The type of group for a key type. Key types that are not listed are not known to Kafka 4.3 either.
    pub(super) const fn of_key(key_type: i16) -> Option<Self> {
        match key_type {
            10..=15 => Some(Self::Share),
            17 | 19..=23 => Some(Self::Streams),
            _ => None,
        }
    }

    /// The type name in ListGroups, which is also its protocol type.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Streams => "streams",
        }
    }
}

/// Whether a key of this type belongs to a member.
const fn is_member(key_type: i16) -> bool {
    matches!(key_type, 10 | 19)
}

/// A group of a type that is not served here, as far as known.
#[derive(Debug)]
pub(crate) struct UnservedGroup {
    kind: UnservedType,
    /// The keys of its records, with their types.
    keys: BTreeSet<(i16, Vec<u8>)>,
}

impl UnservedGroup {
    pub(crate) const fn kind(&self) -> UnservedType {
        self.kind
    }

    pub(crate) fn has_members(&self) -> bool {
        self.keys.iter().any(|(key_type, _)| is_member(*key_type))
    }

    /// Only whether it is empty is known of its state.
    pub(crate) fn state(&self) -> StateName {
        if self.has_members() {
            StateName::Stable
        } else {
            StateName::Empty
        }
    }

    /// Whether a classic group may replace it.
    pub(crate) fn may_become_classic(&self) -> bool {
        self.kind != UnservedType::Share && !self.has_members()
    }

    /// Whether an offset may be committed, by a member or from outside.
    pub(crate) fn allow_commit(&self, by_member: bool) -> Result<(), ErrorCode> {
        if self.kind == UnservedType::Share {
            Err(ErrorCode::GROUP_ID_NOT_FOUND)
        } else if by_member || self.has_members() {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        } else {
            Ok(())
        }
    }

    /// The same in a transaction, where nobody needs to be a member. Without members it does not matter who somebody
    /// without an epoch is.
    pub(crate) fn allow_commit_in_transaction(
        &self,
        has_epoch: bool,
        by_member: bool,
    ) -> Result<(), ErrorCode> {
        if self.kind == UnservedType::Share {
            Err(ErrorCode::GROUP_ID_NOT_FOUND)
        } else if has_epoch || (by_member && self.has_members()) {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        } else {
            Ok(())
        }
    }

    /// Whether it or its offsets may be deleted.
    pub(crate) fn allow_deletion(&self) -> Result<(), ErrorCode> {
        if self.kind == UnservedType::Share {
            Err(ErrorCode::GROUP_ID_NOT_FOUND)
        } else if self.has_members() {
            Err(ErrorCode::NON_EMPTY_GROUP)
        } else {
            Ok(())
        }
    }

    /// The tombstones for all its records.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = KeyValue> {
        self.keys.iter().map(|(_, key)| KeyValue {
            key: key.clone(),
            value: None,
        })
    }
}

/// All groups of such types. Hard state: only replay changes it.
#[derive(Debug, Default)]
pub(crate) struct UnservedGroups {
    by_id: BTreeMap<Arc<str>, UnservedGroup>,
    changes: u64,
}

impl UnservedGroups {
    pub(crate) fn get(&self, group: &str) -> Option<&UnservedGroup> {
        self.by_id.get(group)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &UnservedGroup)> {
        self.by_id.iter()
    }

    /// How many records were registered.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Registers a record of a group, or a tombstone.
    pub(crate) fn note(&mut self, kind: UnservedType, id: &Arc<str>, key: &UnservedKey<'_>) {
        self.changes += 1;
        let entry = (key.key_type, key.bytes.to_vec());
        if key.is_there {
            let group = self
                .by_id
                .entry(Arc::clone(id))
                .or_insert_with(|| UnservedGroup {
                    kind,
                    keys: BTreeSet::new(),
                });
            group.kind = kind;
            group.keys.insert(entry);
        } else if let Some(group) = self.by_id.get_mut(id) {
            group.keys.remove(&entry);
            if group.keys.is_empty() {
                self.by_id.remove(id);
            }
        }
    }
}

/// The key of a record of such a group.
#[derive(Debug)]
pub(crate) struct UnservedKey<'a> {
    pub(crate) key_type: i16,
    pub(crate) bytes: &'a [u8],
    /// Whether the record has a value, and so is no tombstone.
    pub(crate) is_there: bool,
}
