//! The log of groups and committed offsets, as it is loaded.

use zurau::fuzzed::base::{Offset, Replayed, Timestamp};
use zurau::fuzzed::group::{NotDescribed, Registry, Settings};

use crate::input::Input;

/// Keys and values behind their lengths of two bytes. A value of length 0 is a tombstone; a key of
/// length 0 says that the log has been read.
pub(crate) fn records(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut registry = Registry::new(Settings::default());
    let now = Timestamp(1_800_000_000_000);
    while !input.is_empty() {
        let key = input.piece();
        if key.is_empty() {
            let _ = registry.loaded(now);
            continue;
        }
        let value = input.piece();
        let record = Replayed {
            key,
            value: (!value.is_empty()).then_some(value),
            producer: None,
            place: Offset(0),
        };
        let _ = registry.replay(&record, now);
    }
    let _ = registry.loaded(now);
    for group in &registry.listing().groups {
        // those that are only kept are listed with their type, and not described
        let described = registry.describe(&group.group);
        assert!(!matches!(described, Err(NotDescribed::Unknown)));
        let described = registry.describe_consumer_group(&group.group);
        assert_eq!(described.is_ok(), group.group_type == "consumer");
    }
}
