//! The names in a log directory: segment files, their suffixes, replica directories.

use std::path::{Path, PathBuf};

use crate::base::{Offset, TopicPartition};

/// Digits of the offset at the front of a segment file's name.
const STEM_LENGTH: usize = 20;

/// The longest name that common file systems store.
const LONGEST_NAME: usize = 255;

/// What a file of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentFile {
    /// `.log`: the record batches.
    Log,
    /// `.index`: offset to position.
    OffsetIndex,
    /// `.timeindex`: timestamp to offset.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TransactionIndex,
    /// `.snapshot`: producer state below the offset in the name.
    ProducerSnapshot,
}

impl SegmentFile {
    /// Every kind that is created and deleted with a segment. The log comes first: once it is renamed,
    /// the others are orphans that the next start removes.
    pub const OF_SEGMENT: [Self; 4] = [
        Self::Log,
        Self::OffsetIndex,
        Self::TimeIndex,
        Self::TransactionIndex,
    ];

    /// The file name extension, with its dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TransactionIndex => ".txnindex",
            Self::ProducerSnapshot => ".snapshot",
        }
    }

    /// Whether it is an index.
    pub const fn is_index(self) -> bool {
        matches!(
            self,
            Self::OffsetIndex | Self::TimeIndex | Self::TransactionIndex
        )
    }

    fn from_extension(extension: &str) -> Option<Self> {
        [
            Self::Log,
            Self::OffsetIndex,
            Self::TimeIndex,
            Self::TransactionIndex,
            Self::ProducerSnapshot,
        ]
        .into_iter()
        .find(|kind| kind.extension() == extension)
    }

    /// The path of this file for the segment (or snapshot) at `offset`.
    pub fn path(self, directory: &Path, offset: Offset) -> PathBuf {
        directory.join(format!("{:020}{}", offset.0, self.extension()))
    }
}

/// The suffix after a segment file's name: the state of the file in the crash protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// In use.
    None,
    /// Unfinished output of compaction: removed at the next start.
    Cleaned,
    /// Finished output of compaction: replaces the originals at the next start.
    Swap,
    /// Superseded: removed after a delay, or at the next start.
    Deleted,
}

impl Suffix {
    /// The text of the suffix.
    pub const fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
            Self::Deleted => ".deleted",
        }
    }
}

/// `path` with `suffix` appended to its name.
pub fn with_suffix(path: &Path, suffix: Suffix) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix.text());
    PathBuf::from(name)
}

/// The suffix of a file with records that were set aside. Kafka ignores such files.
const SET_ASIDE: &str = ".log.set-aside";

/// The path of records that are set aside, from `first` to before `end`. Renamed to the name of a segment at
/// `first`, the file is a valid segment.
pub fn set_aside_path(directory: &Path, first: Offset, end: Offset) -> PathBuf {
    directory.join(format!("{:020}-{:020}{SET_ASIDE}", first.0, end.0))
}

/// The offsets in such a name.
pub fn parse_set_aside(name: &str) -> Option<(Offset, Offset)> {
    let (first, end) = name.strip_suffix(SET_ASIDE)?.split_once('-')?;
    let offset = |text: &str| {
        let is_number = text.len() == STEM_LENGTH && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok().map(Offset)).flatten()
    };
    Some((offset(first)?, offset(end)?))
}

/// The parsed name of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFileName {
    /// The offset in the name.
    pub offset: Offset,
    /// What the file holds.
    pub kind: SegmentFile,
    /// Its state in the crash protocol.
    pub suffix: Suffix,
}

impl SegmentFileName {
    /// Reads a file name; `None` for files of any other kind.
    pub fn parse(name: &str) -> Option<Self> {
        let (name, suffix) = [Suffix::Cleaned, Suffix::Swap, Suffix::Deleted]
            .into_iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix.text())?, suffix)))
            .unwrap_or((name, Suffix::None));
        let (stem, extension) = (name.get(..STEM_LENGTH)?, name.get(STEM_LENGTH..)?);
        if !stem.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let offset = Offset(stem.parse().ok()?);
        Some(Self {
            offset,
            kind: SegmentFile::from_extension(extension)?,
            suffix,
        })
    }
}

/// The state of a replica directory, from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// In use.
    Live,
    /// `-delete`: waiting for removal.
    Deleted,
    /// `-stray`: does not belong here, kept for the operator.
    Stray,
    /// `-future`: a copy under construction.
    Future,
}

impl ReplicaState {
    const MARKED: [Self; 3] = [Self::Deleted, Self::Stray, Self::Future];

