use std::fs::File;

use super::*;
use crate::base::{NodeId, Offset};

fn identity() -> Identity {
    Identity {
        node_id: NodeId(1),
        cluster_id: None,
    }
}

#[test]
fn the_first_start_makes_what_the_next_one_finds() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b");
    let directory = LogDirectory::open(&path, &identity()).unwrap();
    assert!(!directory.had_clean_shutdown());
    let meta = directory.meta().clone();
    let offsets = PartitionOffsets::from([(TopicPartition::new("t", 0), Offset(5))]);
    directory
        .write_checkpoint(Checkpoint::Replication, &offsets)
        .unwrap();
    directory.mark_clean_shutdown(17).unwrap();
    let marker = std::fs::read_to_string(path.join(".kafka_cleanshutdown")).unwrap();
    assert_eq!(marker, "{\"version\":0,\"brokerEpoch\":17}");
    drop(directory);

    let directory = LogDirectory::open(&path, &identity()).unwrap();
    assert!(directory.had_clean_shutdown());
    assert_eq!(directory.meta(), &meta);
    assert_eq!(
        directory.read_checkpoint(Checkpoint::Replication).unwrap(),
        offsets
    );
    assert!(
        directory
            .read_checkpoint(Checkpoint::LogStart)
            .unwrap()
            .is_empty()
    );
    drop(directory);
    let directory = LogDirectory::open(&path, &identity()).unwrap();
    assert!(directory.had_clean_shutdown(), "nothing has begun yet");
    directory.take_over().unwrap();
    drop(directory);
    assert!(
        !LogDirectory::open(&path, &identity())
            .unwrap()
            .had_clean_shutdown(),
        "the marker counts once"
    );
}

#[test]
fn a_directory_without_an_id_gets_one_when_it_is_taken_over() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("meta.properties");
    let old = "version=0\nbroker.id=1\ncluster.id=old\n";
    std::fs::write(&file, old).unwrap();
    let directory = LogDirectory::open(home.path(), &identity()).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), old);
    let id = directory.directory_id();
    directory.take_over().unwrap();
    drop(directory);
    let directory = LogDirectory::open(home.path(), &identity()).unwrap();
    assert_eq!(directory.directory_id(), id);
}

#[test]
fn a_directory_has_one_user() {
    let directory = tempfile::tempdir().unwrap();
    let first = LogDirectory::open(directory.path(), &identity()).unwrap();
    let error = LogDirectory::open(directory.path(), &identity()).unwrap_err();
    assert!(
        matches!(error, DirectoryError::AlreadyLocked { .. }),
        "{error}"
    );
    std::fs::remove_file(directory.path().join(".lock")).unwrap();
    let error = LogDirectory::open(directory.path(), &identity()).unwrap_err();
    assert!(
        matches!(error, DirectoryError::AlreadyLocked { .. }),
        "a lock that was removed admits nobody: {error}"
    );
    drop(first);
    LogDirectory::open(directory.path(), &identity()).unwrap();
}

/// Puts something else where a file should be.
fn put(kind: &str, path: &Path) {
    drop(std::fs::remove_file(path));
    match kind {
        "directory" => std::fs::create_dir(path).unwrap(),
        "device" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        "terabyte" => File::create(path).unwrap().set_len(1 << 40).unwrap(),
        "rubbish" => std::fs::write(path, b"\xff\xfe\0\n\x80").unwrap(),
        "empty" => std::fs::write(path, b"").unwrap(),
        _ => {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, fifo, mode, 0).unwrap();
        }
    }
}

