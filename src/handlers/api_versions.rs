//! ApiVersions: the served APIs, from the route table, and the features of the cluster.

use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::features;
use crate::messages::ApiVersionsRequest;
use crate::wire::Reply;

use super::ROUTES;
use super::route::{Call, Handler};

pub(super) struct ApiVersions;

impl Handler for ApiVersions {
    type Request = ApiVersionsRequest;

    async fn handle(call: Call, request: ApiVersionsRequest) -> Reply {
        if let Err(refusal) = judged(&call, &request) {
            return call.reply(&ApiVersionsResponse::default().with_error_code(refusal.0));
        }
        let mut response = ApiVersionsResponse::default().with_api_keys(served());
        if call.version >= 3 {
            let image = call.broker.cluster.image();
            response = response
                .with_supported_features(
                    features::supported()
                        .into_iter()
                        // Old clients fail on a lowest level of 0, so Kafka leaves these features out for them.
                        .filter(|feature| call.version > 3 || feature.minimum > 0)
                        .map(|feature| {
                            SupportedFeatureKey::default()
                                .with_name(StrBytes::from_string(feature.name))
                                .with_min_version(feature.minimum)
                                .with_max_version(feature.maximum)
                        })
                        .collect(),
                )
                .with_finalized_features_epoch(image.offset().0)
                .with_finalized_features(
                    features::served(&image)
                        .into_iter()
                        .map(|(name, level)| {
                            FinalizedFeatureKey::default()
                                .with_name(StrBytes::from_string(name.to_owned()))
                                .with_min_version_level(level)
                                .with_max_version_level(level)
                        })
                        .collect(),
                );
        }
        call.reply(&response)
    }
}

/// Whether the client may continue: it has a name, and it names this node or no node (KIP-1242).
fn judged(call: &Call, request: &ApiVersionsRequest) -> Result<(), ErrorCode> {
    let client = &request.client;
    let names = [
        &client.client_software_name,
        &client.client_software_version,
    ];
    if call.version >= 3 && !names.into_iter().all(|name| is_software_name(name)) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let (cluster, node) = (call.broker.cluster.cluster_id(), call.broker.config.node_id);
    match (&request.cluster_id, request.node_id) {
        (None, -1) => Ok(()),
        (Some(meant), id) if id != -1 => {
            if **meant == *cluster && id == node {
                Ok(())
            } else {
                Err(ErrorCode::REBOOTSTRAP_REQUIRED)
            }
        }
        // Only one of the two fields was set.
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

/// The answer to an unsupported version, in version 0: it has the supported versions of ApiVersions. The client can
/// then ask again.
pub(super) fn unsupported() -> ApiVersionsResponse {
    let own = |version: &ApiVersion| version.api_key == ApiKey::ApiVersions as i16;
    ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0)
        .with_api_keys(served().into_iter().filter(own).collect())
}

fn served() -> Vec<ApiVersion> {
    ROUTES
        .iter()
        .filter(|route| route.is_advertised)
        .map(|route| {
            // Produce 0 to 2 were removed, but older librdkafka stops compressing when they are not listed
            // (KAFKA-18659). Kafka lists them for this reason, too.
            let first = if route.key == 0 {
                0
            } else {
                route.versions.min
            };
            ApiVersion::default()
                .with_api_key(route.key)
                .with_min_version(first)
                .with_max_version(route.versions.max)
        })
        .collect()
}

/// KIP-511: letters, digits, dots and dashes, starting and ending with a letter or digit.
fn is_software_name(name: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_end(bytes.first()) && is_end(bytes.last()) && bytes.iter().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::is_software_name;

    #[test]
    fn software_names_are_checked_as_kip_511_says() {
        assert!(is_software_name("apache-kafka-java"));
        assert!(is_software_name("2.14.2-rc.1"));
        for wrong in ["", "-name", "name-", "na me", "näme"] {
            assert!(!is_software_name(wrong), "{wrong:?}");
        }
    }
}
