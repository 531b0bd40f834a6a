//! Sends commands to the controller, and returns its replies to the callers.
//!
//! ```text
//!   submit ──> decided, written, in the image ──> followed by the listeners ──> reply
//! ```
//! A reply waits until the local image shows the result and the listeners have followed it, so that a topic can be
//! used when a client learns that it exists. The second wait is limited: if a disk hangs, the caller gets the
//! decision after a while.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::base::Completion;
use crate::controller::{Command, Decision, Situation};

/// The maximum time that a reply waits for listeners.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);

/// Why the controller did not decide, or its decision is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The broker stops.
    #[error("the controller has stopped")]
    Stopped,
    /// The metadata log cannot be written.
    #[error("the metadata log cannot be written")]
    Storage,
    /// The caller's timeout has passed. The command is carried out all the same.
    #[error("the controller has not decided in time")]
    TimedOut,
}

/// A submitted command of any type.
pub(super) trait Submitted: Send {
    /// Decides on it. The decision's reply is the channel to the caller.
    fn decide(self: Box<Self>, situation: &mut Situation<'_>) -> Decision<Answer>;

    /// Fails it without a decision.
    fn refuse(self: Box<Self>, error: ClusterError);
}

/// Answers the caller of a command, once the decision is written or not.
pub(super) struct Answer {
    reply: Box<dyn FnOnce(Result<(), ClusterError>) + Send>,
    followed: oneshot::Sender<()>,
}

impl Answer {
    /// The decision has changed nothing.
    pub(super) fn unchanged(self) {
        (self.reply)(Ok(()));
    }

    /// The decision cannot be written.
    pub(super) fn failed(self, error: ClusterError) {
        (self.reply)(Err(error));
    }

    /// The decision is written, and `publish` puts it into the image. The listeners have
    /// followed when the last clone of the [`Completion`] that `publish` gets is dropped.
    pub(super) fn written(self, publish: impl FnOnce(Completion)) {
        let Self { reply, followed } = self;
        publish(Completion::new(move || drop(followed)));
        reply(Ok(()));
    }
}

/// A command, and the reply channel of its caller.
struct Asked<C: Command> {
    command: C,
    reply: oneshot::Sender<Result<C::Reply, ClusterError>>,
    followed: oneshot::Sender<()>,
}

impl<C: Command> Submitted for Asked<C> {
    fn decide(self: Box<Self>, situation: &mut Situation<'_>) -> Decision<Answer> {
        let Self {
            command,
            reply,
            followed,
        } = *self;
        command.decide(situation).map(|decided| Answer {
            // The caller may be gone; the decision stands.
            reply: Box::new(move |written| drop(reply.send(written.map(|()| decided)))),
            followed,
        })
    }

    fn refuse(self: Box<Self>, error: ClusterError) {
        drop(self.reply.send(Err(error)));
    }
}

/// Prepares a command for sending; the future is its reply. The caller waits for `time`, or without a limit.
pub(super) fn ask<C: Command>(
    command: C,
    time: Option<Duration>,
) -> (
    Box<dyn Submitted>,
    impl Future<Output = Result<C::Reply, ClusterError>> + Send + use<C>,
) {
    let (reply, decided) = oneshot::channel();
    let (followed, is_followed) = oneshot::channel();
    let asked = Box::new(Asked {
        command,
        reply,
        followed,
    });
    let until = time.map(|time| Instant::now() + time);
    let answer = async move {
        let decided = match until {
            None => decided.await,
            Some(until) => timeout_at(until, decided)
                .await
                .map_err(|_| ClusterError::TimedOut)?,
        };
        // If the controller has ended, it drops the command, and with it the sender.
        let decided = decided.unwrap_or(Err(ClusterError::Stopped))?;
        // Nothing is sent: this ends when the last listener has dropped its clone, or at the deadline.
        drop(timeout_at(followed_by(until), is_followed).await);
        Ok(decided)
    };
    (asked, answer)
}

/// The deadline for the listeners. A caller with a timeout must get the decision within it.
fn followed_by(until: Option<Instant>) -> Instant {
    let now = Instant::now();
    let left = until.map(|until| until.saturating_duration_since(now) / 2);
    now + left.map_or(FOLLOWED_WITHIN, |left| left.min(FOLLOWED_WITHIN))
}
