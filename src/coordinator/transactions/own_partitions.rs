//! Markers where every partition is led by this broker: the door of a single node.

use std::future::ready;
use std::time::Duration;

use crate::base::TopicPartition;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::controller::names::CONSUMER_OFFSETS;
use crate::coordinator::groups::Groups;
use crate::coordinator::markers::MarkerError;
use crate::log::AppendError;
use crate::partition::{AppendFailure, NotHosted, Partitions};
use crate::record::control::TransactionMarker;

use super::markers::{Markers, NotMarked, Writing};

/// The partitions of this broker. The group coordinators write the markers of `__consumer_offsets`, since they must
/// know what the markers end.
#[derive(Debug)]
pub struct OwnPartitions {
    partitions: Partitions,
    cluster: Cluster,
    groups: Groups,
    /// How long a marker may wait for other replicas.
    timeout: Duration,
}

impl OwnPartitions {
    /// The doors of these rooms.
    pub fn new(
        partitions: Partitions,
        cluster: Cluster,
        groups: Groups,
        config: &BrokerConfig,
    ) -> Self {
        Self {
            partitions,
            cluster,
            groups,
            timeout: config.transactions().write_timeout,
        }
    }
}

impl Markers for OwnPartitions {
    fn write(&self, partition: &TopicPartition, marker: &TransactionMarker) -> Writing {
        let image = self.cluster.image();
        let number = partition.partition;
        let known = image.topic(&partition.topic);
        let Some(topic) = known.filter(|topic| topic.partition(number).is_some()) else {
            return Box::pin(ready(Err(NotMarked::Gone)));
        };
        if *partition.topic == *CONSUMER_OFFSETS {
            let told = self.groups.end_transaction(number, *marker);
            return Box::pin(async move { told.await.map_err(of_coordinator) });
        }
        match self.partitions.find(topic.id, number) {
            Ok(replica) => {
                let append = replica.end_transaction(marker).within(self.timeout);
                Box::pin(async move { append.await.map(drop).map_err(of_append) })
            }
            Err(reason) => Box::pin(ready(Err(of_not_hosted(reason)))),
        }
    }
}

fn of_append(failure: AppendFailure) -> NotMarked {
    match &failure {
        AppendFailure::Refused(refusal) => of_refusal(refusal),
        _ => NotMarked::not_now(&failure),
    }
}

fn of_refusal(refusal: &AppendError) -> NotMarked {
    match refusal {
        AppendError::InvalidProducerEpoch { .. } | AppendError::CoordinatorFenced { .. } => {
            NotMarked::Refused(refusal.to_string())
        }
        _ => NotMarked::not_now(refusal),
    }
}

fn of_coordinator(error: MarkerError) -> NotMarked {
    match error {
        MarkerError::Refused(refusal) => of_refusal(&refusal),
        MarkerError::Coordinator(error) => NotMarked::not_now(&error),
    }
}

fn of_not_hosted(reason: NotHosted) -> NotMarked {
    NotMarked::NotNow(match reason {
        NotHosted::Unknown => "the partition is being opened".to_owned(),
        NotHosted::Unreadable => "the partition cannot be read".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ProducerEpoch, ProducerId};
    use crate::coordinator::error::CoordinatorError;

    #[test]
    fn only_a_newer_epoch_is_final() {
        let fenced = || AppendError::CoordinatorFenced {
            producer_id: ProducerId(1),
            epoch: 2,
            known_epoch: 3,
        };
        let is_final = |marked: NotMarked| matches!(marked, NotMarked::Refused(_));
        assert!(is_final(of_append(AppendFailure::Refused(fenced()))));
        assert!(is_final(of_coordinator(MarkerError::Refused(fenced()))));
        let newer = AppendError::InvalidProducerEpoch {
            producer_id: ProducerId(1),
            epoch: ProducerEpoch(2),
            known_epoch: ProducerEpoch(3),
        };
        assert!(is_final(of_append(AppendFailure::Refused(newer))));
        let large = AppendError::MessageTooLarge { size: 2, most: 1 };
        assert!(!is_final(of_append(AppendFailure::Refused(large))));
        assert!(!is_final(of_append(AppendFailure::Storage)));
        let loading = MarkerError::Coordinator(CoordinatorError::Loading);
        assert!(!is_final(of_coordinator(loading)));
    }
}
