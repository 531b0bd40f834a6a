//! Peers that close while the connection can start nothing, and peers that only seem to have closed.

use super::*;
use crate::wire::connection::{BLIND_LIMIT, READ_AHEAD};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Long waits, and more of them than the pipeline allows.
fn waits(count: i32) -> Vec<(i16, i32)> {
    (1..=count).map(|id| (NEVER, id)).collect()
}

impl Client {
    /// Closes; returns how the connection ended, and how long that took.
    async fn close(self) -> (Ending, Duration) {
        let closed = Instant::now();
        drop(self.stream);
        (self.served.await.unwrap(), closed.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_peer_is_not_waited_for() {
    let refusals = [
        frame(REFUSE, 2, b""),
        vec![0xff; 4],
        // More bytes than are read ahead.
        vec![0xff; 10 * READ_AHEAD],
    ];
    for refusal in refusals {
        let mut client = connect(Settings::default());
        client.send(&waits(1)).await;
        client.stream.write_all(&refusal).await.unwrap();
        settle().await;
        let (ending, took) = client.close().await;
        assert!(matches!(ending, Ending::Refused(_)), "{ending:?}");
        assert!(took <= 10 * SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_a_full_pipeline_is_seen() {
    let shared = Arc::new(Shared::new(Settings::default()));
    let mut dead = Vec::new();
    for _ in 0..9 {
        let mut client = connect_sharing(&shared);
        client.send(&waits(70)).await;
        settle().await;
        dead.push(client);
    }
    assert!(
        dead.last().unwrap().script.started().len() < 64,
        "they hold all permits"
    );
    for client in dead {
        let (ending, took) = client.close().await;
        assert_eq!(ending, Ending::PeerClosed);
        assert_eq!(took.as_secs(), 10);
    }
    let mut live = connect_sharing(&shared);
    live.send(&waits(64)).await;
    settle().await;
    assert_eq!(live.script.started().len(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_more_than_is_read_ahead_ends_at_a_standstill() {
    for max_idle in [None, Some(SECOND)] {
        let mut client = connect(Settings {
            max_idle,
            ..Settings::default()
        });
        client.send(&waits(64)).await;
        let unread = frame(ECHO, 65, &vec![0; 10 * READ_AHEAD]);
        client.stream.write_all(&unread).await.unwrap();
        settle().await;
        let (ending, took) = client.close().await;
        assert_eq!(ending, Ending::Idle);
        assert_eq!(took.as_secs(), BLIND_LIMIT.as_secs() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_peer_with_a_full_pipeline_may_wait_for_weeks() {
    let mut client = connect(Settings::default());
    let requests: Vec<_> = (1..=70).map(|id| (WHEN_TOLD, id)).collect();
    client.send(&requests).await;
    sleep(24 * 24 * 60 * MINUTE).await;
    assert_eq!(client.script.started().len(), 64);
    for id in 1..=70 {
        client.script.tell(id);
        assert_eq!(client.receive().await.0, id);
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_far_ahead_may_stay_while_anything_moves() {
    let mut client = connect(Settings {
        pipeline_max_requests: 1,
        ..Settings::default()
    });
    let body = vec![0; READ_AHEAD];
    for id in 1..=8 {
        let bytes = frame(WHEN_TOLD, id, &body);
        client.stream.write_all(&bytes).await.unwrap();
    }
    for id in 1..=8 {
        sleep(BLIND_LIMIT - SECOND).await;
        client.script.tell(id);
        assert_eq!(client.receive().await.0, id);
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_close_is_carried_through_beyond_the_pipeline() {
    let mut client = connect(Settings {
        pipeline_max_requests: 2,
        ..Settings::default()
    });
    let mut requests = vec![(WHEN_TOLD, 1)];
    requests.extend((2..=200).map(|id| (ECHO, id)));
    client.send(&requests).await;
    client.stream.write_all(&[0, 0, 0]).await.unwrap();
    client.stream.shutdown().await.unwrap();
    sleep(9 * SECOND).await;
    assert_eq!(client.script.started(), [1, 2]);
    client.script.tell(1);
    let expected: Vec<_> = (1..=200).collect();
    assert_eq!(client.receive_ids(200).await, expected);
    assert_eq!(client.end().await.1, Ending::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_close_is_given_up_in_time_as_well() {
    let mut client = connect(Settings::default());
    client.send(&waits(200)).await;
    client.stream.shutdown().await.unwrap();
    let closed = Instant::now();
    assert_eq!(client.end().await.1, Ending::PeerClosed);
    assert_eq!(closed.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_is_bounded() {
    let in_the_socket = 1 << 20;
    for key in [NEVER, REFUSE] {
        let mut client = connect(Settings {
            pipeline_max_requests: 1,
            ..Settings::default()
        });
        client.send(&[(NEVER, 1), (key, 2)]).await;
        let chunk = [0xff; 1000];
        let mut taken = 0;
        while let Ok(count) = timeout(SECOND, client.stream.write(&chunk)).await {
            taken += count.unwrap();
        }
        assert!(taken <= in_the_socket + READ_AHEAD, "{taken}");
        assert!(taken + 100 >= in_the_socket + READ_AHEAD, "{taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_notices_that_the_peer_has_gone() {
    let mut client = connect(Settings::default());
    client.send(&waits(1)).await;
    settle().await;
    client.stage.send_replace(Stage::Draining);
    settle().await;
    let closed = Instant::now();
    drop(client.stream);
    assert_eq!(client.served.await.unwrap(), Ending::Stopped);
    assert_eq!(closed.elapsed().as_secs(), 10);
}
