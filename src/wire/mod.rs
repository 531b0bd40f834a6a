//! Floor 1: bytes between a socket and the handlers. Frames, the first eight bytes of a request, the connection loop,
//! listeners. It does not know which APIs exist, nor how a peer authenticates. It hands complete frames to a
//! [`Service`] and writes the answers in the order of the requests.
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
//! - **Frames.** One growing buffer per connection; a complete frame is one shared [`Bytes`](bytes::Bytes), which
//!   owns its charge. The buffer grows with the arrived bytes, never by what a size field claims; very large frames
//!   have memory of their own ([`frame`]). Small frames of one read share an allocation, so code that keeps a few
//!   bytes for longer than the request (a group's member metadata, for example) must copy them.
//! - **Start.** [`Service::start`] is called in order of arrival and fixes the request's place (a produce is in
//!   its storage lane, or in preparation before it). Requests 4 and 5 are started while 3 still waits: this allows an idempotent producer to
//!   keep five produce requests in flight.
//! - **Place.** Sometimes the place of a request depends on something that is not known yet ([`Started::Placing`]).
//!   Then it gets its place when that is known. Until then no further request of the connection is started; earlier
//!   requests are answered meanwhile. Later requests see its changes of the session. (A produce waits in this way
//!   for the verification of its transaction; SASL will.)
//! - **Reply.** Only the future of the head is polled, so the work in a handler's future happens strictly in request
//!   order, one at a time, as on Kafka's muted connections. Replies that are ready together are sent together in one
//!   vectored write.
//! - **Output.** Bytes in memory are sent in vectored writes. The kernel sends a range of a file (`sendfile`) if the
//!   stream supports it; bytes that are not in the page cache are read by threads that may wait for a disk
//!   ([`disk`]), never by a runtime thread. Pieces are produced as the socket takes them ([`output`]). After a
//!   megabyte or 8 requests, a connection yields the thread.
//!
//! # Bounds
//!
//! One budget of the broker ([`memory`]) counts the memory of all connections; its page describes the shares.
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
//! | a frame | its start | when its last slice is dropped, wherever that is: a lane that still holds record bytes of a reset connection keeps them counted, a waiting request that has dropped its frame does not |
//! | the memory that a request may need besides its frame ([`Service::cost`]) | before its start, as [`Request::memory`] | as the service makes it smaller, at the latest with the answer |
//! | an answer | as a part of that; the excess when it is handed over | when the socket has taken its last byte |
//! | a range of a file | not counted, except for a small amount | |
//! | pieces | the next one | |
//!
//! - A request is started when its connection has fewer than `pipeline_max_requests` unanswered requests and holds no
//!   more than `pipeline_max_bytes`, and when the broker has memory for it. Unless it is the only one, it also needs
//!   one of all connections' permits to run ahead ([`pipeline`]). One request is always allowed. Beyond that a
//!   connection reads 64 KiB ahead (less when memory is short) and leaves the rest in the kernel, and TCP slows the
//!   peer.
//! - While the last request waits for its place, and while a connection is muted, no request is started either.
//!   [`Reply::Muting`] mutes a connection, as Kafka does with a client above its quota: the answer is sent, started
//!   requests are answered, and no further request is started for that time. (There are no quotas yet.)
//! - [`admission`] bounds how many connections there are, [`serving`] how many are served at a time, and
//!   [`patience`] how long each state of a connection may last.
//! - A peer that does not take its replies is slowed in the same way: the head is not polled while
//!   the output is full.
//! - **Requests that wait do not stop others.** A connection's first 128 KiB are granted at once, and its oldest
//!   request needs no permit. So requests that wait long (a fetch, a join that waits for other members) can never use
//!   up what others need to end that wait, provided that they free unneeded memory meanwhile.
//! - **Slow peers are closed.** A request has `arrival_timeout` from its first byte to its last; time in which it is
//!   not read does not count. While others wait for memory, a connection that holds some is closed when its peer has
//!   neither sent nor received a byte for `stall_timeout`.
//! - **Complete requests come first.** When memory is short, the rest of a small request is left in the socket until
//!   it is complete, and is then read at once. So half-sent requests hold a few KiB each, however many they are.
//!
//! While a connection waits for its peer it has no read buffer that is much larger than the arrived bytes.
//!
//! # How a connection ends
//!
//! | event | what happens |
//! | --- | --- |
//! | a size below 8, negative, or above `max_request_bytes`; [`Started::Close`] | earlier requests are answered, for up to `finish_after_close`, then closed, with a warning |
//! | [`Reply::Close`] | earlier replies are written, within the same time; later requests dropped, closed, with a warning |
//! | the peer closes, or writing fails | a muted connection is unmuted; requests that have arrived are finished in order within `finish_after_close` (a leave or a commit sent just before the close must count); replies are still written while the peer takes them |
//! | the peer resets the connection | closed; started requests are dropped at the point where they wait |
//! | idle, or no progress and the peer's close cannot be noticed | closed; see below |
//! | a request that does not arrive in time; memory held for an inactive peer, while others wait for it | closed at once, with a warning |
//! | an answer that cannot be finished: a file too short or unreadable, more or fewer bytes than announced | closed at once, with a warning: its size has been sent |
//! | [`ServerControl::limit_connections`] lowers the limit, and this connection is one of the least recently used | started requests are answered, for up to `finish_after_close`, then closed, with a warning |
//! | [`ServerHandle::stop`] | started requests are answered, then closed; at the deadline cut |
//!
//! Idle means that only the peer can act and has not for `max_idle`: neither by completing a request nor by taking
//! bytes of a reply. A partial frame is no activity, however slowly it arrives; waiting for our answer is not
//! idleness.
//!
//! # Noticing that the peer has gone
//!
//! The waits of a dead peer must not outlast it: a fetch may ask to wait for 24 days, and each request that runs
//! ahead holds a permit of all connections' 500. The end of a stream is only seen by reading. So a connection reads
//! in every state until it has seen the end, even when it can start nothing:
//!
//! - While the pipeline is full or waits for a place, the connection is muted, permits or memory are short, or the
//!   connection is closing, up to 64 KiB are read ahead. Complete requests in them are still started in order when
//!   the end comes behind them.
//! - Behind more than that, and while the rest of a frame waits for memory, the system is asked: a second descriptor
//!   of the socket becomes ready with the peer's close or reset ([`stream`]). A frame that can no longer become
//!   complete is then dropped at once.
//! - Behind more than the socket's buffer takes, neither can be noticed. A slowed peer may well be alive, so the age
//!   of a request does not matter. But when there was no progress for ten minutes (nothing read, started, answered or
//!   written), the connection is closed. A live peer with long waits, and less than 64 KiB behind them, is never
//!   closed.
//!
//! A close is not a reset: if the peer has closed and then resets our writes, the system reports another error. So if
//! a client sends its last requests and does not wait for the replies, its requests are still finished.
//!
//! # Locks
//!
//! The table of connections ([`server`]), the ledger of the budget ([`memory`]) and the turns at the disks ([`disk`])
//! are behind plain mutexes, held for a few instructions and never together. Nobody is woken, and nothing of a
//! connection is dropped, under one.

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
