//! Freed memory goes back to the system, also when nothing happens any more.
//!
//! The allocator (mimalloc) keeps what was freed for a second, in case that it is needed again, and gives it back
//! when it next takes or frees a page of its own. After a burst nobody may do that for hours: an idle broker is
//! served out of the pages that it has. So a page is taken and freed now and then.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// How often. What is freed is back at the latest after this and the allocator's own second, if many
/// arenas have something to give back after a few rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Large enough to be a page of its own. It is never touched, so it costs no memory.
const PAGE: usize = 1024 * 1024;

/// Has the allocator look, for as long as the runtime lives.
pub(super) fn give_back_now_and_then() {
    tokio::spawn(async {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            drop(black_box(Vec::<u8>::with_capacity(PAGE)));
        }
    });
}
