//! The memory that all machines of this broker hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<Sum>);

#[derive(Debug, Default)]
struct Sum {
    bytes: AtomicUsize,
    machines: AtomicUsize,
}

impl Held {
    /// The share of a machine that holds nothing yet.
    pub(super) fn share(&self) -> Share {
        self.0.machines.fetch_add(1, Ordering::Relaxed);
        Share {
            all: self.clone(),
            bytes: 0,
        }
    }
}

/// One machine's part of the sum, which is given back when the machine is dropped.
#[derive(Debug)]
pub(super) struct Share {
    all: Held,
    bytes: usize,
}

impl Share {
    /// What the other machines hold. While they decide at the same time, each may add the size of one command, so the
    /// limit can be exceeded by that much for each thread.
    pub(super) fn others(&self) -> usize {
        self.all
            .0
            .bytes
            .load(Ordering::Relaxed)
            .saturating_sub(self.bytes)
    }

    /// The number of machines.
    pub(super) fn machines(&self) -> usize {
        self.all.0.machines.load(Ordering::Relaxed)
    }

    /// Sets what the machine holds.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.all
                .0
                .bytes
                .fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.all
                .0
                .bytes
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
        self.all.0.machines.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn each_sees_what_the_others_hold() {
        let held = Held::default();
        let (mut one, mut other) = (held.share(), held.share());
        one.set(5);
        other.set(7);
        assert_eq!((one.others(), other.others()), (7, 5));
        assert_eq!(one.machines(), 2);
        one.set(2);
        assert_eq!(other.others(), 2);
        drop(one);
        assert_eq!(other.machines(), 1);
        assert_eq!((other.others(), held.share().others()), (0, 7));
    }
}
