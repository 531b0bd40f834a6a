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
//!   Beyond that it leaves bytes in the kernel and TCP slows the peer. A peer that does not read
//!   its replies is slowed in the same way: the head is not polled while the output is full.
//! - **The head is free.** The oldest unanswered request of a connection holds no shared permit (up
//!   to 64 KiB). So requests that wait long (a fetch, a join that waits for other members) can
//!   never use up a budget that others need to end that wait.
//!
//! # How a connection ends
//!
//! | event | what happens |
//! | --- | --- |
//! | a size below 8, negative, or above `max_request_bytes`; [`Started::Close`] | earlier requests are answered, then closed, with a warning |
//! | [`Reply::Close`] | earlier replies are written, later requests dropped, closed, with a warning |
//! | the peer closes, or the socket fails | requests that have been started are carried through in order for up to `finish_after_close` (a leave or a commit sent just before the close must count); replies are still written while the peer takes them |
//! | idle | closed; see below |
//! | [`ServerHandle::stop`] | started requests are answered, then closed; at the deadline cut |
//!
//! Idle means that only the peer can move things on and has not for `max_idle`: by completing a
//! request or by taking bytes of a reply. A partial frame is not an activity, however it trickles;
//! a request that we have not answered is not idleness.
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
mod frame;
pub mod header;
pub mod log_limit;
mod output;
mod pipeline;
pub mod reply;
pub mod server;
pub mod service;
pub mod settings;

pub use header::RequestPrefix;
pub use log_limit::LogLimit;
pub use reply::{Part, Parts, Reply};
pub use server::{BindError, Endpoint, Listeners, ServerHandle};
pub use service::{Peer, ReplyFuture, Request, Service, Started};
pub use settings::Settings;
