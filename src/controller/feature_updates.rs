//! Updates finalized feature levels: all updates of a request are applied, or none.
//!
//! A level above the maximum of this release cannot be finalized ([`features`]); one that was finalized by a Kafka
//! cluster can be lowered. An update without a change succeeds and writes nothing.

use std::collections::BTreeMap;

use crate::base::ErrorCode;
use crate::metadata::Image;
use crate::metadata::features::{METADATA_VERSION, has_new_records};
use crate::metadata::record::{FeatureLevel, MetadataRecord, SupportedFeature};

use super::Situation;
use super::command::{Decision, Refusal};
use super::features;

/// Updates finalized levels of features.
#[derive(Clone, Debug, Default)]
pub struct UpdateFeatures {
    /// The features. If a feature is named several times, the last level counts.
    pub updates: Vec<FeatureUpdate>,
    /// Whether to validate only.
    pub validate_only: bool,
}

/// The new level of one feature.
#[derive(Clone, Debug)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The level; 0 disables the feature.
    pub level: i16,
    /// The allowed direction.
    pub direction: UpdateDirection,
}

/// The allowed direction of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateDirection {
    /// Up.
    Upgrade,
    /// Down, if no metadata is lost.
    SafeDowngrade,
    /// Down, even if metadata is lost.
    UnsafeDowngrade,
    /// An unknown number.
    Unknown,
}

/// Decides on new levels.
pub(super) fn update(
    situation: &Situation<'_>,
    command: &UpdateFeatures,
) -> Decision<Result<(), Refusal>> {
    let supported = features::supported();
    let updates: BTreeMap<_, _> = command
        .updates
        .iter()
        .map(|update| (update.name.as_str(), update))
        .collect();
    let mut records = Vec::new();
    for update in updates.into_values() {
        let name = &update.name;
        let finalized = situation.image.features().get(name);
        match check(
            situation,
            update,
            finalized.copied().unwrap_or(0),
            &supported,
        ) {
            Err(reason) => {
                let message = format!(
                    "The update failed for all features since the following feature had an error: {reason}"
                );
                let refusal = Refusal::new(ErrorCode::INVALID_UPDATE_VERSION, message);
                return Decision::answer(Err(refusal));
            }
            Ok(true) => records.push(MetadataRecord::FeatureLevel(FeatureLevel {
                name: name.clone(),
                level: update.level,
            })),
            Ok(false) => {}
        }
    }
    if command.validate_only {
        records.clear();
    }
    Decision {
        records,
        reply: Ok(()),
    }
}

/// Whether the update changes anything.
///
/// Why it is not possible.
/// Why it cannot be.
fn check(
    situation: &Situation<'_>,
    update: &FeatureUpdate,
    current: i16,
    supported: &[SupportedFeature],
) -> Result<bool, String> {
    let FeatureUpdate {
        name,
        level,
        direction,
    } = update;
    let invalid = |reason: String| {
        Err(format!(
            "Invalid update version {level} for feature {name}. {reason}"
        ))
    };
    if *direction == UpdateDirection::Unknown {
        return invalid("The controller does not support the given upgrade type.".to_owned());
    }
    if *level < 0 {
        return invalid("A feature version cannot be less than 0.".to_owned());
    }
    if let Some(reason) = not_supported(situation, name, *level, supported) {
        return invalid(reason);
    }
    if !features::is_known(name) {
        return invalid(format!("Feature {name} not found."));
    }
    let is_upgrade = *direction == UpdateDirection::Upgrade;
    if *level < current && is_upgrade {
        return invalid(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
             unsafe downgrade."
                .to_owned(),
        );
    }
    if *level > current && !is_upgrade {
        return invalid("Can't downgrade to a newer version.".to_owned());
    }
    if name == METADATA_VERSION && *level < current {
        check_metadata_downgrade(*level, current, *direction)?;
    }
    Ok(*level != current)
}

/// The node that does not support the level.
fn not_supported(
    situation: &Situation<'_>,
    name: &str,
    level: i16,
    supported: &[SupportedFeature],
) -> Option<String> {
    let own = (
        format!("Local controller {}", situation.config.node_id),
        features::range(supported, name),
    );
    let of_broker = |image: &Image| {
        image
            .brokers()
            .map(|broker| {
                let range = features::range(&broker.features, name);
                (format!("Broker {}", broker.id), range)
            })
            .collect::<Vec<_>>()
    };
    let all = std::iter::once(own).chain(of_broker(situation.image));
    let mut lacking = all.filter(|(_, (minimum, maximum))| !(*minimum..=*maximum).contains(&level));
    let (who, (minimum, maximum)) = lacking.next()?;
    Some(if maximum == 0 {
        format!("{who} does not support this feature.")
    } else {
        format!("{who} only supports versions {minimum}-{maximum}")
    })
}

/// Records that exist only in newer versions cannot be written in an older one.
fn check_metadata_downgrade(
    level: i16,
    current: i16,
    direction: UpdateDirection,
) -> Result<(), String> {
    let refusal = match direction {
        _ if !has_new_records(level, current) => return Ok(()),
        UpdateDirection::UnsafeDowngrade => {
            "Unsafe metadata downgrade is not supported in this version."
        }
        _ => {
            "Refusing to perform the requested downgrade because it might delete metadata information."
        }
    };
    Err(format!(
        "Unsupported metadata.version downgrade from {current} to {level}. {refusal}"
    ))
}
