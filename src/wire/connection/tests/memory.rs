//! How much of the broker's memory connections hold, and for how long.

use super::*;
use crate::wire::{FileRange, Pieces};
use std::io::Write as _;

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

fn shared(total: usize) -> Arc<Shared> {
    Arc::new(Shared::new(Settings {
        queued_max_request_bytes: Some(total),
        ..Settings::default()
    }))
}

/// The beginning of a frame that claims to have `size` bytes.
fn half_frame(size: usize, arrived: usize) -> Vec<u8> {
    let mut bytes = frame(ECHO, 1, &vec![0; arrived - 12]);
    bytes[..4].copy_from_slice(&i32::try_from(size).unwrap().to_be_bytes());
    bytes
}

impl Client {
    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_connections_with_half_frames_do_not_stop_a_fourth() {
    let shared = shared(256 * MIB);
    let mut halves: Vec<_> = (0..3).map(|_| connect_sharing(&shared)).collect();
    for half in &mut halves {
        half.write(&half_frame(89_478_300, 70_000)).await;
    }
    let held = shared.memory.held();
    assert!(held < 3 * 140_000, "{held} bytes are held for 210,000");
    let mut fourth = connect_sharing(&shared);
    fourth.write(&frame(ECHO, 1, &vec![0; 40 * MIB])).await;
    assert_eq!(fourth.receive().await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn large_frames_that_have_arrived_but_for_a_byte_stop_no_small_ones() {
    for total in [128 * MIB, 256 * MIB] {
        let shared = shared(total);
        let mut large: Vec<_> = (0..3).map(|_| connect_sharing(&shared)).collect();
        for large in &mut large {
            let mut bytes = frame(ECHO, 1, &vec![0; 89_478_300]);
            bytes.pop();
            // Bytes without memory for them stay unread.
            let _ = timeout(SECOND, large.stream.write_all(&bytes)).await;
        }
        let mut small = connect_sharing(&shared);
        for id in 0..20 {
            small.write(&frame(ECHO, id, &vec![0; 500_000])).await;
            assert_eq!(small.receive().await.0, id);
        }
        let held = shared.memory.held();
        assert!(held <= total + 90 * MIB, "{held} of {total}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_will_be_large_leave_the_reserve_to_small_ones_from_their_first_byte() {
    let shared = shared(64 * MIB);
    let mut halves = Vec::new();
    for id in 0..100 {
        let mut half = connect_from(&format!("10.0.0.{id}"), &shared);
        half.write(&half_frame(20 * MIB, 900_000)).await;
        halves.push(half);
    }
    let mut small = connect_from("10.1.0.1", &shared);
    for id in 0..20 {
        small.write(&frame(ECHO, id, &vec![0; 100_000])).await;
        let answer = timeout(SECOND, small.receive()).await;
        assert_eq!(answer.expect("it waits behind half-sent ones").0, id);
    }
}

#[tokio::test(start_paused = true)]
async fn half_frames_that_use_up_all_memory_all_arrive_in_the_end() {
    let shared = shared(16 * MIB);
    let all: Vec<_> = (0..12)
        .map(|id| {
            let client = connect_from(&format!("10.0.0.{}", id % 5), &shared);
            tokio::spawn(async move {
                let bytes = frame(ECHO, id, &vec![0; 3 * MIB]);
                let mut client = client;
                let (mut reader, mut writer) = tokio::io::split(&mut client.stream);
                let writing = async {
                    // Each has sent most of its request before any sends the rest.
                    let (most, rest) = bytes.split_at(2 * MIB);
                    writer.write_all(most).await.unwrap();
                    sleep(SECOND).await;
                    writer.write_all(rest).await.unwrap();
                };
                let mut reply = vec![0; bytes.len() - 4];
                let (_, read) = tokio::join!(writing, reader.read_exact(&mut reply));
                read.unwrap();
            })
        })
        .collect();
    for one in all {
        timeout(600 * SECOND, one).await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(shared.memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_give_back_what_they_let_go_of() {
    let shared = shared(64 * MIB);
    let mut waiters: Vec<_> = (0..3).map(|_| connect_sharing(&shared)).collect();
    for waiter in &mut waiters {
        waiter.script.cost.store(MIB, Ordering::Relaxed);
        waiter.write(&frame(LET_GO, 1, &vec![0; 40 * MIB])).await;
        assert_eq!(waiter.script.started(), [1]);
        assert_eq!(shared.memory.held(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_gives_back_nothing_that_is_still_held() {
    let shared = shared(64 * MIB);
    let mut client = connect_sharing(&shared);
    client.send(&[(KEEP, 1)]).await;
    client.write(&frame(KEEP, 2, &vec![0; 300_000])).await;
    client.receive_ids(2).await;
    let Client {
        stream,
        script,
        served,
        ..
    } = client;
    drop(stream);
    served.await.unwrap();
    assert_eq!(shared.memory.held(), 12 + 300_008);
    // A slice is as good as the whole.
    let kept: Vec<_> = script.kept.lock().unwrap().drain(..).collect();
    let slice = kept[1].slice(100..110);
    drop(kept);
    assert_eq!(shared.memory.held(), 300_008);
    drop(slice);
    assert_eq!(shared.memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_read_no_further_while_its_frames_are_held_elsewhere() {
    let mut client = connect(Settings {
        pipeline_max_bytes: 1_000_000,
        ..Settings::default()
    });
    for id in 1..=4 {
        client.write(&frame(KEEP, id, &vec![0; 400_000])).await;
    }
    assert_eq!(client.script.started(), [1, 2]);
    client.script.kept.lock().unwrap().remove(0);
    settle().await;
    assert_eq!(client.script.started(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_memory_that_it_may_cost() {
    let shared = shared(64 * MIB);
    let mut first = connect_from("10.0.0.1", &shared);
    let mut second = connect_from("10.0.0.2", &shared);
    let mut third = connect_from("10.0.0.3", &shared);
    for client in [&mut first, &mut second, &mut third] {
        client.script.cost.store(60 * MIB, Ordering::Relaxed);
        client.send(&[(WHEN_TOLD, 1)]).await;
        settle().await;
    }
    // More than a share: one at a time, whatever else is waiting.
    assert_eq!(first.script.started(), [1]);
    assert!(second.script.started().is_empty());
    first.script.tell(1);
    first.receive().await;
    settle().await;
    assert_eq!(second.script.started(), [1]);
    assert!(third.script.started().is_empty());
    drop(second.stream);
    second.script.tell(1);
    settle().await;
    assert_eq!(third.script.started(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_request_must_arrive_in_time() {
    for trickle in [false, true] {
        let mut client = connect(Settings::default());
        let began = Instant::now();
        client.write(&half_frame(50_000, 1000)).await;
        while trickle && client.stream.write_u8(0).await.is_ok() {
            sleep(SECOND).await;
        }
        let ending = (&mut client.served).await.unwrap();
        let Ending::Refused(reason) = ending else {
            panic!("{ending:?}");
        };
        assert!(reason.contains("arrival.timeout"), "{reason}");
        assert!(matches!(began.elapsed().as_secs(), 30..=31));
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_which_a_request_is_not_read_does_not_count() {
    let mut client = connect(Settings {
        pipeline_max_requests: 1,
        ..Settings::default()
    });
    let second = frame(ECHO, 2, &[0; 1000]);
    client.send(&[(WHEN_TOLD, 1)]).await;
    client.write(&second[..500]).await;
    sleep(1000 * SECOND).await;
    client.script.tell(1);
    client.receive().await;
    sleep(29 * SECOND).await;
    client.write(&second[500..]).await;
    assert_eq!(client.receive().await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn who_holds_memory_and_does_nothing_is_closed_when_others_wait() {
    let shared = shared(16 * MIB);
    let mut idle = Vec::new();
    for id in 0..3 {
        let mut half = connect_from(&format!("10.0.0.{id}"), &shared);
        half.write(&half_frame(3 * MIB, MIB + MIB / 2)).await;
        half.write(&vec![0; MIB]).await;
        idle.push(half);
    }
    sleep(20 * SECOND).await;
    assert!(
        idle.iter().all(|half| !half.served.is_finished()),
        "nobody waits for them"
    );
    // One continues beyond the limit; the next has to wait for the memory of the idle ones.
    let [mut beyond, mut next] = ["10.1.0.1", "10.1.0.2"].map(|ip| connect_from(ip, &shared));
    beyond.script.cost.store(6 * MIB, Ordering::Relaxed);
    beyond.send(&[(WHEN_TOLD, 1)]).await;
    settle().await;
    assert_eq!(beyond.script.started(), [1]);
    next.script.cost.store(3 * MIB, Ordering::Relaxed);
    let began = Instant::now();
    next.send(&[(ECHO, 1)]).await;
    assert_eq!(next.receive_ids(1).await, [1]);
    assert!(began.elapsed() <= 6 * SECOND, "{:?}", began.elapsed());
    let (closed, open): (Vec<_>, Vec<_>) =
        idle.into_iter().partition(|half| half.served.is_finished());
    assert!(!open.is_empty(), "no more are closed than help");
    for half in closed {
        let ending = half.served.await.unwrap();
        let Ending::Refused(reason) = ending else {
            panic!("{ending:?}");
        };
        assert!(reason.contains("stall.timeout"), "{reason}");
    }
    assert!(
        !beyond.served.is_finished(),
        "it is not its peer that is waited for"
    );
}

#[tokio::test(start_paused = true)]
async fn pieces_are_made_as_they_are_taken() {
    let shared = shared(64 * MIB);
    let mut client = connect_sharing(&shared);
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let pieces = Pieces::new(40 * MIB, move || {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        (number < 640).then(|| Bytes::from(vec![number as u8; 64 * 1024]))
    });
    *client.script.prepared.lock().unwrap() = vec![pieces.into()];
    client.send(&[(PREPARED, 7)]).await;
    sleep(SECOND).await;
    let first = made.load(Ordering::Relaxed);
    assert!(first <= 20, "{first} pieces for a pipe of a MiB");
    assert!(shared.memory.held() <= 128 * 1024);
    let (id, body) = client.receive().await;
    assert_eq!((id, body.len()), (7, 40 * MIB));
    let right = |(number, piece): (usize, &[u8])| piece.iter().all(|byte| *byte == number as u8);
    assert!(body.chunks(64 * 1024).enumerate().all(right));
    settle().await;
    assert_eq!(shared.memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_number_of_bytes_than_announced_closes_the_connection() {
    let makers: [fn(usize) -> Option<Bytes>; 4] = [
        |number| (number < 2).then(|| Bytes::from_static(b"pieces")),
        |number| (number < 4).then(|| Bytes::from_static(b"pieces")),
        |_| Some(Bytes::from_static(b"more than that many pieces")),
        |_| Some(Bytes::new()),
    ];
    for make in makers {
        let mut client = connect(Settings::default());
        let mut number = 0;
        let pieces = Pieces::new(18, move || {
            number += 1;
            make(number - 1)
        });
        *client.script.prepared.lock().unwrap() = vec![pieces.into()];
        client.send(&[(PREPARED, 1)]).await;
        let (_, ending) = client.end().await;
        assert!(matches!(ending, Ending::Refused(_)), "{ending:?}");
    }
}

/// A file of `length` bytes, each of which depends on its position.
fn file(length: usize) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    file.write_all(&bytes).unwrap();
    Arc::new(file)
}

// Reading a file is not on the paused clock.
#[tokio::test]
async fn ranges_of_files_are_read_where_a_stream_cannot_send_them() {
    let shared = shared(64 * MIB);
    let mut client = connect_sharing(&shared);
    let range = FileRange {
        file: file(3 * MIB),
        position: 1000,
        length: 2 * MIB,
    };
    *client.script.prepared.lock().unwrap() = vec![range.into(), Bytes::from_static(b"end").into()];
    client.send(&[(PREPARED, 7)]).await;
    let (id, body) = client.receive().await;
    assert_eq!((id, body.len()), (7, 2 * MIB + 3));
    assert!(
        (1000..)
            .zip(&body[..2 * MIB])
            .all(|(at, byte)| *byte == (at % 251) as u8)
    );
    client.send(&[(ECHO, 8)]).await;
    assert_eq!(client.receive_ids(1).await, [8]);
}

#[tokio::test]
async fn a_file_that_is_too_short_closes_the_connection() {
    let mut client = connect(Settings::default());
    let range = FileRange {
        file: file(1000),
        position: 500,
        length: 600,
    };
    *client.script.prepared.lock().unwrap() = vec![range.into()];
    client.send(&[(PREPARED, 7)]).await;
    let (_, ending) = client.end().await;
    let Ending::Refused(reason) = ending else {
        panic!("{ending:?}");
    };
    assert!(reason.contains("position 500"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_holds_its_charge_and_no_more_is_made() {
    let shared = shared(64 * MIB);
    let mut client = connect_sharing(&shared);
    client.script.cost.store(400_000, Ordering::Relaxed);
    for id in 0..8 {
        client.write(&frame(ECHO, id, &vec![0; 300_000])).await;
    }
    sleep(SECOND).await;
    let polled = client.script.polled().len();
    assert!(polled < 8, "answers were made that nobody takes");
    assert!(shared.memory.held() >= 700_000);
    for id in 0..8 {
        assert_eq!(client.receive().await.0, id);
    }
    settle().await;
    assert_eq!(shared.memory.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_crowd_holds_for_free_is_bounded() {
    let total = 32 * MIB;
    let shared = shared(total);
    let mut crowd = Vec::new();
    for id in 0..1000 {
        let mut client = connect_from(&format!("10.0.{}.{}", id / 250, id % 250), &shared);
        client
            .stream
            .write_all(&half_frame(64_000, 60_000))
            .await
            .unwrap();
        crowd.push(client);
    }
    settle().await;
    let held = shared.memory.held();
    assert!(held <= total + 1000 * 4096 + MIB, "{held} bytes");
    // Another connection is still served.
    let mut client = connect_from("10.1.0.1", &shared);
    client.send(&[(ECHO, 1)]).await;
    assert_eq!(client.receive_ids(1).await, [1]);
}
