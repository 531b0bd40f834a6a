//! WriteTxnMarkers: ends transactions in partitions that this broker leads. Coordinators on other brokers ask for it, and
//! Kafka's tool for transactions that nobody ends.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::WriteTxnMarkersResponse;
use kafka_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};

use crate::base::{ErrorCode, ProducerEpoch, ProducerId, TransactionVersion};
use crate::controller::names::CONSUMER_OFFSETS;
use crate::messages::{WritableTxnMarker, WriteTxnMarkersRequest};
use crate::metadata::Image;
use crate::record::control::{EndTransactionMarker, TransactionMarker};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::Pace;
use super::topic_ids::wire_name;

pub(super) struct WriteTxnMarkers;

impl Handler for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;

    async fn handle(call: Call, request: WriteTxnMarkersRequest) -> Reply {
        // The first is the right of administrators, the second that of brokers.
        let permit = call
            .permit(Operation::Alter, Resource::CLUSTER)
            .or_else(|_| call.permit(Operation::ClusterAction, Resource::CLUSTER));
        let image = call.broker.cluster.image();
        let mut rows = Rows::default();
        let mut pace = Pace::default();
        for asked in request.markers {
            if asked.known.topics.is_empty() {
                continue;
            }
            let permit = permit.and_then(|()| check_version(&asked));
            let marker = marker(&asked);
            let row = rows.row(marker.producer);
            for topic in asked.known.topics {
                let name: Arc<str> = Arc::from(topic.name.as_str());
                for partition in topic.partition_indexes {
                    pace.step().await;
                    // One marker for each partition, however often it is named.
                    let place = (Arc::clone(&name), partition);
                    row.entry(place)
                        .or_default()
                        .write(&marker, || match permit {
                            Ok(()) => write(&call, &image, &name, partition, &marker),
                            Err(code) => Box::pin(ready(code)),
                        });
                }
            }
        }
        let markers = rows.answered().await;
        call.reply(&WriteTxnMarkersResponse::default().with_markers(markers))
    }
}

