//! What one turn of a log holds.

use super::*;

#[tokio::test]
async fn what_is_sent_to_a_log_during_its_turn_is_published_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), KafkaUuid::random(), &[]);
    let replica = broker.replica();
    let (tell, told) = std::sync::mpsc::channel();
    // each step is sent by the one before, in the lane
    let first = Arc::clone(&replica);
    replica.operate(move |_| {
        let pending = first.append(options(b"one"));
        let second = Arc::clone(&first);
        first.operate(move |_| {
            let third = Arc::clone(&second);
            second.operate(move |hosted| {
                let published = third.published().positions.log_end;
                drop(tell.send((hosted.log.log_end(), published, pending)));
            });
        });
    });
    let (written, published, pending) = told.recv().unwrap();
    assert_eq!((written, published), (Offset(1), Offset(0)));
    assert_eq!(pending.await.unwrap().info.first_offset, Offset(0));
    assert_eq!(replica.published().positions.log_end, Offset(1));
    broker.partitions.stop(0);
}
