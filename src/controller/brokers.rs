//! Registration, unfencing, fencing and unregistration of brokers.
//!
//! ```text
//!              register (new incarnation)              unfence
//!   unknown ───────────────────────────────> fenced ────────────> active
//!                         ^                     ^                    │
//!                         │                     └─────── fence ──────┤
//!                         └────────── register (new incarnation) ────┘
//! ```
//!
//! A fenced broker can be unregistered: it is unknown again, until its process starts once more. An active broker
//! cannot. In Kafka it can, and its partitions then stay without a leader until it is started again.
//!
//! A process registers when it starts and is unfenced when it is ready to serve. The epoch of a registration is the
//! offset of its first record, so epochs are unique. A new incarnation of an active broker removes its leaderships in
//! the same step, since the old process is gone; unfencing gives them back in new leader epochs.

use std::collections::BTreeSet;

use crate::base::{ErrorCode, NodeId};
use crate::metadata::record::{self, BrokerRegistrationChange, Fencing, MetadataRecord};
use crate::metadata::{BrokerImage, Image};

use super::command::{
    Decision, FenceBroker, Refusal, RegisterBroker, UnfenceBroker, UnregisterBroker,
};
use super::leaders::{self, Move};
use super::{Situation, features};

/// Decides on a broker that has started.
pub(super) fn register(
    situation: &Situation<'_>,
    command: &RegisterBroker,
) -> Decision<Result<i64, Refusal>> {
    match try_register(situation, command) {
        Ok(decision) => decision.map(Ok),
        Err(refusal) => Decision::answer(Err(refusal)),
    }
}

fn try_register(
    situation: &Situation<'_>,
    command: &RegisterBroker,
) -> Result<Decision<i64>, Refusal> {
    check_directories(situation.image, command)?;
    features::check_range(situation.image.features(), &command.features)?;
    let before = situation.image.broker(command.broker_id);
    let same_incarnation = before.filter(|broker| broker.incarnation_id == command.incarnation_id);
    let mut records = Vec::new();
    if same_incarnation.is_none() {
        records = leaders::changes(situation, Move::Goes(command.broker_id));
    }
    let broker_epoch = same_incarnation.map_or(situation.next_offset.0, |broker| broker.epoch);
    records.push(MetadataRecord::RegisterBroker(record::RegisterBroker {
        broker_id: command.broker_id,
        is_migrating_zk_broker: false,
        incarnation_id: command.incarnation_id,
        broker_epoch,
        endpoints: command.endpoints.clone(),
        features: command.features.clone(),
        rack: command.rack.clone(),
        fenced: same_incarnation.is_none_or(|broker| broker.fenced),
        in_controlled_shutdown: same_incarnation
            .is_some_and(|broker| broker.in_controlled_shutdown),
        log_directories: command.log_directories.clone(),
        cordoned_log_directories: None,
    }));
    Ok(Decision {
        records,
        reply: broker_epoch,
    })
}

fn check_directories(image: &Image, command: &RegisterBroker) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(ErrorCode::INVALID_REGISTRATION, message));
    let directories = &command.log_directories;
    if directories.is_empty() {
        return invalid("No directories specified in request".to_owned());
    }
    if directories.iter().any(|directory| directory.is_reserved()) {
        return invalid("Reserved directory ID in request".to_owned());
    }
    if directories.iter().collect::<BTreeSet<_>>().len() != directories.len() {
        return invalid("Duplicate directory ID in request".to_owned());
    }
    for other in image
        .brokers()
        .filter(|broker| broker.id != command.broker_id)
    {
        if let Some(directory) = directories
            .iter()
            .find(|directory| other.directories.contains(directory))
        {
            return invalid(format!(
                "Broker {} is already registered with directory {directory}",
                other.id
            ));
        }
    }
    Ok(())
}

/// The broker, if the request is from its present registration.
pub(super) fn registered(
    image: &Image,
    broker: NodeId,
    epoch: i64,
) -> Result<&BrokerImage, Refusal> {
    let stale = |message: String| Refusal::new(ErrorCode::STALE_BROKER_EPOCH, message);
    let registration = image.broker(broker).ok_or_else(|| {
        stale(format!(
            "No broker registration found for broker id {broker}"
        ))
    })?;
    if registration.epoch == epoch {
        Ok(registration)
    } else {
        Err(stale(format!(
            "Expected broker epoch {}, but got broker epoch {epoch}",
            registration.epoch
        )))
    }
}

/// Decides on a broker that is ready to serve.
pub(super) fn unfence(
    situation: &Situation<'_>,
    command: &UnfenceBroker,
) -> Decision<Result<(), Refusal>> {
    let UnfenceBroker {
        broker_id,
        broker_epoch,
    } = *command;
    match registered(situation.image, broker_id, broker_epoch) {
        Err(refusal) => Decision::answer(Err(refusal)),
        Ok(broker) if !broker.fenced => Decision::answer(Ok(())),
        Ok(_) => {
            let unfenced =
                BrokerRegistrationChange::fence(broker_id, broker_epoch, Fencing::Unfence);
            let mut records = vec![MetadataRecord::BrokerRegistrationChange(unfenced)];
            records.extend(leaders::changes(situation, Move::Comes(broker_id)));
            Decision {
                records,
                reply: Ok(()),
            }
        }
    }
}

/// Decides on a broker that does not serve any more.
#[cfg_attr(
    not(test),
    allow(dead_code, reason = "the heartbeats of a cluster will fence brokers")
)]
pub(super) fn fence(
    situation: &Situation<'_>,
    command: &FenceBroker,
) -> Decision<Result<(), Refusal>> {
    let FenceBroker {
        broker_id,
        broker_epoch,
    } = *command;
    match registered(situation.image, broker_id, broker_epoch) {
        Err(refusal) => Decision::answer(Err(refusal)),
        Ok(broker) if broker.fenced => Decision::answer(Ok(())),
        Ok(_) => {
            let mut records = leaders::changes(situation, Move::Goes(broker_id));
            let fenced = BrokerRegistrationChange::fence(broker_id, broker_epoch, Fencing::Fence);
            records.push(MetadataRecord::BrokerRegistrationChange(fenced));
            Decision {
                records,
                reply: Ok(()),
            }
        }
    }
}

/// Decides on a broker that is to be unregistered.
pub(super) fn unregister(
    situation: &Situation<'_>,
    command: &UnregisterBroker,
) -> Decision<Result<(), Refusal>> {
    let broker_id = command.broker_id;
    let refuse = |code, message| Decision::answer(Err(Refusal::new(code, message)));
    match situation.image.broker(broker_id) {
        None => refuse(
            ErrorCode::BROKER_ID_NOT_REGISTERED,
            format!("Broker ID {broker_id} is not currently registered"),
        ),
        Some(broker) if !broker.fenced => refuse(
            ErrorCode::INVALID_REQUEST,
            format!("Broker {broker_id} is running. Stop it before it is unregistered."),
        ),
        Some(broker) => {
            let mut records = leaders::changes(situation, Move::Goes(broker_id));
            records.push(MetadataRecord::UnregisterBroker(record::UnregisterBroker {
                broker_id,
                broker_epoch: broker.epoch,
            }));
            Decision {
                records,
                reply: Ok(()),
            }
        }
    }
}
