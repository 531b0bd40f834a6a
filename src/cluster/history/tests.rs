//! Whatever is damaged in the files of a metadata log, a start does not take it for a shorter log.

use std::fs::{self, File};

use super::*;
use crate::base::NodeId;
use crate::cluster::committed;
use crate::cluster::metadata_log::MetadataLog;
use crate::cluster::quorum_state::QuorumState;
use crate::config::BrokerConfig;
use crate::log::{Identity, LogDirectory};
use crate::metadata::Image;
use crate::metadata::record::{Config, FeatureLevel, Topic};

/// A log directory with a metadata log that is not in use.
struct Home {
    root: tempfile::TempDir,
    config: BrokerConfig,
    /// The changes that its users have seen.
    image: Image,
}

impl Home {
    /// This many topics, each in a batch of its own.
    fn with_topics(topics: usize, settings: &[(&str, &str)], segment_bytes: i32) -> Self {
        let mut config = BrokerConfig::with(settings).expect("a configuration");
        config.metadata_log_segment_bytes = segment_bytes;
        let mut home = Self {
            root: crate::log::testing::directory(),
            config,
            image: Image::default(),
        };
        home.write(topics);
        home
    }

    fn write(&mut self, topics: usize) {
        let directory = self.directory();
        let mut log =
            MetadataLog::open(&directory, &self.config, Timestamp(1_000)).expect("a metadata log");
        if log.image().features().is_empty() {
            let feature = MetadataRecord::FeatureLevel(FeatureLevel {
                name: "metadata.version".to_owned(),
                level: 25,
            });
            log.append(&[feature], Timestamp(1_001)).expect("appended");
        }
        for time in 0..topics {
            let number = log.image().topic_count();
            let now = Timestamp(2_000 + i64::try_from(time).expect("few"));
            log.append(&topic(number), now).expect("appended");
            log.maybe_snapshot(&self.config, now).expect("written");
        }
        self.image = log.image().clone();
        log.close().expect("closed");
    }

    fn directory(&self) -> LogDirectory {
        let identity = Identity {
            node_id: NodeId(1),
            cluster_id: None,
        };
        LogDirectory::open(self.root.path(), &identity).expect("a log directory")
    }

    fn log_path(&self) -> PathBuf {
        self.root.path().join("__cluster_metadata-0")
    }

    /// The files with this ending, oldest first.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.log_path()).expect("readable");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        paths.sort();
        paths
    }

    /// The result of a start with these files.
    fn read(&self) -> Result<Image, MetadataLogError> {
        let directory = self.directory();
        let state = QuorumState::read(&self.log_path())?;
        let expected = Expected {
            committed: committed::read(&directory)?,
            epoch: state.map(|state| state.epoch()),
        };
        let history = History::read(&self.log_path(), expected)?;
        Ok(history.loader.published().clone())
    }

    /// Checks that a start ends with an error line, or has everything; returns which of the two.
    fn is_refused(&self, what: &str) -> bool {
        match self.read() {
            Ok(image) => {
                assert_eq!(parts(&image), parts(&self.image), "{what}");
                false
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                true
            }
        }
    }

    fn refusal(&self) -> String {
        self.read().expect_err("a refusal").to_string()
    }
}

fn topic(number: usize) -> [MetadataRecord; 2] {
    let name = format!("topic-{number}");
    let config = Config {
        resource_type: 2,
        resource_name: name.clone(),
        name: "retention.ms".to_owned(),
        value: Some(number.to_string()),
    };
    let topic = Topic {
        name,
        topic_id: TopicId::random(),
    };
    [MetadataRecord::Topic(topic), MetadataRecord::Config(config)]
}

/// The topics that users would miss.
fn parts(image: &Image) -> Vec<(String, TopicId, String)> {
    let topics = image.topics().map(|topic| {
        let configs = format!("{:?}", image.topic_configs(&topic.name));
        (topic.name.to_string(), topic.id, configs)
    });
    topics.collect()
}

/// Changes a file, looks, and changes it back.
fn with_content(path: &Path, content: &[u8], look: impl FnOnce()) {
    let before = fs::read(path).expect("readable");
    fs::write(path, content).expect("writable");
    look();
    fs::write(path, before).expect("writable");
}

fn flipped(content: &[u8], at: usize, bit: usize) -> Vec<u8> {
    let mut content = content.to_vec();
    content[at] ^= 1 << bit;
    content
}

const ONE_SEGMENT: i32 = 1 << 20;

