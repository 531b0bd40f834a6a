//! Heartbeat: keeps a member of a group alive.

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::base::ErrorCode;
use crate::coordinator::CoordinatorError;
use crate::group;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text};

pub(super) struct Heartbeat;

impl Handler for Heartbeat {
    type Request = HeartbeatRequest;

    async fn handle(call: Call, request: HeartbeatRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Read, Resource::group(&request.group_id)) {
            return call.reply(&HeartbeatResponse::default().with_error_code(code.0));
        }
        let decided = call.broker.groups.ask(heartbeat(&request)).await;
        call.reply(&HeartbeatResponse::default().with_error_code(code(decided).0))
    }
}

fn heartbeat(request: &HeartbeatRequest) -> group::Heartbeat {
    group::Heartbeat {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        generation: request.generation_id,
    }
}

fn code(decided: Result<ErrorCode, CoordinatorError>) -> ErrorCode {
    match decided {
        Ok(code) => code,
        Err(error) => errors::of_heartbeat(error),
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::GroupId;
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::over_the_wire;
    use super::*;

    #[test]
    fn every_version_asks_and_is_told() {
        for version in 0..=4 {
            let mut request = HeartbeatRequest::default()
                .with_group_id(GroupId(StrBytes::from_static_str("group")))
                .with_generation_id(3)
                .with_member_id(StrBytes::from_static_str("one"));
            if version >= 3 {
                request =
                    request.with_group_instance_id(Some(StrBytes::from_static_str("instance")));
            }
            let asked = heartbeat(&over_the_wire(&request, version));
            assert_eq!(
                (asked.generation, &*asked.group, &*asked.member),
                (3, "group", "one")
            );
            assert_eq!(asked.instance.is_some(), version >= 3, "version {version}");
            let response =
                HeartbeatResponse::default().with_error_code(ErrorCode::REBALANCE_IN_PROGRESS.0);
            assert_eq!(
                over_the_wire(&response, version).error_code,
                ErrorCode::REBALANCE_IN_PROGRESS.0
            );
        }
    }

    #[test]
    fn a_group_that_is_being_loaded_does_not_disturb_its_members() {
        assert_eq!(code(Err(CoordinatorError::Loading)), ErrorCode::NONE);
        assert_eq!(
            code(Err(CoordinatorError::NotCoordinator)),
            ErrorCode::NOT_COORDINATOR
        );
    }
}
