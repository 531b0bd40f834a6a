//! How long something may last.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Runs out when something has lasted for a limit. Beginning anew is as cheap as an assignment: the
/// timer is not moved then, but when it goes off.
#[derive(Debug)]
pub(super) struct Patience {
    /// `None` is endless.
    limit: Option<Duration>,
    /// Since when it lasts; noted at the first poll that finds it so.
    since: Option<Instant>,
    /// Goes off no later than the limit is reached.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) const fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            since: None,
            timer: None,
        }
    }

    /// Counts anew.
    pub(super) const fn restart(&mut self) {
        self.since = None;
    }

    /// Ready once what is `lasting` now has been so for the limit, without a restart and at every
    /// poll in between.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, lasting: bool) -> Poll<()> {
        if !lasting {
            self.since = None;
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        // A limit of centuries is no limit.
        let Some(due) = self.limit.and_then(|limit| since.checked_add(limit)) else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
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
