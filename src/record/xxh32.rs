//! XXH32 with seed 0, the checksum of lz4 frames, computed piece by piece.

const PRIMES: [u32; 5] = [
    2_654_435_761,
    2_246_822_519,
    3_266_489_917,
    668_265_263,
    374_761_393,
];
const STRIPE: usize = 16;

/// The hash so far.
#[derive(Clone, Debug)]
pub(super) struct Xxh32 {
    lanes: [u32; 4],
    /// The first `held` bytes of an incomplete stripe.
    stripe: [u8; STRIPE],
    held: usize,
    /// Whether there was a whole stripe.
    long: bool,
    /// The hash takes the length modulo 2^32.
    length: u32,
}

impl Xxh32 {
    pub(super) const fn new() -> Self {
        let [p1, p2, ..] = PRIMES;
        Self {
            lanes: [p1.wrapping_add(p2), p2, 0, p1.wrapping_neg()],
            stripe: [0; STRIPE],
            held: 0,
            long: false,
            length: 0,
        }
    }

    /// The hash of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> u32 {
        let mut hash = Self::new();
        hash.update(bytes);
        hash.finish()
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u32);
        if self.held > 0 {
            let taken = bytes.len().min(STRIPE - self.held);
            let (front, rest) = bytes.split_at(taken);
            self.hold(front);
            bytes = rest;
            if self.held < STRIPE {
                return;
            }
            let stripe = self.stripe;
            self.mix(&stripe);
            self.held = 0;
        }
        let (stripes, tail) = bytes.as_chunks::<STRIPE>();
        for stripe in stripes {
            self.mix(stripe);
        }
        self.hold(tail);
    }

    /// Keeps `bytes`, which must fit into the stripe.
    fn hold(&mut self, bytes: &[u8]) {
        let room = self.stripe.iter_mut().skip(self.held);
        for (to, from) in room.zip(bytes) {
            *to = *from;
        }
        self.held += bytes.len();
    }

    #[inline]
    fn mix(&mut self, stripe: &[u8; STRIPE]) {
        let [p1, p2, ..] = PRIMES;
        self.long = true;
        let (words, _) = stripe.as_chunks::<4>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            let mixed = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p2));
            *lane = mixed.rotate_left(13).wrapping_mul(p1);
        }
    }

    pub(super) fn finish(&self) -> u32 {
        let [p1, p2, p3, p4, p5] = PRIMES;
        let mut sum = if self.long {
            let [a, b, c, d] = self.lanes;
            a.rotate_left(1)
                .wrapping_add(b.rotate_left(7))
                .wrapping_add(c.rotate_left(12))
                .wrapping_add(d.rotate_left(18))
        } else {
            p5
        };
        sum = sum.wrapping_add(self.length);
        let mut tail = self.stripe.get(..self.held).unwrap_or_default();
        while let Some((word, rest)) = tail.split_first_chunk::<4>() {
            sum = sum
                .wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p3))
                .rotate_left(17)
                .wrapping_mul(p4);
            tail = rest;
        }
        for byte in tail {
            sum = sum
                .wrapping_add(u32::from(*byte).wrapping_mul(p5))
                .rotate_left(11)
                .wrapping_mul(p1);
        }
        sum = (sum ^ (sum >> 15)).wrapping_mul(p2);
        sum = (sum ^ (sum >> 13)).wrapping_mul(p3);
        sum ^ (sum >> 16)
    }
}

#[cfg(test)]
mod tests {
    use super::Xxh32;

    #[test]
    fn the_checksum_is_xxh32_however_the_bytes_are_divided() {
        assert_eq!(Xxh32::of(b""), 0x02CC_5D05);
        assert_eq!(Xxh32::of(b"abc"), 0x32D1_53FF);
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = Xxh32::of(&bytes);
        for size in 1..40 {
            let mut hash = Xxh32::new();
            bytes.chunks(size).for_each(|piece| hash.update(piece));
            assert_eq!(hash.finish(), whole, "pieces of {size}");
        }
    }
}
