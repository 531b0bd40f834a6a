//! Upkeep: what is done for logs in the background while nobody asks for it.
//!
//! Beside each lane a [`syncer`] syncs what no acknowledgement waits for. Each directory has a housekeeper
//! ([`housekeeping`]), which makes [`rounds`]. A [`cleaner`] rewrites the closed segments of compacted topics, and one [`scrubber`] reads,
//! slowly, what nobody has asked for in a long time. What they may read and write is bounded by a [`rate`].
//! All are [`workers`].

pub(super) mod cleaner;
pub(super) mod housekeeping;
pub(super) mod rate;
pub(super) mod rounds;
pub(super) mod rounds_at_once;
pub(super) mod scrubber;
pub(super) mod syncer;
pub(super) mod workers;
