//! Records about brokers and controllers.

use super::Message;
use crate::base::{DirectoryId, KafkaUuid, NodeId};
use crate::schema::{DecodeError, Reader, Tags, Writer};

/// An advertised listener of a broker or controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name.
    pub name: String,
    /// The advertised host.
    pub host: String,
    /// The advertised port.
    pub port: u16,
    /// Kafka's id of the security protocol: 0 plaintext, 1 SSL, 2 SASL over plaintext, 3 SASL over
    /// SSL.
    pub security_protocol: i16,
}

impl Endpoint {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let endpoint = Self {
            name: reader.string()?,
            host: reader.string()?,
            port: reader.uint16()?,
            security_protocol: reader.int16()?,
        };
        reader.no_tagged_fields()?;
        Ok(endpoint)
    }

    fn write(writer: &mut Writer, endpoint: &Self) {
        writer.string(&endpoint.name);
        writer.string(&endpoint.host);
        writer.uint16(endpoint.port);
        writer.int16(endpoint.security_protocol);
        writer.no_tagged_fields();
    }
}

/// The levels of a feature that a node supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature's name.
    pub name: String,
    /// The lowest level.
    pub minimum: i16,
    /// The highest level.
    pub maximum: i16,
}

impl SupportedFeature {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let feature = Self {
            name: reader.string()?,
            minimum: reader.int16()?,
            maximum: reader.int16()?,
        };
        reader.no_tagged_fields()?;
        Ok(feature)
    }

    fn write(writer: &mut Writer, feature: &Self) {
        writer.string(&feature.name);
        writer.int16(feature.minimum);
        writer.int16(feature.maximum);
        writer.no_tagged_fields();
    }
}

/// A broker is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterBroker {
    /// The broker.
    pub broker_id: NodeId,
    /// Left from the migration from ZooKeeper; false nowadays.
    pub is_migrating_zk_broker: bool,
    /// The incarnation id of the broker's process.
    pub incarnation_id: KafkaUuid,
    /// The broker epoch: the offset of the registration.
    pub broker_epoch: i64,
    /// Its listeners for clients and brokers.
    pub endpoints: Vec<Endpoint>,
    /// The features that it supports.
    pub features: Vec<SupportedFeature>,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is fenced.
    pub fenced: bool,
    /// Whether it is in controlled shutdown.
    pub in_controlled_shutdown: bool,
    /// Its online log directories.
    pub log_directories: Vec<DirectoryId>,
    /// Its cordoned log directories, which take no new replicas; `None` when it cannot report them.
    pub cordoned_log_directories: Option<Vec<DirectoryId>>,
}

impl Message for RegisterBroker {
    const TYPE: u32 = 0;
    const NAME: &'static str = "RegisterBrokerRecord";
    const HIGHEST_VERSION: u32 = 4;

    fn read(reader: &mut Reader<'_>, version: u32) -> Result<Self, DecodeError> {
        let mut record = Self {
            broker_id: NodeId(reader.int32()?),
            is_migrating_zk_broker: version >= 2 && reader.boolean()?,
            incarnation_id: reader.uuid()?,
            broker_epoch: reader.int64()?,
            endpoints: reader.array(Endpoint::read)?,
            features: reader.array(SupportedFeature::read)?,
            rack: reader.nullable_string()?,
            fenced: reader.boolean()?,
            in_controlled_shutdown: version >= 1 && reader.boolean()?,
            log_directories: Vec::new(),
            cordoned_log_directories: None,
        };
        reader.tagged_fields(|tag, field| {
            match (tag, version) {
                (0, 3..) => record.log_directories = field.array(Reader::uuid)?,
                (1, 4..) => record.cordoned_log_directories = field.nullable_array(Reader::uuid)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.broker_id.0);
        writer.boolean(self.is_migrating_zk_broker);
        writer.uuid(self.incarnation_id);
        writer.int64(self.broker_epoch);
        writer.array(&self.endpoints, Endpoint::write);
        writer.array(&self.features, SupportedFeature::write);
        writer.nullable_string(self.rack.as_deref());
        writer.boolean(self.fenced);
        writer.boolean(self.in_controlled_shutdown);
        let mut tags = Tags::default();
        if !self.log_directories.is_empty() {
            tags.add(0, |field| {
                field.array(&self.log_directories, |field, id| field.uuid(*id))
            });
        }
        if let Some(cordoned) = &self.cordoned_log_directories {
            tags.add(1, |field| {
                field.array(cordoned, |field, id| field.uuid(*id))
            });
        }
        writer.tagged_fields(&tags);
    }
}

/// A change of a broker's fencing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fencing {
    /// No change.
    #[default]
    Unchanged,
    /// The broker is fenced.
    Fence,
    /// The broker is unfenced.
    Unfence,
}

/// The fencing, shutdown state or directories of a broker change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistrationChange {
    /// The broker.
    pub broker_id: NodeId,
    /// Its broker epoch.
    pub broker_epoch: i64,
    /// The change of its fencing.
    pub fencing: Fencing,
    /// Whether its controlled shutdown begins. Only a new registration ends it.
    pub begins_controlled_shutdown: bool,
    /// Its online log directories, when they change: empty for "no change".
    pub log_directories: Vec<DirectoryId>,
    /// Its cordoned log directories, when they change.
    pub cordoned_log_directories: Option<Vec<DirectoryId>>,
}

