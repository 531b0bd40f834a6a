//! A disk that hangs, and a partition with many writes: their effect on other partitions.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use crate::base::{
    Clock, Completion, DirectoryId, FixedClock, KafkaUuid, LeaderEpoch, Offset, Timestamp,
};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::Checkpoint;
use crate::log::testing::HangingDisk;
use crate::metadata::record::{MetadataRecord, RemoveTopic};
use crate::metadata::{Delta, Image};
use crate::partition::lookup::{OffsetQuery, look_up};
use crate::partition::testing::{Started, change};
use crate::partition::{Contents, Partitions, Unwatched};

use super::directories::{ANY, Home, start, with_topic};
use super::{fetch, limits, options, part};

/// Follows the change; the receiver is disconnected when that is done.
fn follow(partitions: &Partitions, (image, delta): &(Image, Delta)) -> Receiver<()> {
    let (done, is_done) = channel();
    partitions.follow(image, delta, &Completion::new(move || drop(done)));
    is_done
}

fn wait(is_done: &Receiver<()>) {
    is_done.recv().expect_err("nothing is sent");
}

fn removal(image: &Image, name: &str) -> (Image, Delta) {
    let topic_id = image.topic(name).expect("the topic").id;
    change(
        image,
        &[MetadataRecord::RemoveTopic(RemoveTopic { topic_id })],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_hangs_delays_nothing_elsewhere() {
    let home = Home::new();
    let disk = Arc::new(HangingDisk::default());
    let directories = home.open_probed(disk.clone());
    let ids: Vec<DirectoryId> = directories
        .online
        .iter()
        .map(crate::log::LogDirectory::directory_id)
        .collect();
    let topic = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", topic, &ids);
    let gone = KafkaUuid::random();
    let (image, _) = with_topic(&image, "gone", gone, &ids);
    let partitions = start(directories, &image);
    let [good, bad] = [0, 1].map(|number| partitions.find(topic, number).expect("hosted"));
    disk.set(true);
    let stuck = bad.append(options(b"stuck"));
    disk.wait_until_something_is_held_up();

    // appends and reads
    good.append(options(b"served")).await.expect("an append");
    let fetched = fetch(&[part(&good, 0)], limits(Duration::ZERO)).await;
    assert_eq!(fetched.len(), 1);
    let latest = look_up(&good, OffsetQuery::Latest, LeaderEpoch::NONE, false).await;
    assert_eq!(
        latest.expect("an answer").map(|it| it.offset),
        Some(Offset(1))
    );
    // creations in this directory wait, and creations elsewhere do not wait for them
    let there = KafkaUuid::random();
    let created = with_topic(&image, "there", there, &ids[1..]);
    let is_there = follow(&partitions, &created);
    let here = KafkaUuid::random();
    let created = with_topic(&created.0, "here", here, &ids[..1]);
    wait(&follow(&partitions, &created));
    let new = partitions.find(here, 0).expect("hosted");
    new.append(options(b"served")).await.expect("an append");
    assert!(partitions.find(there, 0).is_err());
    // the same for deletions
    let deleted = removal(&created.0, "gone");
    let is_gone = follow(&partitions, &deleted);
    assert!(partitions.find(gone, 0).is_err());
    let deleted = removal(&deleted.0, "here");
    wait(&follow(&partitions, &deleted));
    // and for checkpoints
    let first = partitions.directories().next().expect("a directory");
    assert!(
        partitions
            .places()
            .write_checkpoint(first, Checkpoint::Replication)
    );
    assert_eq!(is_there.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(is_gone.try_recv(), Err(TryRecvError::Empty));

    disk.set(false);
    stuck.await.expect("an append");
    wait(&is_there);
    wait(&is_gone);
    let made = partitions.find(there, 0).expect("hosted");
    made.append(options(b"served")).await.expect("an append");
    partitions.stop(1);
    assert!(home.has_marker("a") && home.has_marker("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_its_time_without_a_directory_that_hangs() {
    const TIME: Duration = Duration::from_secs(3);
    let home = Home::new();
    let disk = Arc::new(HangingDisk::default());
    let directories = home.open_probed(disk.clone());
    let ids: Vec<DirectoryId> = directories
        .online
        .iter()
        .map(crate::log::LogDirectory::directory_id)
        .collect();
    let topic = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", topic, &ids);
    let partitions = start(directories, &image);
    let [good, bad] = [0, 1].map(|number| partitions.find(topic, number).expect("hosted"));
    good.append(options(b"kept")).await.expect("an append");
    disk.set(true);
    let stuck = bad.append(options(b"stuck"));
    disk.wait_until_something_is_held_up();
    let begun = Instant::now();
    partitions.stop_by(1, begun + TIME);
    let took = begun.elapsed();
    assert!(home.has_marker("a") && !home.has_marker("b"));
    // The patience with a directory without progress would have been longer.
    assert!((TIME..4 * TIME).contains(&took), "{took:?}");
    disk.set(false);
    stuck.await.expect("an append");
    assert!(!home.has_marker("b"), "its time is over");
}

#[test]
fn what_is_deleted_while_it_is_made_does_not_come_back() {
    let home = Home::new();
    let disk = Arc::new(HangingDisk::default());
    let directories = home.open_probed(disk.clone());
    let second = [directories.online[1].directory_id()];
    let partitions = start(directories, &Image::default());
    disk.set(true);
    let created = with_topic(&Image::default(), "topic", KafkaUuid::random(), &second);
    let is_made = follow(&partitions, &created);
    disk.wait_until_something_is_held_up();
    let deleted = removal(&created.0, "topic");
    let is_gone = follow(&partitions, &deleted);
    let again = KafkaUuid::random();
    let created = with_topic(&deleted.0, "topic", again, &second);
    let is_there = follow(&partitions, &created);
    disk.set(false);
    for is_done in [is_made, is_gone, is_there] {
        wait(&is_done);
    }
    assert_eq!(partitions.all().len(), 1);
    assert!(partitions.find(again, 0).is_ok());
    let left = home.replicas("b");
    assert!(
        matches!(left.as_slice(), [plain, gone] if plain == "topic-0" && gone.ends_with("-delete")),
        "{left:?}"
    );
    partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_little_does_not_wait_for_who_writes_much() {
    const LARGE: usize = 100_000;
    let home = Home::new();
    let disk = Arc::new(HangingDisk::default());
    let directories = home.open_probed(disk.clone());
    let second = directories.online[1].directory_id();
    let id = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", id, &[second, second]);
    let settings = [
        ("zurau.storage.lanes", "1"),
        ("zurau.disk.reserve.bytes", "0"),
    ];
    let config = CurrentConfig::new(Arc::new(
        BrokerConfig::with(&settings).expect("a configuration"),
    ));
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp(1_000)));
    let contents = Contents::read(&directories);
    let watch = Arc::new(Unwatched);
    let partitions: Started =
        crate::partition::start(config, directories, contents, clock, &image, watch)
            .expect("partitions")
            .into();
    let [much, little] = [0, 1].map(|number| partitions.find(id, number).expect("hosted"));
    disk.set(true);
    let mut large = vec![much.append(options(&vec![7; LARGE]))];
    disk.wait_until_something_is_held_up();
    large.extend((0..60).map(|_| much.append(options(&vec![7; LARGE]))));
    let small = little.append(options(b"small"));
    disk.set(false);
    small.await.expect("an append");
    for large in large {
        large.await.expect("an append");
    }
    let written = disk.written();
    let first = written.iter().position(|length| *length >= LARGE);
    let of_appends = written.into_iter().skip(first.expect("a large one"));
    let before = of_appends.take_while(|length| *length >= LARGE).count();
    // the append that was running and the rest of its quantum
    assert!(
        before <= 4,
        "{before} large appends came before the small one"
    );
    partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_wait_while_a_log_is_between_two_lanes_and_keep_their_order() {
    let home = Home::new();
    let id = KafkaUuid::random();
    let (image, _) = with_topic(&Image::default(), "topic", id, &[ANY]);
    let partitions = home.start(&image);
    let replica = partitions.find(id, 0).expect("hosted");
    let before = replica.append(options(b"before"));
    let mut detached = replica.detach().expect("in its lane");
    before.await.expect("what was sent before is done");
    assert!(detached.hosted().is_some());
    assert!(replica.detach().is_none(), "one at a time");
    let waiting: Vec<_> = (0..5).map(|_| replica.append(options(b"waits"))).collect();
    let settled = replica.settled();
    assert_eq!(replica.published().positions.log_end, Offset(1));
    let other = partitions.directories().nth(1).expect("a directory");
    detached.attach_to(other);
    let after = replica.append(options(b"after"));
    settled.await;
    assert!(replica.published().positions.log_end >= Offset(6));
    for (offset, append) in (1..).zip(waiting.into_iter().chain([after])) {
        let appended = append.await.expect("an append");
        assert_eq!(appended.info.first_offset, Offset(offset));
    }
    // given back without a word, it goes on where it was; a deletion meanwhile comes after what was sent before it
    let detached = replica.detach().expect("in its lane");
    let last = replica.append(options(b"last"));
    let is_gone = follow(&partitions, &removal(&image, "topic"));
    drop(detached);
    last.await.expect("an append");
    wait(&is_gone);
    partitions.stop(1);
}
