//! DescribeClientQuotas: the quotas in metadata that Kafka has written. None is enforced here, and none can be set.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use kafka_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::Refusal;
use crate::metadata::{ClientQuota, Told};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::{owned, wire_text};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

pub(super) struct DescribeClientQuotas;

impl Handler for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;

    async fn handle(call: Call, request: DescribeClientQuotasRequest) -> Reply {
        let permit = call.permit(Operation::DescribeConfigs, Resource::CLUSTER);
        let permit = permit.map_err(Refusal::bare);
        match permit.and_then(|()| Answer::new(&call, &request)) {
            Ok(answer) => {
                let answer = Arc::new(answer);
                let (count, all) = (answer.wanted().count(), 0..answer.told.client_quotas.len());
                let rows = all.filter_map(move |place| answer.row(place).map(Chunk::row));
                streamed::rows(&call, response, count, rows).await
            }
            Err(refusal) => {
                let refused = DescribeClientQuotasResponse::default()
                    .with_error_code(refusal.code.0)
                    .with_error_message(refusal.message.map(StrBytes::from_string))
                    .with_entries(None);
                call.reply(&refused)
            }
        }
    }
}

fn response(entries: Vec<EntryData>) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse::default().with_entries(Some(entries))
}

/// The data for the rows of the answer.
struct Answer {
    told: Arc<Told>,
    filter: Filter,
}

impl Answer {
    fn new(call: &Call, request: &DescribeClientQuotasRequest) -> Result<Self, Refusal> {
        let filter = Filter::new(&request.components, request.strict)?;
        let image = call.broker.cluster.image();
        let told = image.told().map_err(|error| errors::unreadable(&error))?;
        Ok(Self {
            told: Arc::clone(told),
            filter,
        })
    }

    /// The quotas that are wanted.
    fn wanted(&self) -> impl Iterator<Item = &ClientQuota> {
        let quotas = self.told.client_quotas.iter();
        quotas.filter(|quota| self.filter.lets(quota))
    }

    /// The row of the quotas at `place`, if they are selected.
    fn row(&self, place: usize) -> Option<EntryData> {
        let quota = self.told.client_quotas.get(place)?;
        self.filter.lets(quota).then(|| entry(quota))
    }
}

/// The filter for a type of entity.
#[derive(Debug)]
enum Wanted {
    /// This name, or `None` for the default of the type.
    Named(Option<StrBytes>),
    /// Any name.
    Any,
}

/// The filter for quotas.
#[derive(Debug)]
struct Filter {
    types: BTreeMap<&'static str, Wanted>,
    /// Whether entities with other types are excluded.
    is_strict: bool,
}

impl Filter {
    fn new(components: &[ComponentData], is_strict: bool) -> Result<Self, Refusal> {
        let mut types = BTreeMap::new();
        for component in components {
            let name = component.entity_type.as_str();
            if name.is_empty() {
                return Err(invalid("Invalid empty entity type."));
            }
            let known = [USER, CLIENT_ID, IP]
                .into_iter()
                .find(|known| *known == name);
            let known = known.ok_or_else(|| unsupported(name))?;
            if types.contains_key(known) {
                return Err(invalid(format!(
                    "Entity type {name} cannot appear more than once in the filter."
                )));
            }
            types.insert(known, wanted(component)?);
        }
        if types.contains_key(IP) && types.len() > 1 {
            return Err(invalid(
                "Invalid entity filter component combination. IP filter component should not be used with \
                 user or clientId filter component.",
            ));
        }
        Ok(Self { types, is_strict })
    }

    fn lets(&self, quota: &ClientQuota) -> bool {
        let is_wanted = |(kind, wanted): (&&str, &Wanted)| {
            let found = quota.entity.get(*kind);
            found.is_some_and(|found| match wanted {
                Wanted::Any => true,
                Wanted::Named(name) => found.as_deref() == name.as_deref(),
            })
        };
        (!self.is_strict || quota.entity.len() == self.types.len())
            && self.types.iter().all(is_wanted)
    }
}

fn wanted(component: &ComponentData) -> Result<Wanted, Refusal> {
    let name = component._match.as_ref();
    match (component.match_type, name) {
        (EXACT, Some(_)) | (DEFAULT, None) => Ok(Wanted::Named(name.map(owned))),
        (SPECIFIED, None) => Ok(Wanted::Any),
        (EXACT, None) => Err(invalid(
            "Request specified MATCH_TYPE_EXACT, but set match string to null.",
        )),
        (DEFAULT, Some(_)) => Err(invalid(
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
        )),
        (SPECIFIED, Some(_)) => Err(invalid(
            "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
        )),
        (other, _) => Err(invalid(format!("Unknown match type {other}"))),
    }
}

fn unsupported(kind: &str) -> Refusal {
    Refusal::new(
        ErrorCode::UNSUPPORTED_VERSION,
        format!("Unsupported entity type {kind}"),
    )
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}

fn entry(quota: &ClientQuota) -> EntryData {
    let entity = quota.entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(wire_text(kind))
            .with_entity_name(name.as_deref().map(wire_text))
    });
    let values = quota.values.iter().map(|(key, value)| {
        ValueData::default()
            .with_key(wire_text(key))
            .with_value(*value)
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_values(values.collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::super::streamed::received;
    use super::*;

    fn component(kind: &str, match_type: i8, name: Option<&str>) -> ComponentData {
        ComponentData::default()
            .with_entity_type(wire_text(kind))
            .with_match_type(match_type)
            .with_match(name.map(wire_text))
    }

    fn quota(entity: &[(&str, Option<&str>)]) -> ClientQuota {
        let entity = entity
            .iter()
            .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)));
        ClientQuota {
            entity: entity.collect(),
            values: BTreeMap::from([("producer_byte_rate".to_owned(), 1024.5)]),
        }
    }

    #[test]
    fn a_filter_lets_what_kafka_lets() {
        let quotas = [
            quota(&[(USER, Some("alice"))]),
            quota(&[(USER, None)]),
            quota(&[(USER, Some("alice")), (CLIENT_ID, Some("tool"))]),
            quota(&[(IP, Some("::1"))]),
        ];
        let lets = |components: &[ComponentData], is_strict| {
            let filter = Filter::new(components, is_strict).unwrap();
            let places = quotas.iter().enumerate();
            let found = places.filter(|(_, quota)| filter.lets(quota));
            found.map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!(lets(&[], false), [0, 1, 2, 3]);
        assert!(lets(&[], true).is_empty());
        let alice = [component(USER, EXACT, Some("alice"))];
        assert_eq!(lets(&alice, false), [0, 2]);
        assert_eq!(lets(&alice, true), [0]);
        assert_eq!(lets(&[component(USER, DEFAULT, None)], true), [1]);
        let any_user = [component(USER, SPECIFIED, None)];
        assert_eq!(lets(&any_user, false), [0, 1, 2]);
        let both = [any_user[0].clone(), component(CLIENT_ID, SPECIFIED, None)];
        assert_eq!(lets(&both, true), [2]);
        assert_eq!(lets(&[component(IP, SPECIFIED, None)], true), [3]);
    }

    #[test]
    fn every_version_asks_and_is_told() {
        for version in 0..=1 {
            let request = DescribeClientQuotasRequest::default()
                .with_components(vec![component(USER, EXACT, Some("alice"))])
                .with_strict(true);
            assert_eq!(over_the_wire(&request, version), request);
            let row = entry(&quota(&[(USER, Some("alice")), (CLIENT_ID, None)]));
            let told = received(version, response, 1, [Chunk::row(row.clone())].into_iter());
            assert_eq!(told.entries, Some(vec![row]));
        }
    }
}
