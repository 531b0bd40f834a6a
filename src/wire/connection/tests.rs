//! Connections over an in-memory stream on a paused clock. Virtual time moves only when everything
//! waits, so a virtual millisecond ([`settle`]) means: until nothing moves.

mod gone;
mod memory;
mod placing;

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Connection, Ending, REQUESTS_IN_A_TURN, Shared, Stage};
use crate::wire::{Part, Parts, Peer, Reply, Request, RequestPrefix, Service, Settings, Started};

/// The behaviour of the scripted service, by API key.
const ECHO: i16 = 0;
const WHEN_TOLD: i16 = 1;
const NOTHING: i16 = 2;
const CLOSE_IN_REPLY: i16 = 3;
const REFUSE: i16 = 4;
const NEVER: i16 = 5;
/// Keeps the frame, as a storage lane does, and answers.
const KEEP: i16 = 6;
/// Drops frame and memory, and waits.
const LET_GO: i16 = 7;
/// Answers with the script's reply.
const PREPARED: i16 = 8;

#[derive(Default)]
struct Script {
    /// The cost of each request besides its frame.
    cost: AtomicUsize,
    kept: Mutex<Vec<Bytes>>,
    prepared: Mutex<Vec<Part>>,
    started: Mutex<Vec<i32>>,
    polled: Mutex<Vec<i32>>,
    told: Mutex<HashMap<i32, oneshot::Sender<()>>>,
}

impl Script {
    fn started(&self) -> Vec<i32> {
        self.started.lock().unwrap().clone()
    }

    fn polled(&self) -> Vec<i32> {
        self.polled.lock().unwrap().clone()
    }

    /// Makes the reply to `id` ready.
    fn tell(&self, id: i32) {
        let told = self.told.lock().unwrap().remove(&id);
        told.expect("the request has been started")
            .send(())
            .expect("its reply is awaited");
    }
}

/// The service; its session is the connection's number of requests.
struct Scripted(Arc<Script>);

impl Service for Scripted {
    type Session = usize;

    fn open(&self, _: Peer) -> usize {
        0
    }

    fn cost(&self, _: &RequestPrefix, _: &[u8]) -> usize {
        self.0.cost.load(Ordering::Relaxed)
    }

    fn start(&self, session: &mut usize, request: Request) -> Started<usize> {
        *session += 1;
        let id = request.prefix.correlation_id;
        self.0.started.lock().unwrap().push(id);
        assert_eq!(self.0.started().len(), *session);
        let script = Arc::clone(&self.0);
        let (told, wait) = oneshot::channel();
        let key = request.prefix.api_key;
        if matches!(key, WHEN_TOLD | LET_GO) {
            script.told.lock().unwrap().insert(id, told);
        }
        if key == REFUSE {
            return Started::close("not served");
        }
        Started::reply(async move {
            script.polled.lock().unwrap().push(id);
            match key {
                NOTHING => return Reply::Nothing,
                CLOSE_IN_REPLY => return Reply::close("the script says so"),
                NEVER => pending().await,
                WHEN_TOLD => wait.await.unwrap(),
                KEEP => {
                    script.kept.lock().unwrap().push(request.frame);
                    return Parts::message(id, 0, Bytes::new()).into();
                }
                LET_GO => {
                    drop((request.frame, request.memory));
                    wait.await.unwrap();
                    return Parts::message(id, 0, Bytes::new()).into();
                }
                PREPARED => {
                    let mut parts = Parts::message(id, 0, Bytes::new());
                    let prepared = std::mem::take(&mut *script.prepared.lock().unwrap());
                    prepared.into_iter().for_each(|part| parts.push(part));
                    return parts.into();
                }
                _ => {}
            }
            let mut parts = Parts::message(id, 0, request.frame.slice(8..));
            parts.hold(request.memory);
            parts.into()
        })
    }
}

struct Client {
    stream: DuplexStream,
    script: Arc<Script>,
    stage: watch::Sender<Stage>,
    served: JoinHandle<Ending>,
}

/// A connection served with `settings`, and its other end.
fn connect(settings: Settings) -> Client {
    connect_sharing(&Arc::new(Shared::new(settings)))
}

fn connect_sharing(shared: &Arc<Shared>) -> Client {
    connect_from("127.0.0.1", shared)
}

