//! Floor 1: bytes between a socket and the handlers. Frames, the first eight bytes of a request,
//! the connection loop, listeners. It does not know which APIs exist, nor how a peer proves who it
//! is: it hands whole frames to a [`Service`] and writes what comes back, in the order of the
//! requests.
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
//! - **Frames.** One growing buffer per connection; a complete frame is split off as one shared
//!   [`Bytes`](bytes::Bytes). The buffer grows with what has arrived, never by what a size field
//!   claims ([`frame`]). Frames of one read share an allocation, so whoever keeps a few bytes for
//!   longer than the request (a group's member metadata, say) copies them.
//! - **Start.** [`Service::start`] is called in order of arrival and fixes the request's place (a
//!   produce is handed to its storage lane). It is called for request 4 and 5 while 3 still waits:
//!   that is what lets an idempotent producer keep five produces in flight.
//! - **Reply.** Only the head's future is polled, so whatever a handler leaves to the future
//!   happens strictly in request order, one at a time, as on Kafka's muted connections. Replies
//!   that are ready together leave together in one vectored write.
//! - **Bounds.** A connection reads on while it has fewer than `pipeline_max_requests` and
//!   `pipeline_max_bytes` unanswered, and while the broker as a whole has budget ([`pipeline`]).
//!   Beyond that it reads 64 KiB ahead and leaves the rest in the kernel, and TCP slows the peer. A
//!   peer that does not read its replies is slowed in the same way: the head is not polled while
//!   the output is full.
//! - **The head is free.** The oldest unanswered request of a connection holds no shared permit (up
//!   to 64 KiB). So requests that wait long (a fetch, a join that waits for other members) can
//!   never use up a budget that others need to end that wait.
//!
//! # How a connection ends
//!
//! | event | what happens |
//! | --- | --- |
//! | a size below 8, negative, or above `max_request_bytes`; [`Started::Close`] | earlier requests are answered, for up to `finish_after_close`, then closed, with a warning |
//! | [`Reply::Close`] | earlier replies are written, for as long; later requests dropped, closed, with a warning |
//! | the peer closes, or writing fails | requests that have arrived are carried through in order for up to `finish_after_close` (a leave or a commit sent just before the close must count); replies are still written while the peer takes them |
//! | the peer resets the connection | closed; what was started is dropped where it waits |
//! | idle, or at a standstill unseen | closed; see below |
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
//! - While the pipeline is full, permits are short, or the connection is closing, up to 64 KiB are
//!   read ahead: what any connection may hold without a permit. Whole requests in there are still
//!   started in their turn when the end comes behind them.
//! - Behind more than that, neither a close nor a reset can be seen. A peer that is slowed may well
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
//! The count of connections per address ([`server`]) and the window of a [`LogLimit`] are behind
//! plain mutexes, held for a few instructions and never together.

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
pub mod log_limit;
pub mod memory;
mod output;
mod patience;
mod pipeline;
pub mod reply;
pub mod server;
pub mod service;
pub mod settings;
mod stream;

pub use header::RequestPrefix;
pub use log_limit::LogLimit;
pub use memory::Charge;
pub use reply::{FileRange, Part, Parts, Pieces, Reply};
pub use server::{BindError, Endpoint, Listeners, ServerHandle};
pub use service::{Peer, ReplyFuture, Request, Service, Started};
pub use settings::Settings;
