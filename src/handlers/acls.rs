//! DescribeAcls, CreateAcls and DeleteAcls: without an authorizer there are no ACLs, and the answer says so, as in
//! Kafka.
//!
//! The contents of a request make no difference. (Kafka closes the connection when a type is 0, "unknown". kcl sends
//! that when it is given no filter, and then reports a network error.)

use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::controller::Refusal;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::route::{Call, Handler};

/// Kafka's message for DescribeAcls.
const NONE_TO_DESCRIBE: &str = "No Authorizer is configured on the broker";
/// Kafka's message for changes of ACLs.
const NONE_TO_CHANGE: &str = "No Authorizer is configured.";

pub(super) struct DescribeAcls;
pub(super) struct CreateAcls;
pub(super) struct DeleteAcls;

/// The error of every answer, with its message for clients with the right to see it.
fn refusal(call: &Call, operation: Operation, message: &'static str) -> Refusal {
    match call.permit_or_say(operation, Resource::CLUSTER) {
        Ok(()) => Refusal::new(ErrorCode::SECURITY_DISABLED, message),
        Err(denial) => denial,
    }
}

impl Handler for DescribeAcls {
    type Request = DescribeAclsRequest;

    async fn handle(call: Call, _request: DescribeAclsRequest) -> Reply {
        let refusal = refusal(&call, Operation::Describe, NONE_TO_DESCRIBE);
        let response = DescribeAclsResponse::default()
            .with_error_code(refusal.code.0)
            .with_error_message(refusal.message.map(StrBytes::from_string));
        call.reply(&response)
    }
}

impl Handler for CreateAcls {
    type Request = CreateAclsRequest;

    async fn handle(call: Call, request: CreateAclsRequest) -> Reply {
        let refusal = refusal(&call, Operation::Alter, NONE_TO_CHANGE);
        let refused = AclCreationResult::default()
            .with_error_code(refusal.code.0)
            .with_error_message(refusal.message.map(StrBytes::from_string));
        let results = vec![refused; request.creations.len()];
        call.reply(&CreateAclsResponse::default().with_results(results))
    }
}

impl Handler for DeleteAcls {
    type Request = DeleteAclsRequest;

    async fn handle(call: Call, request: DeleteAclsRequest) -> Reply {
        let refusal = refusal(&call, Operation::Alter, NONE_TO_CHANGE);
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(refusal.code.0)
            .with_error_message(refusal.message.map(StrBytes::from_string));
        let results = vec![refused; request.filters.len()];
        call.reply(&DeleteAclsResponse::default().with_filter_results(results))
    }
}