fn connect_from(ip: &str, shared: &Arc<Shared>) -> Client {
    let (near, far) = tokio::io::duplex(1 << 20);
    let script = Arc::new(Script::default());
    let address = SocketAddr::new(ip.parse().unwrap(), 9092);
    let peer = Peer {
        address,
        local: address,
        listener: "TEST".into(),
    };
    let service = Arc::new(Scripted(Arc::clone(&script)));
    let (stage, receiver) = watch::channel(Stage::Serving);
    let connection = Connection::new(near, peer, service, Arc::clone(shared));
    Client {
        stream: far,
        script,
        stage,
        served: tokio::spawn(connection.run(receiver)),
    }
}

fn frame(key: i16, id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i32(8 + i32::try_from(body.len()).unwrap());
    frame.put_i16(key);
    frame.put_i16(0);
    frame.put_i32(id);
    frame.put_slice(body);
    frame
}

/// Lets the tasks that are ready run once each.
async fn give_way() {
    let mut has_given = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        match std::mem::replace(&mut has_given, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// Waits until nothing moves.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

impl Client {
    /// Sends frames with the given keys and ids in one write.
    async fn send(&mut self, requests: &[(i16, i32)]) {
        let bytes: Vec<u8> = requests
            .iter()
            .flat_map(|(key, id)| frame(*key, *id, b"body"))
            .collect();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn receive(&mut self) -> (i32, Bytes) {
        let size = usize::try_from(self.stream.read_i32().await.unwrap()).unwrap();
        let id = self.stream.read_i32().await.unwrap();
        let mut body = vec![0; size - 4];
        self.stream.read_exact(&mut body).await.unwrap();
        (id, body.into())
    }

    async fn receive_ids(&mut self, count: usize) -> Vec<i32> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.receive().await.0);
        }
        ids
    }

    /// Reads to the end; returns how the connection ended.
    async fn end(mut self) -> (Vec<u8>, Ending) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        (rest, self.served.await.unwrap())
    }

    /// Whether there is nothing to read once everything waits.
    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(1), self.stream.read_u8())
            .await
            .is_err()
    }
}

