//! DescribeAcls, CreateAcls and DeleteAcls: without an authorizer there are no ACLs, and Kafka says so.
//!
//! It does not look at what was asked. (Kafka ends the connection where a type is 0, for "unknown": kcl sends that
//! when it is given no filter, and then shows an error of the network.)

use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse,
    DescribeAclsRequest, DescribeAclsResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::wire::Reply;

use super::route::{Call, Handler};

/// What Kafka says to those who look at ACLs.
const NONE_TO_DESCRIBE: &str = "No Authorizer is configured on the broker";
/// What Kafka says to those who change them.
const NONE_TO_CHANGE: &str = "No Authorizer is configured.";

pub(super) struct DescribeAcls;
pub(super) struct CreateAcls;
pub(super) struct DeleteAcls;

impl Handler for DescribeAcls {
    type Request = DescribeAclsRequest;

    async fn handle(call: Call, _request: DescribeAclsRequest) -> Reply {
        let response = DescribeAclsResponse::default()
            .with_error_code(ErrorCode::SECURITY_DISABLED.0)
            .with_error_message(Some(StrBytes::from_static_str(NONE_TO_DESCRIBE)));
        call.reply(&response)
    }
}

impl Handler for CreateAcls {
    type Request = CreateAclsRequest;

    async fn handle(call: Call, request: CreateAclsRequest) -> Reply {
        let refused = AclCreationResult::default()
            .with_error_code(ErrorCode::SECURITY_DISABLED.0)
            .with_error_message(Some(StrBytes::from_static_str(NONE_TO_CHANGE)));
        let results = vec![refused; request.creations.len()];
        call.reply(&CreateAclsResponse::default().with_results(results))
    }
}

impl Handler for DeleteAcls {
    type Request = DeleteAclsRequest;

    async fn handle(call: Call, request: DeleteAclsRequest) -> Reply {
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(ErrorCode::SECURITY_DISABLED.0)
            .with_error_message(Some(StrBytes::from_static_str(NONE_TO_CHANGE)));
        let results = vec![refused; request.filters.len()];
        call.reply(&DeleteAclsResponse::default().with_filter_results(results))
    }
}
