//! Requests to a machine, and their reply channels. A request knows the type of its reply, the host does not.

use std::marker::PhantomData;

use tokio::sync::oneshot;

use crate::base::{Ask, SealedReply, Timestamp, Token};

use super::error::CoordinatorError;
use super::machine::{Decides, Decision, Machine, Subject};

/// How a reply reaches the requester.
type Answer<R> = oneshot::Sender<Result<R, CoordinatorError>>;

/// A request to a machine of this kind.
pub(super) trait Question<M: Machine>: Send {
    /// The subject of the request.
    fn subject(&self) -> Subject;

    /// Lets the machine decide; returns the waiting requester.
    fn put(
        self: Box<Self>,
        number: u64,
        machine: &mut M,
        now: Timestamp,
    ) -> (Decision<M>, Box<dyn Waiting>);

    /// Fails the request because the machine does not decide.
    fn refuse(self: Box<Self>, error: CoordinatorError);
}

/// A waiting requester.
pub(super) trait Waiting: Send {
    /// Sends the reply.
    fn answer(self: Box<Self>, reply: SealedReply);

    /// Fails the request.
    fn fail(self: Box<Self>, error: CoordinatorError);

    /// Fails the request because the decision was larger than a batch of the log may be.
    fn too_large(self: Box<Self>);
}

/// A request, and the channel for an answer of its type.
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
        // The requester may be gone.
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

/// Something held back until everything that it depends on is committed.
pub(super) enum Parked<E> {
    /// A reply of the machine.
    Reply(Box<dyn Waiting>, SealedReply),
    /// An error from the host: the log does not accept the decision.
    Refusal(Box<dyn Waiting>),
    /// The result of a read.
    Seen(Release),
    /// An effect for others to carry out.
    Effects(Vec<E>),
}

/// A held-back reply, or the error that replaces it.
pub(super) type Release = Box<dyn FnOnce(Result<(), CoordinatorError>) + Send>;

impl<E> Parked<E> {
    /// Releases it. `have` carries out an effect.
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
