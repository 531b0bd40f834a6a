//! Control records: transaction markers in partitions; leader changes and the bounds of snapshots in
//! the metadata log.
//!
//! A key is two int16, version and type. A newer version is read as the known one, and readers skip an unknown
//! type, so that the log of a newer broker stays readable.

use bytes::Bytes;

use super::build::{BatchBuilder, BatchOptions};
use super::iter::Record;
use super::varint::{Cursor, put_unsigned};
use crate::base::{
    LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, TransactionVersion,
};

/// The version of keys and values that is written.
const VERSION: i16 = 0;
/// "No tagged fields", which ends every structure of a flexible message.
const NO_TAGS: u8 = 0;

/// The type of a control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    /// The transaction of the batch's producer is aborted.
    Abort,
    /// The transaction of the batch's producer is committed.
    Commit,
    /// A new leader of the metadata log.
    LeaderChange,
    /// The start of a snapshot.
    SnapshotHeader,
    /// The end of a snapshot.
    SnapshotFooter,
    /// The finalized `kraft.version`.
    KraftVersion,
    /// The voters of the metadata log.
    KraftVoters,
    /// A type of a later Kafka.
    Unknown(i16),
}

impl ControlType {
    /// The type in a control record's key.
    pub fn parse(key: Option<&[u8]>) -> Result<Self, ControlError> {
        let mut cursor = Cursor::new(key.unwrap_or_default());
        let version = int16(&mut cursor)?;
        if version < VERSION {
            return Err(ControlError::Version(version));
        }
        Ok(Self::from_id(int16(&mut cursor)?))
    }

    /// The type of this number.
    pub const fn from_id(id: i16) -> Self {
        match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KraftVersion,
            6 => Self::KraftVoters,
            other => Self::Unknown(other),
        }
    }

    /// The number of this type.
    pub const fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KraftVersion => 5,
            Self::KraftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    /// The key of a control record of this type.
    pub const fn key(self) -> [u8; 4] {
        let [v0, v1] = VERSION.to_be_bytes();
        let [t0, t1] = self.id().to_be_bytes();
        [v0, v1, t0, t1]
    }
}

/// The end of a transaction in one partition. Its producer is that of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Whether the transaction is committed.
    pub committed: bool,
    /// Epoch of the coordinator that decided.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The marker in a record of a control batch; `None` when the record is of another type.
    pub fn parse(record: &Record<'_>) -> Result<Option<Self>, ControlError> {
        let committed = match ControlType::parse(record.key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            _ => return Ok(None),
        };
        let mut cursor = Cursor::new(record.value.unwrap_or_default());
        let version = int16(&mut cursor)?;
        if version < VERSION {
            return Err(ControlError::Version(version));
        }
        let epoch = cursor.array::<4>().ok_or(ControlError::Short)?;
        Ok(Some(Self {
            committed,
            coordinator_epoch: i32::from_be_bytes(epoch),
        }))
    }

    /// The value of the marker's record.
    pub fn value(&self) -> Vec<u8> {
        let mut value = VERSION.to_be_bytes().to_vec();
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        value
    }

    /// The control batch that ends the transaction of this producer in a partition.
    pub fn batch(
        &self,
        place: ControlPlace,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    ) -> Bytes {
        let kind = if self.committed {
            ControlType::Commit
        } else {
            ControlType::Abort
        };
        let options = BatchOptions {
            producer_id,
            producer_epoch,
            transactional: true,
            ..place.options()
        };
        control_batch(options, place.timestamp, kind, &self.value())
    }
}

/// A marker on its way to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMarker {
    /// The producer whose transaction ends.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// The kind of marker, and its coordinator's epoch.
    pub end: EndTransactionMarker,
    /// The version of the transaction. From 2 on, the epoch is above that of the transaction's records (KIP-1228).
    pub version: TransactionVersion,
}

impl TransactionMarker {
    /// The batch to be written. The log assigns its offset.
    pub fn batch(&self, now: Timestamp) -> Bytes {
        let place = ControlPlace {
            base_offset: Offset::ZERO,
            leader_epoch: LeaderEpoch::NONE,
            timestamp: now,
        };
        self.end.batch(place, self.producer, self.epoch)
    }
}

/// Where and when a control batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPlace {
    /// Offset of the batch's one record.
    pub base_offset: Offset,
    /// Epoch of the leader that writes it.
    pub leader_epoch: LeaderEpoch,
    /// Time of the record.
    pub timestamp: Timestamp,
}

impl ControlPlace {
    fn options(self) -> BatchOptions {
        BatchOptions {
            base_offset: self.base_offset,
            leader_epoch: self.leader_epoch,
            control: true,
            ..BatchOptions::default()
        }
    }
}

/// The batch with which a leader of the metadata log starts its epoch.
pub fn leader_change(
    place: ControlPlace,
    leader: NodeId,
    voters: &[NodeId],
    granting_voters: &[NodeId],
) -> Bytes {
    let mut value = VERSION.to_be_bytes().to_vec();
    value.extend_from_slice(&leader.0.to_be_bytes());
    for voters in [voters, granting_voters] {
        // A compact array begins with its count plus one; zero would be null.
        put_unsigned(&mut value, (voters.len() as u64).saturating_add(1));
        for voter in voters {
            value.extend_from_slice(&voter.0.to_be_bytes());
            value.push(NO_TAGS);
        }
    }
    value.push(NO_TAGS);
    control_batch(
        place.options(),
        place.timestamp,
        ControlType::LeaderChange,
        &value,
    )
}

/// The first batch of a snapshot. `last_contained_log_timestamp` is the time of the last log record that
/// the snapshot covers. Further control records that belong to the snapshot follow in the same batch.
pub fn snapshot_header<'a>(
    place: ControlPlace,
    last_contained_log_timestamp: Timestamp,
    further: impl Iterator<Item = (ControlType, &'a [u8])>,
) -> Bytes {
    let mut value = VERSION.to_be_bytes().to_vec();
    value.extend_from_slice(&last_contained_log_timestamp.0.to_be_bytes());
    value.push(NO_TAGS);
    let mut builder = BatchBuilder::new(place.options());
    let mut push = |kind: ControlType, value: &[u8]| {
        builder.push(place.timestamp, Some(&kind.key()), Some(value), &[]);
    };
    push(ControlType::SnapshotHeader, &value);
    for (kind, value) in further {
        push(kind, value);
    }
    builder.finish()
}

/// The last batch of a snapshot, without which it is not complete.
pub fn snapshot_footer(place: ControlPlace) -> Bytes {
    let mut value = VERSION.to_be_bytes().to_vec();
    value.push(NO_TAGS);
    control_batch(
        place.options(),
        place.timestamp,
        ControlType::SnapshotFooter,
        &value,
    )
}

fn control_batch(
    options: BatchOptions,
    timestamp: Timestamp,
    kind: ControlType,
    value: &[u8],
) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    builder.push(timestamp, Some(&kind.key()), Some(value), &[]);
    builder.finish()
}

fn int16(cursor: &mut Cursor<'_>) -> Result<i16, ControlError> {
    cursor
        .array::<2>()
        .map(i16::from_be_bytes)
        .ok_or(ControlError::Short)
}

/// A control record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The key or value is missing or truncated.
    #[error("control record is truncated")]
    Short,
    /// Negative versions do not exist.
    #[error("control record version {0} does not exist")]
    Version(i16),
}
