//! Features: the levels of a new cluster, and the levels that this broker supports.
//!
//! A client that sees a finalized level uses its functions. So no level is finalized or announced that is not served:
//! `eligible.leader.replicas.version`, `share.version` and `streams.version` stay off (level 0 is written as absence)
//! until their issues raise the maximum here. `group.version` and `transaction.version` are served at every level that
//! Kafka has: a new cluster begins with the highest, and one of Kafka's keeps what it has.
//!
//! A cluster that Apache Kafka formatted has levels above that. They stay in the metadata unchanged, so that Kafka
//! finds them later, and the metadata that depends on them is kept without being interpreted; clients only get the
//! [`served`] levels. `metadata.version` is different: it defines how the metadata is read, and a cluster whose
//! version is out of range cannot be opened.

use std::collections::BTreeMap;

use crate::base::ErrorCode;
use crate::metadata::Image;
use crate::metadata::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, GROUP_VERSION, KRAFT_VERSION, METADATA_VERSION,
    METADATA_VERSION_3_3_IV3, METADATA_VERSION_4_4_IV2, NEWEST_GROUP_VERSION,
    NEWEST_TRANSACTION_VERSION, SHARE_VERSION, STREAMS_VERSION, TRANSACTION_VERSION,
};
use crate::metadata::record::{FeatureLevel, MetadataRecord, SupportedFeature};

use super::command::Refusal;

/// The levels that this broker announces when it registers and in ApiVersions, by name. A feature that is not
/// listed is served at level 0 only.
pub fn supported() -> Vec<SupportedFeature> {
    let feature = |name: &str, minimum, maximum| SupportedFeature {
        name: name.to_owned(),
        minimum,
        maximum,
    };
    vec![
        feature(GROUP_VERSION, 0, NEWEST_GROUP_VERSION),
        feature(
            METADATA_VERSION,
            METADATA_VERSION_3_3_IV3,
            METADATA_VERSION_4_4_IV2,
        ),
        feature(TRANSACTION_VERSION, 0, NEWEST_TRANSACTION_VERSION),
    ]
}

/// The first records of a new cluster, as Kafka's format tool writes them to `bootstrap.checkpoint`.
pub fn bootstrap_records() -> Vec<MetadataRecord> {
    let level = |name: &str, level| {
        MetadataRecord::FeatureLevel(FeatureLevel {
            name: name.to_owned(),
            level,
        })
    };
    vec![
        level(METADATA_VERSION, METADATA_VERSION_4_4_IV2),
        level(GROUP_VERSION, NEWEST_GROUP_VERSION),
        level(TRANSACTION_VERSION, NEWEST_TRANSACTION_VERSION),
    ]
}

/// Features that may be finalized above the served level: their records are kept unchanged.
const KEPT: [&str; 3] = [
    ELIGIBLE_LEADER_REPLICAS_VERSION,
    SHARE_VERSION,
    STREAMS_VERSION,
];

/// Whether Kafka has a feature of this name.
pub(super) fn is_known(name: &str) -> bool {
    let served = [
        METADATA_VERSION,
        GROUP_VERSION,
        TRANSACTION_VERSION,
        KRAFT_VERSION,
    ];
    served.contains(&name) || KEPT.contains(&name)
}

/// Whether a node with these features supports these finalized levels, apart from those that it need not know.
pub(super) fn check_range(
    finalized: &BTreeMap<String, i16>,
    supported: &[SupportedFeature],
) -> Result<(), Refusal> {
    for (name, level) in finalized {
        let (minimum, maximum) = range(supported, name);
        let is_kept = *level > maximum && KEPT.contains(&name.as_str());
        if !(minimum..=maximum).contains(level) && !is_kept {
            return Err(Refusal::new(
                ErrorCode::UNSUPPORTED_VERSION,
                format!(
                    "Unable to register because the broker does not support finalized version {level} of \
                     {name}. The broker wants a version between {minimum} and {maximum}, inclusive."
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn range(supported: &[SupportedFeature], name: &str) -> (i16, i16) {
    supported
        .iter()
        .find(|feature| feature.name == name)
        .map_or((0, 0), |feature| (feature.minimum, feature.maximum))
}

/// The finalized levels for clients: none above the served level.
pub fn served(image: &Image) -> Vec<(&str, i16)> {
    let supported = supported();
    let level = |(name, level): (&String, &i16)| (*level).min(range(&supported, name).1);
    image
        .features()
        .iter()
        .map(|feature| (feature.0.as_str(), level(feature)))
        .filter(|(_, level)| *level > 0)
        .collect()
}

/// Whether consumer groups of KIP-848 are served in this cluster.
pub fn has_consumer_groups(image: &Image) -> bool {
    let level = image.features().get(GROUP_VERSION);
    level.is_some_and(|level| *level >= 1)
}

/// Whether this release can read metadata of this image's `metadata.version`.
///
/// # Errors
/// The supported range.
pub fn check_metadata_version(image: &Image) -> Result<(), Refusal> {
    let level = image
        .features()
        .get_key_value(METADATA_VERSION)
        .map(|(name, level)| (name.clone(), *level));
    check_range(&level.into_iter().collect(), &supported())
}
