//! Producers, consumers, an admin client and topics for the broker under test.

use std::collections::HashMap;
use std::sync::mpsc::{channel, Sender};
use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

/// A broker that answers nothing must fail a scenario, not hang it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a record: its partition and offset, or the error.
pub type Delivery = Result<(i32, i64), KafkaError>;

/// Hands the reports of deliveries on to whoever sent the records.
pub struct Reports(Sender<Delivery>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let delivery = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody may be listening any more when a scenario ends.
        let _ = self.0.send(delivery);
    }
}

/// A name of a topic or group that no other scenario uses.
pub fn unique(name: &str) -> String {
    std::env::var("TOPIC_PREFIX").expect("TOPIC_PREFIX") + name
}

pub fn config(settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::var("BOOTSTRAP_SERVERS").expect("BOOTSTRAP_SERVERS"));
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    config(&[]).create().expect("an admin client")
}

/// Makes a topic and returns its unique name once every partition serves.
pub fn topic(name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
    let full = unique(name);
    let mut wanted = NewTopic::new(&full, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        wanted = wanted.set(key, value);
    }
    let answer = block_on(admin().create_topics(&[wanted], &AdminOptions::new())).expect("the request to create");
    assert_eq!(answer, [Ok(full.clone())]);
    // Kafka names a leader a moment before that leader answers.
    let looking = consumer("looking", &[]);
    for partition in 0..partitions {
        until("the topic serves", || looking.fetch_watermarks(&full, partition, PATIENCE).is_ok());
    }
    full
}

/// Waits for a condition that must come true.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A producer and where its reports arrive.
pub struct Sending {
    pub producer: ThreadedProducer<Reports>,
    pub deliveries: std::sync::mpsc::Receiver<Delivery>,
}

impl Sending {
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let (sender, deliveries) = channel();
        let mut config = config(&[("linger.ms", "5"), ("queue.buffering.max.messages", "200000"), ("topic.metadata.propagation.max.ms", "1000")]);
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let producer = config.create_with_context(Reports(sender)).expect("a producer");
        Self { producer, deliveries }
    }

    pub fn send(&self, record: BaseRecord<'_, [u8], [u8]>) -> Result<(), KafkaError> {
        self.producer.send(record).map_err(|(error, _)| error)
    }

    /// Waits until `count` records are acknowledged, each partition in order and from its offset in `first`.
    pub fn acknowledged(&self, count: usize, first: &mut HashMap<i32, i64>) {
        for _ in 0..count {
            let (partition, offset) = self.deliveries.recv_timeout(PATIENCE).expect("a report").expect("an acknowledgement");
            let following = first.entry(partition).or_default();
            assert_eq!(offset, *following, "acknowledged offset in partition {partition}");
            *following += 1;
        }
        // Not before: it would take reports, too, beside the producer's own thread, and the two would hand them on out of order.
        self.producer.flush(PATIENCE).expect("flush");
    }

    /// Sends one record without a key and returns what came of it.
    pub fn outcome(&self, topic: &str, value: &[u8]) -> Delivery {
        self.send(BaseRecord::to(topic).payload(value))?;
        self.deliveries.recv_timeout(PATIENCE).expect("a report")
    }
}

pub fn consumer(group: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = config(&[("auto.offset.reset", "earliest"), ("enable.auto.commit", "false"), ("fetch.wait.max.ms", "100")]);
    config.set("group.id", unique(group));
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().expect("a consumer")
}

/// A consumer outside of any group that reads one partition from an offset on.
pub fn reader(topic: &str, partition: i32, offset: i64) -> BaseConsumer {
    let reading = consumer("ungrouped", &[]);
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
    reading.assign(&wanted).expect("assign");
    reading
}

/// Exactly `count` messages of what the consumer reads.
pub fn read(reading: &BaseConsumer, count: usize) -> Vec<OwnedMessage> {
    let mut messages = Vec::new();
    // A poll also ends, without a message, when the group was rebalanced.
    until("all messages", || {
        while let Some(message) = reading.poll(Duration::from_millis(200)) {
            messages.push(message.expect("a message").detach());
            if messages.len() == count {
                break;
            }
        }
        messages.len() == count
    });
    messages
}

/// Gives the consumer a short while, for checks that no message comes.
pub fn nothing_more(reading: &BaseConsumer) {
    let more = reading.poll(Duration::from_millis(300)).map(|message| message.map(|message| message.offset()));
    assert!(more.is_none(), "a further message: {more:?}");
}

/// The code of an error of Kafka's, whatever the client has wrapped it in.
pub fn code<T: std::fmt::Debug>(outcome: Result<T, KafkaError>) -> RDKafkaErrorCode {
    outcome.expect_err("an error").rdkafka_error_code().expect("a code")
}
