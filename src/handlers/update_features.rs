//! UpdateFeatures: changes the levels of the cluster's features.

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::update_features_response::UpdatableFeatureResult;
use kafka_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::{self, FeatureUpdate, Refusal, UpdateDirection};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::ask;
use super::route::{Call, Handler};
use super::text::{owned, wire_text};

/// The last version whose answer has a row for each feature.
const LAST_WITH_ROWS: i16 = 1;

pub(super) struct UpdateFeatures;

impl Handler for UpdateFeatures {
    type Request = UpdateFeaturesRequest;

    async fn handle(call: Call, request: UpdateFeaturesRequest) -> Reply {
        let version = call.version;
        let updates = request.feature_updates.iter();
        let names: Vec<_> = updates
            .clone()
            .map(|update| owned(&update.feature))
            .collect();
        if let Err(denial) = call.permit_or_say(Operation::Alter, Resource::CLUSTER) {
            return call.reply(&response(names, Err(denial), version));
        }
        let command = controller::UpdateFeatures {
            updates: updates.map(|update| wanted(update, version)).collect(),
            validate_only: request.validate_only,
        };
        drop(request);
        let time = call.broker.config.request_timeout_ms;
        let decided = ask::controller(&call, command, time).await;
        let decided = decided.unwrap_or_else(|code| Err(Refusal::bare(code)));
        call.reply(&response(names, decided, version))
    }
}

fn wanted(update: &FeatureUpdateKey, version: i16) -> FeatureUpdate {
    let direction = match (version, update.upgrade_type) {
        (0, _) if update.allow_downgrade => UpdateDirection::SafeDowngrade,
        (0, _) | (_, 1) => UpdateDirection::Upgrade,
        (_, 2) => UpdateDirection::SafeDowngrade,
        (_, 3) => UpdateDirection::UnsafeDowngrade,
        _ => UpdateDirection::Unknown,
    };
    FeatureUpdate {
        name: update.feature.to_string(),
        level: update.max_version_level,
        direction,
    }
}

fn response(
    names: Vec<StrBytes>,
    decided: Result<(), Refusal>,
    version: i16,
) -> UpdateFeaturesResponse {
    let response = UpdateFeaturesResponse::default();
    match decided {
        Err(refusal) => response
            .with_error_code(refusal.code.0)
            .with_error_message(refusal.message.as_deref().map(wire_text)),
        Ok(()) => {
            let row = |name| {
                UpdatableFeatureResult::default()
                    .with_feature(name)
                    .with_error_code(ErrorCode::NONE.0)
                    // The code's name, where other answers of Kafka have no message.
                    .with_error_message(Some(StrBytes::from_static_str("NONE")))
            };
            let names = names.into_iter().filter(|_| version <= LAST_WITH_ROWS);
            response
                .with_error_message(None)
                .with_results(names.map(row).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn every_version_says_which_way_in_its_own_words() {
        let update = FeatureUpdateKey::default()
            .with_feature(wire_text("metadata.version"))
            .with_max_version_level(29);
        let direction = |update: &FeatureUpdateKey, version| {
            wanted(&fixture::over_the_wire(update, version), version).direction
        };
        for version in 0..=2 {
            assert_eq!(direction(&update, version), UpdateDirection::Upgrade);
        }
        let down = update.clone().with_allow_downgrade(true);
        assert_eq!(direction(&down, 0), UpdateDirection::SafeDowngrade);
        for (number, expected) in [
            (2, UpdateDirection::SafeDowngrade),
            (3, UpdateDirection::UnsafeDowngrade),
            (0, UpdateDirection::Unknown),
            (4, UpdateDirection::Unknown),
        ] {
            let update = update.clone().with_upgrade_type(number);
            assert_eq!(direction(&update, 1), expected);
        }
    }

    #[test]
    fn features_have_rows_in_old_versions() {
        for (version, rows) in [(0, 1), (1, 1), (2, 0)] {
            let told = response(vec![wire_text("metadata.version")], Ok(()), version);
            let told = fixture::over_the_wire(&told, version);
            assert_eq!((told.error_code, told.results.len()), (0, rows));
        }
    }
}
