//! The way of a command to the controller, and of its reply to whoever asked.
//!
//! ```text
//!   submit ──> decided, written, in the image ──> followed by the listeners ──> reply
//! ```
//! A reply waits until the local image shows the result and the listeners have done what follows from it, so that a
//! topic can be used when a client learns that it exists. The second step is a courtesy: where a disk hangs, whoever
//! asked hears after a while what was decided.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::base::Completion;
use crate::controller::{Command, Decision, Situation};

/// How long a reply waits for listeners, at most.
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
    /// It takes longer than whoever asked would wait. The command is carried out all the same.
    #[error("the controller has not decided in time")]
    TimedOut,
}

/// A command on its way to the controller, of whichever type.
pub(super) trait Submitted: Send {
    /// Decides about it. The decision's reply is the way to answer whoever asked.
    fn decide(self: Box<Self>, situation: &mut Situation<'_>) -> Decision<Answer>;

    /// Answers without a decision.
    fn refuse(self: Box<Self>, error: ClusterError);
}

/// Answers whoever submitted a command, once the decision is written or not.
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

/// A command, and who waits for its reply.
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
            // Whoever asked may have gone; the decision stands.
            reply: Box::new(move |written| drop(reply.send(written.map(|()| decided)))),
            followed,
        })
    }

    fn refuse(self: Box<Self>, error: ClusterError) {
        drop(self.reply.send(Err(error)));
    }
}

/// Makes a command ready to be sent; the future is its reply. Whoever asks waits for `time`, or as long as it takes.
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
        // A controller that has ended drops the command, and with it the sender.
        let decided = decided.unwrap_or(Err(ClusterError::Stopped))?;
        // Nothing is sent: it ends when the last listener has let go of it, or is not waited for any more.
        drop(timeout_at(followed_by(until), is_followed).await);
        Ok(decided)
    };
    (asked, answer)
}

/// Until when listeners are waited for. Whoever asked waits for a limited time, and must hear of the decision in it.
fn followed_by(until: Option<Instant>) -> Instant {
    let now = Instant::now();
    let left = until.map(|until| until.saturating_duration_since(now) / 2);
    now + left.map_or(FOLLOWED_WITHIN, |left| left.min(FOLLOWED_WITHIN))
}
