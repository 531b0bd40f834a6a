//! Waiting for the end of a transaction.
//!
//! A producer begins its next transaction as soon as the end of the last one is decided, while markers are still being
//! written. Its coordinator then refuses with "concurrent transactions", and clients try again after a pause that is
//! longer than the rest of the work. So the broker asks again itself, when the end has been recorded. Kafka does the
//! same for partitions that a produce adds, with pauses (`add.partitions.to.txn.retry.backoff.ms`).
//!
//! Whoever needs a guard of a partition takes a new one each time: the marker of the last transaction takes the guard
//! away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::base::lock;

/// How long a request waits at most, as in Kafka (`add.partitions.to.txn.retry.backoff.max.ms`). After that the client
/// tries again.
const LONGEST: Duration = Duration::from_millis(100);

/// Who waits for the end of which transactional id's transaction. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Endings {
    waiting: Arc<Mutex<HashMap<Arc<str>, Arc<Notify>>>>,
}

impl Endings {
    /// Asks until the answer is not too early, at once and then after each end of a transaction of `id`, for a limited
    /// time. `first` is the first answer.
    pub async fn ask_over<T, F: Future<Output = T>>(
        &self,
        id: &Arc<str>,
        first: T,
        again: impl Fn() -> F,
        is_early: impl Fn(&T) -> bool,
    ) -> T {
        if !is_early(&first) {
            return first;
        }
        let until = Instant::now() + LONGEST;
        let place = Place::take(self, id);
        loop {
            // It notices an end from now on, before the answer shows that there was none.
            let ended = place.ended.notified();
            let answer = again().await;
            if !is_early(&answer) || timeout_at(until, ended).await.is_err() {
                return answer;
            }
        }
    }

    /// A transaction of `id` has ended.
    pub(super) fn note(&self, id: &str) {
        if let Some(ended) = lock(&self.waiting).get(id) {
            ended.notify_waiters();
        }
    }
}

/// The place of one that waits. The last one of an id takes its entry along.
struct Place<'a> {
    endings: &'a Endings,
    id: &'a Arc<str>,
    ended: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(endings: &'a Endings, id: &'a Arc<str>) -> Self {
        let mut waiting = lock(&endings.waiting);
        let ended = Arc::clone(waiting.entry(Arc::clone(id)).or_default());
        drop(waiting);
        Self { endings, id, ended }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.endings.waiting);
        // The map's and this one's.
        if Arc::strong_count(&self.ended) == 2 {
            waiting.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The number of the first answer that is not too early, or of the last one.
    async fn ask(endings: &Endings, early: usize) -> usize {
        let count = AtomicUsize::new(1);
        let again = || std::future::ready(count.fetch_add(1, Ordering::SeqCst) + 1);
        let is_early = |answer: &usize| *answer <= early;
        endings.ask_over(&"id".into(), 1, again, is_early).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_end_and_no_longer_than_its_time() {
        let endings = Endings::default();
        assert_eq!(ask(&endings, 0).await, 1);

        let begun = Instant::now();
        assert_eq!(ask(&endings, 9).await, 2, "nothing has ended");
        assert_eq!(begun.elapsed(), LONGEST);

        let begun = Instant::now();
        let ended = async {
            tokio::task::yield_now().await;
            endings.note("another");
            endings.note("id");
        };
        let (answer, ()) = tokio::join!(ask(&endings, 2), ended);
        assert_eq!(answer, 3);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(lock(&endings.waiting).is_empty(), "nobody waits any more");
    }
}