#[test]
fn whichever_bit_of_the_log_turns_over_nothing_is_forgotten() {
    let home = Home::with_topics(3, &[], ONE_SEGMENT);
    let path = &home.files(".log")[0];
    let content = fs::read(path).expect("readable");
    let mut refused = 0;
    for at in 0..content.len() {
        for bit in 0..8 {
            with_content(path, &flipped(&content, at, bit), || {
                refused += usize::from(home.is_refused(&format!("bit {bit} of byte {at}")));
            });
        }
    }
    // Of a batch's leader epoch a bit may turn over that no other batch contradicts.
    assert!(refused > content.len() * 8 - 16, "{refused}");
}

#[test]
fn without_a_checkpoint_only_the_last_batch_can_pass_for_torn() {
    let home = Home::with_topics(3, &[], ONE_SEGMENT);
    fs::remove_file(home.root.path().join(committed::FILE)).expect("it was there");
    let path = &home.files(".log")[0];
    let content = fs::read(path).expect("readable");
    let mut last = BatchFile::open(path, Place::beginning(Offset::ZERO, None)).expect("readable");
    let mut begin = 0;
    while let Step::Batch(batch) = last.step().expect("readable") {
        begin += batch.bytes.len();
        if begin == content.len() {
            begin -= batch.bytes.len();
            break;
        }
    }
    for at in 0..begin {
        with_content(path, &flipped(&content, at, at % 8), || {
            home.is_refused(&format!("byte {at}"));
        });
    }
    // Where the last one says that it stands is damage also then.
    for bit in 0..64 {
        with_content(path, &flipped(&content, begin + bit / 8, bit % 8), || {
            assert!(home.is_refused(&format!("bit {bit} of the base offset")));
        });
    }
}

#[test]
fn a_log_that_has_lost_its_end_is_refused_wherever_it_ends() {
    let home = Home::with_topics(3, &[], ONE_SEGMENT);
    let path = &home.files(".log")[0];
    let content = fs::read(path).expect("readable");
    for end in 0..content.len() {
        with_content(path, &content[..end], || {
            assert!(home.is_refused(&format!("{end} bytes")));
        });
    }
    with_content(path, &content[..content.len() / 2], || {
        assert!(home.refusal().contains("metadata-offset-checkpoint"));
    });
    for torn in [&[0; 500][..], &[0xa5; 500], &content[..70]] {
        // what a crash leaves of a write that was not answered
        let torn = torn.strip_suffix(b"\0").unwrap_or(torn);
        with_content(path, &[&content[..], torn].concat(), || {
            home.read().expect("the last write was not answered");
        });
    }
    with_content(path, &vec![0; content.len()], || {
        assert!(home.is_refused("zeroes"));
    });
}

#[test]
fn files_that_are_missing_are_missed() {
    let home = Home::with_topics(6, &[], 200);
    let segments = home.files(".log");
    assert!(segments.len() > 3, "{segments:?}");
    let away = home.root.path().join("away");
    for path in &segments {
        fs::rename(path, &away).expect("renamed");
        let is_empty = fs::metadata(&away).expect("there").len() == 0;
        assert!(home.is_refused(&format!("{path:?}")) || is_empty);
        fs::rename(&away, path).expect("renamed");
    }
    for (one, other) in segments.iter().zip(&segments[1..]) {
        let swap = || {
            fs::rename(one, &away).expect("renamed");
            fs::rename(other, one).expect("renamed");
            fs::rename(&away, other).expect("renamed");
        };
        swap();
        assert!(home.is_refused(&format!("{one:?} and {other:?} swapped")));
        swap();
    }
    fs::rename(home.log_path(), &away).expect("renamed");
    assert!(home.refusal().contains("ends at offset 0"));
    fs::rename(&away, home.log_path()).expect("renamed");
    fs::remove_file(home.root.path().join(committed::FILE)).expect("it was there");
    for path in &segments {
        fs::remove_file(path).expect("it was there");
    }
    assert!(home.refusal().contains("no segment"));
}

/// With a snapshot after each topic, of which the last two are kept.
fn with_snapshots() -> Home {
    let setting = "metadata.log.max.record.bytes.between.snapshots";
    let home = Home::with_topics(5, &[(setting, "1")], 400);
    assert_eq!(home.files(".checkpoint").len(), 2);
    home
}

