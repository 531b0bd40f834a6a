//! The records of `__cluster_metadata`: their contents, and their bytes.
//!
//! A record's value is `frame version (1) | type | version | message`, the first three as unsigned
//! varints, the message in Kafka's flexible encoding; the key is null. Nothing may follow.
//!
//! Each record type that this release acts on has a struct. The bytes of all other types are kept ([`Unmodelled`]:
//! ACLs, SCRAM credentials, quotas, delegation tokens, ZooKeeper migration, and types that a fork of Kafka may have
//! added), so a snapshot written by us still has them. They cannot hide a change that matters here:
//! `metadata.version` rules that out, and an unknown version is refused. If a type that we act on has a version that
//! is not in the schemas, that is an error, as in Kafka: skipping the record could ignore a change that the rest of
//! the log depends on. Unknown tagged fields are skipped: that is the purpose of tags.
//!
//! Records are read in all their versions and written in the version that Kafka writes at
//! `metadata.version` 4.4-IV2 (level 33).

mod broker;
mod cluster;
mod kept;
mod topic;

pub use broker::{
    BrokerRegistrationChange, Endpoint, FenceBroker, Fencing, RegisterBroker, RegisterController,
    SupportedFeature, UnfenceBroker, UnregisterBroker, UnregisterController,
};
pub use cluster::{AbortTransaction, BeginTransaction, Config, FeatureLevel, ProducerIds};
pub use kept::KeptRecord;
pub use topic::{ClearElr, Partition, PartitionChange, RemoveTopic, Topic};

use crate::schema::{self, Reader, Writer};

/// The only version of the frame around a record.
const FRAME_VERSION: u32 = 1;

/// Bytes that are not a metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what the record's schema says.
    #[error(transparent)]
    Encoding(#[from] schema::DecodeError),
    /// The frame around the record has another version than 1.
    #[error("frame version {0}, expected 1")]
    FrameVersion(u32),
    /// A record version that Kafka 4.4 does not know.
    #[error("unknown version {version} of {name}")]
    Version {
        /// The record's name.
        name: &'static str,
        /// The version that was found.
        version: u32,
    },
}

/// One record of `__cluster_metadata`.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataRecord {
    /// A broker is registered.
    RegisterBroker(RegisterBroker),
    /// A broker is unregistered.
    UnregisterBroker(UnregisterBroker),
    /// A topic is created.
    Topic(Topic),
    /// A partition is created, or (in a snapshot) has this state.
    Partition(Partition),
    /// Some fields of a partition change.
    PartitionChange(PartitionChange),
    /// A dynamic configuration is set or removed.
    Config(Config),
    /// A broker is fenced. Written only by releases before 3.3.
    FenceBroker(FenceBroker),
    /// A broker is no longer fenced. Written only by releases before 3.3.
    UnfenceBroker(UnfenceBroker),
    /// A topic is deleted, with its configuration.
    RemoveTopic(RemoveTopic),
    /// The finalized level of a feature.
    FeatureLevel(FeatureLevel),
    /// The producer ids below a number are assigned.
    ProducerIds(ProducerIds),
    /// The fencing, shutdown state or directories of a broker change.
    BrokerRegistrationChange(BrokerRegistrationChange),
    /// No change; it advances the log.
    NoOp,
    /// Begins a transaction: the following records become visible together.
    BeginTransaction(BeginTransaction),
    /// Ends a transaction: its records become visible.
    EndTransaction,
    /// Aborts a transaction: its records are dropped.
    AbortTransaction(AbortTransaction),
    /// A controller is registered.
    RegisterController(RegisterController),
    /// A controller is unregistered.
    UnregisterController(UnregisterController),
    /// The eligible leader replicas of one topic, or of all, are removed.
    ClearElr(ClearElr),
    /// A record that this release keeps but does not interpret.
    Unknown(Unmodelled),
}

/// A record of Kafka's that has no effect here yet. Its bytes are those after the version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmodelled {
    /// The record's type (`apiKey` in Kafka's schemas).
    pub record_type: u32,
    /// The version of its message.
    pub version: u32,
    /// Its message, unread.
    pub bytes: Vec<u8>,
}

impl Unmodelled {
    /// The type of records with a user's SCRAM credential.
    pub const USER_SCRAM_CREDENTIAL: u32 = 11;
    /// The type of client quota records.
    pub const CLIENT_QUOTA: u32 = 14;
    /// The type of the record of the migration from ZooKeeper.
    pub const ZK_MIGRATION_STATE: u32 = 21;
    /// The type of records that remove a user's SCRAM credential.
    pub const REMOVE_USER_SCRAM_CREDENTIAL: u32 = 22;

    /// Where Kafka writes this type in a snapshot, and an image keeps it: with the features, before the producer ids,
    /// or at the end.
    pub(super) const fn place(&self) -> UnmodelledPlace {
        match self.record_type {
            Self::ZK_MIGRATION_STATE => UnmodelledPlace::AfterFeatures,
            Self::CLIENT_QUOTA => UnmodelledPlace::BeforeProducerIds,
            _ => UnmodelledPlace::AtTheEnd,
        }
    }
}

/// A place in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnmodelledPlace {
    /// After the feature levels.
    AfterFeatures,
    /// Between configurations and producer ids.
    BeforeProducerIds,
    /// After everything else.
    AtTheEnd,
}

/// A record whose message has a struct.
trait Message: Sized {
    /// `apiKey` in Kafka's schemas.
    const TYPE: u32;
    /// The name in Kafka's schemas.
    const NAME: &'static str;
    /// The highest version; the lowest is always 0.
    const HIGHEST_VERSION: u32;

