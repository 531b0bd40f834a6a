//! `quorum-state`: one line of JSON that outlives the process, so that no epoch is led twice.
//!
//! Kafka has two versions of the file, one for each kind of quorum ([`super::quorum`]): version 0 for
//! voters that the configuration names, version 1 for voters that the log names.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{KafkaUuid, LeaderEpoch, NodeId};
use crate::log::{Disk, plain_file};

use super::error::MetadataLogError;

pub(super) const FILE: &str = "quorum-state";

/// The maximum size: the file has a few fields, and a number for each voter.
const LONGEST: u64 = 1024 * 1024;

const CURE: &str = "restore it from a copy, or remove it if this is the cluster's one controller: the metadata log \
                    knows the leaderships as well";

/// The file's fields in either version. Fields that a version does not have are omitted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuorumState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    leader_id: i32,
    leader_epoch: i32,
    #[serde(default)]
    voted_id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied_offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_voters: Option<Vec<Voter>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    voted_directory_id: Option<String>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Voter {
    voter_id: i32,
}

impl QuorumState {
    /// The state of a node that leads itself, in the format for a `kraft.version`.
    pub(super) fn of_leader(node: NodeId, epoch: LeaderEpoch, kraft_version: i16) -> Self {
        let in_configuration = kraft_version < 1;
        Self {
            cluster_id: in_configuration.then(String::new),
            leader_id: node.0,
            leader_epoch: epoch.0,
            voted_id: -1,
            applied_offset: in_configuration.then_some(0),
            current_voters: in_configuration.then(|| vec![Voter { voter_id: node.0 }]),
            voted_directory_id: (!in_configuration).then(|| KafkaUuid::ZERO.to_string()),
            data_version: i16::from(!in_configuration),
        }
    }

    /// The voters, if the file names them.
    pub(super) fn voters(&self) -> Vec<NodeId> {
        let voters = self.current_voters.iter().flatten();
        voters.map(|voter| NodeId(voter.voter_id)).collect()
    }

    /// The newest leader epoch that this node knew.
    pub(super) const fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.leader_epoch)
    }

    /// Reads the file; `None` when there is none yet.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, MetadataLogError> {
        let path = directory.join(FILE);
        let content = match plain_file::read(&path, LONGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            content => content,
        };
        let state = content.and_then(|content| Ok(serde_json::from_slice(&content)?));
        state.map(Some).map_err(|error: io::Error| {
            // an unexpected end for the parser is an error of the contents
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            MetadataLogError::of_file(&path, error, CURE)
        })
    }

    /// Replaces the file, durably.
    pub(super) fn write(&self, disk: &Disk, directory: &Path) -> io::Result<()> {
        disk.replace(&directory.join(FILE), &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_outlives_the_process() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(
            QuorumState::read(directory.path())
                .expect("readable")
                .is_none()
        );
        QuorumState::of_leader(NodeId(1), LeaderEpoch(7), 0)
            .write(&Disk::default(), directory.path())
            .expect("writable");
        let state = QuorumState::read(directory.path())
            .expect("readable")
            .expect("there");
        assert_eq!(state.epoch(), LeaderEpoch(7));
        let text = std::fs::read_to_string(directory.path().join(FILE)).expect("readable");
        assert_eq!(
            text,
            r#"{"clusterId":"","leaderId":1,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#
        );
        assert_eq!(state.voters(), [NodeId(1)]);
    }

    #[test]
    fn the_form_for_voters_in_the_log_is_written_and_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        QuorumState::of_leader(NodeId(1), LeaderEpoch(3), 1)
            .write(&Disk::default(), directory.path())
            .expect("writable");
        let text = std::fs::read_to_string(directory.path().join(FILE)).expect("readable");
        assert_eq!(
            text,
            r#"{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#
        );
        let state = QuorumState::read(directory.path())
            .expect("readable")
            .expect("there");
        assert_eq!(
            (state.epoch(), state.voters()),
            (LeaderEpoch(3), Vec::new())
        );
    }
}
