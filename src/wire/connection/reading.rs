//! From the socket to the service: how much of a connection is read, and which requests are started.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Connection, Ending, Phase, READ_AHEAD, REQUESTS_IN_A_TURN, TRIFLE};
use crate::wire::frame::LARGE_CHUNK;
use crate::wire::header::RequestPrefix;
use crate::wire::memory::{Charge, Need};
use crate::wire::service::{Request, Service, Started};
use crate::wire::stream::Stream;

impl<S, V> Connection<S, V>
where
    S: Stream,
    V: Service,
{
    /// Starts the requests that have arrived completely and are within the limits, as far as the turn allows: `count` were
    /// started in it before.
    pub(super) fn start_requests(&mut self, context: &mut Context<'_>, count: &mut usize) -> bool {
        let mut moved = self.fix_place(context);
        while *count < REQUESTS_IN_A_TURN
            && let Some(size) = self.next_whole()
            && let Some(prefix) = self.frames.prefix()
            && self.has_room(context, size)
            && self.pipeline.poll_permit(context).is_ready()
            && let Some(cost) = self.cost(&prefix, size)
            && let Poll::Ready(memory) = self.poll_claim(context, cost, false)
            && let Some(frame) = self.frames.take(size)
        {
            moved = true;
            *count = count.saturating_add(1);
            self.account.end_claim();
            self.idle.restart();
            self.arriving.restart();
            if let Some(slot) = &self.slot {
                slot.note_use();
            }
            let request = Request {
                prefix,
                frame: self.arrival.split(size).pay_for(frame),
                received: Instant::now(),
                memory,
            };
            let started = self.service.start(&mut self.session, request);
            self.take_in(started);
            // The place may be known already.
            self.fix_place(context);
        }
        if moved {
            self.arrival.shrink_to(self.frames.arrived());
        }
        // Requests that had arrived completely before the peer closed are started in order, as room becomes free.
        if self.ended && self.next_whole().is_none() {
            self.close_after_replies(Ending::PeerClosed);
        }
        moved
    }

    /// Gives the last request its place, if it waits for one and the place is known.
    fn fix_place(&mut self, context: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(Poll::Ready(fix)) = self.pipeline.poll_place(context) {
            moved = true;
            let started = fix(&mut self.session);
            self.take_in(started);
        }
        moved
    }

    /// Queues the reply of a request.
    fn take_in(&mut self, started: Started<V::Session>) {
        match started {
            Started::Reply(reply) => self.pipeline.push(reply),
            Started::Placing(place) => self.pipeline.push_placing(place),
            Started::Close(reason) => {
                self.pipeline.give_up_next();
                self.refuse(reason);
            }
        }
    }

    /// The memory that the request at the front may need besides its frame.
    fn cost(&self, prefix: &RequestPrefix, size: usize) -> Option<usize> {
        let frame = self.frames.whole(size)?;
        Some(self.service.cost(prefix, frame))
    }

    /// Whether the connection's own limits allow another frame of `size` bytes. One frame is always allowed if the
    /// connection holds nothing else.
    fn has_room(&self, context: &Context<'_>, size: usize) -> bool {
        let most = self.shared.settings.pipeline_max_bytes.saturating_sub(size);
        let most = most.saturating_add(self.arrival.bytes());
        !self.mute.is_on()
            && self.pipeline.has_room()
            && self.account.poll_below(context, most).is_ready()
    }

    /// The size of the next frame, while requests are accepted. An invalid size closes the connection.
    fn next_size(&mut self) -> Option<usize> {
        if !matches!(self.phase, Phase::Open) {
            return None;
        }
        self.frames.next_size().unwrap_or_else(|error| {
            self.refuse(error.to_string().into());
            None
        })
    }

    /// As [`Self::next_size`], once that frame has arrived completely.
    pub(super) fn next_whole(&mut self) -> Option<usize> {
        let size = self.next_size()?;
        self.frames.is_complete(size).then_some(size)
    }

    /// Reads once, if reading is allowed. This includes times when nothing can be started, since only reading shows
    /// that the peer has gone.
    pub(super) fn read(&mut self, context: &mut Context<'_>) -> bool {
        self.reading = false;
        let Some(most) = self.allowance(context) else {
            self.reading = true;
            self.blind = false;
            return false;
        };
        self.blind = most == 0 && !self.ended;
        if self.blind {
            return self.look_for_end(context);
        }
        self.end = None;
        if self.ended {
            return false;
        }
        if matches!(self.phase, Phase::Open)
            && let Err(error) = self.frames.map_large()
        {
            self.refuse(format!("cannot allocate memory for a large request: {error}").into());
            return true;
        }
        match self.frames.poll_fill(context, &mut self.stream, most) {
            Poll::Pending => {
                if self.frames.arrived() == 0 {
                    // No frame is known to come, so no memory is kept for it.
                    self.arrival.shrink_to(0);
                    self.account.end_claim();
                }
                return false;
            }
            Poll::Ready(Ok(0)) => self.peer_closed(),
            Poll::Ready(Ok(_)) => {
                let unpaid = self.frames.arrived().saturating_sub(self.arrival.bytes());
                if unpaid > 0 {
                    self.arrival.merge(self.account.force(unpaid));
                }
                self.stalled.restart();
            }
            Poll::Ready(Err(error)) => self.lose_peer(&error),
        }
        true
    }

    /// Checks for the peer's close behind bytes that may not be read now. The connection does not wait for a frame
    /// that can never be complete.
    fn look_for_end(&mut self, context: &mut Context<'_>) -> bool {
        if self.give_up.is_some() {
            return false;
        }
        if self.end.is_none() {
            self.end = self.stream.watch_end();
        }
        let Some(end) = &self.end else {
            return false;
        };
        match end.poll_end(context) {
            Poll::Pending => return false,
            Poll::Ready(Err(error)) => self.lose_peer(&error),
            Poll::Ready(Ok(unread)) => {
                let missing = self.frames.missing() as u64;
                if unread == 0 || unread < missing {
                    self.peer_closed();
                } else {
                    self.give_up_later();
                }
            }
        }
        true
    }

    /// How much may be read now. For a frame that there is room for: as much as is useful and as there is memory for;
    /// otherwise a little. `None` when the rest of a frame stays in the socket until all of it is there.
    fn allowance(&mut self, context: &mut Context<'_>) -> Option<usize> {
        let arrived = self.frames.arrived();
        let next = self.next_size();
        let open = matches!(self.phase, Phase::Open);
        let complete = next.is_some_and(|size| self.frames.is_complete(size));
        if open && !self.ended && !complete && self.has_room(context, next.unwrap_or_default()) {
            let most = self.poll_towards_frame(context, arrived)?;
            self.reading = most > 0;
            if self.reading {
                return Some(most);
            }
        }
        let ahead = READ_AHEAD.saturating_sub(arrived);
        Some(self.account.room(ahead, self.frames.missing()))
    }

    /// How much may be read of the frame at the front, which there is room for. 0 when it must wait for memory,
    /// `None` as for [`Self::allowance`].
    fn poll_towards_frame(&mut self, context: &mut Context<'_>, arrived: usize) -> Option<usize> {
        let covered = self.arrival.bytes().saturating_sub(arrived);
        if covered > 0 {
            return Some(covered);
        }
        let plenty = self.account.is_plenty();
        let missing = self.frames.missing();
        let (claim, is_arriving) = if self.frames.is_large() {
            // Charged before it is read, since that much buffer is allocated for it.
            let wanted = self.frames.wanted(plenty);
            if self.account.room(wanted, missing) < wanted {
                (wanted.min(LARGE_CHUNK), true)
            } else {
                (wanted, true)
            }
        } else if plenty || missing == 0 {
            // A small read is charged after it.
            let wanted = self.frames.wanted(false);
            let most = if plenty { wanted } else { wanted.min(TRIFLE) };
            let room = self.account.room(most, missing);
            if room > 0 {
                return Some(room);
            }
            (most.min(TRIFLE), true)
        } else {
            // When memory is short, a small frame is left in the socket until it is complete: otherwise many
            // half-sent frames would keep out the complete ones.
            match self.stream.poll_arrived(context, missing) {
                Poll::Pending => return None,
                Poll::Ready(Err(_)) => return Some(missing),
                Poll::Ready(Ok(())) => (missing, false),
            }
        };
        let claim = self.poll_claim(context, claim, is_arriving);
        if let Poll::Ready(charge) = claim {
            self.arrival.merge(charge);
        }
        Some(self.arrival.bytes().saturating_sub(arrived))
    }

    /// Claims memory for the request at the front.
    fn poll_claim(
        &mut self,
        context: &Context<'_>,
        bytes: usize,
        is_arriving: bool,
    ) -> Poll<Charge> {
        let need = Need {
            bytes,
            lacks: self.frames.missing(),
            is_arriving,
            is_oldest: self.pipeline.is_empty(),
        };
        self.account.poll_claim(context, need)
    }
}
