//! The voters of the metadata quorum, as recorded in the log.
//!
//! Kafka knows two kinds of quorum. With `kraft.version` 0 the voters are in the configuration and in `quorum-state`,
//! and the log does not name them. With `kraft.version` 1 they are in control records of the log: the version in one,
//! the voters with their directories and endpoints in another. A cluster with one node needs neither, but Kafka has
//! no voters without them. So the values of both are kept as they were written, and go into every snapshot, in one
//! batch with its header.

use bytes::Bytes;

use crate::base::{DirectoryId, NodeId, Offset};
use crate::record::control::ControlType;
use crate::record::{Batch, Record};
use crate::schema::{DecodeError, Reader};

/// The control records of the quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Quorum {
    /// The newest KRAFT_VERSION record's value.
    version: Option<Vec<u8>>,
    /// The newest KRAFT_VOTERS record's value.
    voters: Option<Vec<u8>>,
}

impl Quorum {
    /// Stores the control records of a batch at and after `from`.
    pub(super) fn note(&mut self, batch: &Batch, bytes: &Bytes, from: Offset) {
        for record in batch.records(bytes).flatten() {
            if record.offset >= from {
                self.note_record(&record);
            }
        }
    }

    fn note_record(&mut self, record: &Record<'_>) {
        let value = record.value.map(<[u8]>::to_vec);
        match ControlType::parse(record.key) {
            Ok(ControlType::KraftVersion) => self.version = value,
            Ok(ControlType::KraftVoters) => self.voters = value,
            _ => {}
        }
    }

    /// The records, as they follow a snapshot's header.
    pub(super) fn records(&self) -> impl Iterator<Item = (ControlType, &[u8])> {
        let version = self
            .version
            .iter()
            .map(|value| (ControlType::KraftVersion, &**value));
        let voters = self
            .voters
            .iter()
            .map(|value| (ControlType::KraftVoters, &**value));
        version.chain(voters)
    }

    /// The finalized `kraft.version`.
    ///
    /// # Errors
    /// When the record is invalid.
    pub(super) fn version(&self) -> Result<i16, DecodeError> {
        let Some(value) = &self.version else {
            return Ok(0);
        };
        let mut reader = Reader::flexible(value);
        reader.int16()?;
        reader.int16()
    }

    /// The voters named in the log; `None` if the configuration names them.
    ///
    /// # Errors
    /// When the record is invalid.
    pub(super) fn voters(&self) -> Result<Vec<Voter>, DecodeError> {
        let Some(value) = &self.voters else {
            return Ok(Vec::new());
        };
        let mut reader = Reader::flexible(value);
        reader.int16()?;
        reader.array(voter)
    }
}

/// A voter named in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Voter {
    pub(super) id: NodeId,
    pub(super) directory: DirectoryId,
}

/// One voter: its id, directory, endpoints, and the range of `kraft.version` that it can serve.
fn voter(reader: &mut Reader<'_>) -> Result<Voter, DecodeError> {
    let id = NodeId(reader.int32()?);
    let directory = reader.uuid()?;
    reader.array(|reader| {
        let _name: String = reader.string()?;
        let _host: String = reader.string()?;
        reader.uint16()?;
        reader.no_tagged_fields()
    })?;
    reader.int16()?;
    reader.int16()?;
    reader.no_tagged_fields()?;
    reader.no_tagged_fields()?;
    Ok(Voter { id, directory })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::KafkaUuid;

    // Written by `kafka-storage format --standalone` of Kafka 4.3.1.
    const VERSION: &[u8] = &[0, 0, 0, 1, 0];

    fn voters() -> Vec<u8> {
        let mut value = vec![0, 0, 2, 0, 0, 0, 7];
        value.extend_from_slice(&[0xab; 16]);
        value.extend_from_slice(b"\x02\x0bCONTROLLER\x0a127.0.0.1\x4e\x20\x00");
        value.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0]);
        value
    }

    #[test]
    fn the_records_are_understood_and_kept() {
        let quorum = Quorum {
            version: Some(VERSION.to_vec()),
            voters: Some(voters()),
        };
        assert_eq!(quorum.version(), Ok(1));
        let voter = Voter {
            id: NodeId(7),
            directory: KafkaUuid(uuid::Uuid::from_bytes([0xab; 16])),
        };
        assert_eq!(quorum.voters(), Ok(vec![voter]));
        let kept: Vec<_> = quorum.records().collect();
        assert_eq!(
            kept,
            [
                (ControlType::KraftVersion, VERSION),
                (ControlType::KraftVoters, &*voters())
            ]
        );
        let none = Quorum::default();
        assert_eq!((none.version(), none.voters()), (Ok(0), Ok(Vec::new())));
        assert_eq!(none.records().count(), 0);
    }

    #[test]
    fn records_that_are_cut_are_refused() {
        for end in 0..voters().len() - 1 {
            let quorum = Quorum {
                version: Some(VERSION.get(..end.min(3)).unwrap_or_default().to_vec()),
                voters: Some(voters()[..end].to_vec()),
            };
            assert!(
                quorum.version().is_err() && quorum.voters().is_err(),
                "{end}"
            );
        }
    }
}
