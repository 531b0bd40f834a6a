//! The memory cost of a value that has several holders.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

/// A cost that several holders of a value share. The first of them pays it, and the payment is stored with the value and
/// released when the value is dropped. What pays is left to the floors above.
#[derive(Default)]
pub struct SharedCost {
    bytes: usize,
    paid: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl SharedCost {
    /// `bytes` of memory that nobody has paid for yet.
    pub const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            paid: OnceLock::new(),
        }
    }

    /// Calls `pay` with the number of bytes, unless it was already paid.
    pub fn pay<P: Any + Send + Sync>(&self, pay: impl FnOnce(usize) -> P) {
        self.paid.get_or_init(|| Box::new(pay(self.bytes)));
    }
}

impl fmt::Debug for SharedCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCost")
            .field("bytes", &self.bytes)
            .field("is_paid", &self.paid.get().is_some())
            .finish()
    }
}
