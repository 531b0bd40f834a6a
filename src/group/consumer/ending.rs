//! The end of a consumer group: tombstones for all of its records, in Kafka's order.

use std::collections::BTreeSet;

use super::{ConsumerGroup, records};
use crate::base::{ErrorCode, KeyValue};

impl ConsumerGroup {
    /// Whether it may be deleted.
    pub(in crate::group) fn allow_deletion(&self) -> Result<(), ErrorCode> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(ErrorCode::NON_EMPTY_GROUP)
        }
    }

    /// The tombstones. One that is not needed does no harm, and Kafka before 4.1 may have written what it is for.
    pub(in crate::group) fn tombstones(&self) -> Vec<KeyValue> {
        let id = self.id();
        let members = self.members().map(|member| &member.id);
        let members: BTreeSet<_> = members
            .chain(self.targets().map(|(member, _)| member))
            .collect();
        let of_members = |tombstone: fn(&str, &str) -> KeyValue| {
            members.iter().map(move |member| tombstone(id, member))
        };
        let expressions = self.expressions().map(|(expression, _)| expression);
        of_members(records::current_assignment_tombstone)
            .chain(of_members(records::target_member_tombstone))
            .chain([records::target_epoch_tombstone(id)])
            .chain(of_members(records::member_metadata_tombstone))
            .chain(expressions.map(|expression| records::expression_tombstone(id, expression)))
            .chain([
                records::topics_read_tombstone(id),
                records::group_metadata_tombstone(id),
            ])
            .collect()
    }
}
