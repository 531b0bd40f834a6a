package zurau.clients.produce;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What goes in comes out, byte by byte. */
public final class RoundTrip {
    private static final int PARTITIONS = 6;

    private RoundTrip() {
    }

    public static void hundredThousand(Broker broker) throws Exception {
        String topic = broker.name("records");
        broker.createTopic(topic, PARTITIONS);
        send(broker, topic, 100_000, "linger.ms", 5);
        check(broker, topic, 100_000);
    }

    /** Sends numbered records and waits for every acknowledgement; each must name the offset the number calls for. */
    static void send(Broker broker, String topic, int count, Object... settings) throws Exception {
        RecordContent content = new RecordContent(PARTITIONS);
        AtomicReference<String> wrong = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = broker.producer(settings)) {
            for (int number = 0; number < count; number++) {
                int sent = number;
                producer.send(content.record(topic, number), (metadata, failure) -> {
                    if (failure != null) {
                        wrong.compareAndSet(null, "record " + sent + ": " + failure);
                    } else if (metadata.offset() != sent / PARTITIONS || metadata.partition() != sent % PARTITIONS) {
                        wrong.compareAndSet(null, "record " + sent + " was acknowledged as " + metadata);
                    }
                });
            }
        }
        Expect.equal(null, wrong.get(), "failures of the producer");
    }

    static void check(Broker broker, String topic, int count) {
        RecordContent content = new RecordContent(PARTITIONS);
        long[] next = new long[PARTITIONS];
        for (ConsumerRecord<byte[], byte[]> read : broker.readAll(topic, count)) {
            Expect.equal(next[read.partition()]++, read.offset(), "next offset of partition " + read.partition());
            content.check(read);
        }
    }

    /** Sizes and contents at the edges: nothing, empty, large, many headers, the oldest timestamps. */
    public static void edgeCases(Broker broker) throws Exception {
        String topic = broker.name("edges");
        broker.createTopic(topic, 1);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        byte[] large = new byte[900_000];
        new Random(7).nextBytes(large);
        RecordHeaders many = new RecordHeaders();
        for (int index = 0; index < 500; index++) {
            many.add("header-" + index % 10, Broker.bytes("" + index));
        }
        records.add(new ProducerRecord<>(topic, 0, 0L, (byte[]) null, (byte[]) null));
        records.add(new ProducerRecord<>(topic, 0, 0L, new byte[0], new byte[0]));
        records.add(new ProducerRecord<>(topic, 0, 1L, new byte[0], (byte[]) null));
        records.add(new ProducerRecord<>(topic, 0, 5L, null, large));
        records.add(new ProducerRecord<>(topic, 0, 4L, Arrays.copyOf(large, 300_000), new byte[0]));
        records.add(new ProducerRecord<>(topic, 0, 9L, new byte[] {0}, new byte[] {-1}, many));
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.request.size", 2_000_000)) {
            for (int index = 0; index < records.size(); index++) {
                RecordMetadata metadata = producer.send(records.get(index)).get();
                Expect.equal((long) index, metadata.offset(), "offset");
                Expect.equal(records.get(index).timestamp(), metadata.timestamp(), "timestamp of the acknowledgement");
            }
        }
        List<ConsumerRecord<byte[], byte[]>> read = broker.readAll(topic, records.size());
        for (int index = 0; index < records.size(); index++) {
            ProducerRecord<byte[], byte[]> sent = records.get(index);
            ConsumerRecord<byte[], byte[]> got = read.get(index);
            Expect.that(Arrays.equals(sent.key(), got.key()), "key of record " + index);
            Expect.that(Arrays.equals(sent.value(), got.value()), "value of record " + index);
            Expect.equal(sent.timestamp(), got.timestamp(), "timestamp of record " + index);
            Expect.equal(TimestampType.CREATE_TIME, got.timestampType(), "timestamp type");
            Expect.that(Arrays.equals(sent.headers().toArray(), got.headers().toArray()), "headers of " + index);
            Expect.that(got.leaderEpoch().isPresent() && got.leaderEpoch().get() >= 0, "leader epoch of " + index);
        }
    }

    /** The broker's clock instead of the producer's, in the acknowledgement as well as in the record. */
    public static void logAppendTime(Broker broker) throws Exception {
        String topic = broker.name("appended");
        broker.createTopic(topic, 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        List<Long> acknowledged = new ArrayList<>();
        for (String codec : List.of("none", "lz4", "gzip")) {
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("compression.type", codec, "linger.ms", 50)) {
                List<Future<RecordMetadata>> futures = new ArrayList<>();
                for (int index = 0; index < 10; index++) {
                    futures.add(producer.send(new ProducerRecord<>(topic, 0, 1000L + index, null, Broker.bytes(codec))));
                }
                for (Future<RecordMetadata> future : futures) {
                    acknowledged.add(future.get().timestamp());
                }
            }
        }
        long after = System.currentTimeMillis();
        List<ConsumerRecord<byte[], byte[]>> records = broker.readAll(topic, 30);
        for (int index = 0; index < 30; index++) {
            ConsumerRecord<byte[], byte[]> record = records.get(index);
            Expect.equal(TimestampType.LOG_APPEND_TIME, record.timestampType(), "timestamp type of " + index);
            Expect.equal(acknowledged.get(index), record.timestamp(), "acknowledged and read timestamp of " + index);
            Expect.that(record.timestamp() >= before && record.timestamp() <= after,
                "timestamp " + record.timestamp() + " outside of " + before + " to " + after);
        }
    }

    /** Records sent with each kind of acknowledgement are all there; without any, the offset is not known. */
    public static void acks(Broker broker) throws Exception {
        String topic = broker.name("acks");
        broker.createTopic(topic, 1);
        for (String acks : List.of("0", "1", "all")) {
            try (KafkaProducer<byte[], byte[]> producer =
                     broker.producer("acks", acks, "enable.idempotence", false, "batch.size", 0)) {
                for (int index = 0; index < 100; index++) {
                    RecordMetadata metadata =
                        producer.send(new ProducerRecord<>(topic, 0, null, Broker.bytes(acks + index))).get();
                    Expect.equal(!acks.equals("0"), metadata.hasOffset(), "an offset with acks=" + acks);
                }
            }
        }
        // With acks=0 the last ones may arrive after the producer is closed, hence no look at the end offset first.
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 300, Duration.ofSeconds(30));
            List<String> values = records.stream().map(record -> Broker.text(record.value())).toList();
            // Those that nobody waited for may come between those of the next producer, which has its own connection.
            for (String acks : List.of("0", "1", "all")) {
                Expect.equal(IntStream.range(0, 100).mapToObj(index -> acks + index).toList(),
                    values.stream().filter(value -> value.startsWith(acks)).toList(), "records with acks=" + acks);
            }
        }
    }
}
