//! Replay: the one place where records of the log change the registry, while loading and afterwards.

use std::ops::Range;
use std::sync::Arc;

use super::classic::Group;
use super::consumer::records::ConsumerKey;
use super::offsets::Decided;
use super::records::{self, Generation, Key};
use super::registry::Registry;
use super::unserved::{UnservedKey, UnservedType};
use crate::base::{Offset, ProducerId, Replayed, Timestamp, TopicPartition, TransactionEnd};
use crate::schema::DecodeError;

/// Why a record could not be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The bytes are not what the record's schema says.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// A version that is not known here.
    #[error("{record} version {version} is not known")]
    UnknownVersion {
        /// The kind of record.
        record: &'static str,
        /// Its version.
        version: i16,
    },
}

impl Registry {
    /// Applies a record; an offset of an open transaction counts when that is committed. A record that cannot be read
    /// changes nothing. For a record of a group of a type that is not served, only its key is kept.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn replay(&mut self, record: &Replayed<'_>, now: Timestamp) -> Result<(), ReplayError> {
        self.provisional = None;
        self.ended_sessions.clear();
        match (records::decode_key(record.key)?, record.value) {
            (Key::Offset { group, at }, Some(value)) => {
                let offset = records::decode_offset(value)?;
                if let Some(producer) = record.producer {
                    let is_settled = self.is_loading;
                    self.pending
                        .hold(producer, record.place, &group, at, offset, is_settled);
                } else {
                    self.pending.overtake(&group, &at, record.place);
                    self.offsets.insert(Arc::clone(&group), at, offset);
                }
                self.group_of_offsets(&group, now);
            }
            (Key::Offset { group, at }, None) => self.replay_offset_gone(&group, &at),
            (Key::Group { group }, Some(value)) => {
                let generation = records::decode_generation(value)?;
                self.replay_generation(group, generation);
            }
            (Key::Group { group }, None) => {
                self.groups.remove(&group);
                // A classic group can end and leave its offsets to a group of another type.
                if self.has_offsets(&group) {
                    self.group_of_offsets(&group, now);
                }
            }
            (Key::Consumer { group, key }, value) => {
                self.replay_consumer(&group, &key, value, now)?;
            }
            (
                Key::Unserved {
                    kind,
                    key_type,
                    group,
                },
                value,
            ) => {
                let key = UnservedKey {
                    key_type,
                    bytes: record.key,
                    is_there: value.is_some(),
                };
                self.replay_unserved(kind, &group, &key, now);
            }
            (Key::Other(_), _) => {}
        }
        Ok(())
    }

    /// The log has the records of a producer's open transaction that were replayed at these places after loading; or it
    /// has refused them, and they never were there.
    pub fn settled(&mut self, producer: ProducerId, places: &Range<Offset>, is_written: bool) {
        for group in self.pending.settle(producer, places, is_written) {
            self.end_with_offsets(&group);
        }
    }

    /// Applies the offsets of a transaction, if it is committed and there is nothing newer.
    pub fn transaction_ended(&mut self, end: &TransactionEnd) {
        for Decided {
            group,
            at,
            committed,
        } in self.pending.end(end)
        {
            if let Some(committed) = committed {
                self.offsets.insert(Arc::clone(&group), at, committed);
            }
            self.end_with_offsets(&group);
        }
    }

    /// A group that exists only through its offsets gets its type from a record, and vice versa: a group whose
    /// records are gone may still have its offsets.
    fn replay_consumer(
        &mut self,
        group: &Arc<str>,
        key: &ConsumerKey,
        value: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        let has_offsets = self.has_offsets(group);
        self.consumers.replay(group, key, value, has_offsets)?;
        if !self.consumers.contains(group) {
            if has_offsets {
                self.group_of_offsets(group, now);
            }
        } else if self.groups.get(group).is_some_and(is_only_offsets) {
            self.groups.remove(group);
        }
        Ok(())
    }

    /// The same for a group of a type that is not served.
    fn replay_unserved(
        &mut self,
        kind: UnservedType,
        group: &Arc<str>,
        key: &UnservedKey<'_>,
        now: Timestamp,
    ) {
        self.unserved.note(kind, group, key);
        if self.unserved.get(group).is_none() {
            if self.has_offsets(group) {
                self.group_of_offsets(group, now);
            }
        } else if self.groups.get(group).is_some_and(is_only_offsets) {
            self.groups.remove(group);
        }
    }

    /// A group that has offsets exists, even if it never had a member.
    fn group_of_offsets(&mut self, group: &Arc<str>, now: Timestamp) {
        let is_known = self.groups.contains(group)
            || self.consumers.contains(group)
            || self.unserved.get(group).is_some();
        if !is_known {
            self.groups.insert(Group::new(Arc::clone(group), now));
        }
        self.note_offsets(group);
    }

    /// The group has its first offsets, or has none any more.
    fn note_offsets(&mut self, id: &str) {
        let has_offsets = self.has_offsets(id);
        self.consumers.note_offsets(id, has_offsets);
        let group = self.groups.get(id);
        if group.is_some_and(|group| group.has_offsets != has_offsets) {
            self.groups
                .change(id, |group| group.has_offsets = has_offsets);
        }
    }

    /// A group that exists only through its offsets ends with the last of them.
    fn replay_offset_gone(&mut self, group: &Arc<str>, at: &TopicPartition) {
        self.offsets.remove(group, at);
        self.pending.remove(group, at);
        self.end_with_offsets(group);
    }

    fn end_with_offsets(&mut self, group: &Arc<str>) {
        if !self.has_offsets(group) && self.groups.get(group).is_some_and(is_only_offsets) {
            self.groups.remove(group);
        }
        self.note_offsets(group);
    }

    /// Whether the group has offsets, committed or pending.
    pub(super) fn has_offsets(&self, group: &str) -> bool {
        self.offsets.has_any(group) || self.pending.has_any(group)
    }

    fn replay_generation(&mut self, id: Arc<str>, generation: Generation) {
        let unexpected = if self.is_loading || !self.groups.contains(&id) {
            Some(generation)
        } else {
            let adopted = self
                .groups
                .change(&id, |group| group.adopt(generation).err());
            adopted.flatten()
        };
        if let Some(generation) = unexpected {
            let mut group = Group::restored(Arc::clone(&id), generation);
            group.has_offsets = self.has_offsets(&id);
            self.groups.insert(group);
        }
    }
}

/// Whether nothing but the offsets is known of the group.
fn is_only_offsets(group: &Group) -> bool {
    group.written().is_none() && group.is_deserted()
}
