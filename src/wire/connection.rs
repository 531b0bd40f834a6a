//! The loop of one connection: read, start, collect replies in order, write. See the diagram in [`super`].

mod reading;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::future::{Future as _, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};
use tracing::debug;

use super::admission::Slot;
use super::disk::Disks;
use super::frame::{FrameReader, LARGE_CHUNK};
use super::memory::{Account, Charge, Memory};
use super::mute::Mute;
use super::output::{Output, OutputError};
use super::patience::Patience;
use super::pipeline::{Ahead, Pipeline};
use super::reply::{Parts, Reply};
use super::service::{Peer, Service};
use super::settings::Settings;
use super::stream::{EndWatch, Stream};

/// The time limit for closing a stream.
const GOODBYE: Duration = Duration::from_secs(1);
/// How much is read ahead beyond the requests that there is room for, so that the peer's close is noticed; less when
/// memory is short.
const READ_AHEAD: usize = LARGE_CHUNK;
/// How much is read at once from a connection while memory is short and the size of its frame is unknown.
const TRIFLE: usize = 4 * 1024;
/// A connection that holds less than this is not closed for it.
const WORTH_CLOSING: usize = 16 * 1024;
/// After writing this much, a connection yields the thread.
const TURN: usize = 1024 * 1024;
/// After starting so many requests, too. Each may take a moment of the thread (a small batch is checked on the way), and
/// what one connection has sent ahead must not make all others wait for the whole of it.
const REQUESTS_IN_A_TURN: usize = 8;
/// How long a connection may make no progress while its peer's close could not be noticed, since too much is unread.
/// Clients wait for a reply for 30 s to a few minutes.
const BLIND_LIMIT: Duration = Duration::from_secs(600);

/// Why a connection is closed after `max.connections` was lowered.
const CROWDED_OUT: &str =
    "max.connections was lowered, and this connection has been idle for longer than the others";

/// The shared state of all connections of a server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) memory: Arc<Memory>,
    ahead: Arc<Ahead>,
    disks: Arc<Disks>,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            memory: Memory::new(settings.queued_max_request_bytes),
            ahead: Arc::new(Ahead::new(&settings)),
            disks: Arc::default(),
            settings,
        }
    }
}

/// The progress of a server's stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It serves.
    Serving,
    /// It answers what was started, and starts nothing.
    Draining,
    /// The deadline has passed.
    Cut,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer closed, or the socket failed.
    PeerClosed,
    /// The peer was silent for too long, or it could not be seen whether it is still there.
    Idle,
    /// The peer sent something that ends the connection.
    Refused(Cow<'static, str>),
    /// The server stops.
    Stopped,
}

#[derive(Debug)]
enum Phase {
    /// Reads and starts requests.
    Open,
    /// Answers what was started, then ends.
    Closing(Ending),
}

/// One connection. `run` it.
pub(super) struct Connection<S, V: Service> {
    stream: S,
    peer: Peer,
    /// Records when it is used, and tells when it must be closed.
    slot: Option<Arc<Slot>>,
    service: Arc<V>,
    shared: Arc<Shared>,
    phase: Phase,
    frames: FrameReader,
    /// The connection's share of the broker's memory.
    account: Account,
    /// The part of it for the bytes in `frames`.
    arrival: Charge,
    /// Declared, and so dropped, before the session that its futures may use.
    pipeline: Pipeline<V::Session>,
    output: Output,
    session: V::Session,
    /// Whether the connection is muted, as a reply has requested.
    mute: Mute,
    /// For an idle peer: restarted when it completes a request, takes bytes of a reply, or gets a new reply.
    idle: Patience,
    /// For the frame at the front, from its first byte to its last; paused while it is not read.
    arriving: Patience,
    /// For a peer that neither sends nor takes anything while the connection holds memory.
    stalled: Patience,
    /// Whether the frame at the front waits for bytes of the peer.
    reading: bool,
    /// For a connection that is `blind`: restarted by any progress.
    standstill: Patience,
    /// Whether the peer's close could not be noticed: it has sent more than is read.
    blind: bool,
    /// Watches for that close meanwhile, if the stream supports it.
    end: Option<EndWatch>,
    /// Whether nothing more will be read: the peer has closed, or the socket has failed.
    ended: bool,
    /// Set once the peer is gone, or was refused: the deadline for its started requests.
    give_up: Option<Pin<Box<Sleep>>>,
    /// Whether the socket has failed. Replies are then collected and thrown away.
    deaf: bool,
}

