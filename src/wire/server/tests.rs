//! Listeners on loopback.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::{Endpoint, Listeners, ServerHandle, SockRef};
use crate::wire::{
    ConnectionLimits, FileRange, Part, Parts, Peer, Pieces, Request, RequestPrefix, Service,
    Settings, Started,
};

/// Answers with listener and local address, and with a prepared answer; one reply for each permit.
struct Named {
    replies: Arc<Semaphore>,
    started: Arc<Notify>,
    prepared: Arc<Mutex<Vec<Part>>>,
}

impl Service for Named {
    type Session = Peer;

    fn open(&self, peer: Peer) -> Peer {
        peer
    }

    fn cost(&self, _: &RequestPrefix, _: &[u8]) -> usize {
        0
    }

    fn start(&self, session: &mut Peer, request: Request) -> Started<Peer> {
        let replies = Arc::clone(&self.replies);
        let prepared = Arc::clone(&self.prepared);
        let text = format!("{} {}", session.listener, session.local);
        let id = request.prefix.correlation_id;
        self.started.notify_one();
        Started::reply(async move {
            replies.acquire().await.unwrap().forget();
            let mut parts = Parts::message(id, 0, Bytes::from(text));
            let prepared = std::mem::take(&mut *prepared.lock().unwrap());
            prepared.into_iter().for_each(|part| parts.push(part));
            parts.into()
        })
    }
}

struct Running {
    handle: ServerHandle,
    replies: Arc<Semaphore>,
    started: Arc<Notify>,
    prepared: Arc<Mutex<Vec<Part>>>,
}

async fn serve(settings: Settings, hosts: &[&str]) -> Running {
    let endpoints = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| Endpoint {
            name: format!("L{number}").into(),
            host: (*host).to_owned(),
            port: 0,
        })
        .collect();
    let listeners = Listeners::bind(settings, endpoints).await.unwrap();
    let replies = Arc::new(Semaphore::new(0));
    let started = Arc::new(Notify::new());
    let prepared = Arc::default();
    let service = Named {
        replies: Arc::clone(&replies),
        started: Arc::clone(&started),
        prepared: Arc::clone(&prepared),
    };
    Running {
        handle: listeners.serve(Arc::new(service)),
        replies,
        started,
        prepared,
    }
}

impl Running {
    /// Waits until no connection is left; returns the time.
    async fn wait_until_empty(&self) -> Duration {
        let began = Instant::now();
        let emptied = async {
            while self.handle.connections() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), emptied)
            .await
            .expect("connections of dead peers are left");
        began.elapsed()
    }

    async fn connect(&self, listener: usize) -> TcpStream {
        let port = self.handle.addresses()[listener].1.port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap()
    }
}

const REQUEST: [u8; 12] = [0, 0, 0, 8, 0, 18, 0, 0, 0, 0, 0, 9];

