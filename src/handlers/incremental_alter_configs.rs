//! IncrementalAlterConfigs: changes some overrides of a resource and keeps the others.

use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::base::ErrorCode;
use crate::controller::{ConfigChange, ConfigOperation, Refusal};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::altered_configs::{Answered, Asked, BROKER_LOGGER, alter, check_keys, invalid, node_id};
use super::route::{Call, Handler};
use super::text::owned;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;

    async fn handle(call: Call, request: IncrementalAlterConfigsRequest) -> Reply {
        let own = call.broker.config.node_id;
        let asked = request.resources.into_iter().map(|resource| Asked {
            resource_type: resource.resource_type,
            change: change(&resource, own, || {
                call.permit(Operation::AlterConfigs, Resource::CLUSTER)
                    .map_err(Refusal::bare)
            }),
            name: owned(&resource.resource_name),
        });
        let answered = alter(&call, asked.collect(), request.validate_only).await;
        let responses = answered.into_iter().map(row).collect();
        call.reply(&IncrementalAlterConfigsResponse::default().with_responses(responses))
    }
}

/// `permit` checks the right to change loggers.
fn change(
    resource: &AlterConfigsResource,
    own: i32,
    permit: impl FnOnce() -> Result<(), Refusal>,
) -> Result<ConfigChange, Refusal> {
    let keys = resource.configs.iter().map(|config| config.name.as_str());
    let null: Vec<&str> = resource
        .configs
        .iter()
        .filter(|config| config.config_operation != DELETE && config.value.is_none())
        .map(|config| config.name.as_str())
        .collect();
    check_keys(keys, &null)?;
    if resource.resource_type == BROKER_LOGGER {
        permit()?;
        let named = node_id(&resource.resource_name)?;
        return Err(if named == own {
            no_logger(&resource.configs)
        } else {
            invalid(format!(
                "Unexpected node id. Expected {own}, but received {named}"
            ))
        });
    }
    let operations = resource.configs.iter().map(|config| {
        let value = config.value.as_deref().unwrap_or_default().to_owned();
        let operation = match config.config_operation {
            SET => ConfigOperation::Set(value),
            DELETE => ConfigOperation::Delete,
            APPEND => ConfigOperation::Append(value),
            SUBTRACT => ConfigOperation::Subtract(value),
            _ => return Err(Refusal::bare(ErrorCode::UNKNOWN_SERVER_ERROR)),
        };
        Ok((config.name.to_string(), operation))
    });
    Ok(ConfigChange::Alter(operations.collect::<Result<_, _>>()?))
}

/// Levels are set when the broker starts, by one expression for all loggers: loggers have no names here.
fn no_logger(configs: &[AlterableConfig]) -> Refusal {
    let Some(first) = configs.first() else {
        return Refusal::bare(ErrorCode::NONE);
    };
    let not_for_loggers = |name| {
        invalid(format!(
            "{name} operation is not allowed for the BROKER_LOGGER resource"
        ))
    };
    match first.config_operation {
        APPEND => not_for_loggers("APPEND"),
        SUBTRACT => not_for_loggers("SUBTRACT"),
        _ => Refusal::new(
            ErrorCode::INVALID_CONFIG,
            format!("Logger {} does not exist!", first.name),
        ),
    }
}

fn row(answered: Answered) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_error_code(answered.code.0)
        .with_error_message(answered.message)
        .with_resource_type(answered.resource_type)
        .with_resource_name(answered.name)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::IncrementalAlterConfigsRequest;
    use kafka_protocol::messages::incremental_alter_configs_request::{
        AlterConfigsResource, AlterableConfig,
    };
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture;
    use super::{APPEND, BROKER_LOGGER, DELETE, SET, change};
    use crate::controller::{ConfigChange, ConfigOperation};

    fn config(name: &'static str, operation: i8, value: Option<&'static str>) -> AlterableConfig {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_config_operation(operation)
            .with_value(value.map(StrBytes::from_static_str))
    }

    #[test]
    fn every_version_is_read() {
        for version in 0..=1 {
            let wanted = |configs| AlterConfigsResource::default().with_configs(configs);
            let operations = vec![config("a", SET, Some("1")), config("b", DELETE, None)];
            let logger = wanted(vec![config("x", SET, Some("INFO"))])
                .with_resource_type(BROKER_LOGGER)
                .with_resource_name(StrBytes::from_static_str("1"));
            let request = IncrementalAlterConfigsRequest::default().with_resources(vec![
                wanted(operations),
                wanted(vec![config("a", APPEND, None)]),
                wanted(vec![config("a", 4, Some("1"))]),
                logger,
            ]);
            let request = fixture::over_the_wire(&request, version);
            let changes: Vec<_> = request
                .resources
                .iter()
                .map(|resource| change(resource, 1, || Ok(())))
                .collect();
            let Ok(ConfigChange::Alter(operations)) = &changes[0] else {
                panic!("{changes:?}");
            };
            assert_eq!(operations[0].1, ConfigOperation::Set("1".to_owned()));
            assert_eq!(operations[1].1, ConfigOperation::Delete);
            let codes = changes[1..]
                .iter()
                .map(|refused| refused.clone().unwrap_err().code.0);
            assert_eq!(codes.collect::<Vec<_>>(), [42, -1, 40]);
        }
    }
}
