//! Records about the cluster as a whole: configuration, features, producer ids, transactions.

use super::Message;
use crate::base::{NodeId, ProducerId};
use crate::schema::{DecodeError, Reader, Tags, Writer};

/// A dynamic configuration is set or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Kafka's number of the resource type: see [`crate::metadata::ConfigResourceType`].
    pub resource_type: i8,
    /// The resource: a topic, a broker's id (empty for all brokers), a group.
    pub resource_name: String,
    /// The configuration's key.
    pub name: String,
    /// Its value; `None` removes it.
    pub value: Option<String>,
}

impl Message for Config {
    const TYPE: u32 = 4;
    const NAME: &'static str = "ConfigRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            resource_type: reader.int8()?,
            resource_name: reader.string()?,
            name: reader.string()?,
            value: reader.nullable_string()?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int8(self.resource_type);
        writer.string(&self.resource_name);
        writer.string(&self.name);
        writer.nullable_string(self.value.as_deref());
        writer.no_tagged_fields();
    }
}

/// The finalized level of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLevel {
    /// The feature.
    pub name: String,
    /// Its level; 0 disables it.
    pub level: i16,
}

impl Message for FeatureLevel {
    const TYPE: u32 = 12;
    const NAME: &'static str = "FeatureLevelRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            name: reader.string()?,
            level: reader.int16()?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(&self.name);
        writer.int16(self.level);
        writer.no_tagged_fields();
    }
}

/// The producer ids below a number are assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerIds {
    /// The broker with the last block.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// The first id of the next block.
    pub next_producer_id: ProducerId,
}

impl Message for ProducerIds {
    const TYPE: u32 = 15;
    const NAME: &'static str = "ProducerIdsRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            broker_id: NodeId(reader.int32()?),
            broker_epoch: reader.int64()?,
            next_producer_id: ProducerId(reader.int64()?),
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.broker_id.0);
        writer.int64(self.broker_epoch);
        writer.int64(self.next_producer_id.0);
        writer.no_tagged_fields();
    }
}

/// Two records whose only field is a nullable string.
macro_rules! transaction_records {
    ($($(#[$doc:meta])* $record:ident = $record_type:literal, $schema:literal, $field:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Default)]
        pub struct $record {
            /// A note for people who read the log.
            pub $field: Option<String>,
        }

        impl Message for $record {
            const TYPE: u32 = $record_type;
            const NAME: &'static str = $schema;
            const HIGHEST_VERSION: u32 = 0;

            fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
                let mut record = Self::default();
                reader.tagged_fields(|tag, field| {
                    if tag == 0 {
                        record.$field = field.nullable_string()?;
                    }
                    Ok(())
                })?;
                Ok(record)
            }

            fn write(&self, writer: &mut Writer) {
                let mut tags = Tags::default();
                if let Some(text) = &self.$field {
                    tags.add(0, |field| field.string(text));
                }
                writer.tagged_fields(&tags);
            }
        }
    )*};
}

transaction_records! {
    /// Begins a transaction: the following records become visible together.
    BeginTransaction = 23, "BeginTransactionRecord", name;
    /// Aborts a transaction: its records are dropped.
    AbortTransaction = 25, "AbortTransactionRecord", reason;
}