async fn receive(stream: &mut TcpStream) -> String {
    let size = usize::try_from(stream.read_i32().await.unwrap()).unwrap();
    assert_eq!(stream.read_i32().await.unwrap(), 9);
    let mut text = vec![0; size - 4];
    stream.read_exact(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn every_listener_knows_its_name_and_the_address_that_was_connected_to() {
    let server = serve(Settings::default(), &["127.0.0.1", "", "localhost"]).await;
    server.replies.add_permits(3);
    for listener in 0..2 {
        let mut stream = server.connect(listener).await;
        stream.write_all(&REQUEST).await.unwrap();
        let port = server.handle.addresses()[listener].1.port();
        assert_eq!(
            receive(&mut stream).await,
            format!("L{listener} 127.0.0.1:{port}")
        );
    }
}

#[tokio::test]
async fn a_connection_above_the_limit_of_its_address_is_closed() {
    let server = serve(
        Settings {
            connections: ConnectionLimits {
                max_per_ip: 2,
                ..ConnectionLimits::default()
            },
            ..Settings::default()
        },
        &["127.0.0.1"],
    )
    .await;
    server.replies.add_permits(10);
    let mut connections = [server.connect(0).await, server.connect(0).await];
    for connection in &mut connections {
        connection.write_all(&REQUEST).await.unwrap();
        receive(connection).await;
    }
    let mut third = server.connect(0).await;
    assert_eq!(third.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(server.handle.connections(), 2);
    connections[1].write_all(&REQUEST).await.unwrap();
    receive(&mut connections[1]).await;
}

#[tokio::test]
async fn where_fewer_connections_are_allowed_the_one_longest_unused_is_answered_and_closed() {
    let at_most = |max| ConnectionLimits {
        max,
        ..ConnectionLimits::default()
    };
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut first = server.connect(0).await;
    first.write_all(&REQUEST).await.unwrap();
    server.started.notified().await;
    let mut second = server.connect(0).await;
    second.write_all(&REQUEST).await.unwrap();
    server.started.notified().await;

    server.handle.control.limit_connections(at_most(1));
    server.replies.add_permits(10);
    receive(&mut first).await;
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
    for _ in 0..2 {
        receive(&mut second).await;
        second.write_all(&REQUEST).await.unwrap();
    }
    let mut refused = server.connect(0).await;
    assert_eq!(refused.read(&mut [0]).await.unwrap(), 0);

    server.handle.control.limit_connections(at_most(2));
    let mut third = server.connect(0).await;
    third.write_all(&REQUEST).await.unwrap();
    receive(&mut third).await;
}

#[tokio::test]
async fn connections_are_served_while_the_threads_change() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut connection = server.connect(0).await;
    server.replies.add_permits(10);
    for threads in [Some(1), Some(3), None, Some(2), None] {
        server.handle.control.limit_threads(threads);
        connection.write_all(&REQUEST).await.unwrap();
        receive(&mut connection).await;
    }
}

#[tokio::test]
async fn stop_answers_requests_in_flight_and_takes_no_more() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut idle = server.connect(0).await;
    let mut busy = server.connect(0).await;
    let address = server.handle.addresses()[0].1;
    busy.write_all(&REQUEST).await.unwrap();
    server.started.notified().await;
    let stop = tokio::spawn(server.handle.stop(Duration::from_secs(60)));
    assert_eq!(idle.read(&mut [0]).await.unwrap_or(0), 0, "closed at once");
    server.replies.add_permits(1);
    receive(&mut busy).await;
    assert_eq!(busy.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(stop.await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn stop_cuts_at_the_deadline() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut busy = server.connect(0).await;
    busy.write_all(&REQUEST).await.unwrap();
    server.started.notified().await;
    assert_eq!(server.handle.stop(Duration::from_millis(20)).await, 1);
    assert_eq!(busy.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_the_endpoint() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let endpoint = Endpoint {
        name: "PLAINTEXT".into(),
        host: "127.0.0.1".to_owned(),
        port: server.handle.addresses()[0].1.port(),
    };
    let error = Listeners::bind(Settings::default(), vec![endpoint.clone()])
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {endpoint}: ")),
        "{text}"
    );
}

/// A connection in this state has no room for another request.
fn stuck() -> [Vec<u8>; 3] {
    [
        REQUEST.to_vec(),
        REQUEST.repeat(70),
        [&REQUEST[..], &[0xff; 4]].concat(),
    ]
}

#[tokio::test]
async fn a_client_that_closes_is_noticed_whatever_it_waits_for() {
    let settings = Settings {
        finish_after_close: Duration::from_millis(300),
        ..Settings::default()
    };
    for bytes in stuck() {
        let server = serve(settings.clone(), &["127.0.0.1"]).await;
        for _ in 0..20 {
            let mut client = server.connect(0).await;
            client.write_all(&bytes).await.unwrap();
            server.started.notified().await;
        }
        server.wait_until_empty().await;
    }
}

#[tokio::test]
async fn a_reset_ends_all_waits_at_once() {
    let settings = Settings {
        finish_after_close: Duration::from_secs(3600),
        ..Settings::default()
    };
    for bytes in stuck() {
        let server = serve(settings.clone(), &["127.0.0.1"]).await;
        let mut client = server.connect(0).await;
        client.write_all(&bytes).await.unwrap();
        server.started.notified().await;
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
        server.wait_until_empty().await;
    }
}

#[tokio::test]
async fn requests_before_a_close_that_waits_for_no_reply_are_carried_through() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut client = server.connect(0).await;
    client.write_all(&REQUEST.repeat(200)).await.unwrap();
    server.started.notified().await;
    drop(client);
    // Each reply after the first is written to a peer that has sent a reset.
    for left in (0..200).rev() {
        server.replies.add_permits(1);
        let taken = async {
            while server.replies.available_permits() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), taken)
            .await
            .unwrap_or_else(|_| panic!("{left} requests were dropped"));
    }
    server.wait_until_empty().await;
}

/// `length` bytes, each of which depends on its position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn files_pieces_and_bytes_arrive_whole_and_in_order() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let bytes = pattern(5_000_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let file = Arc::new(file);
    let range = |position: usize, length| FileRange {
        file: Arc::clone(&file),
        position: position as u64,
        length,
    };
    let mut left = 30;
    let pieces = Pieces::new(30 * 70_001, move || {
        left -= 1;
        (left >= 0).then(|| Bytes::from(pattern(70_001)))
    });
    let parts: [(Part, Vec<u8>); 6] = [
        (range(1, 4_900_000).into(), bytes[1..4_900_001].to_vec()),
        (pieces.into(), pattern(70_001).repeat(30)),
        (range(4_999_999, 1).into(), bytes[4_999_999..].to_vec()),
        (range(0, 1000).into(), bytes[..1000].to_vec()),
        (Bytes::from_static(b"between").into(), b"between".to_vec()),
        (range(77, 300_000).into(), bytes[77..300_077].to_vec()),
    ];
    let (parts, expected): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let expected = expected.concat();
    *server.prepared.lock().unwrap() = parts;
    server.replies.add_permits(2);
    let mut stream = server.connect(0).await;
    stream.write_all(&REQUEST.repeat(2)).await.unwrap();
    let size = usize::try_from(stream.read_i32().await.unwrap()).unwrap();
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.ends_with(&expected));
    receive(&mut stream).await;
}

