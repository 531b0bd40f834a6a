//! The numbers of hosted logs, and maps by them. A lane looks its logs up several times for each append.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Names a hosted log within its lane. Never reused, so a late task cannot hit another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) u64);

/// A map by slots, or by other numbers that no client chooses.
pub(super) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// A set of slots.
pub(super) type SlotSet = HashSet<Slot, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers that the broker itself gives out: nobody can make them collide, so there is no key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    /// Maps use the lowest and the highest bits. Both depend on all bits of the number: the slots of a lane may have a
    /// common factor.
    fn write_u64(&mut self, number: u64) {
        // 2 to the 64th, divided by the golden ratio
        let product = u128::from(self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn numbers_with_a_common_factor_are_spread_over_all_bits() {
        let hasher = BuildHasherDefault::<NumberHasher>::default();
        for step in [1, 2, 8, 64, 4096, 1 << 32] {
            let hashes = (0..256_u64).map(|number| hasher.hash_one(Slot(number * step)));
            let hashes: Vec<u64> = hashes.collect();
            for shift in [0, 57] {
                let places: HashSet<u64> =
                    hashes.iter().map(|hash| (hash >> shift) % 128).collect();
                assert!(places.len() > 64, "{step} {shift}: {}", places.len());
            }
        }
    }
}
