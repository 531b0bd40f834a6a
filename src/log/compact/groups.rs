//! Which neighbouring segments are rewritten into one: as many as fit a segment in bytes, in index entries and in the
//! range of offsets that an index can hold.

use crate::base::Offset;
use crate::config::TopicConfig;
use crate::log::segment::Segment;
use crate::log::{offset_index, time_index};

/// How many of the first segments form the next group; 0 only if there are none.
pub(super) fn next_group(segments: &[Segment], config: &TopicConfig) -> usize {
    let limit = |bytes: i32| u64::try_from(bytes).unwrap_or(0);
    let index_limit = limit(config.segment_index_bytes);
    let Some(first) = segments.first() else {
        return 0;
    };
    let mut sizes = Sizes::default().plus(first);
    let more = segments.iter().skip(1).take_while(|segment| {
        sizes = sizes.plus(segment);
        let last = segment.end.plus(-1);
        sizes.log <= limit(config.segment_bytes)
            && sizes.offset_index <= index_limit
            && sizes.time_index <= index_limit
            && (segment.length == 0 || is_in_reach(first.base(), last))
    });
    1 + more.count()
}

fn is_in_reach(base: Offset, last: Offset) -> bool {
    i32::try_from(last.since(base)).is_ok()
}

#[derive(Clone, Copy, Default)]
struct Sizes {
    log: u64,
    offset_index: u64,
    time_index: u64,
}

impl Sizes {
    fn plus(self, segment: &Segment) -> Self {
        Self {
            log: self.log + segment.length,
            offset_index: self.offset_index
                + u64::from(segment.offset_entries) * offset_index::ENTRY_SIZE as u64,
            time_index: self.time_index
                + u64::from(segment.time_entries) * time_index::ENTRY_SIZE as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::log::segment::SegmentFiles;
    use crate::log::testing::config;

    fn segment(base: i64, end: i64, length: u64, entries: u32) -> Segment {
        let directory: Arc<Path> = Arc::from(Path::new("nowhere"));
        Segment {
            files: Arc::new(SegmentFiles::new(directory, Offset(base), false)),
            length,
            offset_entries: entries,
            time_entries: entries,
            end: Offset(end),
            known_largest: None,
        }
    }

    #[test]
    fn groups_are_bounded_by_bytes_entries_and_offsets() {
        let mut config = config();
        config.segment_bytes = 100;
        config.segment_index_bytes = 120;
        let of = |list: &[(i64, i64, u64, u32)]| {
            let segments: Vec<Segment> = list
                .iter()
                .map(|(base, end, length, entries)| segment(*base, *end, *length, *entries))
                .collect();
            next_group(&segments, &config)
        };
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(0, 10, 500, 50)]), 1);
        assert_eq!(of(&[(0, 10, 40, 1), (10, 20, 60, 1), (20, 30, 1, 1)]), 2);
        assert_eq!(of(&[(0, 10, 1, 4), (10, 20, 1, 5), (20, 30, 1, 2)]), 2);
        let far = i64::from(i32::MAX) + 1;
        assert_eq!(of(&[(0, 10, 1, 1), (10, far, 1, 1)]), 2);
        assert_eq!(of(&[(0, 10, 1, 1), (10, far + 1, 1, 1)]), 1);
        assert_eq!(of(&[(0, 10, 1, 1), (10, far + 1, 0, 0)]), 2);
    }
}
