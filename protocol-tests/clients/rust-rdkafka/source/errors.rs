//! Bad records get the error that belongs to them, and the client that sent one can go on.

use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;

use crate::session::{admin, code, nothing_more, read, reader, topic, unique, Sending, PATIENCE};

pub fn errors() {
    let limited = topic("limited", 1, &[("max.message.bytes", "2000")]);
    for idempotent in ["false", "true"] {
        let sending = Sending::new(&[("enable.idempotence", idempotent)]);
        assert_eq!(code(sending.outcome(&limited, &[b'x'; 5000])), RDKafkaErrorCode::MessageSizeTooLarge);
        sending.outcome(&limited, b"small").expect("a good one after it");
    }
    let reading = reader(&limited, 0, 0);
    for message in read(&reading, 2) {
        assert_eq!(message.payload(), Some(&b"small"[..]), "only the good ones are stored");
    }
    nothing_more(&reading);

    let sending = Sending::new(&[("message.timeout.ms", "5000")]);
    for name in ["a b", "a/b", &"x".repeat(250)] {
        let told = code(sending.outcome(name, b"x"));
        assert!(matches!(told, RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::UnknownTopic), "the name {name}: {told:?}");
    }
    let compacted = topic("compacted", 1, &[("cleanup.policy", "compact")]);
    assert_eq!(code(sending.outcome(&compacted, b"x")), RDKafkaErrorCode::InvalidRecord);
    sending.send(BaseRecord::to(&compacted).key(&b"k"[..]).payload(b"x")).expect("room for a record");
    sending.deliveries.recv_timeout(PATIENCE).expect("a report").expect("a record with a key");
}

/// A broker that makes no topics by itself says so, and makes none.
pub fn without_auto_create() {
    let missing = unique("missing");
    let sending = Sending::new(&[("message.timeout.ms", "10000")]);
    let told = code(sending.outcome(&missing, b"x"));
    assert!(matches!(told, RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition), "{told:?}");
    let reading = crate::session::consumer("missing", &[("allow.auto.create.topics", "true")]);
    reading.subscribe(&[&missing]).expect("subscribe");
    let told = reading.poll(PATIENCE).expect("an error").map(|message| message.detach());
    assert_eq!(code(told), RDKafkaErrorCode::UnknownTopicOrPartition);
    let all = admin().inner().fetch_metadata(None, PATIENCE).expect("all topics");
    assert!(all.topics().iter().all(|topic| topic.name() != missing), "nothing was made");
    let made = topic("made", 1, &[]);
    sending.outcome(&made, b"x").expect("a topic that was made on purpose works");
}
