//! Waiting for the end of a transaction.
//!
//! A producer begins its next transaction as soon as the end of the last one is decided, while markers are still being
//! written. Its coordinator then refuses with "concurrent transactions", and clients try again after a pause that is
//! longer than the rest of the work. So the broker asks again itself, when the end has been recorded. Kafka does the
//! same for partitions that a produce adds, with pauses (`add.partitions.to.txn.retry.backoff.ms`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::base::lock;
use crate::txn::TxnError;

/// How long a request waits at most, as in Kafka (`add.partitions.to.txn.retry.backoff.max.ms`). After that the client
/// tries again.
const LONGEST: Duration = Duration::from_millis(100);

/// Who waits for the end of which transactional id's transaction. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Endings {
    waiting: Arc<Mutex<HashMap<Arc<str>, Arc<Notify>>>>,
}

impl Endings {
    /// Asks until the answer is not "concurrent transactions", first at once and then after each end of a transaction
    /// of `id`, for a limited time.
    pub(super) async fn ask_over<T, E, F>(
        &self,
        id: &Arc<str>,
        first: F,
        again: impl Fn() -> F,
    ) -> Result<Result<T, TxnError>, E>
    where
        F: Future<Output = Result<Result<T, TxnError>, E>>,
    {
        let answer = first.await?;
        if !matches!(answer, Err(TxnError::ConcurrentTransactions)) {
            return Ok(answer);
        }
        let until = Instant::now() + LONGEST;
        let place = Place::take(self, id);
        loop {
            // It notices an end from now on, before the answer shows that there was none.
            let ended = place.ended.notified();
            let answer = again().await?;
            let is_refused = matches!(answer, Err(TxnError::ConcurrentTransactions));
            if !is_refused || timeout_at(until, ended).await.is_err() {
                return Ok(answer);
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
    use std::convert::Infallible;
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Answer = Result<Result<usize, TxnError>, Infallible>;

    /// Refuses so many times, then says how often it was asked.
    fn asked(count: &AtomicUsize, refusals: usize) -> std::future::Ready<Answer> {
        let before = count.fetch_add(1, Ordering::SeqCst);
        let is_refused = before < refusals;
        ready(Ok(if is_refused {
            Err(TxnError::ConcurrentTransactions)
        } else {
            Ok(before + 1)
        }))
    }

    async fn ask(
        endings: &Endings,
        count: &AtomicUsize,
        refusals: usize,
    ) -> Result<usize, TxnError> {
        let again = || asked(count, refusals);
        let Ok(answer) = endings.ask_over(&"id".into(), again(), again).await;
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_end_and_no_longer_than_its_time() {
        let endings = Endings::default();
        let never = AtomicUsize::new(0);
        assert_eq!(ask(&endings, &never, 0).await, Ok(1));

        let begun = Instant::now();
        let count = AtomicUsize::new(0);
        let late = ask(&endings, &count, usize::MAX).await;
        assert_eq!(late, Err(TxnError::ConcurrentTransactions));
        assert_eq!(begun.elapsed(), LONGEST);
        assert_eq!(count.load(Ordering::SeqCst), 2, "nothing has ended");

        let begun = Instant::now();
        let count = AtomicUsize::new(0);
        let ended = async {
            tokio::task::yield_now().await;
            endings.note("another");
            endings.note("id");
        };
        let (answer, ()) = tokio::join!(ask(&endings, &count, 2), ended);
        assert_eq!(answer, Ok(3));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(lock(&endings.waiting).is_empty(), "nobody waits any more");
    }
}
