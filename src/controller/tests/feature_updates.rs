//! Other levels of features.

use super::*;
use crate::metadata::features::{
    GROUP_VERSION, METADATA_VERSION, METADATA_VERSION_4_4_IV2 as NEWEST, SHARE_VERSION,
    TRANSACTION_VERSION,
};
use crate::metadata::record::FeatureLevel;

use UpdateDirection::{SafeDowngrade, Unknown, UnsafeDowngrade, Upgrade};

fn update(
    world: &mut World,
    updates: &[(&str, i16, UpdateDirection)],
    validate_only: bool,
) -> Result<(), String> {
    let updates = updates
        .iter()
        .map(|(name, level, direction)| FeatureUpdate {
            name: (*name).to_owned(),
            level: *level,
            direction: *direction,
        });
    let command = UpdateFeatures {
        updates: updates.collect(),
        validate_only,
    };
    world.run(&command).map_err(|refusal| {
        assert_eq!(refusal.code, ErrorCode::INVALID_UPDATE_VERSION);
        refusal.message.unwrap()
    })
}

#[test]
fn what_changes_nothing_is_granted_and_writes_nothing() {
    let mut world = World::with_brokers(&[1]);
    let offset = world.image.offset();
    for direction in [Upgrade, SafeDowngrade, UnsafeDowngrade] {
        update(&mut world, &[(METADATA_VERSION, NEWEST, direction)], false).unwrap();
        update(&mut world, &[(SHARE_VERSION, 0, direction)], false).unwrap();
    }
    update(&mut world, &[], false).unwrap();
    assert_eq!(world.image.offset(), offset);
}

#[test]
fn what_is_not_served_is_refused_and_takes_the_others_with_it() {
    let mut world = World::with_brokers(&[1]);
    let offset = world.image.offset();
    for (name, level, direction, reason) in [
        (SHARE_VERSION, 1, Upgrade, "does not support this feature"),
        (GROUP_VERSION, 2, Upgrade, "only supports versions 0-1"),
        (
            TRANSACTION_VERSION,
            3,
            Upgrade,
            "only supports versions 0-2",
        ),
        ("nonsense", 1, Upgrade, "does not support this feature"),
        (
            METADATA_VERSION,
            NEWEST + 1,
            Upgrade,
            "only supports versions 7-33",
        ),
        (
            METADATA_VERSION,
            6,
            SafeDowngrade,
            "only supports versions 7-33",
        ),
        (METADATA_VERSION, -1, SafeDowngrade, "cannot be less than 0"),
        (
            METADATA_VERSION,
            NEWEST,
            Unknown,
            "does not support the given upgrade type",
        ),
        (
            METADATA_VERSION,
            NEWEST - 1,
            Upgrade,
            "without setting the upgrade type",
        ),
        (METADATA_VERSION, 7, SafeDowngrade, "might delete metadata"),
        (
            METADATA_VERSION,
            7,
            UnsafeDowngrade,
            "not supported in this version",
        ),
    ] {
        let fine = (METADATA_VERSION, NEWEST, Upgrade);
        let told = update(&mut world, &[fine, (name, level, direction)], false).unwrap_err();
        assert!(told.contains(reason), "{told}");
    }
    assert_eq!(world.image.offset(), offset);
}

#[test]
fn levels_go_up_and_down_where_nothing_is_lost() {
    let mut world = World::with_brokers(&[1]);
    let level = |name: &str, level| {
        let name = name.to_owned();
        MetadataRecord::FeatureLevel(FeatureLevel { name, level })
    };
    // A cluster of Kafka's has not been brought up to date, and has more than is served.
    world.replay(vec![level(METADATA_VERSION, 29), level(SHARE_VERSION, 1)]);
    update(&mut world, &[(METADATA_VERSION, 24, SafeDowngrade)], true).unwrap();
    assert_eq!(world.image.metadata_version(), Some(29));
    update(&mut world, &[(METADATA_VERSION, 24, SafeDowngrade)], false).unwrap();
    assert_eq!(world.image.metadata_version(), Some(24));
    let told = update(&mut world, &[(METADATA_VERSION, 22, SafeDowngrade)], false).unwrap_err();
    assert!(told.contains("downgrade from 24 to 22"), "{told}");
    let told = update(
        &mut world,
        &[(METADATA_VERSION, NEWEST, SafeDowngrade)],
        false,
    );
    assert!(told.unwrap_err().contains("downgrade to a newer version"));
    update(&mut world, &[(METADATA_VERSION, NEWEST, Upgrade)], false).unwrap();
    assert_eq!(world.image.metadata_version(), Some(NEWEST));
    update(&mut world, &[(SHARE_VERSION, 0, SafeDowngrade)], false).unwrap();
    assert_eq!(world.image.features().get(SHARE_VERSION), None);
}

/// Sets levels of a feature one after another.
fn walk(feature: &str, steps: &[(i16, UpdateDirection, Option<i16>)]) {
    let mut world = World::with_brokers(&[1]);
    for (wanted, direction, now) in steps {
        update(&mut world, &[(feature, *wanted, *direction)], false).unwrap();
        assert_eq!(world.image.features().get(feature), now.as_ref());
    }
}

#[test]
fn a_new_cluster_begins_with_the_newest_transactions_and_may_go_back() {
    walk(
        TRANSACTION_VERSION,
        &[
            (2, Upgrade, Some(2)),
            (1, SafeDowngrade, Some(1)),
            (0, SafeDowngrade, None),
            (2, Upgrade, Some(2)),
        ],
    );
}

#[test]
fn a_new_cluster_begins_with_consumer_groups_and_may_go_back() {
    let world = World::with_brokers(&[1]);
    assert!(features::has_consumer_groups(&world.image));
    walk(
        GROUP_VERSION,
        &[
            (1, Upgrade, Some(1)),
            (0, SafeDowngrade, None),
            (1, Upgrade, Some(1)),
        ],
    );
}
