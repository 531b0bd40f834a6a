//! The list of groups, for administrators.
//!
//! A request for a list has a few bytes, and the answer stays in memory until the client has read it. So answers
//! share one [`Listing`]: it is created on request, does not change, and is used again until a group changes. Only
//! answers keep it alive: the registry has a weak reference. The first answer is charged for its memory.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::classic::{Group, StateName};
use super::consumer::{ConsumerGroup, ConsumerState};
use super::registry::Registry;
use super::unserved::UnservedType;
use crate::base::SharedCost;

/// The types of the served groups, as in ListGroups.
pub const GROUP_TYPE: &str = "classic";
const CONSUMER_TYPE: &str = "consumer";
/// All types.
const TYPES: [&str; 4] = [
    GROUP_TYPE,
    CONSUMER_TYPE,
    UnservedType::Share.as_str(),
    UnservedType::Streams.as_str(),
];

/// The cost of a string besides its bytes. The listing may be the last owner of a group's id.
const TEXT: usize = 32;

/// Which groups to list. It is small however long the request was, since it is checked for every group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The wanted states; all if empty.
    states: Option<Vec<&'static str>>,
    /// The wanted types; all if empty.
    types: Option<Vec<&'static str>>,
}

impl ListFilter {
    /// A filter for these names, ignoring case; no names select everything. Unknown names select nothing.
    pub fn new<'a>(
        states: impl IntoIterator<Item = &'a str>,
        types: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let classic = StateName::ALL.into_iter().map(StateName::as_str);
        let consumer = ConsumerState::ALL.into_iter().map(ConsumerState::name);
        let known: Vec<_> = classic.chain(consumer).collect();
        Self {
            // As in Kafka, spaces around a type count.
            states: named(states.into_iter().map(str::trim), &known),
            types: named(types, &TYPES),
        }
    }

    /// Whether the group is to be listed.
    pub fn lets(&self, group: &ListedGroup) -> bool {
        let states = self.states.as_ref();
        let types = self.types.as_ref();
        states.is_none_or(|states| states.contains(&group.state))
            && types.is_none_or(|types| types.contains(&group.group_type))
    }
}

/// The entries of `known` that are in `names`, or nothing if there are no names.
fn named<'a>(
    names: impl IntoIterator<Item = &'a str>,
    known: &[&'static str],
) -> Option<Vec<&'static str>> {
    let mut is_named = vec![false; known.len()];
    let mut has_names = false;
    for name in names {
        has_names = true;
        let place = known.iter().position(|one| name.eq_ignore_ascii_case(one));
        if let Some(place) = place {
            is_named[place] = true;
        }
    }
    let found = known.iter().zip(is_named).filter(|(_, is_named)| *is_named);
    has_names.then(|| found.map(|(one, _)| *one).collect())
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group's id.
    pub group: Arc<str>,
    /// The protocol type, such as "consumer" or "connect"; empty if there were never members.
    pub protocol_type: Arc<str>,
    /// The name of the group's state, of which each type has its own.
    pub state: &'static str,
    /// Its type, with Kafka's name.
    pub group_type: &'static str,
}

/// The groups of a partition at one moment.
#[derive(Debug)]
pub struct Listing {
    /// Of each type the groups by id.
    pub groups: Box<[ListedGroup]>,
    /// The memory of the listing.
    pub cost: Arc<SharedCost>,
}

impl Listing {
    /// These groups; the memory is not charged to an answer yet.
    pub fn new(groups: Box<[ListedGroup]>) -> Self {
        let texts = groups.iter().map(|group| group.group.len() + TEXT);
        let bytes = texts.sum::<usize>() + size_of_val(&*groups);
        Self {
            groups,
            cost: Arc::new(SharedCost::new(bytes)),
        }
    }
}

/// A weak reference to the last listing, and the number of changes at that time.
#[derive(Debug, Default)]
pub(super) struct LastListing(RefCell<(u64, Weak<Listing>)>);

impl Registry {
    /// All groups, by id. Returns the same listing as before if it is still in use and no group has changed.
    pub fn listing(&self) -> Arc<Listing> {
        let changes = self.groups.changes() + self.consumers.changes() + self.unserved.changes();
        let mut last = self.last_listing.0.borrow_mut();
        let (made_at, listing) = &*last;
        if *made_at == changes
            && let Some(listing) = listing.upgrade()
        {
            return listing;
        }
        let made = Arc::new(Listing::new(self.listed().collect()));
        *last = (changes, Arc::downgrade(&made));
        made
    }

    fn listed(&self) -> impl Iterator<Item = ListedGroup> {
        let unserved = self.unserved.iter().filter_map(|(id, _)| {
            let group = self.unserved(id)?;
            Some(ListedGroup {
                group: Arc::clone(id),
                protocol_type: group.kind().as_str().into(),
                state: group.state().as_str(),
                group_type: group.kind().as_str(),
            })
        });
        let consumers = self.consumers.iter();
        let consumers = consumers.filter(|group| !self.groups.contains(group.id()));
        let groups = self.groups.iter().map(|(_, group)| of_group(group));
        groups
            .chain(consumers.map(of_consumer_group))
            .chain(unserved)
    }
}

fn of_group(group: &Group) -> ListedGroup {
    ListedGroup {
        group: Arc::clone(group.id()),
        protocol_type: group.protocol_type().cloned().unwrap_or_default(),
        state: group.state().as_str(),
        group_type: GROUP_TYPE,
    }
}

fn of_consumer_group(group: &ConsumerGroup) -> ListedGroup {
    ListedGroup {
        group: Arc::clone(group.id()),
        protocol_type: CONSUMER_TYPE.into(),
        state: group.state().name(),
        group_type: CONSUMER_TYPE,
    }
}
