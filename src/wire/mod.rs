//! Floor 1: bytes between a socket and the handlers. Frames, the first eight bytes of a request,
//! the connection loop, listeners. It does not know which APIs exist, nor how a peer proves who it
//! is. It hands whole frames to a [`Service`] and writes the answers in the order of the requests.
//!
//! # One connection, one task
//!
//! ```text
//!            ┌ FrameReader ┐           ┌───────── Pipeline ─────────┐         ┌──── Output ────┐
//!  socket ─> │ ░░ │ 7 │ 6 │ ─ start ─> │ 5 ready │ 4 ready │ 3 waits │ ─────>  │ 2 (rest) │ 1   │ ─> socket
//!            └─────────────┘           └────────────────────────────┘ Reply   └────────────────┘ writev
//!             ░░ = arriving             tail                     head          shared parts, not copied
//! ```
//!
//! - **Frames.** One growing buffer per connection; a complete frame is one shared
//!   [`Bytes`](bytes::Bytes), which owns what it costs. The buffer grows with what has arrived, never
//!   by what a size field claims; very large frames have memory of their own ([`frame`]). Small frames of
//!   one read share an allocation, so whoever keeps a few bytes for longer than the request (a group's member metadata, say) copies them.
//! - **Start.** [`Service::start`] is called in order of arrival and fixes the request's place (a
//!   produce is in its storage lane, or in preparation before it). It is called for request 4 and 5 while 3 still waits:
//!   that is what lets an idempotent producer keep five produces in flight.
//! - **Place.** A request whose place depends on something that is waited for ([`Started::Placing`]) takes
//!   it when that is known. Until then nothing further of the connection is started; earlier requests
//!   are answered meanwhile. What comes behind sees what it has done to the session. (No handler needs this
//!   yet: it is for SASL and for transactions.)
//! - **Reply.** Only the head's future is polled, so whatever a handler leaves to the future
//!   happens strictly in request order, one at a time, as on Kafka's muted connections. Replies
//!   that are ready together leave together in one vectored write.
//! - **Output.** Bytes in memory leave in vectored writes. A range of a file is sent by the kernel
//!   (`sendfile`) where the stream allows it; what of it is not in the page cache is brought there by
//!   threads that may wait for a disk ([`disk`]), never by a runtime thread. Pieces are made as the
//!   socket takes them ([`output`]). After a megabyte, a connection lets others have the thread.
//!
//! # Bounds
//!
//! One budget of the broker ([`memory`]) counts what all connections hold; its page says how much each of
//! them may have.
//!
//! ```text
//!  socket ──> buffer ──────> frame ─────────────────────────> service ──────> answer ──> socket
//!             arrived bytes  the same, owned by its Bytes     cost            the rest of the cost,
//!             (Charge)       (Charge inside)                  (Charge)        or what it holds
//! ```
//!
//! | what | counted from | given back |
//! | --- | --- | --- |
//! | bytes of a frame that is arriving | their arrival; for a large frame one step before, since the buffer grows by it | with the connection, or they become the frame's |
//! | a frame | its start | when its last slice is let go, wherever that is: a lane that still holds record bytes of a connection that was reset keeps them counted, a request that waits and has let go of its frame does not |
//! | what a request may need beside its frame ([`Service::cost`]) | before its start, as [`Request::memory`] | as the service makes it smaller, at the latest with the answer |
//! | an answer | as a part of that; what it holds beyond it, as it is handed over | when the socket has taken its last byte |
//! | a range of a file | not at all, but for a little | |
//! | pieces | the one that is next | |
//!
//! - A request is started when its connection has fewer than `pipeline_max_requests` unanswered and
//!   holds no more than `pipeline_max_bytes`, when the broker has memory for it, and, unless it is the
//!   only one, when it has one of all connections' permits to run ahead ([`pipeline`]). One request
//!   is always let in. Beyond that a connection reads 64 KiB ahead (less when memory is short) and
//!   leaves the rest in the kernel, and TCP slows the peer.
//! - While the last request waits for its place, and while a connection is muted, it has no room either.
//!   [`Reply::Muting`] mutes it, as Kafka does with a client above its quota: the answer is sent, what was
//!   started is answered, and nothing further is started for that time. (There are no quotas yet.)
//! - [`admission`] bounds how many connections there are, [`serving`] how many are served at a time, and
//!   [`patience`] how long each state of a connection may last.
//! - A peer that does not take its replies is slowed in the same way: the head is not polled while
//!   the output is full.
//! - **Requests that wait do not stop others.** A connection's first 128 KiB are granted at once, and its
//!   oldest request needs no permit. So requests that wait long (a fetch, a join that waits for other
//!   members) can never use up what others need to end that wait, as long as they let go of what they
//!   do not need meanwhile.
//! - **Slow peers are closed.** A request has `arrival_timeout` from its first byte to its last; time
//!   in which it is not read does not count. And while others wait for memory, a connection that holds
//!   some is closed when its peer has neither sent nor received a byte for `stall_timeout`.
//! - **Complete requests come first.** Where memory is short, the rest of a small request is left in the
//!   socket until all of it is there, and is then read at once. So half-sent requests hold a few KiB each,
//!   however many they are.
//!
//! While a connection waits for its peer it has no read buffer, and none that is much larger than what
//! has arrived.
//!
//! # How a connection ends
//!
//! | event | what happens |
//! | --- | --- |
//! | a size below 8, negative, or above `max_request_bytes`; [`Started::Close`] | earlier requests are answered, for up to `finish_after_close`, then closed, with a warning |
//! | [`Reply::Close`] | earlier replies are written, for as long; later requests dropped, closed, with a warning |
//! | the peer closes, or writing fails | a muted connection is muted no more; requests that have arrived are carried through in order for up to `finish_after_close` (a leave or a commit sent just before the close must count); replies are still written while the peer takes them |
//! | the peer resets the connection | closed; what was started is dropped where it waits |
//! | idle, or at a standstill unseen | closed; see below |
//! | a request that does not arrive in time; memory held for a peer that does nothing, and wanted by others | closed at once, with a warning |
//! | an answer that cannot be finished: a file too short or unreadable, more or fewer bytes than announced | closed at once, with a warning: its size has been sent |
//! | [`ServerControl::limit_connections`] allows fewer than there are, and this one was used longer ago than the others | started requests are answered, for up to `finish_after_close`, then closed, with a warning |
//! | [`ServerHandle::stop`] | started requests are answered, then closed; at the deadline cut |
//!
//! Idle means that only the peer can move things on and has not for `max_idle`: by completing a
//! request or by taking bytes of a reply. A partial frame is not an activity, however it trickles;
//! a request that we have not answered is not idleness.
//!
//! # Seeing that the peer has gone
//!
//! A dead peer's waits must not outlast it: a fetch may ask to wait for 24 days, and each request
//! that runs ahead holds a permit of all connections' 500. Of a stream, only reading shows its end,
//! so a connection reads in every state until it has seen it, also when it can start nothing:
//!
//! - While the pipeline is full or waits for a place, the connection is muted, permits or memory are short, or the connection is closing, up to
//!   64 KiB are read ahead. Whole requests in there are still started in their turn when the end comes
//!   behind them.
//! - Behind more than that, and while the rest of a frame waits for memory, the system is asked: a
//!   second descriptor of the socket becomes ready with the peer's close or reset ([`stream`]). A
//!   frame that cannot become whole any more is then let go at once.
//! - Behind more than the socket takes in, neither can be seen. A peer that is slowed may well
//!   be alive, so it is not judged by the age of a request; but when nothing at all has moved for
//!   ten minutes (nothing read, started, answered or written), the connection is closed. A live peer
//!   with long waits, and less than 64 KiB behind them, is never cut.
//!
//! A close is not a reset: the system reports a reset that answers our own writes after the peer's
//! close as another error, so a client that sends its last requests and does not wait for the
//! replies has them carried through.
//!
//! # Locks
//!
//! The books of connections ([`server`]), the books of the budget ([`memory`]) and the turns
//! at the disks ([`disk`]) are behind plain mutexes, held for a few instructions and never together.
//! Nobody is woken, and nothing of a connection is dropped, under one.

#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap,
        clippy::arithmetic_side_effects
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that fails by panic is a test that fails"
    )
)]

mod admission;
mod connection;
mod disk;
mod frame;
pub mod header;
pub mod memory;
mod mute;
mod output;
mod patience;
mod pipeline;
pub mod reply;
pub mod server;
pub mod service;
mod serving;
pub mod settings;
mod stream;

pub use header::RequestPrefix;
pub use memory::Charge;
pub use reply::{FileRange, Part, Parts, Pieces, Reply};
pub use server::{BindError, Endpoint, Listeners, ServerControl, ServerHandle};
pub use service::{FixPlace, Peer, PlaceFuture, ReplyFuture, Request, Service, Started};
pub use settings::{ConnectionLimits, Settings};
