package zurau.clients.consume;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Going to an offset or to a time. */
public final class Positions {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Positions() {
    }

    public static void seek(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 2);
        broker.produceNumbers(topic, 0, 0, 1000, 64);
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        List<TopicPartition> both = List.of(full, empty);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("max.poll.records", 5)) {
            consumer.assign(both);
            Expect.equal(Map.of(full, 0L, empty, 0L), consumer.beginningOffsets(both), "beginning offsets");
            Expect.equal(Map.of(full, 1000L, empty, 0L), consumer.endOffsets(both), "end offsets");
            // Into the middle of batches, onto the first and the last of one, and back again.
            for (long offset : new long[] {333, 64, 63, 127, 999, 0, 500, 1}) {
                consumer.seek(full, offset);
                Expect.equal(offset, consumer.position(full), "position after seek");
                ConsumerRecord<byte[], byte[]> record = consumeOne(consumer);
                Expect.equal(offset, record.offset(), "first offset after seek");
                Expect.equal("" + offset, Broker.text(record.value()), "first value after seek");
            }
            consumer.seekToEnd(both);
            Expect.equal(1000L, consumer.position(full), "position at the end");
            Expect.equal(0L, consumer.position(empty), "position at the end of nothing");
            Expect.that(consumer.poll(Duration.ofMillis(300)).isEmpty(), "nothing behind the end");
            broker.produceNumbers(topic, 0, 1000, 1001, 1);
            Expect.equal(1000L, consumeOne(consumer).offset(), "the first new record");
            consumer.seekToBeginning(both);
            Expect.equal(0L, consumer.position(full), "position at the beginning");
            Expect.equal(0L, consumeOne(consumer).offset(), "the first record");
        }
    }

    private static ConsumerRecord<byte[], byte[]> consumeOne(KafkaConsumer<byte[], byte[]> consumer) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                return record;
            }
        }
        throw new AssertionError("no record within " + LIMIT.toSeconds() + " s");
    }

    /** The first offset whose timestamp is not before the wanted one, also where timestamps jump around. */
    public static void offsetsForTimes(Broker broker) throws Exception {
        for (String codec : List.of("none", "zstd")) {
            String topic = broker.name("times-" + codec);
            // Small segments and a dense index, so that more than one index is asked.
            broker.createTopic(topic, 3, "segment.bytes", "1048576", "index.interval.bytes", "512");
            long base = System.currentTimeMillis() - 3_600_000;
            long[] rising = new long[2000];
            long[] jumping = new long[2000];
            for (int index = 0; index < rising.length; index++) {
                rising[index] = base + index * 10L;
                jumping[index] = base + (index * 7919L % 2000) * 10;
            }
            TopicPartition inOrder = new TopicPartition(topic, 0);
            TopicPartition outOfOrder = new TopicPartition(topic, 1);
            TopicPartition empty = new TopicPartition(topic, 2);
            produce(broker, inOrder, rising, codec);
            produce(broker, outOfOrder, jumping, codec);
            try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
                for (long wanted : new long[] {0, base - 1, base, base + 1, base + 5550, base + 5551, base + 5559,
                    base + 12_345, base + 19_989, base + 19_990, base + 19_991, base + 1_000_000}) {
                    Map<TopicPartition, OffsetAndTimestamp> expected = new HashMap<>();
                    expected.put(inOrder, firstAt(rising, wanted));
                    expected.put(outOfOrder, firstAt(jumping, wanted));
                    expected.put(empty, null);
                    Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(
                        Map.of(inOrder, wanted, outOfOrder, wanted, empty, wanted));
                    for (TopicPartition partition : expected.keySet()) {
                        expectSame(expected.get(partition), found.get(partition),
                            partition + " at " + (wanted - base) + " ms");
                    }
                }
            }
        }
    }

    private static void expectSame(OffsetAndTimestamp expected, OffsetAndTimestamp found, String what) {
        if (expected == null || found == null) {
            Expect.equal(expected, found, what);
            return;
        }
        Expect.equal(expected.offset(), found.offset(), "offset of " + what);
        Expect.equal(expected.timestamp(), found.timestamp(), "timestamp of " + what);
        Expect.that(found.leaderEpoch().isPresent(), "leader epoch of " + what);
    }

    private static OffsetAndTimestamp firstAt(long[] timestamps, long wanted) {
        for (int offset = 0; offset < timestamps.length; offset++) {
            if (timestamps[offset] >= wanted) {
                return new OffsetAndTimestamp(offset, timestamps[offset]);
            }
        }
        return null;
    }

    private static void produce(Broker broker, TopicPartition partition, long[] timestamps, String codec)
        throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        byte[] padding = new byte[700];
        new Random(1).nextBytes(padding);
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("compression.type", codec, "linger.ms", 100)) {
            for (int index = 0; index < timestamps.length; index++) {
                sent.add(producer.send(new ProducerRecord<>(partition.topic(), partition.partition(),
                    timestamps[index], null, padding)));
                if (index % 23 == 22) {
                    producer.flush();
                }
            }
        }
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
    }
}
