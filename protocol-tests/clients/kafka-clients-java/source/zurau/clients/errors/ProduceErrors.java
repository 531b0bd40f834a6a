package zurau.clients.errors;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Records that a broker must not take. After each refusal the next good record goes in. */
public final class ProduceErrors {
    private ProduceErrors() {
    }

    public static void refusedRecords(Broker broker) throws Exception {
        tooLarge(broker);
        invalidTopic(broker);
        withoutKey(broker);
        timestamps(broker);
        replicas(broker);
    }

    private static void tooLarge(Broker broker) throws Exception {
        String topic = broker.name("small-records");
        String standard = broker.name("standard");
        broker.createTopic(topic, 1, "max.message.bytes", "10000");
        broker.createTopic(standard, 1);
        byte[] value = new byte[2_000_000];
        new Random(5).nextBytes(value);
        for (String codec : List.of("none", "gzip", "zstd")) {
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.request.size", 5_000_000,
                "compression.type", codec)) {
                Expect.failure(RecordTooLargeException.class, "20,000 bytes where 10,000 are allowed",
                    () -> producer.send(new ProducerRecord<>(topic, Arrays.copyOf(value, 20_000))).get());
                Expect.failure(RecordTooLargeException.class, "more than a topic allows by default",
                    () -> producer.send(new ProducerRecord<>(standard, value)).get());
                producer.send(new ProducerRecord<>(topic, Arrays.copyOf(value, 9_000))).get();
            }
        }
        Expect.equal(3, broker.readAll(topic, 3).size(), "records of the allowed size");
    }

    /** A batch that is too large as a whole is split by the producer, more than once, and sent again. */
    public static void splitBatch(Broker broker) throws Exception {
        String topic = broker.name("split");
        broker.createTopic(topic, 1, "max.message.bytes", "10000");
        byte[] value = new byte[2_000];
        try (KafkaProducer<byte[], byte[]> producer =
                 broker.producer("max.request.size", 5_000_000, "batch.size", 100_000, "linger.ms", 200)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int index = 0; index < 40; index++) {
                sent.add(producer.send(new ProducerRecord<>(topic, value)));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
        broker.readAll(topic, 40);
    }

    private static void invalidTopic(Broker broker) {
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.block.ms", 5000)) {
            Expect.failure(InvalidTopicException.class, "sending to an invalid name",
                () -> producer.send(new ProducerRecord<>("not a name", new byte[1])).get());
        }
    }

    /** A compacted topic keeps the last record of each key, so there is none without. */
    private static void withoutKey(Broker broker) throws Exception {
        String topic = broker.name("compacted");
        broker.createTopic(topic, 1, "cleanup.policy", "compact");
        for (String codec : List.of("none", "lz4")) {
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("compression.type", codec)) {
                Expect.failure(InvalidRecordException.class, "no key in a compacted topic",
                    () -> producer.send(new ProducerRecord<>(topic, 0, null, new byte[1])).get());
                producer.send(new ProducerRecord<>(topic, 0, new byte[1], null)).get();
            }
        }
        // One bad record among good ones: nothing of the batch is stored.
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("linger.ms", 500)) {
            Future<RecordMetadata> good = producer.send(new ProducerRecord<>(topic, 0, new byte[1], new byte[1]));
            Future<RecordMetadata> bad = producer.send(new ProducerRecord<>(topic, 0, null, new byte[1]));
            producer.flush();
            Expect.failure(InvalidRecordException.class, "the bad record", bad::get);
            Expect.failure(KafkaException.class, "the good one with it", good::get);
        }
        broker.readAll(topic, 2);
    }

    private static void timestamps(Broker broker) throws Exception {
        String topic = broker.name("timely");
        broker.createTopic(topic, 1, "message.timestamp.after.max.ms", "60000", "message.timestamp.before.max.ms",
            "60000");
        long now = System.currentTimeMillis();
        for (String codec : List.of("none", "zstd")) {
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("compression.type", codec)) {
                for (long timestamp : new long[] {now + 3_600_000, now - 3_600_000}) {
                    Expect.failure(InvalidTimestampException.class, "a timestamp out of the bounds",
                        () -> producer.send(new ProducerRecord<>(topic, 0, timestamp, null, new byte[1])).get());
                }
                producer.send(new ProducerRecord<>(topic, 0, now, null, new byte[1])).get();
            }
        }
        broker.readAll(topic, 2);
        // The default bound for the future is an hour.
        String standard = broker.name("standard-time");
        broker.createTopic(standard, 1);
        try (KafkaProducer<byte[], byte[]> producer = broker.producer()) {
            Expect.failure(InvalidTimestampException.class, "two hours ahead",
                () -> producer.send(new ProducerRecord<>(standard, 0, now + 7_200_000, null, new byte[1])).get());
            producer.send(new ProducerRecord<>(standard, 0, 0L, null, new byte[1])).get();
        }
    }

    /** More in-sync replicas are demanded than there are replicas at all: then all of them are enough. */
    private static void replicas(Broker broker) throws Exception {
        String topic = broker.name("two-replicas");
        broker.createTopic(topic, 1, "min.insync.replicas", "2");
        try (KafkaProducer<byte[], byte[]> producer =
                 broker.producer("acks", "all", "enable.idempotence", false, "retries", 0)) {
            Expect.equal(0L, producer.send(new ProducerRecord<>(topic, new byte[1])).get().offset(), "acks=all");
        }
    }
}
