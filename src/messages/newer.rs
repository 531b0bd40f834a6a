//! The frame of a message whose newest version is ours: which versions it has, and who reads and writes each.

use std::borrow::Cow;

use anyhow::Result;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};

use super::read;
use crate::schema::Writer;

/// A message of the crate's with a version that the crate does not know.
pub(super) trait Newer: Sized {
    /// The crate's message.
    type Known: Message + HeaderVersion;

    /// The version that the crate does not know.
    const OURS: i16 = Self::Known::VERSIONS.max + 1;

    /// All versions.
    const ALL: VersionRange = VersionRange {
        min: Self::Known::VERSIONS.min,
        max: Self::OURS,
    };
}

/// How it is read.
pub(super) trait Reads: Newer<Known: Decodable> {
    /// From what the crate has read in one of its versions.
    fn from_known(known: Self::Known) -> Self;

    /// Reads [`Newer::OURS`], up to the tagged fields at the end.
    fn read(buffer: &mut impl ByteBuf) -> Result<Self>;

    /// Reads any version.
    fn decode_any(buffer: &mut impl ByteBuf, version: i16) -> Result<Self> {
        if version < Self::OURS {
            return Self::Known::decode(buffer, version).map(Self::from_known);
        }
        let message = Self::read(buffer)?;
        read::tagged_fields(buffer)?;
        Ok(message)
    }
}

/// How it is written.
pub(super) trait Writes: Newer<Known: Encodable + Clone> {
    /// What the crate's versions have of it.
    fn known(&self) -> Cow<'_, Self::Known>;

    /// Writes [`Newer::OURS`], up to the tagged fields at the end.
    fn write(&self, writer: &mut Writer);

    /// Writes any version.
    fn encode_any(&self, buffer: &mut impl ByteBufMut, version: i16) -> Result<()> {
        if version < Self::OURS {
            return self.known().encode(buffer, version);
        }
        buffer.put_slice(&self.written());
        Ok(())
    }

    /// How many bytes [`Self::encode_any`] writes.
    fn size_any(&self, version: i16) -> Result<usize> {
        if version < Self::OURS {
            return self.known().compute_size(version);
        }
        Ok(self.written().len())
    }

    /// The bytes of [`Newer::OURS`].
    fn written(&self) -> Vec<u8> {
        let mut writer = Writer::flexible();
        self.write(&mut writer);
        writer.no_tagged_fields();
        writer.into_bytes()
    }
}

/// Gives a [`Newer`] message the crate's traits: `reads` and `writes` say which.
macro_rules! message {
    ($message:ty: $($way:ident),+) => {
        impl kafka_protocol::protocol::Message for $message {
            const VERSIONS: kafka_protocol::protocol::VersionRange =
                <Self as $crate::messages::newer::Newer>::ALL;
            const DEPRECATED_VERSIONS: Option<kafka_protocol::protocol::VersionRange> = None;
        }

        impl kafka_protocol::protocol::HeaderVersion for $message {
            fn header_version(version: i16) -> i16 {
                <Self as $crate::messages::newer::Newer>::Known::header_version(version)
            }
        }

        $($crate::messages::newer::message!(@$way $message);)+
    };
    (@reads $message:ty) => {
        impl kafka_protocol::protocol::Decodable for $message {
            fn decode<B: kafka_protocol::protocol::buf::ByteBuf>(
                buffer: &mut B,
                version: i16,
            ) -> anyhow::Result<Self> {
                $crate::messages::newer::Reads::decode_any(buffer, version)
            }
        }
    };
    (@writes $message:ty) => {
        impl kafka_protocol::protocol::Encodable for $message {
            fn encode<B: kafka_protocol::protocol::buf::ByteBufMut>(
                &self,
                buffer: &mut B,
                version: i16,
            ) -> anyhow::Result<()> {
                $crate::messages::newer::Writes::encode_any(self, buffer, version)
            }

            fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
                $crate::messages::newer::Writes::size_any(self, version)
            }
        }
    };
}

/// Makes a message a request of the crate's API, with this response.
macro_rules! request {
    ($message:ty, $response:ty) => {
        $crate::messages::newer::message!($message: reads, writes);

        impl kafka_protocol::protocol::Request for $message {
            const KEY: i16 = <Self as $crate::messages::newer::Newer>::Known::KEY;
            type Response = $response;
        }
    };
}

pub(super) use {message, request};