    /// The version in which this record is written.
    fn version_to_write(&self) -> u32 {
        Self::HIGHEST_VERSION
    }

    /// Reads the message in `version`.
    fn read(reader: &mut Reader<'_>, version: u32) -> Result<Self, schema::DecodeError>;

    /// Writes the message in [`Self::version_to_write`].
    fn write(&self, writer: &mut Writer);
}

fn read<M: Message>(reader: &mut Reader<'_>, version: u32) -> Result<M, DecodeError> {
    if version > M::HIGHEST_VERSION {
        return Err(DecodeError::Version {
            name: M::NAME,
            version,
        });
    }
    Ok(M::read(reader, version)?)
}

fn write<M: Message>(writer: &mut Writer, message: &M) {
    writer.unsigned_varint(M::TYPE);
    writer.unsigned_varint(message.version_to_write());
    message.write(writer);
}

/// A message without fields.
#[derive(Clone, Copy, Debug)]
struct Empty<const TYPE: u32>;

impl<const TYPE: u32> Message for Empty<TYPE> {
    const TYPE: u32 = TYPE;
    const NAME: &'static str = "NoOpRecord or EndTransactionRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, schema::DecodeError> {
        reader.no_tagged_fields()?;
        Ok(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.no_tagged_fields();
    }
}

type NoOp = Empty<20>;
type EndTransaction = Empty<24>;

impl MetadataRecord {
    /// Reads the value of a record of the metadata log.
    pub fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::flexible(value);
        let frame_version = reader.unsigned_varint()?;
        if frame_version != FRAME_VERSION {
            return Err(DecodeError::FrameVersion(frame_version));
        }
        let record_type = reader.unsigned_varint()?;
        let version = reader.unsigned_varint()?;
        let record = Self::decode_message(&mut reader, record_type, version)?;
        reader.finish()?;
        Ok(record)
    }

    fn decode_message(
        reader: &mut Reader<'_>,
        record_type: u32,
        version: u32,
    ) -> Result<Self, DecodeError> {
        Ok(match record_type {
            RegisterBroker::TYPE => Self::RegisterBroker(read(reader, version)?),
            UnregisterController::TYPE => Self::UnregisterController(read(reader, version)?),
            UnregisterBroker::TYPE => Self::UnregisterBroker(read(reader, version)?),
            Topic::TYPE => Self::Topic(read(reader, version)?),
            Partition::TYPE => Self::Partition(read(reader, version)?),
            PartitionChange::TYPE => Self::PartitionChange(read(reader, version)?),
            Config::TYPE => Self::Config(read(reader, version)?),
            FenceBroker::TYPE => Self::FenceBroker(read(reader, version)?),
            UnfenceBroker::TYPE => Self::UnfenceBroker(read(reader, version)?),
            RemoveTopic::TYPE => Self::RemoveTopic(read(reader, version)?),
            FeatureLevel::TYPE => Self::FeatureLevel(read(reader, version)?),
            ProducerIds::TYPE => Self::ProducerIds(read(reader, version)?),
            BrokerRegistrationChange::TYPE => {
                Self::BrokerRegistrationChange(read(reader, version)?)
            }
            NoOp::TYPE => {
                read::<NoOp>(reader, version)?;
                Self::NoOp
            }
            BeginTransaction::TYPE => Self::BeginTransaction(read(reader, version)?),
            EndTransaction::TYPE => {
                read::<EndTransaction>(reader, version)?;
                Self::EndTransaction
            }
            AbortTransaction::TYPE => Self::AbortTransaction(read(reader, version)?),
            RegisterController::TYPE => Self::RegisterController(read(reader, version)?),
            ClearElr::TYPE => Self::ClearElr(read(reader, version)?),
            _ => Self::Unknown(Unmodelled {
                record_type,
                version,
                bytes: reader.take_rest().to_vec(),
            }),
        })
    }

    /// The value of this record in the metadata log.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::flexible();
        writer.unsigned_varint(FRAME_VERSION);
        match self {
            Self::RegisterBroker(record) => write(&mut writer, record),
            Self::UnregisterController(record) => write(&mut writer, record),
            Self::UnregisterBroker(record) => write(&mut writer, record),
            Self::Topic(record) => write(&mut writer, record),
            Self::Partition(record) => write(&mut writer, record),
            Self::PartitionChange(record) => write(&mut writer, record),
            Self::Config(record) => write(&mut writer, record),
            Self::FenceBroker(record) => write(&mut writer, record),
            Self::UnfenceBroker(record) => write(&mut writer, record),
            Self::RemoveTopic(record) => write(&mut writer, record),
            Self::FeatureLevel(record) => write(&mut writer, record),
            Self::ProducerIds(record) => write(&mut writer, record),
            Self::BrokerRegistrationChange(record) => write(&mut writer, record),
            Self::NoOp => write(&mut writer, &Empty::<20>),
            Self::BeginTransaction(record) => write(&mut writer, record),
            Self::EndTransaction => write(&mut writer, &Empty::<24>),
            Self::AbortTransaction(record) => write(&mut writer, record),
            Self::RegisterController(record) => write(&mut writer, record),
            Self::ClearElr(record) => write(&mut writer, record),
            Self::Unknown(record) => {
                writer.unsigned_varint(record.record_type);
                writer.unsigned_varint(record.version);
                writer.raw(&record.bytes);
            }
        }
        writer.into_bytes()
    }
}

#[cfg(test)]
pub(crate) mod tests;
