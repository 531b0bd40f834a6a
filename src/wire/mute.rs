//! The muting of a connection: for some time, no further request is started.

use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// As good as for ever, and still a valid time for the clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Whether a connection is muted, and for how long.
#[derive(Debug, Default)]
pub(super) struct Mute {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Mute {
    /// Lasts for `time` from now, at least.
    pub(super) fn extend(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let Some(until) = Instant::now().checked_add(time.min(LONGEST)) else {
            return;
        };
        match &mut self.timer {
            Some(timer) if timer.deadline() >= until => {}
            Some(timer) => timer.as_mut().reset(until),
            None => self.timer = Some(Box::pin(sleep_until(until))),
        }
    }

    /// Ends the muting early.
    pub(super) fn lift(&mut self) {
        self.timer = None;
    }

    pub(super) const fn is_on(&self) -> bool {
        self.timer.is_some()
    }

    /// Whether it has just ended.
    pub(super) fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        let ended = match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context).is_ready(),
            None => false,
        };
        if ended {
            self.lift();
        }
        ended
    }
}
