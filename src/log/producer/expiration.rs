//! How long a producer may be silent before its state is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// `producer.id.expiration.ms`, which changes while logs are open. All clones are the same setting.
#[derive(Clone, Debug)]
pub struct ProducerExpiration(Arc<AtomicI64>);

impl ProducerExpiration {
    /// The time in milliseconds.
    pub fn new(ms: i32) -> Self {
        Self(Arc::new(AtomicI64::new(ms.into())))
    }

    /// Changes the time, for all logs that share this setting.
    pub fn set(&self, ms: i32) {
        self.0.store(ms.into(), Ordering::Relaxed);
    }

    pub(crate) fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
