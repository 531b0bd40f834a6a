//! Questions on their way to a machine, and those who wait for the answers. Each knows the type of its reply, and the
//! host does not.

use std::marker::PhantomData;

use tokio::sync::oneshot;

use crate::base::{Ask, SealedReply, Timestamp, Token};

use super::error::CoordinatorError;
use super::machine::{Decides, Decision, Machine, Subject};

/// How a reply reaches the one who asked.
type Answer<R> = oneshot::Sender<Result<R, CoordinatorError>>;

/// Something that is asked of a machine of this kind.
pub(super) trait Question<M: Machine>: Send {
    /// What it is about.
    fn subject(&self) -> Subject;

    /// Has the machine decide; returns who waits for the answer.
    fn put(
        self: Box<Self>,
        number: u64,
        machine: &mut M,
        now: Timestamp,
    ) -> (Decision<M>, Box<dyn Waiting>);

    /// Tells the one who asks that the machine does not decide.
    fn refuse(self: Box<Self>, error: CoordinatorError);
}

/// Somebody who waits for an answer.
pub(super) trait Waiting: Send {
    /// Gives it.
    fn answer(self: Box<Self>, reply: SealedReply);

    /// Says that none will come.
    fn fail(self: Box<Self>, error: CoordinatorError);

    /// Says that the decision was larger than a batch of the log may be.
    fn too_large(self: Box<Self>);
}

/// A question, and the way to an answer of its type.
pub(super) fn question<M: Decides<A>, A: Ask>(
    ask: A,
    answer: Answer<A::Reply>,
) -> Box<dyn Question<M>> {
    let machine = PhantomData::<fn(M)>;
    Box::new(Asked {
        ask,
        answer,
        machine,
    })
}

struct Asked<M, A: Ask> {
    ask: A,
    answer: Answer<A::Reply>,
    machine: PhantomData<fn(M)>,
}

impl<M: Decides<A>, A: Ask> Question<M> for Asked<M, A> {
    fn subject(&self) -> Subject {
        M::subject(&self.ask)
    }

    fn put(
        self: Box<Self>,
        number: u64,
        machine: &mut M,
        now: Timestamp,
    ) -> (Decision<M>, Box<dyn Waiting>) {
        let Self { ask, answer, .. } = *self;
        let token = Token::new(number);
        let outcome = machine.decide(token, ask, now);
        let asker = Asker::<M, A> {
            token,
            answer,
            machine: PhantomData,
        };
        (outcome, Box::new(asker))
    }

    fn refuse(self: Box<Self>, error: CoordinatorError) {
        // Nobody may wait any more.
        drop(self.answer.send(Err(error)));
    }
}

struct Asker<M, A: Ask> {
    token: Token<A::Reply>,
    answer: Answer<A::Reply>,
    machine: PhantomData<fn(M)>,
}

impl<M: Decides<A>, A: Ask> Waiting for Asker<M, A> {
    fn answer(self: Box<Self>, reply: SealedReply) {
        if let Some(reply) = reply.open(self.token) {
            drop(self.answer.send(Ok(reply)));
        }
    }

    fn fail(self: Box<Self>, error: CoordinatorError) {
        drop(self.answer.send(Err(error)));
    }

    fn too_large(self: Box<Self>) {
        let reply = <M as Decides<A>>::too_large().ok_or(CoordinatorError::Refused);
        drop(self.answer.send(reply));
    }
}

/// What is held back until what it depends on is committed.
pub(super) enum Parked<E> {
    /// The machine's.
    Reply(Box<dyn Waiting>, SealedReply),
    /// The host's: the log does not take the decision.
    Refusal(Box<dyn Waiting>),
    /// What somebody has seen.
    Seen(Release),
    /// What others carry out.
    Effects(Vec<E>),
}

/// Gives an answer that was held back, or the error that took its place.
pub(super) type Release = Box<dyn FnOnce(Result<(), CoordinatorError>) + Send>;

impl<E> Parked<E> {
    /// Lets it go. `have` has others carry out an effect.
    pub(super) fn release(self, have: &dyn Fn(E)) {
        match self {
            Self::Reply(waiting, reply) => waiting.answer(reply),
            Self::Refusal(waiting) => waiting.too_large(),
            Self::Seen(release) => release(Ok(())),
            Self::Effects(effects) => effects.into_iter().for_each(have),
        }
    }

    /// What it depends on will never be committed.
    pub(super) fn fail(self, error: CoordinatorError) {
        match self {
            Self::Reply(waiting, _) | Self::Refusal(waiting) => waiting.fail(error),
            Self::Seen(release) => release(Err(error)),
            Self::Effects(_) => {}
        }
    }
}
