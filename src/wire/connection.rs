//! The loop of one connection: read, start, collect replies in order, write. The drawing is in
//! [`super`].

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::{debug, warn};

use super::frame::FrameReader;
use super::header::RequestPrefix;
use super::log_limit::LogLimit;
use super::memory::Charge;
use super::output::Output;
use super::patience::Patience;
use super::pipeline::{Budget, FREE_BYTES, Pipeline};
use super::reply::Reply;
use super::service::{Peer, Request, Service, Started};
use super::settings::Settings;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// What is read of a peer beyond the requests that there is room for, so that its end is seen.
/// It needs no byte permit, so it is what any connection may hold without one.
const READ_AHEAD: usize = FREE_BYTES;
/// How long a connection may stand still while its peer's end could not be seen, for so much is
/// unread before it. Clients wait for a reply for 30 s to a few minutes.
const BLIND_LIMIT: Duration = Duration::from_secs(600);

/// What all connections of a server have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) budget: Arc<Budget>,
    /// Warnings that peers cause.
    pub(super) warnings: LogLimit,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Self {
        let budget = Arc::new(Budget::new(&settings));
        Self {
            settings,
            budget,
            warnings: LogLimit::new(5),
        }
    }
}

/// How far the server is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It serves.
    Serving,
    /// It answers what was started, and starts nothing.
    Draining,
    /// It has run out of patience.
    Cut,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The peer closed, or the socket failed.
    PeerClosed,
    /// Nothing came of the peer for too long, or it could not be seen whether there still is one.
    Idle,
    /// The peer asked for something that ends the connection.
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
    service: Arc<V>,
    shared: Arc<Shared>,
    phase: Phase,
    frames: FrameReader,
    /// Declared, and so dropped, before the session that its futures may look at.
    pipeline: Pipeline,
    output: Output,
    session: V::Session,
    /// With the peer: restarted when it completes a request, takes bytes of a reply, or is given one.
    idle: Patience,
    /// With a connection that is `blind`: restarted by whatever moves.
    standstill: Patience,
    /// Whether the peer's end could not be seen: it has sent more than is read.
    blind: bool,
    /// Whether nothing more will be read: the peer has closed, or the socket has failed.
    ended: bool,
    /// Set once the peer is gone, or was refused: when to give up what was started for it.
    give_up: Option<Pin<Box<Sleep>>>,
    /// Whether the socket has failed. Replies are then collected and thrown away.
    deaf: bool,
}

