//! The order in which Java's hash tables and Kafka's own are iterated, as far as it can be known from what is in them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{AssignorMember, Topics};
use crate::base::{TopicId, java_hash};

/// Kafka's `Uuid.hashCode`.
fn hash_of_id(id: TopicId) -> i32 {
    let (most, least) = id.0.as_u64_pair();
    let both = most ^ least;
    ((both >> 32) as i32) ^ (both as i32)
}

/// Java's order of texts: by UTF-16 units.
pub(super) fn compare_texts(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// Kafka's order of ids: by two signed numbers.
pub(super) fn compare_ids(one: TopicId, other: TopicId) -> Ordering {
    let signed = |id: TopicId| {
        let (most, least) = id.0.as_u64_pair();
        (most as i64, least as i64)
    };
    signed(one).cmp(&signed(other))
}

/// Where a `HashMap` of this capacity keeps what has this hash.
const fn bucket(hash: i32, capacity: usize) -> usize {
    let spread = (hash as u32) ^ ((hash as u32) >> 16);
    (spread as usize) & (capacity - 1)
}

/// The smallest capacity of a table.
const SMALLEST: usize = 16;
/// A smaller table grows instead of making a tree of a full bucket.
const SMALLEST_WITH_TREES: usize = 64;
/// How many there may be in a bucket.
const FULL_BUCKET: u8 = 8;

/// The capacity with which `new HashSet<>(collection)` begins.
fn capacity_of_copy(size: usize) -> usize {
    // Java computes with floats, but for sizes at which they are exact.
    (size * 4 / 3 + 1).max(SMALLEST).next_power_of_two()
}

/// The capacity of a table after these hashes were put into it, one by one.
fn grown(mut capacity: usize, hashes: &[i32]) -> usize {
    let mut counts = [0_u8; SMALLEST_WITH_TREES];
    let mut put = 0;
    while put < hashes.len() && capacity < SMALLEST_WITH_TREES {
        let before = capacity;
        if counts[bucket(hashes[put], capacity)] >= FULL_BUCKET {
            capacity *= 2;
        }
        put += 1;
        if put * 4 > capacity * 3 {
            capacity *= 2;
        }
        let again = if capacity == before { put - 1 } else { 0 };
        if again == 0 {
            counts.fill(0);
        }
        for hash in &hashes[again..put] {
            counts[bucket(*hash, capacity.min(SMALLEST_WITH_TREES))] += 1;
        }
    }
    while hashes.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    capacity
}

/// Sorts as a table is iterated into which these were put in this order.
fn sort<T>(items: &mut [T], capacity: usize, hash: impl Fn(&T) -> i32) {
    let hashes: Vec<i32> = items.iter().map(&hash).collect();
    let capacity = grown(capacity, &hashes);
    items.sort_by_key(|item| bucket(hash(item), capacity));
}

/// Sorts as `new HashSet<>(list)` is iterated.
pub(super) fn sort_as_set_of_partitions(partitions: &mut [i32]) {
    let capacity = capacity_of_copy(partitions.len());
    sort(partitions, capacity, |partition| *partition);
}

/// Sorts as a `HashMap` by topics is iterated that begins empty.
pub(super) fn sort_as_map_of_topics<T>(topics: &mut [T], id: impl Fn(&T) -> TopicId) {
    sort(topics, SMALLEST, |topic| hash_of_id(id(topic)));
}

/// The topics of a subscription, as a `HashSet` of ids is iterated that was filled from a `HashSet` of sorted names.
pub(super) fn subscribed_topics(ids: &BTreeSet<TopicId>, topics: &impl Topics) -> Vec<TopicId> {
    let named = ids.iter().filter_map(|id| Some((topics.name(*id)?, *id)));
    let mut named: Vec<(&str, TopicId)> = named.collect();
    named.sort_unstable_by(|one, other| compare_texts(one.0, other.0));
    let capacity = capacity_of_copy(named.len());
    sort(&mut named, capacity, |(name, _)| java_hash(name));
    sort(&mut named, capacity, |(_, id)| hash_of_id(*id));
    named.into_iter().map(|(_, id)| id).collect()
}

/// The members, as the `HashMap` is iterated that Kafka fills from its `TimelineHashMap`, joining members last.
pub(super) fn members_in_order<'m, 'a>(
    members: &'m [AssignorMember<'a>],
) -> Vec<&'m AssignorMember<'a>> {
    let mut ordered: Vec<(i32, &AssignorMember<'_>)> = members
        .iter()
        .map(|member| (java_hash(member.id), member))
        .collect();
    // A joining member that has partitions already takes the place of another one.
    let is_known =
        |member: &&AssignorMember<'_>| !member.joins || member.assigned.topics().len() > 0;
    let known = members.iter().filter(is_known).count();
    let bits = timeline_bits(known);
    ordered.sort_unstable_by(|(one_hash, one), (other_hash, other)| {
        let slot = |hash: i32| timeline_slot(hash, bits);
        (one.joins, slot(*one_hash))
            .cmp(&(other.joins, slot(*other_hash)))
            .then_with(|| other.id.cmp(one.id))
    });
    sort(&mut ordered, SMALLEST, |(hash, _)| *hash);
    ordered.into_iter().map(|(_, member)| member).collect()
}

/// The size of a `TimelineHashMap` in which so many are replaced again and again, as a power of two.
fn timeline_bits(size: usize) -> u32 {
    let mut bits = 1;
    while (size + 1) * 3 > (4 << bits) {
        bits += 1;
    }
    bits
}

/// Where a `TimelineHashMap` of this size keeps what has this hash: the first bits after Knuth's multiplication.
fn timeline_slot(hash: i32, bits: u32) -> u64 {
    let product = i64::from(hash).wrapping_mul(-7_046_029_254_386_353_131);
    (product as u64) >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_grow_as_in_java() {
        let ascending: Vec<i32> = (0..12).collect();
        assert_eq!(grown(16, &ascending), 16);
        let ascending: Vec<i32> = (0..13).collect();
        assert_eq!(grown(16, &ascending), 32);
        let ascending: Vec<i32> = (0..10_000).collect();
        assert_eq!(grown(16, &ascending), 16_384);
        // A ninth in a bucket makes a small table grow.
        let same_bucket: Vec<i32> = (0..8).map(|number| number * 64).collect();
        assert_eq!(grown(16, &same_bucket), 16);
        let same_bucket: Vec<i32> = (0..9).map(|number| number * 64).collect();
        assert_eq!(grown(16, &same_bucket), 32);
        let same_bucket: Vec<i32> = (0..12).map(|number| number * 64).collect();
        assert_eq!(grown(16, &same_bucket), 64);
        assert_eq!(capacity_of_copy(0), 16);
        assert_eq!(capacity_of_copy(11), 16);
        assert_eq!(capacity_of_copy(12), 32);
        assert_eq!(capacity_of_copy(24), 64);
    }

    #[test]
    fn partitions_come_by_bucket() {
        let mut partitions = vec![1, 15, 16, 17, 31, 32];
        sort_as_set_of_partitions(&mut partitions);
        assert_eq!(partitions, [16, 32, 1, 17, 15, 31]);
    }

    #[test]
    fn texts_compare_by_utf_16_units() {
        assert_eq!(compare_texts("\u{ffff}", "\u{10000}"), Ordering::Greater);
        assert_eq!(compare_texts("a", "ab"), Ordering::Less);
    }
}
