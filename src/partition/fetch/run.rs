//! One fetch: check what is available, wait until it is enough, read once.

use std::sync::Arc;

use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

use super::interest::{Interest, Looked};
use super::read::{FetchedPart, ReadFailure, Room};
use super::{Finder, PartitionKey};

/// Limits over the whole fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Wait until this many bytes are available.
    pub min_bytes: u64,
    /// Return at most this many bytes. A larger first batch is still returned.
    pub max_bytes: usize,
    /// Wait until this time at most.
    pub deadline: Instant,
}

/// Identifies a row of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct RowId(pub(in crate::partition) u32);

/// What was read of a partition.
#[derive(Debug)]
pub struct FetchedRow {
    /// For [`crate::partition::sessions::Fetch::tell`].
    pub id: RowId,
    /// Identifies the row.
    pub key: PartitionKey,
    /// The result of the read.
    pub result: Result<FetchedPart, ReadFailure>,
}

/// Waits as the limits say and reads the due partitions, in the order of their places.
pub(in crate::partition) async fn run(
    interest: &mut Interest,
    finder: &impl Finder,
    limits: FetchLimits,
) -> Vec<FetchedRow> {
    let mut looked = Vec::new();
    for slot in interest.due() {
        interest.look_for(slot, finder, &mut looked);
        consume_budget().await;
    }
    wait_until_worth_reading(interest, &mut looked, finder, limits).await;
    // News that arrived meanwhile belongs in the answer, even if it did not wake the fetch.
    interest.look_at_marked(finder, &mut looked);
    looked.sort_unstable_by_key(|one| one.place);
    read(interest, looked, limits.max_bytes).await
}

async fn wait_until_worth_reading(
    interest: &mut Interest,
    looked: &mut Vec<Looked>,
    finder: &impl Finder,
    limits: FetchLimits,
) {
    let min_bytes = limits.min_bytes;
    // With no partitions there will never be enough. Partitions that were not found are reported now.
    if min_bytes == 0 || !interest.has_found_any() {
        return;
    }
    let watch = Arc::clone(interest.watch());
    let mut total = 0_u64;
    let mut to_look: Vec<usize> = (0..looked.len()).collect();
    loop {
        for at in to_look {
            let Some(one) = looked.get_mut(at) else {
                continue;
            };
            if let Ok(part) = &one.part {
                total = total.saturating_sub(one.available);
                let Some(bytes) = part.available(min_bytes - total).await else {
                    return;
                };
                one.available = bytes;
                total = total.saturating_add(bytes);
            }
            if total >= min_bytes {
                return;
            }
            consume_budget().await;
        }
        let news = watch.news(min_bytes - total);
        if watch.has_ended() || timeout_at(limits.deadline, news).await.is_err() {
            return;
        }
        to_look = interest.look_at_marked(finder, looked);
    }
}

async fn read(interest: &mut Interest, looked: Vec<Looked>, max_bytes: usize) -> Vec<FetchedRow> {
    let mut room = Room::new(max_bytes);
    let mut rows = Vec::with_capacity(looked.len());
    for Looked { slot, part, .. } in looked {
        let (result, is_settled) = match part {
            Ok(part) => {
                let result = part.read(room).await;
                let is_settled = result.as_ref().is_ok_and(|read| part.is_caught_up(read));
                (result, is_settled)
            }
            Err(failure) => (Err(failure), false),
        };
        if let Ok(FetchedPart { records, .. }) = &result {
            room.take(records);
        }
        interest.settle(slot, is_settled);
        if let Some(key) = interest.key(slot) {
            let id = RowId(slot);
            rows.push(FetchedRow { id, key, result });
        }
        consume_budget().await;
    }
    rows
}
