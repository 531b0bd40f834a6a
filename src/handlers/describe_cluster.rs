//! DescribeCluster: the brokers, and the one that is reported as the controller.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::wire::Reply;

use super::authorize::{NOT_ASKED, Rights};
use super::cluster_view::{ClusterView, wire_id};
use super::route::{Call, Handler};

/// The request asks for brokers.
const BROKERS: i8 = 1;
/// The request asks for controllers, and is meant for one.
const CONTROLLERS: i8 = 2;

pub(super) struct DescribeCluster;

impl Handler for DescribeCluster {
    type Request = DescribeClusterRequest;

    async fn handle(call: Call, request: DescribeClusterRequest) -> Reply {
        let image = call.broker.cluster.image();
        let view = ClusterView::new(&image, &call.broker.config, &call.peer);
        call.reply(&response(
            &request,
            &view,
            &call.rights(),
            call.broker.cluster.cluster_id(),
            call.version,
        ))
    }
}

fn response(
    request: &DescribeClusterRequest,
    view: &ClusterView<'_>,
    rights: &Rights,
    cluster_id: &str,
    version: i16,
) -> DescribeClusterResponse {
    let refuse = |code: ErrorCode, message: String| {
        // Version 0 has no endpoint types, so there can be no errors about them.
        let code = if version == 0 {
            ErrorCode::INVALID_REQUEST
        } else {
            code
        };
        DescribeClusterResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_string(message)))
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            return refuse(
                ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type \
                 CONTROLLER"
                    .to_owned(),
            );
        }
        other => {
            return refuse(
                ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
                format!("Unsupported endpoint type {other}"),
            );
        }
    }
    let brokers = view
        .brokers()
        .filter(|(broker, _)| request.include_fenced_brokers || !broker.fenced);
    let brokers = brokers.map(|(broker, address)| {
        DescribeClusterBroker::default()
            .with_broker_id(wire_id(broker.id))
            .with_host(StrBytes::from_string(address.host))
            .with_port(address.port)
            .with_rack(broker.rack.clone().map(StrBytes::from_string))
            .with_is_fenced(broker.fenced)
    });
    let operations = if request.include_cluster_authorized_operations {
        rights.cluster_operations()
    } else {
        NOT_ASKED
    };
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(cluster_id.to_owned()))
        .with_controller_id(wire_id(view.controller()))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

    use super::super::authorize::Rights;
    use super::super::cluster_view::ClusterView;
    use super::super::fixture;
    use super::response;
    use crate::config::BrokerConfig;

    fn describe(request: &DescribeClusterRequest, version: i16) -> DescribeClusterResponse {
        let (image, config, peer) = (fixture::image(), BrokerConfig::default(), fixture::peer());
        let view = ClusterView::new(&image, &config, &peer);
        fixture::over_the_wire(
            &response(request, &view, &Rights::all(), "cluster", version),
            version,
        )
    }

    fn ids(response: &DescribeClusterResponse) -> Vec<i32> {
        response
            .brokers
            .iter()
            .map(|broker| broker.broker_id.0)
            .collect()
    }

    #[test]
    fn every_version_lists_the_brokers_that_are_there() {
        for version in 0..=2 {
            let request =
                DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
            let response = describe(&request, version);
            assert_eq!(ids(&response), [1, 2]);
            assert_eq!(response.controller_id, BrokerId(1));
            assert_eq!(response.cluster_id.as_str(), "cluster");
            assert_eq!(response.brokers[0].host.as_str(), "127.0.0.1");
            assert_eq!(response.brokers[1].rack.as_deref(), Some("b"));
            assert!(response.cluster_authorized_operations > 0);
            assert_eq!((response.error_code, response.error_message), (0, None));
        }
    }

    #[test]
    fn fenced_brokers_are_listed_only_when_asked_for() {
        let request = DescribeClusterRequest::default().with_include_fenced_brokers(true);
        let response = describe(&request, 2);
        assert_eq!(ids(&response), [1, 2, 3]);
        assert!(response.brokers[2].is_fenced);
    }

    #[test]
    fn other_endpoint_types_are_refused() {
        let code = |endpoint_type, version| {
            let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
            describe(&request, version).error_code
        };
        assert_eq!((code(2, 1), code(2, 2)), (114, 114));
        assert_eq!((code(7, 1), code(7, 0)), (115, 42));
    }
}
