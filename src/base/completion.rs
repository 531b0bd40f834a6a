//! Runs something when several participants are done.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Each participant holds a clone. When the last clone is dropped, the callback runs on the thread that has dropped it.
/// Nobody waits.
#[derive(Clone)]
pub struct Completion {
    _ending: Arc<Ending>,
}

struct Ending {
    then: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Completion {
    /// Calls `then`, which must not wait for anything, when the last clone is dropped.
    pub fn new(then: impl FnOnce() + Send + 'static) -> Self {
        let ending = Ending {
            then: Mutex::new(Some(Box::new(then))),
        };
        Self {
            _ending: Arc::new(ending),
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let then = self.then.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(then) = then.take() {
            then();
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{TryRecvError, channel};

    #[test]
    fn it_comes_when_the_last_has_let_go() {
        let (told, telling) = channel();
        let completion = Completion::new(move || told.send(()).expect("somebody listens"));
        let other = completion.clone();
        drop(completion);
        assert_eq!(telling.try_recv(), Err(TryRecvError::Empty));
        drop(other);
        assert_eq!(telling.try_recv(), Ok(()));
    }
}
