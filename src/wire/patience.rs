//! Time limits that restart cheaply.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that fires when something has lasted for a limit. A restart is as cheap as an assignment: the timer is not
/// moved then, but only when it fires.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None` is endless.
    limit: Option<Duration>,
    /// How long it had lasted before the last pause.
    spent: Duration,
    /// Since when it lasts; set at the first poll that finds it lasting.
    since: Option<Instant>,
    /// Fires no later than the limit is reached.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            spent: Duration::ZERO,
            since: None,
            timer: None,
        }
    }

    /// Restarts the time.
    pub(super) const fn restart(&mut self) {
        self.spent = Duration::ZERO;
        self.since = None;
    }

    /// Does not count from now until the next poll.
    pub(super) fn pause(&mut self) {
        if let Some(since) = self.since.take() {
            self.spent = self.spent.saturating_add(since.elapsed());
        }
    }

    /// Ready once `lasting` was true for the limit, at every poll and without a restart.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, lasting: bool) -> Poll<()> {
        if !lasting {
            self.restart();
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // A limit of centuries is no limit.
        let left = self.limit.map(|limit| limit.saturating_sub(self.spent));
        let Some(due) = left.and_then(|left| since.checked_add(left)) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // A time before the pause may have shortened what is left.
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::time::{Instant, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_runs_out_after_the_limit_from_the_last_restart() {
        let mut patience = Patience::new(Some(10 * SECOND));
        let lasts = poll_fn(|context| patience.poll(context, true));
        assert!(timeout(7 * SECOND, lasts).await.is_err());
        patience.restart();
        let restarted = Instant::now();
        poll_fn(|context| patience.poll(context, true)).await;
        assert_eq!(restarted.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_does_not_count_and_takes_nothing_back() {
        let mut patience = Patience::new(Some(10 * SECOND));
        let began = Instant::now();
        for _ in 0..3 {
            let lasts = poll_fn(|context| patience.poll(context, true));
            assert!(timeout(3 * SECOND, lasts).await.is_err());
            patience.pause();
            tokio::time::sleep(100 * SECOND).await;
        }
        poll_fn(|context| patience.poll(context, true)).await;
        assert_eq!(began.elapsed().as_secs(), 310);
    }

    #[tokio::test(start_paused = true)]
    async fn it_never_runs_out_without_a_limit_or_a_reason() {
        for (limit, lasting) in [
            (None, true),
            (Some(Duration::MAX), true),
            (Some(SECOND), false),
        ] {
            let mut patience = Patience::new(limit);
            let lasts = poll_fn(|context| patience.poll(context, lasting));
            assert!(timeout(1_000_000 * SECOND, lasts).await.is_err());
        }
    }
}
