//! Kafka's names of its APIs, for log lines: an API key means little to an operator.

use std::borrow::Cow;

use kafka_protocol::messages::ApiKey;

use super::route::Route;

/// Kafka's APIs that the protocol crate does not know: they were removed in Kafka 4.0, or are newer than the crate.
const OTHERS: &[(i16, &str)] = &[
    (4, "LeaderAndIsr"),
    (5, "StopReplica"),
    (6, "UpdateMetadata"),
    (7, "ControlledShutdown"),
    (88, "StreamsGroupHeartbeat"),
    (89, "StreamsGroupDescribe"),
    (93, "StreamsGroupTopologyDescriptionUpdate"),
    (94, "UnregisterController"),
];

/// Kafka's name of an API.
pub(super) fn name(key: i16) -> Cow<'static, str> {
    known(key).unwrap_or_else(|| format!("API {key}").into())
}

fn known(key: i16) -> Option<Cow<'static, str>> {
    if let Ok(known) = ApiKey::try_from(key) {
        return Some(format!("{known:?}").into());
    }
    let other = OTHERS.iter().find(|(other, _)| *other == key);
    other.map(|(_, name)| Cow::Borrowed(*name))
}

/// Why a request of this API and version is not answered, with the served versions.
pub(super) fn not_served(key: i16, version: i16) -> String {
    let api = name(key);
    match Route::find(key).filter(|route| route.is_advertised) {
        Some(route) => {
            let (first, last) = (route.versions.min, route.versions.max);
            format!("{api} version {version} is not served: only {first} to {last} are")
        }
        None if known(key).is_some() => {
            format!("{api} version {version} is not served: no version of this API is")
        }
        None => format!("{api} version {version} is not served: Kafka has no such API"),
    }
}

#[cfg(test)]
mod tests {
    use super::not_served;

    #[test]
    fn what_is_not_served_is_told_by_name() {
        let told = [(15, 99), (51, 0), (88, 1), (4711, 3), (-1, 0)].map(|(k, v)| not_served(k, v));
        assert_eq!(
            told,
            [
                "DescribeGroups version 99 is not served: only 0 to 6 are",
                "AlterUserScramCredentials version 0 is not served: no version of this API is",
                "StreamsGroupHeartbeat version 1 is not served: no version of this API is",
                "API 4711 version 3 is not served: Kafka has no such API",
                "API -1 version 0 is not served: Kafka has no such API",
            ]
        );
    }
}
