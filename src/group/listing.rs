//! Which groups there are, for administrators.
//!
//! A list is asked for by a request of a few bytes, and its answer lasts as long as the client takes to read it. So
//! answers share one [`Listing`]: it is made when somebody asks, does not change, and is handed out again until a group
//! changes. Nothing but answers keeps it: the registry only remembers where it is. The first of them pays for it.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use super::classic::{Group, StateName};
use super::registry::Registry;
use super::unserved::UnservedType;
use crate::base::SharedCost;

/// The kind of the groups that are served, as ListGroups names it.
pub const GROUP_TYPE: &str = "classic";
/// All kinds.
const TYPES: [&str; 4] = [
    GROUP_TYPE,
    UnservedType::Consumer.as_str(),
    UnservedType::Share.as_str(),
    UnservedType::Streams.as_str(),
];

/// What a text costs beside its bytes. The listing may be the last to have a group's id.
const TEXT: usize = 32;

/// Which groups to list. As small as what it can tell apart, whatever it was made from: every group is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// The states that are wanted; all where there is nothing.
    states: Option<Vec<StateName>>,
    /// The kinds that are wanted; all where there is nothing.
    types: Option<Vec<&'static str>>,
}

impl ListFilter {
    /// Lets through what is named, in any case; everything where nothing is. A name that is none lets nothing through.
    pub fn new<'a>(
        states: impl IntoIterator<Item = &'a str>,
        types: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            states: named(states, &StateName::ALL, StateName::as_str),
            types: named(types, &TYPES, |name| name),
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

/// Those of `known` that `names` has, or nothing where there are no names.
fn named<'a, T: Copy>(
    names: impl IntoIterator<Item = &'a str>,
    known: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Option<Vec<T>> {
    let mut is_named = vec![false; known.len()];
    let mut has_names = false;
    for name in names {
        has_names = true;
        let place = known
            .iter()
            .position(|one| name.trim().eq_ignore_ascii_case(name_of(*one)));
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
    /// "consumer", "connect", or whatever its members said; empty if there never were any.
    pub protocol_type: Arc<str>,
    /// The group's state.
    pub state: StateName,
    /// Its kind: [`GROUP_TYPE`], or that of a group that is only kept.
    pub group_type: &'static str,
}

/// The groups of a partition as they were at a time.
#[derive(Debug)]
pub struct Listing {
    /// By id, those of kinds that are not served behind the others.
    pub groups: Box<[ListedGroup]>,
    /// What the listing costs in memory.
    pub cost: Arc<SharedCost>,
}

impl Listing {
    /// These groups, for which nobody has paid.
    pub fn new(groups: Box<[ListedGroup]>) -> Self {
        let texts = groups.iter().map(|group| group.group.len() + TEXT);
        let bytes = texts.sum::<usize>() + size_of_val(&*groups);
        Self {
            groups,
            cost: Arc::new(SharedCost::new(bytes)),
        }
    }
}

/// Where the listing is that was made last, and how many changes had been made by then.
#[derive(Debug, Default)]
pub(super) struct LastListing(RefCell<(u64, Weak<Listing>)>);

impl Registry {
    /// All groups, by id. The same list as before if somebody still has it and no group has changed.
    pub fn listing(&self) -> Arc<Listing> {
        let changes = self.groups.changes() + self.unserved.changes();
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
                state: group.state(),
                group_type: group.kind().as_str(),
            })
        });
        let groups = self.groups.iter();
        groups.map(|(_, group)| of_group(group)).chain(unserved)
    }
}

fn of_group(group: &Group) -> ListedGroup {
    ListedGroup {
        group: Arc::clone(group.id()),
        protocol_type: group.protocol_type().cloned().unwrap_or_default(),
        state: group.state(),
        group_type: GROUP_TYPE,
    }
}
