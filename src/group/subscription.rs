//! The beginning of a consumer's metadata for its leader (`ConsumerProtocolSubscription`): enough to know which
//! topics a group reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::schema::Reader;

/// Adds the topics that `metadata` subscribes to. Adds nothing if it is not a subscription.
///
/// Later versions only append fields, so the fields of version 0 are read whatever the version.
pub(crate) fn add_topics(metadata: &[u8], topics: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let mut reader = Reader::new(metadata);
    if reader.int16().ok()? < 0 {
        return None;
    }
    let topic = |reader: &mut Reader<'_>| {
        topics.insert(reader.string()?);
        Ok(())
    };
    reader.array(topic).ok()?;
    reader.nullable_bytes().ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::add_topics;

    #[test]
    fn topics_are_read_from_any_version_and_nothing_from_other_bytes() {
        let mut version_three = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 1, b'b'];
        version_three.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 9]);
        let mut topics = BTreeSet::new();
        assert!(add_topics(&version_three, &mut topics).is_some());
        assert_eq!(
            topics.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            ["a", "b"]
        );
        for end in 0..16 {
            assert!(
                add_topics(&version_three[..end], &mut BTreeSet::new()).is_none(),
                "{end}"
            );
        }
        assert!(add_topics(&[0xff, 0xff, 0, 0, 0, 0], &mut BTreeSet::new()).is_none());
        assert!(add_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff], &mut BTreeSet::new()).is_none());
    }
}
