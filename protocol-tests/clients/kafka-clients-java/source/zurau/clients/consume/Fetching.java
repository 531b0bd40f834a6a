package zurau.clients.consume;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Closing;
import zurau.clients.Expect;

/** How much a fetch brings and how long it waits. */
public final class Fetching {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Fetching() {
    }

    /** At least one batch comes back, however small the limits are; or such a consumer would be stuck. */
    public static void recordLargerThanTheLimit(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 3);
        byte[] large = new byte[500_000];
        new Random(3).nextBytes(large);
        try (KafkaProducer<byte[], byte[]> producer = broker.producer()) {
            for (int index = 0; index < 30; index++) {
                producer.send(new ProducerRecord<>(topic, index % 3, null, index % 2 == 0 ? large : new byte[10])).get();
            }
        }
        List<TopicPartition> partitions =
            List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1), new TopicPartition(topic, 2));
        for (int limit : new int[] {1, 1000, 600_000}) {
            try (KafkaConsumer<byte[], byte[]> consumer =
                     broker.consumer("max.partition.fetch.bytes", limit, "fetch.max.bytes", limit)) {
                consumer.assign(partitions);
                long[] next = new long[3];
                for (ConsumerRecord<byte[], byte[]> record : Broker.poll(consumer, 30, LIMIT)) {
                    int number = (int) record.offset() * 3 + record.partition();
                    Expect.equal(next[record.partition()]++, record.offset(), "offset with a limit of " + limit);
                    Expect.that(Arrays.equals(number % 2 == 0 ? large : new byte[10], record.value()),
                        "value " + number + " with a limit of " + limit);
                }
            }
        }
    }

    public static void minimumBytesAndWait(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        broker.produceNumbers(topic, 0, 0, 1, 1);

        // Too little data: the answer comes when the wait is over, with what there is.
        double waited = secondsUntilRecord(broker, partition, 0, null, "fetch.min.bytes", 100_000,
            "fetch.max.wait.ms", 2000);
        Expect.that(waited > 1.5 && waited < 4, "a fetch of too few bytes took " + waited + " s, its wait is 2 s");
        // Enough data: at once, whatever the wait.
        waited = secondsUntilRecord(broker, partition, 0, null, "fetch.min.bytes", 1, "fetch.max.wait.ms", 10_000);
        Expect.that(waited < 1.5, "a fetch with enough bytes took " + waited + " s");
        // One byte is enough and comes later: the append wakes the fetch, it does not sleep on.
        waited = secondsUntilRecord(broker, partition, 1, new byte[10], "fetch.min.bytes", 1,
            "fetch.max.wait.ms", 20_000);
        Expect.that(waited < 0.5, "a waiting fetch was answered " + waited + " s after the append");
        // The bytes that were missing come later.
        waited = secondsUntilRecord(broker, partition, 2, new byte[200_000], "fetch.min.bytes", 100_000,
            "fetch.max.wait.ms", 20_000);
        Expect.that(waited < 0.5, "a fetch that waits for bytes was answered " + waited + " s after they came");
    }

    /**
     * Seconds until the record at the offset is there: from the first poll, or from the acknowledgement of the value
     * when one is given, which is sent while the consumer waits already.
     */
    private static double secondsUntilRecord(Broker broker, TopicPartition partition, long offset, byte[] value,
                                             Object... settings) throws Exception {
        KafkaConsumer<byte[], byte[]> consumer = broker.consumer(settings);
        try (KafkaProducer<byte[], byte[]> producer = broker.producer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, offset);
            consumer.endOffsets(List.of(partition));
            producer.partitionsFor(partition.topic());
            CompletableFuture<Long> start = CompletableFuture.completedFuture(System.nanoTime());
            if (value != null) {
                start = CompletableFuture.supplyAsync(() -> {
                    try {
                        TimeUnit.MILLISECONDS.sleep(1000);
                        producer.send(new ProducerRecord<>(partition.topic(), 0, null, value)).get();
                        return System.nanoTime();
                    } catch (Exception failure) {
                        throw new IllegalStateException(failure);
                    }
                });
            }
            Expect.equal(offset, Broker.poll(consumer, 1, LIMIT).get(0).offset(), "offset of the record");
            long end = System.nanoTime();
            return (end - start.get()) / 1e9;
        } finally {
            // The next fetch waits already, and a polite close would wait for its answer.
            Closing.within(Duration.ZERO, consumer);
        }
    }

    /** Without transactions a reader of committed records sees all records, up to the end, in every codec. */
    public static void readCommitted(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 500, 50);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("isolation.level", "read_committed")) {
            consumer.assign(List.of(partition));
            Expect.equal(500L, consumer.endOffsets(List.of(partition)).get(partition), "last stable offset");
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 500, LIMIT);
            Expect.equal("499", Broker.text(records.get(499).value()), "the last record");
            broker.produceNumbers(topic, 0, 500, 510, 10);
            Expect.equal(500L, Broker.poll(consumer, 10, LIMIT).get(0).offset(), "the next records");
        }
    }
}
