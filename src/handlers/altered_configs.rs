//! The common part of AlterConfigs and IncrementalAlterConfigs: which resources can be changed, and the call of the
//! controller.

use std::collections::HashMap;

use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::{self, AlteredResource, ConfigChange, Refusal};
use crate::metadata::{ConfigResource, ConfigResourceType};
use crate::security::Operation;

use super::ask;
use super::describe_configs::config_resource;
use super::route::Call;

/// Kafka's number for the loggers of a broker.
pub(super) const BROKER_LOGGER: i8 = 8;

/// One resource of the request: its changes, or the error that was found already.
pub(super) struct Asked {
    pub(super) resource_type: i8,
    pub(super) name: StrBytes,
    pub(super) change: Result<ConfigChange, Refusal>,
}

/// One resource of the answer. Without an error there is no message.
pub(super) struct Answered {
    pub(super) resource_type: i8,
    pub(super) name: StrBytes,
    pub(super) code: ErrorCode,
    pub(super) message: Option<StrBytes>,
}

/// Lets the controller decide on all resources that occur once and can be changed.
pub(super) async fn alter(call: &Call, asked: Vec<Asked>, validate_only: bool) -> Vec<Answered> {
    let mut count = HashMap::<_, usize>::new();
    for resource in &asked {
        let key = (resource.resource_type, resource.name.clone());
        *count.entry(key).or_default() += 1;
    }
    let (mut rows, mut resources) = (Vec::with_capacity(asked.len()), Vec::new());
    for Asked {
        resource_type,
        name,
        change,
    } in asked
    {
        let key = (resource_type, name);
        let change = if count.get(&key).is_some_and(|count| *count > 1) {
            Err(invalid("Each resource must appear at most once."))
        } else {
            change.and_then(|change| altered(call, key.0, &key.1, change))
        };
        rows.push((key, change.map(|altered| resources.push(altered)).err()));
    }
    let mut decided = decide(call, resources, validate_only).await;
    let answer = |((resource_type, name), refusal): ((i8, StrBytes), Option<Refusal>)| {
        let refusal = refusal.or_else(|| decided.next().and_then(Result::err));
        let (code, message) = refusal.map_or((ErrorCode::NONE, None), |refusal| {
            (refusal.code, refusal.message)
        });
        Answered {
            resource_type,
            name,
            code,
            message: message.map(StrBytes::from_string),
        }
    };
    rows.into_iter().map(answer).collect()
}

async fn decide(
    call: &Call,
    resources: Vec<AlteredResource>,
    validate_only: bool,
) -> impl Iterator<Item = Result<(), Refusal>> {
    let count = resources.len();
    let command = controller::AlterConfigs {
        resources,
        validate_only,
    };
    let time = call.broker.config.request_timeout_ms;
    let decided = if count == 0 {
        Ok(Vec::new())
    } else {
        ask::controller(call, command, time).await
    };
    decided
        .unwrap_or_else(|code| vec![Err(Refusal::bare(code)); count])
        .into_iter()
}

fn altered(
    call: &Call,
    resource_type: i8,
    name: &str,
    change: ConfigChange,
) -> Result<AlteredResource, Refusal> {
    let permit = || {
        let resource = config_resource(resource_type, name);
        call.permit_or_say(Operation::AlterConfigs, resource)
    };
    let resource_type = ConfigResourceType(resource_type);
    match resource_type {
        ConfigResourceType::TOPIC
        | ConfigResourceType::CLIENT_METRICS
        | ConfigResourceType::GROUP => permit()?,
        ConfigResourceType::BROKER if name == ConfigResource::ALL_BROKERS => permit()?,
        ConfigResourceType::BROKER => {
            check_own_id(name, call.broker.config.node_id)?;
            permit()?;
        }
        ConfigResourceType(other) => {
            return Err(invalid(format!("Unknown resource type {other}")));
        }
    }
    // Settings of resources that only Kafka serves are kept. Accepting a change that has no effect here would be
    // misleading. For settings of groups the controller sees to that.
    if resource_type == ConfigResourceType::CLIENT_METRICS {
        return Err(invalid(
            "Client metrics are not served: their settings cannot be changed",
        ));
    }
    Ok(AlteredResource {
        resource: ConfigResource {
            resource_type,
            name: name.to_owned(),
        },
        change,
    })
}

/// Whether `name` is this node's id.
fn check_own_id(name: &str, own: i32) -> Result<(), Refusal> {
    if node_id(name)? == own {
        Ok(())
    } else {
        Err(invalid(format!(
            "Unexpected broker id, expected {own}, but received {name}"
        )))
    }
}

/// A node's id as the name of a resource.
pub(super) fn node_id(name: &str) -> Result<i32, Refusal> {
    name.parse()
        .map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))
}

/// Refuses keys that occur twice, and the `null` values of keys that need a value.
pub(super) fn check_keys<'a>(
    keys: impl Iterator<Item = &'a str>,
    null: &[&str],
) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(invalid("Error due to duplicate config keys"));
        }
    }
    if null.is_empty() {
        Ok(())
    } else {
        let null = null.join(", ");
        Err(invalid(format!("Null value not supported for : {null}")))
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}
