//! Takes an input apart: numbers and pieces off its front, the rest as it is.

/// What is left of an input. Where it has run out there are zeros and empty pieces.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Big-endian, of `size` bytes.
    pub(crate) fn number(&mut self, size: usize) -> u64 {
        let bytes = self.take(size);
        bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    pub(crate) fn int64(&mut self) -> i64 {
        self.number(8).cast_signed()
    }

    /// A piece behind its length, which has two bytes.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = self.number(2) as usize;
        self.take(length)
    }
}
