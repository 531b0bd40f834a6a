//! The common part of the handlers' tests: a small cluster, and encoding and decoding.

mod denying;
mod enlisting;
mod serving;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request, StrBytes};
use uuid::Uuid;

use crate::base::{KafkaUuid, LeaderEpoch, NodeId, Offset};
use crate::metadata::record::{Config, Endpoint, MetadataRecord, Partition, RegisterBroker, Topic};
use crate::metadata::{ConfigResourceType, Image};
use crate::wire::{Peer, Reply};

pub(super) use denying::Denying;
pub(super) use enlisting::Enlisting;
pub(super) use serving::Serving;

/// The id of the topic `orders`.
pub(super) const ORDERS: Uuid = Uuid::from_u128(1000);

/// Three brokers, of which 3 is fenced, and two topics: `orders` has three partitions, led by broker
/// 1, broker 2 (with 3 as an offline replica) and nobody; `audit` has one and an override.
pub(super) fn image() -> Image {
    let orders = KafkaUuid(ORDERS);
    let audit = KafkaUuid(Uuid::from_u128(1001));
    let topic = |name: &str, topic_id| {
        MetadataRecord::Topic(Topic {
            name: name.to_owned(),
            topic_id,
        })
    };
    let records = [
        broker(1, None, false),
        broker(2, Some("b"), false),
        broker(3, None, true),
        topic("orders", orders),
        partition(orders, 0, &[1, 2], 1),
        partition(orders, 1, &[2, 3], 2),
        partition(orders, 2, &[3], -1),
        topic("audit", audit),
        partition(audit, 0, &[1], 1),
        MetadataRecord::Config(Config {
            resource_type: ConfigResourceType::TOPIC.0,
            resource_name: "audit".to_owned(),
            name: "retention.ms".to_owned(),
            value: Some("1000".to_owned()),
        }),
    ];
    let (image, _) = Image::default()
        .apply(&records, Offset(9), LeaderEpoch(1))
        .expect("records that fit together");
    image
}

fn broker(id: i32, rack: Option<&str>, fenced: bool) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBroker {
        broker_id: NodeId(id),
        is_migrating_zk_broker: false,
        incarnation_id: KafkaUuid(Uuid::from_u128(500)),
        broker_epoch: 1,
        endpoints: vec![Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: format!("host{id}"),
            port: 9092,
            security_protocol: 0,
        }],
        features: Vec::new(),
        rack: rack.map(str::to_owned),
        fenced,
        in_controlled_shutdown: false,
        log_directories: vec![directory(id)],
        cordoned_log_directories: None,
    })
}

fn directory(broker: i32) -> KafkaUuid {
    KafkaUuid(Uuid::from_u128(2000 + u128::from(broker.unsigned_abs())))
}

fn partition(topic_id: KafkaUuid, partition: i32, replicas: &[i32], leader: i32) -> MetadataRecord {
    let replicas: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
    MetadataRecord::Partition(Partition {
        partition,
        topic_id,
        isr: replicas[..1].to_vec(),
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: NodeId(leader),
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(4),
        partition_epoch: 0,
        directories: replicas.iter().map(|id| directory(id.0)).collect(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
        replicas,
    })
}

/// A client on the default listener.
pub(super) fn peer() -> Peer {
    Peer {
        address: "127.0.0.1:50000".parse().expect("an address"),
        local: "127.0.0.1:9092".parse().expect("an address"),
        listener: "PLAINTEXT".into(),
    }
}

/// A request as a client sends it.
pub(super) fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("client")));
    let mut frame = BytesMut::new();
    header
        .encode(&mut frame, R::header_version(version))
        .expect("a header");
    request.encode(&mut frame, version).expect("a request");
    frame.freeze()
}

/// An answer as the client gets it.
pub(super) fn answer<R: Request>(version: i16, reply: Reply) -> R::Response {
    match reply {
        Reply::Send(parts) => {
            let mut body = parts.into_body_bytes().expect("no file");
            // Newer versions of the request may be answered as this one.
            let newest = <R::Response as Message>::VERSIONS.max;
            R::Response::decode(&mut body, version.min(newest)).expect("an answer")
        }
        other => panic!("no answer: {other:?}"),
    }
}

/// `message` as a client of this version decodes it.
pub(super) fn over_the_wire<M: Encodable + Decodable>(message: &M, version: i16) -> M {
    let mut bytes = BytesMut::new();
    message
        .encode(&mut bytes, version)
        .unwrap_or_else(|error| panic!("version {version} cannot be encoded: {error}"));
    let mut bytes = bytes.freeze();
    let decoded = M::decode(&mut bytes, version)
        .unwrap_or_else(|error| panic!("version {version} is unreadable: {error}"));
    assert!(bytes.is_empty(), "version {version} leaves bytes unread");
    decoded
}
