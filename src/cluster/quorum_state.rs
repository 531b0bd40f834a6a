//! `quorum-state`: one line of JSON that outlives the process, so that no epoch is led twice.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{LeaderEpoch, NodeId};

const FILE: &str = "quorum-state";

/// Version 0 of Kafka's file: a quorum whose voters are given by configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuorumState {
    #[serde(default)]
    cluster_id: String,
    leader_id: i32,
    leader_epoch: i32,
    #[serde(default)]
    voted_id: i32,
    #[serde(default)]
    applied_offset: i64,
    #[serde(default)]
    current_voters: Vec<Voter>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Voter {
    voter_id: i32,
}

impl QuorumState {
    /// The state of a node that leads itself.
    pub(super) fn of_leader(node: NodeId, epoch: LeaderEpoch) -> Self {
        Self {
            cluster_id: String::new(),
            leader_id: node.0,
            leader_epoch: epoch.0,
            voted_id: -1,
            applied_offset: 0,
            current_voters: vec![Voter { voter_id: node.0 }],
            data_version: 0,
        }
    }

    /// The epoch of the last leadership that this node knew of.
    pub(super) const fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.leader_epoch)
    }

    /// Reads the file; `None` when there is none yet.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join(FILE)) {
            Ok(content) => serde_json::from_slice(&content).map(Some).map_err(|error| {
                let path = directory.join(FILE);
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is malformed: {error}", path.display()),
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file, durably.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE);
        let temporary = directory.join(format!("{FILE}.tmp"));
        let mut file = fs::File::create(&temporary)?;
        io::Write::write_all(&mut file, &serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        fs::File::open(directory)?.sync_all()
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
        QuorumState::of_leader(NodeId(1), LeaderEpoch(7))
            .write(directory.path())
            .expect("writable");
        let state = QuorumState::read(directory.path())
            .expect("readable")
            .expect("there");
        assert_eq!(state.epoch(), LeaderEpoch(7));
        let text = fs::read_to_string(directory.path().join(FILE)).expect("readable");
        assert!(
            text.contains(r#""data_version":0"#)
                && text.contains(r#""currentVoters":[{"voterId":1}]"#),
            "{text}"
        );
    }

    #[test]
    fn kafkas_newer_form_is_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let text =
            r#"{"leaderId":1,"leaderEpoch":3,"votedId":1,"votedDirectoryId":"x","data_version":1}"#;
        fs::write(directory.path().join(FILE), text).expect("writable");
        let state = QuorumState::read(directory.path())
            .expect("readable")
            .expect("there");
        assert_eq!(state.epoch(), LeaderEpoch(3));
    }
}
