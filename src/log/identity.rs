//! The identity of a log directory: compares `meta.properties` with the configuration of this broker.

use std::io;
use std::path::Path;

use crate::base::{DirectoryId, NodeId};

use super::directory::DirectoryError;
use super::disk::Disk;
use super::meta::{self, MetaProperties};
use super::{names, plain_file};

/// The file has a few short lines.
const LONGEST: u64 = 64 * 1024;

const CURE: &str = "restore it from a copy, or write version=1, cluster.id and node.id into it anew: the cluster's id \
                    is in the other log directories, and in the line that the broker wrote when it was ready";

/// The expected owner of the directory, and what to write if there is no `meta.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `node.id`; a directory of another node is refused.
    pub node_id: NodeId,
    /// The cluster, if it is already known; a directory of another cluster is refused.
    pub cluster_id: Option<String>,
}

/// The content of `meta.properties`, now or after the start.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) meta: MetaProperties,
    /// Whether the file has yet to be written.
    is_news: bool,
}

impl Identity {
    /// Reads the file, and refuses a directory of another owner. A directory without the file is used if it is empty.
    pub(super) fn of_directory(
        &self,
        path: &Path,
        disk: &Disk,
    ) -> Result<Identified, DirectoryError> {
        let file = path.join(meta::FILE_NAME);
        let mut meta = match plain_file::read(&file, LONGEST) {
            Ok(text) => {
                MetaProperties::decode(&text).map_err(|reason| DirectoryError::Malformed {
                    path: file,
                    reason,
                    cure: CURE,
                })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_other_content(path)?;
                let meta = self.fresh();
                write(&meta, path, disk)?;
                meta
            }
            Err(error) => return Err(DirectoryError::of_file(&file, error, CURE)),
        };
        self.refuse_others(&meta, path)?;
        let is_news = meta.directory_id.is_none();
        meta.directory_id.get_or_insert_with(DirectoryId::random);
        Ok(Identified { meta, is_news })
    }

    fn fresh(&self) -> MetaProperties {
        let fresh = MetaProperties::fresh(self.node_id);
        let cluster_id = self.cluster_id.clone().unwrap_or(fresh.cluster_id);
        MetaProperties {
            cluster_id,
            ..fresh
        }
    }

    fn refuse_others(&self, meta: &MetaProperties, path: &Path) -> Result<(), DirectoryError> {
        if meta.node_id != self.node_id {
            let reason = format!(
                "it belongs to node.id {}, but this node is {}",
                meta.node_id, self.node_id
            );
            return Err(not_ours(path, reason));
        }
        let others = |cluster_id: &&String| **cluster_id != meta.cluster_id;
        if let Some(cluster_id) = self.cluster_id.as_ref().filter(others) {
            let reason = format!(
                "it belongs to cluster {}, but this broker belongs to {cluster_id} (from zurau.cluster.id, CLUSTER_ID or the \
                 directory of the metadata log); choose a directory of that cluster, or correct the id",
                meta.cluster_id
            );
            return Err(not_ours(path, reason));
        }
        Ok(())
    }
}

impl Identified {
    /// Writes the file if anything in it is new.
    pub(super) fn write_down(&self, path: &Path, disk: &Disk) -> Result<(), DirectoryError> {
        if self.is_news {
            write(&self.meta, path, disk)?;
        }
        Ok(())
    }
}

fn write(meta: &MetaProperties, path: &Path, disk: &Disk) -> Result<(), DirectoryError> {
    let path = path.join(meta::FILE_NAME);
    disk.replace(&path, meta.encode().as_bytes())
        .map_err(|source| DirectoryError::NotWritable { path, source })
}

/// A directory without `meta.properties` is used only if it is empty: a wrong path in the configuration must not
/// fill somebody's home directory with segments.
fn refuse_other_content(path: &Path) -> Result<(), DirectoryError> {
    let not_writable = |source| DirectoryError::NotWritable {
        path: path.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(path).map_err(not_writable)? {
        let name = entry.map_err(not_writable)?.file_name();
        let name = name.to_string_lossy();
        let harmless = names::is_of_the_file_system(&name) || name.ends_with(".tmp");
        if !harmless {
            let reason = format!(
                "it has no {file} but contains {name:?}; choose an empty directory, or restore {file} if it is the \
                 broker's",
                file = meta::FILE_NAME
            );
            return Err(not_ours(path, reason));
        }
    }
    Ok(())
}

fn not_ours(path: &Path, reason: String) -> DirectoryError {
    DirectoryError::NotOurs {
        path: path.to_owned(),
        reason,
    }
}