impl<S, V> Connection<S, V>
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: Service,
{
    pub(super) fn new(stream: S, peer: Peer, service: Arc<V>, shared: Arc<Shared>) -> Self {
        let settings = &shared.settings;
        Self {
            stream,
            phase: Phase::Open,
            frames: FrameReader::new(settings.max_request_bytes),
            pipeline: Pipeline::new(settings, Arc::clone(&shared.budget)),
            output: Output::default(),
            session: service.open(peer.clone()),
            idle: Patience::new(settings.max_idle),
            standstill: Patience::new(Some(BLIND_LIMIT)),
            blind: false,
            ended: false,
            give_up: None,
            deaf: false,
            peer,
            service,
            shared,
        }
    }

    /// Serves the connection to its end. When the sender of `stage` is gone, so is the server.
    pub(super) async fn run(mut self, mut stage: watch::Receiver<Stage>) -> Ending {
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
                ending = poll_fn(|context| self.poll(context)) => break ending,
            }
        };
        self.finish(&ending).await;
        ending
    }

    /// Goes on until the connection ends or everything waits.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        loop {
            // Everything that has arrived is started before the first reply is looked for, and all
            // replies that are ready are collected before the first is written: one read, one write.
            let mut moved = self.start_requests(context);
            moved |= self.collect_replies(context);
            moved |= self.write(context);
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
        }
    }

    /// Starts the requests that have arrived whole and are within the bounds.
    fn start_requests(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(size) = self.next_whole() {
            if !self.pipeline.has_room(size)
                || self.pipeline.poll_permits(context, size).is_pending()
            {
                break;
            }
            let Some(frame) = self.frames.take(size) else {
                break;
            };
            moved = true;
            let Some(prefix) = RequestPrefix::parse(&frame) else {
                self.refuse("request without a header".into());
                break;
            };
            self.idle.restart();
            let request = Request {
                prefix,
                frame,
                received: Instant::now(),
                memory: Charge::default(),
            };
            match self.service.start(&mut self.session, request) {
                Started::Reply(reply) => self.pipeline.push(reply, size),
                Started::Close => {
                    let (key, version) = (prefix.api_key, prefix.api_version);
                    self.refuse(format!("request {key} version {version} refused").into());
                }
            }
        }
        // What had arrived whole before the peer closed is started in its turn, as room comes.
        if self.ended && self.next_whole().is_none() {
            self.close_after_replies(Ending::PeerClosed);
        }
        moved
    }

    /// The size of the next frame, while requests are taken at all. A size that no request can have
    /// closes the connection.
    fn next_size(&mut self) -> Option<usize> {
        if !matches!(self.phase, Phase::Open) {
            return None;
        }
        self.frames.next_size().unwrap_or_else(|error| {
            self.refuse(error.to_string().into());
            None
        })
    }

    /// As [`Self::next_size`], once that frame has arrived whole.
    fn next_whole(&mut self) -> Option<usize> {
        let size = self.next_size()?;
        self.frames.is_complete(size).then_some(size)
    }

    /// Takes the replies that are ready, in order, while there is room for them.
    fn collect_replies(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.output.is_full()
            && let Some(Poll::Ready(reply)) = self.pipeline.poll_head(context)
        {
            moved = true;
            match reply {
                Reply::Send(_) if self.deaf => {}
                Reply::Send(parts) => {
                    if let Err(error) = self.output.push(parts) {
                        self.close_at_once(error.to_string().into());
                    }
                }
                Reply::Nothing => {}
                Reply::Close(reason) => self.close_at_once(reason),
            }
        }
        if moved {
            self.idle.restart();
        }
        moved
    }

    /// Writes what is ready, until the socket takes no more.
    fn write(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while !self.output.is_empty() {
            match self.output.poll_write(context, &mut self.stream) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => self.idle.restart(),
                Poll::Ready(Err(error)) => self.lose_peer(&error),
            }
            moved = true;
        }
        moved
    }

    /// Reads once, if anything may be read. Also while nothing can be started, since reading is how
    /// one notices that the peer has gone.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        let most = self.allowance(context);
        self.blind = most == 0 && !self.ended;
        if self.blind || self.ended {
            return false;
        }
        match self.frames.poll_fill(context, &mut self.stream, most) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.peer_closed(),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => self.lose_peer(&error),
        }
        true
    }

    /// How much may be read now: anything towards a frame that there is room for, else a little.
    fn allowance(&mut self, context: &mut Context<'_>) -> usize {
        let next = self.next_size();
        let ahead = READ_AHEAD.saturating_sub(self.frames.arrived());
        let size = next.unwrap_or_default();
        if !matches!(self.phase, Phase::Open)
            || !self.pipeline.has_room(size)
            || (next.is_some() && self.frames.is_complete(size))
            || (size > FREE_BYTES
                && ahead == 0
                && self.pipeline.poll_permits(context, size).is_pending())
        {
            return ahead;
        }
        usize::MAX
    }

    /// Called when nothing moves: sees whether it has been so for too long.
    fn poll_time(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        if let Some(give_up) = &mut self.give_up
            && give_up.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(match &self.phase {
                Phase::Open => Ending::PeerClosed,
                Phase::Closing(ending) => ending.clone(),
            });
        }
        // It is the peer's move when it has a reply to take, or nothing that it is waiting for.
        let on_peer = !self.output.is_empty()
            || (self.pipeline.is_empty() && !self.pipeline.is_waiting_for_permits());
        if self.idle.poll(context, on_peer).is_ready()
            || self.standstill.poll(context, self.blind).is_ready()
        {
            return Poll::Ready(Ending::Idle);
        }
        Poll::Pending
    }

    /// The peer sends nothing more. It may still read: what has arrived is carried through, for a
    /// while.
    fn peer_closed(&mut self) {
        self.ended = true;
        self.give_up_later();
    }

    /// The socket has failed: as [`Self::peer_closed`], and nobody reads either. A reset (without
    /// a close before it) is a peer that has died or thrown away its replies: nothing is waited for.
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

    /// From now on, what was started for the peer has only so much time.
    fn give_up_later(&mut self) {
        let time = self.shared.settings.finish_after_close;
        self.give_up.get_or_insert_with(|| Box::pin(sleep(time)));
    }

    /// Takes no further request; ends once those that were started have been answered.
    fn close_after_replies(&mut self, ending: Ending) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Closing(ending);
            self.pipeline.give_up_next();
        }
    }

    /// As [`Self::close_after_replies`], and the replies have no longer than those of a peer that
    /// has closed: this one has nothing to expect any more, and may be gone already.
    fn refuse(&mut self, reason: Cow<'static, str>) {
        self.close_after_replies(Ending::Refused(reason));
        self.give_up_later();
    }

    /// Ends once the replies that were collected have been written.
    fn close_at_once(&mut self, reason: Cow<'static, str>) {
        self.pipeline.clear();
        self.phase = Phase::Closing(Ending::Refused(reason));
        self.give_up_later();
    }

    /// Says why, and goodbye.
    async fn finish(&mut self, ending: &Ending) {
        let peer = self.peer.address;
        let listener = &*self.peer.listener;
        match ending {
            Ending::Refused(reason) => {
                if let Some(suppressed) = self.shared.warnings.admit() {
                    warn!(%peer, listener, %reason, suppressed, "closing connection");
                }
            }
            ending => debug!(%peer, listener, ?ending, "closing connection"),
        }
        if matches!(ending, Ending::Refused(_) | Ending::Stopped) && !self.deaf {
            // An error or a lapse here changes nothing: the connection ends in any case.
            let _ = timeout(GOODBYE, self.stream.shutdown()).await;
        }
    }
}
