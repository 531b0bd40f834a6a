//! The log directories of one broker, opened together. They must belong to the same cluster and node, and one that
//! cannot be used does not keep the others from serving.
//!
//! Wrong content, or a directory of another broker, ends the start, since only a person can decide what is
//! right. An error of the system (a disk that is not mounted or does not answer) takes only that directory
//! offline, unless it is the directory of the metadata log, which the broker needs to start.

use std::path::{Path, PathBuf};

use crate::base::NodeId;

use super::directory::{DirectoryError, LogDirectory};
use super::identity::Identity;
use super::meta;

/// The log directories of a broker.
#[derive(Debug)]
pub struct LogDirectories {
    /// Those in use, in the order of the configuration.
    pub online: Vec<LogDirectory>,
    /// Those that cannot be used at present.
    pub offline: Vec<PathBuf>,
    /// The reasons, in the same order.
    failures: Vec<DirectoryError>,
    /// The directory of the metadata log, if it is none of the others.
    pub metadata_only: Option<LogDirectory>,
    metadata: PathBuf,
}

impl LogDirectories {
    /// Opens the directories at `paths`, and the one of the metadata log, which may be one of them. They must have
    /// `cluster_id`, if it is known, and new ones get it.
    ///
    /// # Errors
    /// When the metadata log's directory or all others cannot be used, when one of them is in use by another
    /// process or does not belong to this node or cluster, or when two have the same id.
    pub fn open(
        paths: &[PathBuf],
        metadata: &Path,
        node_id: NodeId,
        cluster_id: Option<&str>,
    ) -> Result<Self, DirectoryError> {
        let paths = paths
            .iter()
            .map(|path| absolute(path))
            .collect::<Result<Vec<_>, _>>()?;
        let metadata = absolute(metadata)?;
        refuse_metadata_elsewhere(&paths, &metadata)?;
        let identity = Identity {
            node_id,
            cluster_id: cluster_id.map(str::to_owned),
        };
        let first = LogDirectory::open(&metadata, &identity)?;
        let identity = Identity {
            cluster_id: Some(first.meta().cluster_id.clone()),
            ..identity
        };
        let mut first = Some(first);
        let mut directories = Self {
            online: Vec::new(),
            offline: Vec::new(),
            failures: Vec::new(),
            metadata_only: None,
            metadata,
        };
        for path in paths {
            let opened = match first.take_if(|first| first.path() == path) {
                Some(first) => Ok(first),
                None => LogDirectory::open(&path, &identity),
            };
            match opened {
                Ok(directory) => directories.online.push(directory),
                Err(error @ DirectoryError::NotWritable { .. }) => {
                    directories.offline.push(path);
                    directories.failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        refuse_common_ids(directories.online.iter().chain(&first))?;
        if directories.online.is_empty()
            && let Some(failure) = directories.failures.pop()
        {
            return Err(failure);
        }
        directories.metadata_only = first;
        Ok(directories)
    }

    /// Logs which directories cannot be used, and why.
    pub fn tell_offline(&self) {
        for (path, error) in self.offline.iter().zip(&self.failures) {
            tracing::error!(directory = %path.display(), %error, "log directory is offline: its partitions answer KAFKA_STORAGE_ERROR");
        }
    }

    /// The directory of the metadata log.
    ///
    /// # Panics
    /// When it was taken out.
    pub fn metadata(&self) -> &LogDirectory {
        let mut all = self.online.iter().chain(&self.metadata_only);
        all.find(|directory| directory.path() == self.metadata)
            .expect("nothing is opened without it")
    }
}

impl From<LogDirectory> for LogDirectories {
    /// One directory for everything.
    fn from(directory: LogDirectory) -> Self {
        Self {
            metadata: directory.path().to_owned(),
            online: vec![directory],
            offline: Vec::new(),
            failures: Vec::new(),
            metadata_only: None,
        }
    }
}

/// The path as clients and tools name it.
fn absolute(path: &Path) -> Result<PathBuf, DirectoryError> {
    std::path::absolute(path).map_err(|source| DirectoryError::NotWritable {
        path: path.to_owned(),
        source,
    })
}

/// Refuses to start when the metadata log is in another directory than the configured one. Otherwise all topics would
/// be unknown, and their partitions would be set aside.
fn refuse_metadata_elsewhere(paths: &[PathBuf], metadata: &Path) -> Result<(), DirectoryError> {
    let not_ours = |path: &Path, reason: String| {
        let path = path.to_owned();
        Err(DirectoryError::NotOurs { path, reason })
    };
    let is_new = !metadata.join(meta::FILE_NAME).exists();
    for path in paths.iter().filter(|path| *path != metadata) {
        if super::directory::metadata_log_in(path).is_dir() {
            return not_ours(
                path,
                format!(
                    "it holds the metadata log, but metadata.log.dir (or the first of log.dirs) is {metadata:?}; name \
                     the right directory"
                ),
            );
        }
        if is_new && path.join(meta::FILE_NAME).exists() {
            return not_ours(
                metadata,
                format!(
                    "it is new and would hold the metadata log, but {path:?} has been used before; set \
                     metadata.log.dir to the directory that has the metadata log"
                ),
            );
        }
    }
    Ok(())
}

/// Two directories with the same id are copies, or one directory under two names.
fn refuse_common_ids<'a>(
    directories: impl Iterator<Item = &'a LogDirectory>,
) -> Result<(), DirectoryError> {
    let mut seen: Vec<&LogDirectory> = Vec::new();
    for directory in directories {
        let id = directory.directory_id();
        if let Some(other) = seen.iter().find(|other| other.directory_id() == id) {
            return Err(DirectoryError::NotOurs {
                path: directory.path().to_owned(),
                reason: format!(
                    "its directory.id {id} is also that of {:?}; one of them is a copy, so remove the line from the \
                     copy's {}",
                    other.path(),
                    meta::FILE_NAME
                ),
            });
        }
        seen.push(directory);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary directory"))
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn open(&self, names: &[&str], metadata: &str) -> Result<LogDirectories, DirectoryError> {
            let paths: Vec<_> = names.iter().map(|name| self.path(name)).collect();
            LogDirectories::open(&paths, &self.path(metadata), NODE, None)
        }

        fn refusal(&self, names: &[&str], metadata: &str) -> String {
            let error = self.open(names, metadata).expect_err("a refusal");
            assert!(!error.to_string().contains('\n'), "{error}");
            error.to_string()
        }
    }

    #[test]
    fn directories_share_cluster_and_node_and_nothing_else() {
        let home = Home::new();
        let first = home.open(&["a", "b"], "a").expect("directories");
        assert!(first.metadata_only.is_none() && first.offline.is_empty());
        assert_eq!(first.metadata().path(), home.path("a"));
        let ids: Vec<_> = first
            .online
            .iter()
            .map(LogDirectory::directory_id)
            .collect();
        assert_ne!(ids[0], ids[1]);
        let cluster = |directories: &LogDirectories, at: usize| {
            directories.online[at].meta().cluster_id.clone()
        };
        assert_eq!(cluster(&first, 0), cluster(&first, 1));
        drop(first);
        let again = home.open(&["b", "a", "c"], "a").expect("one more");
        assert_eq!(again.online[0].directory_id(), ids[1], "in the given order");
        assert_eq!(cluster(&again, 0), cluster(&again, 2));
    }

    #[test]
    fn the_metadata_log_may_have_a_directory_of_its_own() {
        let home = Home::new();
        let directories = home.open(&["a", "b"], "m").expect("directories");
        let metadata = directories.metadata();
        assert_eq!(metadata.path(), home.path("m"));
        assert_eq!(
            metadata.meta().cluster_id,
            directories.online[1].meta().cluster_id
        );
    }

    #[test]
    fn a_directory_that_cannot_be_used_leaves_the_others() {
        let home = Home::new();
        std::fs::write(home.path("file"), "in the way").expect("writable");
        let directories = home.open(&["a", "file", "b"], "a").expect("two of three");
        assert_eq!(directories.online.len(), 2);
        assert_eq!(directories.offline, [home.path("file")]);
        drop(directories);
        assert!(home.refusal(&["file"], "a").contains("file"));
        assert!(home.refusal(&["a", "file"], "file").contains("file"));
    }

    #[test]
    fn directories_of_others_and_copies_are_refused() {
        let home = Home::new();
        drop(home.open(&["a"], "a").expect("a cluster"));
        drop(home.open(&["b"], "b").expect("another cluster"));
        assert!(
            home.refusal(&["a", "b"], "a")
                .contains("belongs to cluster")
        );
        std::fs::create_dir(home.path("copy")).expect("a directory");
        std::fs::copy(
            home.path("a/meta.properties"),
            home.path("copy/meta.properties"),
        )
        .expect("a copy");
        assert!(home.refusal(&["a", "copy"], "a").contains("directory.id"));
    }

    #[test]
    fn a_metadata_log_that_is_looked_for_elsewhere_is_refused() {
        let home = Home::new();
        drop(home.open(&["a"], "a").expect("a directory"));
        assert!(home.refusal(&["a", "b"], "b").contains("is new"));
        std::fs::create_dir(home.path("a/__cluster_metadata-0")).expect("a directory");
        assert!(
            home.refusal(&["a", "b"], "b")
                .contains("holds the metadata log")
        );
    }
}
