//! Limits how many threads serve connections at a time. The runtime has one thread for each processor core, and this
//! number is fixed while it runs. If fewer are wanted, a connection waits for a turn before it continues.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use crate::base::lock;

/// As good as no bound.
const MANY: usize = Semaphore::MAX_PERMITS / 2;

/// The turns of a server's connections.
#[derive(Debug)]
pub(super) struct ServingThreads {
    /// Whether there is a limit. Without one, which is usual, nobody takes a turn.
    is_bound: AtomicBool,
    turns: Semaphore,
    /// Surplus turns that are in use: they are removed when they end.
    too_many: AtomicUsize,
    /// The number of turns without those; locked while it changes.
    count: Mutex<usize>,
}

/// A connection's wait for a turn.
type Waiting<'a> =
    Pin<Box<dyn Future<Output = Result<SemaphorePermit<'a>, AcquireError>> + Send + 'a>>;

impl ServingThreads {
    pub(super) fn new(threads: Option<usize>) -> Self {
        let serving = Self {
            is_bound: AtomicBool::new(false),
            turns: Semaphore::new(MANY),
            too_many: AtomicUsize::new(0),
            count: Mutex::new(MANY),
        };
        serving.limit(threads);
        serving
    }

    /// Sets the number of threads, at least one; `None` means all of them.
    pub(super) fn limit(&self, threads: Option<usize>) {
        let wanted = threads.map_or(MANY, |threads| threads.clamp(1, MANY));
        let mut count = lock(&self.count);
        let more = wanted.saturating_sub(*count);
        let back = take(&self.too_many, more);
        self.turns.add_permits(more.saturating_sub(back));
        let fewer = count.saturating_sub(wanted);
        let gone = self.turns.forget_permits(fewer);
        self.too_many
            .fetch_add(fewer.saturating_sub(gone), Ordering::Relaxed);
        *count = wanted;
        drop(count);
        self.is_bound.store(threads.is_some(), Ordering::Relaxed);
    }

    /// Runs `work`, each step of it with a turn.
    pub(super) async fn serve<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        let mut waiting = None;
        poll_fn(move |context| {
            if waiting.is_none() && !self.is_bound.load(Ordering::Relaxed) {
                return work.as_mut().poll(context);
            }
            let turn = ready!(self.poll_turn(context, &mut waiting));
            let step = work.as_mut().poll(context);
            self.end(turn);
            step
        })
        .await
    }

    fn poll_turn<'a>(
        &'a self,
        context: &mut Context<'_>,
        waiting: &mut Option<Waiting<'a>>,
    ) -> Poll<Option<SemaphorePermit<'a>>> {
        if waiting.is_none()
            && let Ok(turn) = self.turns.try_acquire()
        {
            return Poll::Ready(Some(turn));
        }
        let wait = waiting.get_or_insert_with(|| Box::pin(self.turns.acquire()));
        let turn = ready!(wait.as_mut().poll(context));
        *waiting = None;
        // It is never closed; if it were, nobody would have to wait.
        Poll::Ready(turn.ok())
    }

    fn end(&self, turn: Option<SemaphorePermit<'_>>) {
        if let Some(turn) = turn
            && take(&self.too_many, 1) == 1
        {
            turn.forget();
        }
    }
}

/// Removes up to `most` turns and returns how many were removed.
fn take(count: &AtomicUsize, most: usize) -> usize {
    if most == 0 || count.load(Ordering::Relaxed) == 0 {
        return 0;
    }
    let less = |now: usize| Some(now.saturating_sub(most));
    let before = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    before.unwrap_or_default().min(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier, mpsc};

    /// A step that says when it has begun and lasts until it is let go.
    struct Steps {
        begun: mpsc::Sender<()>,
        barrier: Arc<Barrier>,
    }

    impl Steps {
        async fn work(self) {
            self.begun.send(()).unwrap();
            self.barrier.wait();
        }
    }

    #[test]
    fn as_many_steps_are_taken_at_a_time_as_there_are_turns() {
        let serving = Arc::new(ServingThreads::new(Some(2)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        let (begun, has_begun) = mpsc::channel();
        let barrier = Arc::new(Barrier::new(3));
        let start = || {
            let (serving, begun) = (Arc::clone(&serving), begun.clone());
            let barrier = Arc::clone(&barrier);
            let work = Steps { begun, barrier }.work();
            runtime.spawn(async move { serving.serve(work).await })
        };
        let two: Vec<_> = (0..2).map(|_| start()).collect();
        for _ in 0..2 {
            has_begun.recv().unwrap();
        }
        assert_eq!(serving.turns.available_permits(), 0);
        // One turn is taken away and given back while both are taken.
        serving.limit(Some(1));
        assert_eq!(serving.too_many.load(Ordering::Relaxed), 1);
        serving.limit(Some(2));
        assert_eq!(serving.too_many.load(Ordering::Relaxed), 0);
        serving.limit(Some(1));
        barrier.wait();
        for done in two {
            runtime.block_on(done).unwrap();
        }
        assert_eq!(serving.turns.available_permits(), 1);
        assert_eq!(serving.too_many.load(Ordering::Relaxed), 0);
        // A waiting connection continues when there is no limit any more.
        let taken = serving.turns.try_acquire().unwrap();
        let waits = start();
        let more = start();
        serving.limit(None);
        for _ in 0..2 {
            has_begun.recv().unwrap();
        }
        barrier.wait();
        drop(taken);
        for done in [waits, more] {
            runtime.block_on(done).unwrap();
        }
    }
}
