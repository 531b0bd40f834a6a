//! AlterConfigs: replaces all overrides of a resource.

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::controller::{ConfigChange, Refusal};
use crate::wire::Reply;

use super::altered_configs::{Answered, Asked, alter, check_keys};
use super::route::{Call, Handler};
use super::text::owned;

pub(super) struct AlterConfigs;

impl Handler for AlterConfigs {
    type Request = AlterConfigsRequest;

    async fn handle(call: Call, request: AlterConfigsRequest) -> Reply {
        let asked = request.resources.into_iter().map(asked).collect();
        let answered = alter(&call, asked, request.validate_only).await;
        let responses = answered.into_iter().map(row).collect();
        call.reply(&AlterConfigsResponse::default().with_responses(responses))
    }
}

fn asked(resource: AlterConfigsResource) -> Asked {
    Asked {
        resource_type: resource.resource_type,
        change: change(&resource),
        name: owned(&resource.resource_name),
    }
}

fn change(resource: &AlterConfigsResource) -> Result<ConfigChange, Refusal> {
    let keys = || resource.configs.iter().map(|config| config.name.as_str());
    let null: Vec<&str> = resource
        .configs
        .iter()
        .filter(|config| config.value.is_none())
        .map(|config| config.name.as_str())
        .collect();
    check_keys(keys(), &null)?;
    let values = resource.configs.iter().filter_map(|config| {
        let value = config.value.as_ref()?;
        Some((config.name.to_string(), value.to_string()))
    });
    Ok(ConfigChange::Replace(values.collect()))
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
    use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
    use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
    use kafka_protocol::protocol::StrBytes;

    use super::super::altered_configs::Answered;
    use super::super::fixture;
    use super::{change, row};
    use crate::base::ErrorCode;
    use crate::controller::ConfigChange;

    fn config(name: &'static str, value: Option<&'static str>) -> AlterableConfig {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(value.map(StrBytes::from_static_str))
    }

    #[test]
    fn every_version_is_read_and_answered() {
        for version in 0..=2 {
            let wanted = |configs| AlterConfigsResource::default().with_configs(configs);
            let request = AlterConfigsRequest::default().with_resources(vec![
                wanted(vec![config("a", Some("1"))]),
                wanted(vec![config("a", Some("1")), config("a", Some("2"))]),
                wanted(vec![config("a", None), config("b", None)]),
            ]);
            let request = fixture::over_the_wire(&request, version);
            let changes: Vec<_> = request.resources.iter().map(change).collect();
            let Ok(ConfigChange::Replace(all)) = &changes[0] else {
                panic!("{changes:?}");
            };
            assert_eq!(all, &[("a".to_owned(), "1".to_owned())]);
            let refused = |number: usize| changes[number].clone().unwrap_err().message.unwrap();
            assert_eq!(refused(1), "Error due to duplicate config keys");
            assert_eq!(refused(2), "Null value not supported for : a, b");

            let answered = Answered {
                resource_type: 2,
                name: StrBytes::from_static_str("t"),
                code: ErrorCode::NONE,
                message: None,
            };
            let response = AlterConfigsResponse::default().with_responses(vec![row(answered)]);
            let response = fixture::over_the_wire(&response, version);
            assert_eq!(response.responses[0].error_message, None);
        }
    }
}
