//! Offset lookups that need more than the published positions: by time, or by largest timestamp. They may read old
//! segments, so they run on threads that may block.

use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::{LogView, LookupError};

use super::fetch::ReadFailure;
use super::replica::Replica;

/// Which offset is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The end of what the reader may see.
    Latest,
    /// The first offset that may be read.
    Earliest,
    /// The record with the largest timestamp.
    MaxTimestamp,
    /// The first record at or after this time.
    ByTime(Timestamp),
}

/// An offset that was found, with the time of its record (none for positions) and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// The timestamp of the record.
    pub timestamp: Timestamp,
    /// The leader epoch of the record.
    pub epoch: LeaderEpoch,
}

/// Looks up an offset; `None` when no record matches.
///
/// # Errors
/// When the partition cannot be read here, or not in the client's epoch.
pub async fn look_up(
    replica: &Replica,
    query: OffsetQuery,
    client_epoch: LeaderEpoch,
    read_committed: bool,
) -> Result<Option<FoundOffset>, ReadFailure> {
    if replica.is_offline() {
        return Err(ReadFailure::Storage(
            "the log directory is offline".to_owned(),
        ));
    }
    replica.check_epoch(client_epoch)?;
    let published = replica.published();
    let positions = published.positions;
    let upper = if read_committed {
        positions.last_stable
    } else {
        positions.high_watermark
    };
    let position = |offset, epoch| {
        Ok(Some(FoundOffset {
            offset,
            timestamp: Timestamp::NONE,
            epoch,
        }))
    };
    let most = replica.config().max_decompressed_message_bytes;
    match query {
        OffsetQuery::Latest => position(upper, replica.leadership().epoch),
        OffsetQuery::Earliest => position(
            positions.log_start,
            published
                .view
                .epoch_at(positions.log_start)
                .unwrap_or(LeaderEpoch::NONE),
        ),
        OffsetQuery::MaxTimestamp => {
            let found = search(replica, &published.view, move |view| {
                view.offset_of_max_timestamp(most)
            });
            // As in Kafka there is none if the reader may not see that record, although others are below it.
            Ok(found.await?.filter(|found| found.offset < upper))
        }
        OffsetQuery::ByTime(time) => {
            search(replica, &published.view, move |view| {
                view.offset_for_timestamp(time, upper, most)
            })
            .await
        }
    }
}

async fn search(
    replica: &Replica,
    view: &Arc<LogView>,
    look: impl FnOnce(&LogView) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, LookupError>
    + Send
    + 'static,
) -> Result<Option<FoundOffset>, ReadFailure> {
    let view = Arc::clone(view);
    let directory = replica.directory();
    let found = directory.blocking().run(move || look(&view)).await;
    match found {
        Ok(Ok(found)) => Ok(found.map(|(offset, timestamp, epoch)| FoundOffset {
            offset,
            timestamp,
            epoch,
        })),
        Ok(Err(error @ LookupError::Record { .. })) => {
            Err(ReadFailure::RecordTooLarge(error.to_string()))
        }
        Ok(Err(error)) => Err(ReadFailure::Storage(error.to_string())),
        Err(stopped) => Err(ReadFailure::Storage(stopped.to_string())),
    }
}
