//! Upkeep: the background work on logs.
//!
//! Beside each lane, a [`syncer`] syncs data that no acknowledgement waits for. Each directory has a housekeeper
//! ([`housekeeping`]), which makes [`rounds`]. A [`cleaner`] rewrites the closed segments of compacted topics. A
//! [`scrubber`] slowly reads data that nobody has read for a long time. A [`rate`] limits what they read and write.
//! All are [`workers`].

pub(super) mod cleaner;
pub(super) mod housekeeping;
pub(super) mod rate;
pub(super) mod rounds;
pub(super) mod rounds_at_once;
pub(super) mod scrubber;
pub(super) mod syncer;
pub(super) mod workers;
