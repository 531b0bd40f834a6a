//! What something costs that several hold at the same time.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

/// A cost that is paid once, by the first who pays, for as long as anybody has what it is for: it lies in there, and
/// takes what was paid along when it goes. Who pays with what is left to the floors above.
#[derive(Default)]
pub struct SharedCost {
    bytes: usize,
    paid: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl SharedCost {
    /// `bytes` of memory that nobody has paid for.
    pub const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            paid: OnceLock::new(),
        }
    }

    /// Has `pay` pay for so many bytes, unless that has been done.
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