impl<S, V> Connection<S, V>
where
    S: Stream,
    V: Service,
{
    pub(super) fn new(stream: S, peer: Peer, service: Arc<V>, shared: Arc<Shared>) -> Self {
        let settings = &shared.settings;
        Self {
            stream,
            phase: Phase::Open,
            frames: FrameReader::new(settings.max_request_bytes),
            account: shared.memory.open(peer.address.ip()),
            arrival: Charge::default(),
            pipeline: Pipeline::new(settings, Arc::clone(&shared.ahead)),
            output: Output::new(Arc::clone(&shared.disks)),
            session: service.open(peer.clone()),
            mute: Mute::default(),
            idle: Patience::new(settings.max_idle),
            arriving: Patience::new(settings.arrival_timeout),
            stalled: Patience::new(settings.stall_timeout),
            reading: false,
            standstill: Patience::new(Some(BLIND_LIMIT)),
            blind: false,
            end: None,
            ended: false,
            give_up: None,
            deaf: false,
            slot: None,
            peer,
            service,
            shared,
        }
    }

    /// The peer as counted by the admission.
    pub(super) fn at(mut self, slot: Arc<Slot>) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Serves the connection to its end. When the sender of `stage` is dropped, the server is gone.
    pub(super) async fn run(mut self, mut stage: watch::Receiver<Stage>) -> Ending {
        let slot = self.slot.clone();
        let mut leave = pin!(async move {
            match &slot {
                Some(slot) => slot.must_leave().await,
                None => pending().await,
            }
        });
        let mut leaves = false;
        let ending = loop {
            match *stage.borrow_and_update() {
                Stage::Serving => {}
                Stage::Draining => self.close_after_replies(Ending::Stopped),
                Stage::Cut => break Ending::Stopped,
            }
            tokio::select! {
                biased;
                changed = stage.changed() => if changed.is_err() {
                    break Ending::Stopped;
                },
                () = &mut leave, if !leaves => {
                    leaves = true;
                    self.refuse(CROWDED_OUT.into());
                }
                ending = poll_fn(|context| self.poll(context)) => break ending,
            }
        };
        self.finish(&ending).await;
        ending
    }

    /// Makes progress until the connection ends or everything waits.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        let mut written = 0usize;
        let mut started = 0usize;
        loop {
            // What has arrived is started before the first reply is polled, and all ready replies are
            // collected before the first is written: one read, one write.
            let mut moved = self.mute.has_ended(context);
            moved |= self.start_requests(context, &mut started);
            moved |= self.collect_replies(context);
            moved |= self.write(context, &mut written);
            if let Phase::Closing(ending) = &self.phase
                && self.pipeline.is_empty()
                && self.output.is_empty()
            {
                return Poll::Ready(ending.clone());
            }
            moved |= self.read(context);
            if !moved {
                return self.poll_time(context);
            }
            self.standstill.restart();
            if written >= TURN || started >= REQUESTS_IN_A_TURN {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Collects the ready replies, in order, while there is room for them.
    fn collect_replies(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.output.is_full()
            && let Some(Poll::Ready(reply)) = self.pipeline.poll_head(context)
        {
            moved = true;
            match reply {
                Reply::Send(parts) => self.send(parts),
                Reply::Nothing => {}
                Reply::Muting(answer, time) => {
                    if let Some(parts) = answer {
                        self.send(parts);
                    }
                    self.mute(time);
                }
                Reply::Close(reason) => self.close_at_once(reason),
            }
        }
        if moved {
            self.idle.restart();
        }
        moved
    }

    /// Queues an answer for writing. Its memory is counted, even if that was not reserved before.
    fn send(&mut self, mut parts: Parts) {
        if self.deaf {
            return;
        }
        parts.pay_shared(|bytes| self.account.force(bytes));
        let unpaid = parts.unpaid();
        if unpaid > 0 {
            parts.hold(self.account.force(unpaid));
        }
        if let Err(error) = self.output.push(parts) {
            self.close_at_once(error.to_string().into());
        }
    }

    /// Mutes the connection for `time`. A peer that closes, or is being closed, is not muted: its requests are
    /// finished within its deadline.
    fn mute(&mut self, time: Duration) {
        if self.give_up.is_none() && matches!(self.phase, Phase::Open) {
            self.mute.extend(time);
            // Others may use the memory that the next request waited for.
            self.pipeline.give_up_next();
            self.account.end_claim();
        }
    }

    /// Writes what is ready, until the socket takes no more, or the connection should yield.
    fn write(&mut self, context: &mut Context<'_>, written: &mut usize) -> bool {
        let mut moved = false;
        while !self.output.is_empty() && *written < TURN {
            match self.output.poll_write(context, &mut self.stream) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) => {
                    *written = written.saturating_add(count);
                    self.idle.restart();
                    self.stalled.restart();
                }
                Poll::Ready(Err(OutputError::Socket(error))) => self.lose_peer(&error),
                Poll::Ready(Err(OutputError::Broken(reason))) => {
                    self.output.clear();
                    self.close_at_once(reason.into());
                }
            }
            moved = true;
        }
        moved
    }

    /// Called when there is no progress: checks whether this has lasted too long.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        if let Some(give_up) = &mut self.give_up
            && give_up.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(match &self.phase {
                Phase::Open => Ending::PeerClosed,
                Phase::Closing(ending) => ending.clone(),
            });
        }
        let muted = self.mute.is_on();
        let waiting = self.pipeline.is_waiting() || self.account.is_waiting() || muted;
        // The peer must act if it has a reply to take, or if it waits for nothing.
        let to_take = !self.output.is_empty() && !self.output.is_reading();
        let on_peer = to_take || (self.pipeline.is_empty() && self.output.is_empty() && !waiting);
        if self.idle.poll(context, on_peer).is_ready()
            || self
                .standstill
                .poll(context, self.blind && !muted)
                .is_ready()
        {
            return Poll::Ready(Ending::Idle);
        }
        if let Some(reason) = self.too_slow(context) {
            return Poll::Ready(Ending::Refused(reason.into()));
        }
        Poll::Pending
    }

    /// The reason to close the peer, if it is too slow for the memory that it holds.
    fn too_slow(&mut self, context: &mut Context<'_>) -> Option<&'static str> {
        let partial = self.frames.arrived() > 0 && self.next_whole().is_none();
        if !partial {
            self.arriving.restart();
        } else if !self.reading {
            self.arriving.pause();
        } else if self.arriving.poll(context, true).is_ready() {
            return Some("a request took longer to arrive than zurau.request.arrival.timeout.ms");
        }
        let on_peer =
            (partial && self.reading) || (!self.output.is_empty() && !self.output.is_reading());
        let holds = self.account.held() > WORTH_CLOSING;
        while self.stalled.poll(context, on_peer && holds).is_ready() {
            if self.account.is_wanted() {
                return Some(
                    "the peer has neither sent nor received anything for \
                     zurau.connection.stall.timeout.ms, and other connections need the memory that \
                     this one holds",
                );
            }
            self.stalled.restart();
        }
        None
    }

    /// The peer sends nothing more. It may still read: the requests that have arrived are finished, for a limited
    /// time.
    fn peer_closed(&mut self) {
        self.ended = true;
        self.give_up_later();
    }

    /// The socket has failed: as [`Self::peer_closed`], and nobody reads either. After a reset (without a close
    /// before it) the peer has died or has dropped its replies: nothing is waited for.
    fn lose_peer(&mut self, error: &io::Error) {
        debug!(peer = %self.peer.address, %error, "connection lost");
        self.deaf = true;
        self.output.clear();
        self.peer_closed();
        if error.kind() == io::ErrorKind::ConnectionReset {
            self.close_after_replies(Ending::PeerClosed);
            self.pipeline.clear();
        }
    }

    /// Sets the deadline for the peer's started requests.
    fn give_up_later(&mut self) {
        self.mute.lift();
        let time = self.shared.settings.finish_after_close;
        self.give_up.get_or_insert_with(|| Box::pin(sleep(time)));
    }

    /// Takes no further request; ends once those that were started have been answered.
    fn close_after_replies(&mut self, ending: Ending) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing(ending);
            self.pipeline.give_up_next();
            self.account.end_claim();
        }
    }

    /// As [`Self::close_after_replies`], with the deadline of a peer that has closed: this one can expect nothing any
    /// more, and may be gone already.
    fn refuse(&mut self, reason: Cow<'static, str>) {
        self.close_after_replies(Ending::Refused(reason));
        self.give_up_later();
    }

    /// Ends once the collected replies have been written.
    fn close_at_once(&mut self, reason: Cow<'static, str>) {
        self.pipeline.clear();
        self.phase = Phase::Closing(Ending::Refused(reason));
        self.give_up_later();
    }

    /// Logs the reason and closes the stream.
    async fn finish(&mut self, ending: &Ending) {
        let peer = self.peer.address;
        let listener = &*self.peer.listener;
        match ending {
            Ending::Refused(reason) => {
                crate::base::limited!(warn, "closing connection", %peer, listener, %reason);
            }
            ending => debug!(%peer, listener, ?ending, "closing connection"),
        }
        if matches!(ending, Ending::Refused(_) | Ending::Stopped) && !self.deaf {
            // An error or a timeout here changes nothing: the connection ends in any case.
            let _ = timeout(GOODBYE, self.stream.shutdown()).await;
        }
    }
}
