//! Waiting until everything up to an offset is committed.

use std::sync::Arc;

use crate::base::Offset;

use super::replica::Replica;
use super::waiters::Watch;

impl Replica {
    /// Completes when the high watermark has reached `end`; never when the partition is closed before.
    pub async fn watermark_reaches(&self, end: Offset) {
        let watch = Arc::new(Watch::default());
        let _registration = self.waiters().register(&watch, 0);
        while self.published().positions.high_watermark < end {
            if watch.has_ended() {
                return std::future::pending().await;
            }
            watch.news(1).await;
            // Checked again afterwards, so that no publication is missed.
            drop(watch.take_marked());
        }
    }
}
