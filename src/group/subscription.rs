//! A consumer's metadata for its leader (`ConsumerProtocolSubscription`). A consumer group reads all of it; of a classic
//! group only the topics matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::schema::{DecodeError, Reader};

/// What a consumer says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) topics: Vec<Arc<str>>,
    /// The partitions that it has (version 1 and later).
    pub(crate) owned: Vec<(Arc<str>, Vec<i32>)>,
    /// Where it is (version 3 and later).
    pub(crate) rack: Option<Arc<str>>,
}

/// Reads the metadata; `None` if it is not a subscription. Later versions only append fields.
pub(crate) fn read(metadata: &[u8]) -> Option<Said> {
    let mut reader = Reader::new(metadata);
    let version = reader.int16().ok().filter(|version| *version >= 0)?;
    fields(&mut reader, version).ok()
}

fn fields(reader: &mut Reader<'_>, version: i16) -> Result<Said, DecodeError> {
    let mut said = Said {
        topics: reader.array(Reader::string)?,
        ..Said::default()
    };
    // The data of an assignor that the consumer brings itself.
    reader.nullable_bytes()?;
    if version >= 1 {
        said.owned = reader.array(|reader| {
            let topic = reader.string()?;
            Ok((topic, reader.array(Reader::int32)?))
        })?;
    }
    if version >= 2 {
        // The generation in which it got them.
        reader.int32()?;
    }
    if version >= 3 {
        let rack = reader.nullable_string::<Arc<str>>()?;
        said.rack = rack.filter(|rack| !rack.is_empty());
    }
    Ok(said)
}

/// Adds the topics that `metadata` subscribes to. Adds nothing if it is not a subscription.
///
/// Only the fields of version 0 are read, whatever the version.
pub(crate) fn add_topics(metadata: &[u8], topics: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let mut reader = Reader::new(metadata);
    reader.int16().ok().filter(|version| *version >= 0)?;
    let said = fields(&mut reader, 0).ok()?;
    topics.extend(said.topics);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Said, add_topics, read};

    /// Topics a and b, no user data, partitions 1 and 2 of a from generation 7, on rack r.
    fn version_three() -> Vec<u8> {
        let mut bytes = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 1, b'b'];
        bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        bytes.extend_from_slice(&[0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        bytes.extend_from_slice(&[0, 0, 0, 7, 0, 1, b'r']);
        bytes
    }

    #[test]
    fn topics_are_read_from_any_version_and_nothing_from_other_bytes() {
        let bytes = version_three();
        let mut topics = BTreeSet::new();
        assert!(add_topics(&bytes, &mut topics).is_some());
        assert_eq!(
            topics.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["a", "b"]
        );
        for end in 0..16 {
            let mut topics = BTreeSet::new();
            assert!(add_topics(&bytes[..end], &mut topics).is_none(), "{end}");
            assert!(topics.is_empty());
        }
        assert!(add_topics(&[0xff, 0xff, 0, 0, 0, 0], &mut BTreeSet::new()).is_none());
        assert!(add_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff], &mut BTreeSet::new()).is_none());
    }

    #[test]
    fn each_version_says_more() {
        let all = Said {
            topics: vec!["a".into(), "b".into()],
            owned: vec![("a".into(), vec![1, 2])],
            rack: Some("r".into()),
        };
        let mut bytes = version_three();
        for version in [3, 4, 9] {
            bytes[1] = version;
            // What a version that is not known appends is left alone.
            assert_eq!(read(&[&bytes[..], b"more"].concat()).as_ref(), Some(&all));
        }
        bytes[1] = 2;
        let without_rack = Said { rack: None, ..all };
        assert_eq!(read(&bytes).as_ref(), Some(&without_rack));
        bytes[1] = 0;
        assert_eq!(read(&bytes).unwrap().owned, []);
        let bytes = version_three();
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
        assert_eq!(read(&[0xff, 0xff, 0, 0, 0, 0]), None);
    }
}