    /// The text after the random id in the directory's name.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Deleted => "-delete",
            Self::Stray => "-stray",
            Self::Future => "-future",
        }
    }
}

/// Whether a name is one that file systems put into the root of a volume: `lost+found`, `.snapshot`, `.zfs`.
pub fn is_of_the_file_system(name: &str) -> bool {
    name == "lost+found" || name.starts_with('.')
}

/// The parsed name of a replica directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaDirectoryName {
    /// The partition. The topic's name may be truncated if the state is not live.
    pub topic_partition: TopicPartition,
    /// Its state.
    pub state: ReplicaState,
}

impl ReplicaDirectoryName {
    /// Reads a directory name; `None` if it cannot be that of a replica.
    pub fn parse(name: &str) -> Option<Self> {
        let state = ReplicaState::MARKED
            .into_iter()
            .find(|state| name.ends_with(state.text()))
            .unwrap_or(ReplicaState::Live);
        let replica = match state {
            ReplicaState::Live => name,
            _ => &name[..name.rfind('.')?],
        };
        let (topic, partition) = replica.rsplit_once('-')?;
        let digits = !partition.is_empty() && partition.bytes().all(|byte| byte.is_ascii_digit());
        if topic.is_empty() || !digits {
            return None;
        }
        let topic_partition = TopicPartition::new(topic, partition.parse().ok()?);
        Some(Self {
            topic_partition,
            state,
        })
    }
}

/// The name of a replica directory whose state changes to `state`, made unique by `id`. The topic's name is
/// truncated so that the whole name can be stored.
pub fn marked_directory_name(
    topic_partition: &TopicPartition,
    id: uuid::Uuid,
    state: ReplicaState,
) -> String {
    let tail = format!(
        "-{}.{}{}",
        topic_partition.partition,
        id.simple(),
        state.text()
    );
    let topic = &*topic_partition.topic;
    let mut cut = topic.len().min(LONGEST_NAME.saturating_sub(tail.len()));
    while !topic.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{tail}", &topic[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_file_names() {
        let path = SegmentFile::Log.path(Path::new("d"), Offset(42));
        assert_eq!(path, Path::new("d/00000000000000000042.log"));
        let name = SegmentFileName::parse("00000000000000000042.timeindex.swap").unwrap();
        assert_eq!(
            (name.offset, name.kind, name.suffix),
            (Offset(42), SegmentFile::TimeIndex, Suffix::Swap)
        );
        for other in [
            "partition.metadata",
            "00000000000000000042-0000000001.checkpoint.deleted",
            "0000000000000000004x.log",
            "99999999999999999999.log",
            "42.log",
            "",
        ] {
            assert_eq!(SegmentFileName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_what_is_set_aside() {
        let path = set_aside_path(Path::new("d"), Offset(40), Offset(120));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap();
        assert_eq!(
            name,
            "00000000000000000040-00000000000000000120.log.set-aside"
        );
        assert_eq!(parse_set_aside(name), Some((Offset(40), Offset(120))));
        assert_eq!(SegmentFileName::parse(name), None);
        for other in [
            "00000000000000000040.log",
            "40-120.log.set-aside",
            ".log.set-aside",
        ] {
            assert_eq!(parse_set_aside(other), None, "{other}");
        }
    }

    #[test]
    fn replica_directory_names() {
        let name = ReplicaDirectoryName::parse("my-topic.v1-delete-7").unwrap();
        assert_eq!(
            name.topic_partition,
            TopicPartition::new("my-topic.v1-delete", 7)
        );
        assert_eq!(name.state, ReplicaState::Live);
        for other in ["topic", "-1", "topic-", "topic-x", "topic-+1", "a-1-delete"] {
            assert_eq!(ReplicaDirectoryName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn marked_names_can_be_stored_and_parsed() {
        let topic = "x".repeat(249);
        let id = uuid::Uuid::from_u128(7);
        let marked =
            marked_directory_name(&TopicPartition::new(&*topic, 3), id, ReplicaState::Deleted);
        assert_eq!(marked.len(), 255);
        let name = ReplicaDirectoryName::parse(&marked).unwrap();
        assert_eq!(
            (name.topic_partition.partition, name.state),
            (3, ReplicaState::Deleted)
        );
        let marked = marked_directory_name(&TopicPartition::new("a.b", 3), id, ReplicaState::Stray);
        assert_eq!(marked, "a.b-3.00000000000000000000000000000007-stray");
    }
}