#[tokio::test(start_paused = true)]
async fn replies_leave_in_request_order_although_later_ones_are_ready_first() {
    let mut client = connect(Settings::default());
    client
        .send(&[(WHEN_TOLD, 1), (WHEN_TOLD, 2), (ECHO, 3)])
        .await;
    settle().await;
    assert_eq!(
        client.script.started(),
        [1, 2, 3],
        "started while the first waits"
    );
    client.script.tell(2);
    assert!(client.is_silent().await);
    assert_eq!(client.script.polled(), [1], "only the head is polled");
    client.script.tell(1);
    assert_eq!(client.receive_ids(3).await, [1, 2, 3]);
    assert_eq!(client.script.polled(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn start_order_is_arrival_order_across_many_small_frames() {
    let mut client = connect(Settings::default());
    let requests: Vec<_> = (0..2000).map(|id| (ECHO, id)).collect();
    client.send(&requests).await;
    let expected: Vec<_> = (0..2000).collect();
    assert_eq!(client.receive_ids(2000).await, expected);
    assert_eq!(client.script.started(), expected);
}

#[tokio::test(start_paused = true)]
async fn others_have_the_thread_between_the_requests_of_a_long_pipeline() {
    let mut client = connect(Settings::default());
    settle().await;
    let requests: Vec<_> = (0..500).map(|id| (ECHO, id)).collect();
    client.send(&requests).await;
    let script = Arc::clone(&client.script);
    let other = tokio::spawn(async move {
        let (mut before, mut most) = (script.started().len(), 0);
        while before < 500 {
            give_way().await;
            let now = script.started().len();
            most = most.max(now - before);
            before = now;
        }
        most
    });
    let most = other.await.unwrap();
    assert!(most <= REQUESTS_IN_A_TURN, "{most} in one turn");
    client.receive_ids(500).await;
}

#[tokio::test(start_paused = true)]
async fn large_frames_come_and_go_whole() {
    let mut client = connect(Settings::default());
    for id in 0..4 {
        let body: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
        let bytes = frame(ECHO, id, &body);
        let (mut reader, mut writer) = tokio::io::split(&mut client.stream);
        let mut reply = vec![0; 8 + body.len()];
        let (written, read) = tokio::join!(writer.write_all(&bytes), reader.read_exact(&mut reply));
        written.unwrap();
        read.unwrap();
        assert_eq!(reply[4..8], id.to_be_bytes());
        assert!(reply[8..] == body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_nothing_sends_nothing() {
    let mut client = connect(Settings::default());
    client.send(&[(NOTHING, 1), (NOTHING, 2)]).await;
    assert!(client.is_silent().await);
    client.send(&[(NOTHING, 3), (ECHO, 4)]).await;
    assert_eq!(client.receive_ids(1).await, [4]);
}

#[tokio::test(start_paused = true)]
async fn a_close_writes_earlier_replies_and_drops_later_requests() {
    for key in [CLOSE_IN_REPLY, REFUSE] {
        let mut client = connect(Settings::default());
        client
            .send(&[(WHEN_TOLD, 1), (ECHO, 2), (key, 3), (ECHO, 4)])
            .await;
        settle().await;
        client.script.tell(1);
        assert_eq!(client.receive_ids(2).await, [1, 2]);
        let script = Arc::clone(&client.script);
        let (rest, ending) = client.end().await;
        assert!(rest.is_empty());
        assert!(matches!(ending, Ending::Refused(_)), "{ending:?}");
        assert!(!script.polled().contains(&4));
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_sizes_close_after_earlier_replies() {
    for size in [-1, i32::MIN, 0, 7, 1001, i32::MAX] {
        let mut client = connect(Settings {
            max_request_bytes: 1000,
            ..Settings::default()
        });
        client.send(&[(WHEN_TOLD, 1)]).await;
        client.stream.write_i32(size).await.unwrap();
        settle().await;
        client.script.tell(1);
        assert_eq!(client.receive_ids(1).await, [1]);
        let (rest, ending) = client.end().await;
        assert!(rest.is_empty());
        assert!(matches!(ending, Ending::Refused(_)), "{size}: {ending:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pipeline_bounds_stop_starting_and_reading() {
    let bounds = [
        Settings {
            pipeline_max_requests: 3,
            ..Settings::default()
        },
        Settings {
            pipeline_max_bytes: 3 * 12,
            ..Settings::default()
        },
        // The first needs no permit, two more run ahead.
        Settings {
            queued_max_requests: 2,
            ..Settings::default()
        },
    ];
    for settings in bounds {
        let mut client = connect(settings.clone());
        let requests: Vec<_> = (1..=10).map(|id| (WHEN_TOLD, id)).collect();
        client.send(&requests).await;
        settle().await;
        assert_eq!(client.script.started(), [1, 2, 3], "{settings:?}");
        for id in 1..=10 {
            client.script.tell(id);
            assert_eq!(client.receive().await.0, id);
            settle().await;
            let last = (id + 3).min(10);
            assert_eq!(
                client.script.started(),
                (1..=last).collect::<Vec<_>>(),
                "{settings:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_pipeline_leaves_bytes_in_the_socket() {
    let mut client = connect(Settings {
        pipeline_max_requests: 1,
        ..Settings::default()
    });
    client.send(&[(NEVER, 1)]).await;
    let bytes = vec![0; 8 << 20];
    let written = timeout(Duration::from_secs(1), client.stream.write_all(&bytes)).await;
    assert!(
        written.is_err(),
        "eight megabytes were taken behind an unanswered request"
    );
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_leaves_every_connection_one_request() {
    let shared = Arc::new(Shared::new(Settings {
        queued_max_requests: 1,
        queued_max_request_bytes: Some(0),
        ..Settings::default()
    }));
    let mut greedy = connect_sharing(&shared);
    greedy.send(&[(WHEN_TOLD, 1), (ECHO, 2), (ECHO, 3)]).await;
    settle().await;
    assert_eq!(greedy.script.started(), [1, 2]);
    let mut modest = connect_sharing(&shared);
    modest.send(&[(WHEN_TOLD, 1), (ECHO, 2)]).await;
    settle().await;
    assert_eq!(modest.script.started(), [1]);
    modest.script.tell(1);
    assert_eq!(
        modest.receive_ids(2).await,
        [1, 2],
        "the second goes on when it is the only one"
    );
    greedy.script.tell(1);
    assert_eq!(greedy.receive_ids(3).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn large_frames_take_turns_within_the_byte_budget() {
    let settings = Settings {
        queued_max_request_bytes: Some(1_000_000),
        ..Settings::default()
    };
    let shared = Arc::new(Shared::new(settings));
    let mut first = connect_sharing(&shared);
    let mut second = connect_sharing(&shared);
    // Larger than the whole budget: it uses all of it.
    first
        .stream
        .write_all(&frame(WHEN_TOLD, 1, &vec![0; 1_200_000]))
        .await
        .unwrap();
    settle().await;
    assert_eq!(first.script.started(), [1]);
    second
        .stream
        .write_all(&frame(ECHO, 1, &vec![0; 500_000]))
        .await
        .unwrap();
    settle().await;
    assert!(second.script.started().is_empty());
    first.script.tell(1);
    first.receive().await;
    second.receive().await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_is_closed_when_idle() {
    let began = Instant::now();
    let client = connect(Settings {
        max_idle: Some(Duration::from_secs(10)),
        ..Settings::default()
    });
    assert_eq!(client.end().await.1, Ending::Idle);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn idleness_counts_from_the_last_reply_and_not_while_one_is_due() {
    let mut client = connect(Settings {
        max_idle: Some(Duration::from_secs(10)),
        ..Settings::default()
    });
    sleep(Duration::from_secs(7)).await;
    client.send(&[(WHEN_TOLD, 1)]).await;
    sleep(Duration::from_secs(95)).await;
    client.script.tell(1);
    assert_eq!(client.receive().await.0, 1);
    let replied = Instant::now();
    assert_eq!(client.end().await.1, Ending::Idle);
    assert_eq!(replied.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_trickling_frame_does_not_keep_a_connection() {
    let began = Instant::now();
    let mut client = connect(Settings {
        max_idle: Some(Duration::from_secs(10)),
        ..Settings::default()
    });
    client.stream.write_i32(1000).await.unwrap();
    while client.stream.write_u8(0).await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
    assert!(
        began.elapsed() <= Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(client.served.await.unwrap(), Ending::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_replies_is_idle() {
    let mut client = connect(Settings {
        max_idle: Some(Duration::from_secs(10)),
        ..Settings::default()
    });
    let body = vec![0; 400_000];
    for id in 0..6 {
        client
            .stream
            .write_all(&frame(ECHO, id, &body))
            .await
            .unwrap();
    }
    assert_eq!((&mut client.served).await.unwrap(), Ending::Idle);
    let started = client.script.started().len();
    let polled = client.script.polled().len();
    assert_eq!(started, 6);
    assert!(polled < started, "replies were made that nobody took");
}

#[tokio::test(start_paused = true)]
async fn requests_sent_just_before_a_close_are_carried_through() {
    let mut client = connect(Settings::default());
    client
        .send(&[(WHEN_TOLD, 1), (NOTHING, 2), (ECHO, 3)])
        .await;
    client.stream.shutdown().await.unwrap();
    settle().await;
    client.script.tell(1);
    assert_eq!(
        client.receive_ids(2).await,
        [1, 3],
        "half-closed: replies are still taken"
    );
    assert_eq!(client.end().await.1, Ending::PeerClosed);

    let mut client = connect(Settings::default());
    client.send(&[(ECHO, 1), (WHEN_TOLD, 2), (ECHO, 3)]).await;
    let Client {
        stream,
        script,
        served,
        stage: _stage,
    } = client;
    drop(stream);
    settle().await;
    script.tell(2);
    assert_eq!(served.await.unwrap(), Ending::PeerClosed);
    assert_eq!(script.polled(), [1, 2, 3], "closed: all the same");
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_peer_waited_for_is_given_up_in_time() {
    let finish_after_close = Duration::from_secs(3);
    let mut client = connect(Settings {
        finish_after_close,
        max_idle: None,
        ..Settings::default()
    });
    client.send(&[(NEVER, 1)]).await;
    settle().await;
    let began = Instant::now();
    let Client {
        stream,
        served,
        stage: _stage,
        ..
    } = client;
    drop(stream);
    assert_eq!(served.await.unwrap(), Ending::PeerClosed);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_was_started_and_starts_nothing() {
    let mut client = connect(Settings::default());
    client.send(&[(WHEN_TOLD, 1), (ECHO, 2)]).await;
    settle().await;
    client.stage.send_replace(Stage::Draining);
    client.send(&[(ECHO, 3)]).await;
    settle().await;
    client.script.tell(1);
    assert_eq!(client.receive_ids(2).await, [1, 2]);
    let (rest, ending) = client.end().await;
    assert!(rest.is_empty());
    assert_eq!(ending, Ending::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_cut_waits_for_nothing() {
    let mut client = connect(Settings::default());
    client.send(&[(NEVER, 1)]).await;
    settle().await;
    client.stage.send_replace(Stage::Cut);
    assert_eq!(client.end().await.1, Ending::Stopped);
}