impl BrokerRegistrationChange {
    /// A change of the fencing only.
    pub const fn fence(broker_id: NodeId, broker_epoch: i64, fencing: Fencing) -> Self {
        Self {
            broker_id,
            broker_epoch,
            fencing,
            begins_controlled_shutdown: false,
            log_directories: Vec::new(),
            cordoned_log_directories: None,
        }
    }
}

impl Message for BrokerRegistrationChange {
    const TYPE: u32 = 17;
    const NAME: &'static str = "BrokerRegistrationChangeRecord";
    const HIGHEST_VERSION: u32 = 3;

    /// Kafka writes the lowest version that has the needed fields.
    fn version_to_write(&self) -> u32 {
        if self.cordoned_log_directories.is_some() {
            3
        } else if !self.log_directories.is_empty() {
            2
        } else {
            u32::from(self.begins_controlled_shutdown)
        }
    }

    fn read(reader: &mut Reader<'_>, version: u32) -> Result<Self, DecodeError> {
        let mut record = Self::fence(NodeId(reader.int32()?), reader.int64()?, Fencing::Unchanged);
        reader.tagged_fields(|tag, field| {
            match (tag, version) {
                (0, _) => {
                    record.fencing = match field.int8()? {
                        1.. => Fencing::Fence,
                        0 => Fencing::Unchanged,
                        ..=-1 => Fencing::Unfence,
                    }
                }
                (1, 1..) => record.begins_controlled_shutdown = field.int8()? > 0,
                (2, 2..) => record.log_directories = field.array(Reader::uuid)?,
                (3, 3..) => record.cordoned_log_directories = field.nullable_array(Reader::uuid)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.broker_id.0);
        writer.int64(self.broker_epoch);
        let mut tags = Tags::default();
        match self.fencing {
            Fencing::Unchanged => {}
            Fencing::Fence => tags.add(0, |field| field.int8(1)),
            Fencing::Unfence => tags.add(0, |field| field.int8(-1)),
        }
        if self.begins_controlled_shutdown {
            tags.add(1, |field| field.int8(1));
        }
        if !self.log_directories.is_empty() {
            tags.add(2, |field| {
                field.array(&self.log_directories, |field, id| field.uuid(*id))
            });
        }
        if let Some(cordoned) = &self.cordoned_log_directories {
            tags.add(3, |field| {
                field.array(cordoned, |field, id| field.uuid(*id))
            });
        }
        writer.tagged_fields(&tags);
    }
}

/// Three records with only a broker and its epoch.
macro_rules! registration_records {
    ($($(#[$doc:meta])* $record:ident = $record_type:literal, $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $record {
            /// The broker.
            pub broker_id: NodeId,
            /// Its broker epoch.
            pub broker_epoch: i64,
        }

        impl Message for $record {
            const TYPE: u32 = $record_type;
            const NAME: &'static str = $name;
            const HIGHEST_VERSION: u32 = 0;

            fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
                let broker_id = NodeId(reader.int32()?);
                let record = Self { broker_id, broker_epoch: reader.int64()? };
                reader.no_tagged_fields()?;
                Ok(record)
            }

            fn write(&self, writer: &mut Writer) {
                writer.int32(self.broker_id.0);
                writer.int64(self.broker_epoch);
                writer.no_tagged_fields();
            }
        }
    )*};
}

registration_records! {
    /// A broker is unregistered.
    UnregisterBroker = 1, "UnregisterBrokerRecord";
    /// A broker is fenced.
    FenceBroker = 7, "FenceBrokerRecord";
    /// A broker is no longer fenced.
    UnfenceBroker = 8, "UnfenceBrokerRecord";
}

/// A controller is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterController {
    /// The controller.
    pub controller_id: NodeId,
    /// The incarnation id of its process.
    pub incarnation_id: KafkaUuid,
    /// Left from the migration from ZooKeeper.
    pub zk_migration_ready: bool,
    /// Its listeners.
    pub endpoints: Vec<Endpoint>,
    /// The features that it supports.
    pub features: Vec<SupportedFeature>,
}

impl Message for RegisterController {
    const TYPE: u32 = 27;
    const NAME: &'static str = "RegisterControllerRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let record = Self {
            controller_id: NodeId(reader.int32()?),
            incarnation_id: reader.uuid()?,
            zk_migration_ready: reader.boolean()?,
            endpoints: reader.array(Endpoint::read)?,
            features: reader.array(SupportedFeature::read)?,
        };
        reader.no_tagged_fields()?;
        Ok(record)
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.controller_id.0);
        writer.uuid(self.incarnation_id);
        writer.boolean(self.zk_migration_ready);
        writer.array(&self.endpoints, Endpoint::write);
        writer.array(&self.features, SupportedFeature::write);
        writer.no_tagged_fields();
    }
}

/// A controller is unregistered. Since `metadata.version` 4.4-IV2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnregisterController {
    /// The controller.
    pub controller_id: NodeId,
}

impl Message for UnregisterController {
    const TYPE: u32 = 29;
    const NAME: &'static str = "UnregisterControllerRecord";
    const HIGHEST_VERSION: u32 = 0;

    fn read(reader: &mut Reader<'_>, _version: u32) -> Result<Self, DecodeError> {
        let controller_id = NodeId(reader.int32()?);
        reader.no_tagged_fields()?;
        Ok(Self { controller_id })
    }

    fn write(&self, writer: &mut Writer) {
        writer.int32(self.controller_id.0);
        writer.no_tagged_fields();
    }
}
