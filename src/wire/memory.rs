//! What connections may hold of the broker's memory, and who holds it.

/// Bytes of the broker's memory that a request, an answer or a frame may use. They are given back when it is dropped,
/// so it travels with what it was taken for.
#[derive(Debug, Default)]
pub struct Charge {
    bytes: usize,
}

impl Charge {
    /// How many bytes it is for.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is above `bytes`.
    pub const fn shrink_to(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.bytes = bytes;
        }
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, mut other: Self) {
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut other.bytes));
    }
}