/// Refuses versions of transactions that there can never be.
const fn check_version(asked: &WritableTxnMarker) -> Result<(), ErrorCode> {
    if asked.transaction_version < 0 {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    Ok(())
}

fn marker(asked: &WritableTxnMarker) -> TransactionMarker {
    TransactionMarker {
        producer: ProducerId(asked.known.producer_id.0),
        epoch: ProducerEpoch(asked.known.producer_epoch),
        end: EndTransactionMarker {
            committed: asked.known.transaction_result,
            coordinator_epoch: asked.known.coordinator_epoch,
        },
        version: TransactionVersion(asked.transaction_version.into()),
    }
}

/// A marker on its way. The result is its code.
type Writing = Pin<Box<dyn Future<Output = ErrorCode> + Send>>;

/// Writes a marker. Its place in the partition is fixed when this returns.
fn write(
    call: &Call,
    image: &Image,
    topic: &str,
    partition: i32,
    marker: &TransactionMarker,
) -> Writing {
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let Some(found) = image.topic(topic) else {
        return Box::pin(ready(unknown));
    };
    if topic == CONSUMER_OFFSETS && found.partition(partition).is_some() {
        // The group coordinator must know what the marker ends.
        let written = call.broker.groups.end_transaction(partition, *marker);
        return Box::pin(async move {
            let code = written.await.map_err(|error| errors::of_marker(&error));
            code.err().unwrap_or(ErrorCode::NONE)
        });
    }
    let replica = match call.broker.partitions.find(found.id, partition) {
        Ok(replica) => replica,
        Err(reason) => return Box::pin(ready(errors::of_not_hosted(reason))),
    };
    let timeout = u64::try_from(call.broker.config.request_timeout_ms).unwrap_or(0);
    let written = replica.end_transaction(marker);
    let written = written.within(Duration::from_millis(timeout));
    Box::pin(async move {
        match written.await {
            Ok(_) => ErrorCode::NONE,
            Err(failure) => errors::of_append(&failure),
        }
    })
}

/// The rows of the answer: one for each producer, in the order of the request.
#[derive(Default)]
struct Rows {
    rows: Vec<(ProducerId, Row)>,
    places: HashMap<ProducerId, usize>,
}

type Row = HashMap<(Arc<str>, i32), Markers>;

/// The markers of a producer for a partition. A request has one, unless it is odd.
#[derive(Default)]
struct Markers(Vec<(TransactionMarker, Writing)>);

impl Markers {
    /// Writes a marker, unless it is the one before.
    fn write(&mut self, marker: &TransactionMarker, write: impl FnOnce() -> Writing) {
        let last = self.0.last().map(|(last, _)| last);
        if last != Some(marker) {
            self.0.push((*marker, write()));
        }
    }
}

impl Rows {
    fn row(&mut self, producer: ProducerId) -> &mut Row {
        let place = *self.places.entry(producer).or_insert_with(|| {
            self.rows.push((producer, Row::new()));
            self.rows.len() - 1
        });
        &mut self.rows[place].1
    }

    /// The answer, when all markers are written.
    async fn answered(self) -> Vec<WritableTxnMarkerResult> {
        let mut answers = Vec::with_capacity(self.rows.len());
        for (producer, row) in self.rows {
            let mut topics: HashMap<Arc<str>, Vec<WritableTxnMarkerPartitionResult>> =
                HashMap::new();
            for ((topic, partition), markers) in row {
                let mut code = ErrorCode::NONE;
                for (_, written) in markers.0 {
                    // The last one counts.
                    code = written.await;
                }
                let result = WritableTxnMarkerPartitionResult::default()
                    .with_partition_index(partition)
                    .with_error_code(code.0);
                topics.entry(topic).or_default().push(result);
            }
            let topics = topics.into_iter().map(|(name, partitions)| {
                WritableTxnMarkerTopicResult::default()
                    .with_name(wire_name(&name))
                    .with_partitions(partitions)
            });
            answers.push(
                WritableTxnMarkerResult::default()
                    .with_producer_id(producer.0.into())
                    .with_topics(topics.collect()),
            );
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::messages::write_txn_markers_request::{
        WritableTxnMarker as Known, WritableTxnMarkerTopic,
    };

    use super::super::fixture::Serving;
    use super::*;
    use crate::partition::Replica;

    const OK: i16 = ErrorCode::NONE.0;
    const UNKNOWN: i16 = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;

    fn asked(
        producer: i64,
        (epoch, coordinator_epoch): (i16, i32),
        version: i8,
        topics: &[(&str, &[i32])],
    ) -> WritableTxnMarker {
        let topics = topics.iter().map(|(name, partitions)| {
            WritableTxnMarkerTopic::default()
                .with_name(wire_name(name))
                .with_partition_indexes(partitions.to_vec())
        });
        WritableTxnMarker {
            known: Known::default()
                .with_producer_id(producer.into())
                .with_producer_epoch(epoch)
                .with_transaction_result(true)
                .with_coordinator_epoch(coordinator_epoch)
                .with_topics(topics.collect()),
            transaction_version: version,
        }
    }

    type Told = BTreeMap<(i64, String, i32), i16>;

    fn told(serving: &Serving, version: i16, markers: Vec<WritableTxnMarker>) -> Told {
        let response = serving.ask(version, &WriteTxnMarkersRequest { markers });
        let mut told = Told::new();
        for row in response.markers {
            for topic in row.topics {
                for partition in topic.partitions {
                    let place = (
                        row.producer_id.0,
                        topic.name.to_string(),
                        partition.partition_index,
                    );
                    assert_eq!(told.insert(place, partition.error_code), None);
                }
            }
        }
        told
    }

    #[test]
    fn group_coordinators_write_the_markers_of_their_partitions() {
        let serving = Serving::start(&[]);
        let marker = asked(7, (3, 5), 0, &[(CONSUMER_OFFSETS, &[0, 1, 7])]);
        let told: Vec<_> = told(&serving, 1, vec![marker]).into_values().collect();
        assert_eq!(told, [OK, OK, UNKNOWN]);
        let fenced = asked(7, (3, 4), 0, &[(CONSUMER_OFFSETS, &[1])]);
        let told: Vec<_> = self::told(&serving, 1, vec![fenced])
            .into_values()
            .collect();
        assert_eq!(told, [ErrorCode::TRANSACTION_COORDINATOR_FENCED.0]);
    }

    fn replica(serving: &Serving, partition: i32) -> Arc<Replica> {
        let image = serving.context.cluster.image();
        let topic = image.topic("more").expect("a topic").id;
        let found = serving.context.partitions.find(topic, partition);
        found.expect("a replica")
    }

    fn log_end(serving: &Serving, partition: i32) -> i64 {
        replica(serving, partition).published().positions.log_end.0
    }

    #[test]
    fn each_partition_gets_one_marker_and_has_its_own_code() {
        let serving = Serving::start(&[]);
        serving.create_topic("more", 2);
        let topics: &[(&str, &[i32])] =
            &[("more", &[1, 0, 1, 2]), ("nothing", &[0]), ("more", &[0])];
        let first = asked(7, (3, 5), 0, topics);
        let second = asked(8, (0, 5), 0, &[("more", &[0])]);
        let row = |producer, topic: &str, partition, code| {
            ((producer, topic.to_owned(), partition), code)
        };
        let expected = Told::from([
            row(7, "more", 0, OK),
            row(7, "more", 1, OK),
            row(7, "more", 2, UNKNOWN),
            row(7, "nothing", 0, UNKNOWN),
            row(8, "more", 0, OK),
        ]);
        assert_eq!(told(&serving, 1, vec![first, second]), expected);
        assert_eq!([0, 1].map(|partition| log_end(&serving, partition)), [2, 1]);
        assert_eq!(told(&serving, 1, Vec::new()), Told::new());
    }

    #[test]
    fn markers_of_the_partitions_of_groups_go_through_their_coordinators() {
        let serving = Serving::start(&[]);
        let code = |epochs, partition| {
            let marker = asked(7, epochs, 0, &[(CONSUMER_OFFSETS, &[partition])]);
            let told = told(&serving, 1, vec![marker]);
            told.into_values().next().expect("a row")
        };
        assert_eq!(code((3, 5), 0), OK);
        assert_eq!(code((3, 5), 0), OK, "the same again");
        assert_eq!(code((2, 5), 0), ErrorCode::INVALID_PRODUCER_EPOCH.0);
        let fenced = ErrorCode::TRANSACTION_COORDINATOR_FENCED.0;
        assert_eq!(code((3, 4), 0), fenced);
        assert_eq!(code((3, 5), 2), UNKNOWN);
        serving.context.groups.stop();
        let elsewhere = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
        assert_eq!(code((3, 5), 0), elsewhere);
    }

    #[test]
    fn old_markers_are_refused_as_their_version_says() {
        let serving = Serving::start(&[]);
        serving.create_topic("more", 1);
        let code = |version, marker: WritableTxnMarker| {
            let told = told(&serving, version, vec![marker]);
            told.into_values().next().expect("a row")
        };
        let on_more = |epochs, kind| asked(7, epochs, kind, &[("more", &[0])]);
        let epoch = ErrorCode::INVALID_PRODUCER_EPOCH.0;
        let fenced = ErrorCode::TRANSACTION_COORDINATOR_FENCED.0;
        assert_eq!(code(2, on_more((3, 5), 2)), OK);
        assert_eq!(code(2, on_more((3, 5), 2)), OK, "the same again");
        assert_eq!(code(2, on_more((2, 5), 2)), epoch);
        assert_eq!(code(2, on_more((4, 4), 2)), fenced);
        assert_eq!(code(1, on_more((2, 5), 0)), epoch);
        assert_eq!(code(1, on_more((3, 5), 0)), OK);
        assert_eq!(log_end(&serving, 0), 3);
    }
}
