//! Groups over a real log, and over one that fails.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::settings;
use crate::base::{
    ErrorCode, FixedClock, KafkaUuid, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition,
};
use crate::config::BrokerConfig;
use crate::coordinator::CoordinatorError;
use crate::coordinator::held::Held;
use crate::coordinator::host::{Handle, HostParts, LogOptions};
use crate::group::{
    CommitOffsets, DeleteGroup, DeleteOffsets, GroupAsk, Heartbeat, Join, Leave, Leaver,
    OffsetToCommit, Protocol, Registry, Settings, Sync,
};
use crate::partition::testing::{Broker, EPOCH};
use crate::record::Codec;

#[test]
fn the_defaults_of_the_configuration_are_those_of_the_machine() {
    assert_eq!(settings(&BrokerConfig::default()), Settings::default());
}

fn host(path: &Path) -> (Broker, Handle<Registry>) {
    std::fs::create_dir_all(path).expect("a directory");
    let broker = Broker::start(path, KafkaUuid::random(), &[("message.max.bytes", "2000")]);
    let settings = Settings {
        initial_rebalance_delay_ms: 0,
        ..Settings::default()
    };
    let handle = Handle::start(HostParts {
        replica: broker.replica(),
        epoch: EPOCH,
        clock: Arc::new(FixedClock::new(Timestamp(5))),
        options: LogOptions {
            codec: Codec::None,
            load_bytes: 1_000,
        },
        held: Held::default(),
        make: Box::new(move || Registry::new(settings)),
        have: Arc::new(|_| ()),
    });
    (broker, handle)
}

fn join(member: &Arc<str>) -> Join {
    Join {
        group: "g".into(),
        member: Arc::clone(member),
        instance: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "connect".into(),
        protocols: vec![Protocol {
            name: "default".into(),
            metadata: Bytes::new(),
        }],
        member_id_seed: 7,
        needs_known_member_id: false,
        can_skip_assignment: false,
        reason: None,
    }
}

fn sync(member: &Arc<str>, generation: i32, bytes: usize) -> Sync {
    Sync {
        group: "g".into(),
        member: Arc::clone(member),
        instance: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(Arc::clone(member), vec![0; bytes].into())],
    }
}

fn heartbeat(member: &Arc<str>, generation: i32) -> Heartbeat {
    Heartbeat {
        group: "g".into(),
        member: Arc::clone(member),
        instance: None,
        generation,
    }
}

fn commit(metadata: usize) -> CommitOffsets {
    CommitOffsets {
        group: "outside".into(),
        member: "".into(),
        instance: None,
        generation: -1,
        knows_member_epochs: true,
        retention_ms: None,
        offsets: vec![OffsetToCommit {
            at: TopicPartition::new("t", 0),
            topic_id: TopicId::ZERO,
            offset: Offset(3),
            leader_epoch: LeaderEpoch::NONE,
            metadata: Some("x".repeat(metadata).into()),
        }],
    }
}

async fn joined(handle: &Handle<Registry>, member: &Arc<str>) -> (Arc<str>, i32) {
    match handle.ask(join(member)).await {
        Ok(reply) if !reply.error.is_error() => (reply.member, reply.generation),
        other => panic!("{other:?}"),
    }
}

/// The operation, and why it was not decided.
async fn failure<A: GroupAsk>(
    handle: &Handle<Registry>,
    ask: A,
) -> (&'static str, Option<CoordinatorError>) {
    (A::NAME, handle.ask(ask).await.err())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_everything_goes_on() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path());
    let (member, generation) = joined(&handle, &"".into()).await;
    assert_eq!(
        handle.ask(sync(&member, generation, 5_000)).await,
        Err(CoordinatorError::Refused)
    );
    // State that only the machine has is still there, so it was not loaded again.
    assert_eq!(
        handle.ask(heartbeat(&member, generation)).await,
        Ok(ErrorCode::REBALANCE_IN_PROGRESS)
    );
    assert_eq!(
        handle.ask(commit(3_000)).await,
        Err(CoordinatorError::Refused)
    );
    assert!(handle.ask(commit(3)).await.is_ok());
    let (member, generation) = joined(&handle, &member).await;
    let synced = handle.ask(sync(&member, generation, 50)).await;
    assert!(matches!(synced, Ok(reply) if reply.assignment.len() == 50));
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_writes_to_a_directory_that_fails_sends_clients_to_look_elsewhere() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let group = || "g".into();
    for number in 0..5 {
        let (broker, handle) = host(&path.path().join(number.to_string()));
        let (member, generation) = joined(&handle, &"".into()).await;
        assert!(handle.ask(commit(3)).await.is_ok());
        if number == 1 {
            let synced = handle.ask(sync(&member, generation, 50)).await;
            assert!(synced.is_ok(), "{synced:?}");
        }
        let leaver = Leaver {
            member: Arc::clone(&member),
            instance: None,
            reason: None,
        };
        broker.replica().directory().fail(&"a test");
        let (name, failed) = match number {
            0 => failure(&handle, sync(&member, generation, 50)).await,
            1 => {
                let group = group();
                let members = vec![leaver];
                failure(&handle, Leave { group, members }).await
            }
            2 => failure(&handle, commit(3)).await,
            3 => {
                let delete = DeleteOffsets {
                    group: "outside".into(),
                    partitions: vec![TopicPartition::new("t", 0)],
                };
                failure(&handle, delete).await
            }
            _ => {
                let group = "outside".into();
                failure(&handle, DeleteGroup { group }).await
            }
        };
        assert_eq!(failed, Some(CoordinatorError::NotCoordinator), "{name}");
        let later = [
            failure(&handle, join(&"".into())).await,
            failure(&handle, heartbeat(&member, generation)).await,
        ];
        for (_, later) in later {
            assert_eq!(
                later,
                Some(CoordinatorError::NotCoordinator),
                "after {name}"
            );
        }
        broker.partitions.stop(1);
    }
}