#[tokio::test]
async fn a_file_that_is_too_short_ends_the_connection() {
    let server = serve(Settings::default(), &["127.0.0.1"]).await;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&pattern(300_000)).unwrap();
    let range = FileRange {
        file: Arc::new(file),
        position: 0,
        length: 300_001,
    };
    *server.prepared.lock().unwrap() = vec![range.into()];
    server.replies.add_permits(1);
    let mut stream = server.connect(0).await;
    stream.write_all(&REQUEST).await.unwrap();
    let size = usize::try_from(stream.read_i32().await.unwrap()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() < size);
    server.wait_until_empty().await;
}

#[tokio::test]
async fn a_crowd_of_half_sent_requests_does_not_stop_whole_ones() {
    let settings = Settings {
        queued_max_request_bytes: Some(8 << 20),
        arrival_timeout: None,
        stall_timeout: None,
        ..Settings::default()
    };
    let server = serve(settings, &["127.0.0.1"]).await;
    server.replies.add_permits(1000);
    let request = [&[0, 0, 0xea, 0x60][..], &REQUEST[4..], &[0; 60_000 - 8]].concat();
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let mut half = server.connect(0).await;
        half.write_all(&request[..50_000]).await.unwrap();
        crowd.push(half);
    }
    let mut honest = server.connect(0).await;
    for _ in 0..20 {
        let answered = async {
            honest.write_all(&request).await.unwrap();
            receive(&mut honest).await;
        };
        timeout(Duration::from_secs(30), answered)
            .await
            .expect("a whole request waits behind half-sent ones");
    }
    // The remaining connections are served as well; the closed ones leave nothing behind.
    let rest = crowd.split_off(290);
    for mut half in rest {
        half.write_all(&request[50_000..]).await.unwrap();
        receive(&mut half).await;
    }
    drop((crowd, honest));
    server.wait_until_empty().await;
}

#[tokio::test]
async fn who_waits_for_memory_with_half_a_frame_is_seen_to_go() {
    for reset in [false, true] {
        let settings = Settings {
            queued_max_request_bytes: Some(8 << 20),
            arrival_timeout: None,
            stall_timeout: None,
            finish_after_close: Duration::from_secs(3600),
            ..Settings::default()
        };
        let server = serve(settings, &["127.0.0.1"]).await;
        let claim = [&[0, 0x30, 0, 0][..], &REQUEST[4..]].concat();
        // These use up the memory, and stay.
        let mut holders = Vec::new();
        for _ in 0..8 {
            let mut holder = server.connect(0).await;
            holder.write_all(&claim).await.unwrap();
            let _ = timeout(Duration::from_millis(200), holder.write_all(&[0; 1 << 20])).await;
            holders.push(holder);
        }
        let mut halves = Vec::new();
        for _ in 0..20 {
            let mut half = server.connect(0).await;
            half.write_all(&claim).await.unwrap();
            half.write_all(&[0; 90_000]).await.unwrap();
            if reset {
                let linger = Some(Duration::ZERO);
                SockRef::from(&half).set_linger(linger).unwrap();
            }
            halves.push(half);
        }
        while server.handle.connections() < holders.len() + halves.len() {
            sleep(Duration::from_millis(5)).await;
        }
        drop(halves);
        let gone = async {
            while server.handle.connections() > holders.len() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), gone)
            .await
            .expect("connections of dead peers wait for memory");
    }
}
