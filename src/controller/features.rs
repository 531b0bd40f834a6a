//! Features: what a fresh cluster begins with, and what this broker can serve.
//!
//! A client that sees a finalized level uses what comes with it, so that nothing is finalized, and
//! no range announced, that is not served: `transaction.version`, `group.version`,
//! `eligible.leader.replicas.version`, `share.version` and `streams.version` stay off (level 0 is
//! written as absence) until their issues raise the maximum here. A cluster that Apache Kafka
//! formatted has levels above that; [`lower_to_supported`] is for whoever decides to open one.

use std::collections::BTreeMap;

use crate::base::ErrorCode;
use crate::metadata::Image;
use crate::metadata::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, METADATA_VERSION_3_3_IV3,
    METADATA_VERSION_4_3_IV0,
};
use crate::metadata::record::{ClearElr, FeatureLevel, MetadataRecord, SupportedFeature};

use super::command::Refusal;

/// The levels that this broker announces when it registers and in ApiVersions. A feature that is not
/// listed is served at level 0 only.
pub fn supported() -> Vec<SupportedFeature> {
    vec![SupportedFeature {
        name: METADATA_VERSION.to_owned(),
        minimum: METADATA_VERSION_3_3_IV3,
        maximum: METADATA_VERSION_4_3_IV0,
    }]
}

/// The first records of a fresh cluster: what Kafka's format tool writes to `bootstrap.checkpoint`.
pub fn bootstrap_records() -> Vec<MetadataRecord> {
    vec![MetadataRecord::FeatureLevel(FeatureLevel {
        name: METADATA_VERSION.to_owned(),
        level: METADATA_VERSION_4_3_IV0,
    })]
}

/// Whether a node with these features can serve at these finalized levels.
pub(super) fn check_range(
    finalized: &BTreeMap<String, i16>,
    supported: &[SupportedFeature],
) -> Result<(), Refusal> {
    for (name, level) in finalized {
        let (minimum, maximum) = range(supported, name);
        if !(minimum..=maximum).contains(level) {
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

fn range(supported: &[SupportedFeature], name: &str) -> (i16, i16) {
    supported
        .iter()
        .find(|feature| feature.name == name)
        .map_or((0, 0), |feature| (feature.minimum, feature.maximum))
}

/// The records that bring every finalized level above what `supported` can serve down to its
/// maximum. State that only a higher level can read is the caller's concern, except for eligible
/// leader replicas, which are forgotten.
pub fn lower_to_supported(image: &Image, supported: &[SupportedFeature]) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for (name, level) in image.features() {
        let (_, maximum) = range(supported, name);
        if *level > maximum {
            let lowered = FeatureLevel {
                name: name.clone(),
                level: maximum,
            };
            records.push(MetadataRecord::FeatureLevel(lowered));
            if name == ELIGIBLE_LEADER_REPLICAS_VERSION && maximum == 0 {
                records.push(MetadataRecord::ClearElr(ClearElr {
                    topic_name: String::new(),
                }));
            }
        }
    }
    records
}