#[test]
fn a_snapshot_that_is_damaged_is_passed_over_or_missed() {
    let home = with_snapshots();
    let snapshots = home.files(".checkpoint");
    let [older, newer] = &snapshots[..] else {
        panic!("{snapshots:?}")
    };
    let content = fs::read(newer).expect("readable");
    for at in 0..content.len() {
        with_content(newer, &flipped(&content, at, at % 8), || {
            assert!(
                !home.is_refused(&format!("byte {at}")),
                "the older one is there"
            );
        });
        with_content(newer, &content[..at], || {
            assert!(
                !home.is_refused(&format!("{at} bytes")),
                "the older one is there"
            );
        });
    }
    with_content(newer, &fs::read(older).expect("readable"), || {
        assert!(!home.is_refused("the older one under the newer one's name"));
    });
    with_content(older, b"", || {
        assert!(!home.is_refused("the newer one is there"));
        with_content(newer, b"", || {
            assert!(home.refusal().contains("no usable snapshot"))
        });
    });
}

#[test]
fn a_log_that_ends_below_its_snapshot_is_refused() {
    let home = with_snapshots();
    fs::remove_file(home.root.path().join(committed::FILE)).expect("it was there");
    for (number, path) in home.files(".log").into_iter().enumerate() {
        match number {
            0 => fs::write(path, "").expect("writable"),
            _ => fs::remove_file(path).expect("it was there"),
        }
    }
    let line = home.refusal();
    assert!(line.contains("before the end of the snapshot"), "{line}");
    // the cure that it names: with the snapshot alone
    fs::remove_file(&home.files(".log")[0]).expect("it was there");
    home.read().expect("what the snapshot holds");
    let mut home = home;
    home.write(2);
    assert!(!home.is_refused("what was written since"));
}

#[test]
fn what_is_no_file_is_named_and_nobody_waits_for_it() {
    let home = with_snapshots();
    let names = [
        ".log",
        ".checkpoint",
        ".index",
        "quorum-state",
        "leader-epoch-checkpoint",
    ];
    for path in names.map(|name| home.files(name)[0].clone()) {
        let away = home.root.path().join("away");
        fs::rename(&path, &away).expect("renamed");
        fs::create_dir(&path).expect("made");
        assert!(home.refusal().contains("a directory"));
        fs::remove_dir(&path).expect("removed");
        std::os::unix::fs::symlink(&away, &path).expect("linked");
        assert!(home.refusal().contains("a symbolic link") || path.ends_with("quorum-state"));
        fs::remove_file(&path).expect("removed");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).expect("made");
        assert!(home.refusal().contains("a FIFO"));
        fs::remove_file(&path).expect("removed");
        fs::rename(&away, &path).expect("renamed");
    }
    assert!(!home.is_refused("all is as it was"));
}

#[test]
fn files_of_a_terabyte_are_not_read() {
    let home = with_snapshots();
    let huge = |path: &Path, look: &dyn Fn()| {
        let content = fs::read(path).expect("readable");
        with_content(path, &content, || {
            let file = File::options().write(true).open(path).expect("there");
            file.set_len(1 << 40).expect("longer");
            look();
        });
    };
    for path in home.files(".log").iter().chain(&home.files("quorum-state")) {
        huge(path, &|| assert!(home.is_refused(&format!("{path:?}"))));
    }
    let newest = &home.files(".checkpoint")[1];
    huge(newest, &|| {
        assert!(!home.is_refused("there is an older one"))
    });
    let committed = home.root.path().join(committed::FILE);
    huge(&committed, &|| assert!(home.is_refused("the checkpoint")));
}

#[test]
fn small_files_that_make_no_sense_are_named_with_a_cure() {
    let home = Home::with_topics(1, &[], ONE_SEGMENT);
    let committed = home.root.path().join(committed::FILE);
    for path in [committed, home.files("quorum-state")[0].clone()] {
        for content in [&b""[..], b"\xff\xfe", &[0; 40], b"0\n1\nother 0 7\n", b"{}"] {
            with_content(&path, content, || {
                let line = home.refusal();
                assert!(
                    line.contains("is malformed") && line.contains("remove it"),
                    "{line}"
                );
            });
        }
    }
}

#[test]
fn deletions_that_the_log_tells_of_are_known() {
    let home = Home::with_topics(2, &[], ONE_SEGMENT);
    let id = home.image.topic("topic-1").expect("a topic").id;
    let directory = home.directory();
    let mut log = MetadataLog::open(&directory, &home.config, Timestamp(9_000)).expect("a log");
    assert!(log.take_deleted().is_empty());
    let removed = crate::metadata::record::RemoveTopic { topic_id: id };
    log.append(&[MetadataRecord::RemoveTopic(removed)], Timestamp(9_001))
        .expect("appended");
    log.close().expect("closed");
    let mut log = MetadataLog::open(&directory, &home.config, Timestamp(9_000)).expect("a log");
    assert_eq!(log.take_deleted(), HashSet::from([id]));
}