#[test]
fn what_is_no_file_is_named_with_a_cure_and_nobody_waits_for_it() {
    let files = [".lock", ".kafka_cleanshutdown", "meta.properties"];
    let checkpoints = [
        Checkpoint::RecoveryPoint,
        Checkpoint::LogStart,
        Checkpoint::Replication,
    ];
    for kind in ["directory", "FIFO", "device"] {
        for name in files {
            let home = tempfile::tempdir().unwrap();
            drop(LogDirectory::open(home.path(), &identity()).unwrap());
            put(kind, &home.path().join(name));
            let error = LogDirectory::open(home.path(), &identity()).unwrap_err();
            let line = error.to_string();
            assert!(
                line.contains(name) && line.contains(kind) && line.contains("; re"),
                "{line}"
            );
        }
        for checkpoint in checkpoints {
            let home = tempfile::tempdir().unwrap();
            let directory = LogDirectory::open(home.path(), &identity()).unwrap();
            put(kind, &home.path().join(checkpoint.file_name()));
            let line = directory
                .read_checkpoint(checkpoint)
                .unwrap_err()
                .to_string();
            assert!(line.contains(checkpoint.file_name()) && line.contains(kind));
        }
    }
}

#[test]
fn content_of_any_size_that_makes_no_sense_is_read_no_further() {
    for kind in ["terabyte", "rubbish", "empty"] {
        let home = tempfile::tempdir().unwrap();
        let directory = LogDirectory::open(home.path(), &identity()).unwrap();
        put(
            kind,
            &home.path().join(Checkpoint::RecoveryPoint.file_name()),
        );
        let offsets = directory.read_checkpoint(Checkpoint::RecoveryPoint);
        assert!(offsets.unwrap().is_empty());
        drop(directory);
        put(kind, &home.path().join("meta.properties"));
        let error = LogDirectory::open(home.path(), &identity()).unwrap_err();
        assert!(
            matches!(error, DirectoryError::Malformed { .. }),
            "{kind}: {error}"
        );
    }
}

#[test]
fn directories_of_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(LogDirectory::open(directory.path(), &identity()).unwrap());
    let other_node = Identity {
        node_id: NodeId(2),
        cluster_id: None,
    };
    let other_cluster = Identity {
        node_id: NodeId(1),
        cluster_id: Some("other".to_owned()),
    };
    for identity in [other_node, other_cluster] {
        let error = LogDirectory::open(directory.path(), &identity).unwrap_err();
        assert!(matches!(error, DirectoryError::NotOurs { .. }), "{error}");
    }
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("letters.txt"), "dear milena").unwrap();
    let error = LogDirectory::open(home.path(), &identity()).unwrap_err();
    assert!(matches!(error, DirectoryError::NotOurs { .. }), "{error}");
    let error = LogDirectory::open(Path::new("/proc/version/data"), &identity()).unwrap_err();
    assert!(
        matches!(error, DirectoryError::NotWritable { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn a_file_in_the_place_of_a_directory_is_said_to_be_one() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let error = LogDirectory::open(&file, &identity()).unwrap_err();
    assert!(
        error.to_string().contains("is a file and no directory"),
        "{error}"
    );
}

#[test]
fn replicas_are_listed() {
    let parent = tempfile::tempdir().unwrap();
    let directory = LogDirectory::open(parent.path(), &identity()).unwrap();
    for name in [
        "b-0",
        "a-1",
        "a-10",
        "__cluster_metadata-0",
        "c-2.0123456789abcdef0123456789abcdef-delete",
    ] {
        std::fs::create_dir(parent.path().join(name)).unwrap();
    }
    let found = find_replicas(directory.path()).unwrap();
    let names: Vec<String> = found
        .iter()
        .map(|replica| replica.topic_partition.to_string())
        .collect();
    assert_eq!(names, ["a-1", "a-10", "b-0", "c-2"]);
    assert_eq!(found[3].state, ReplicaState::Deleted);
    for name in ["lost+found", ".snapshot"] {
        std::fs::create_dir(parent.path().join(name)).unwrap();
    }
    assert_eq!(find_replicas(directory.path()).unwrap(), found);
    std::fs::create_dir(parent.path().join("something")).unwrap();
    assert!(matches!(
        find_replicas(directory.path()),
        Err(DirectoryError::NotOurs { .. })
    ));
}
