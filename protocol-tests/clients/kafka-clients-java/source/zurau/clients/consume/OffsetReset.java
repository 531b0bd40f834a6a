package zurau.clients.consume;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Where a consumer starts that has no offset, or one that the log does not have. */
public final class OffsetReset {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private OffsetReset() {
    }

    public static void everyPolicy(Broker broker) throws Exception {
        TopicPartition partition = halfOfItOld(broker);
        Expect.equal(0L, firstPosition(broker, partition, "earliest"), "position with earliest");
        Expect.equal(10L, firstPosition(broker, partition, "latest"), "position with latest");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 broker.consumer("auto.offset.reset", "none", "group.id", broker.name("none"))) {
            consumer.assign(List.of(partition));
            NoOffsetForPartitionException failure = Expect.failure(NoOffsetForPartitionException.class,
                "reset none without an offset", () -> Broker.poll(consumer, 1, LIMIT));
            Expect.that(failure.partitions().contains(partition), "the partition without an offset");
        }
        outOfRange(broker, partition);
    }

    public static void byDuration(Broker broker) throws Exception {
        TopicPartition partition = halfOfItOld(broker);
        Expect.equal(5L, firstPosition(broker, partition, "by_duration:PT1H"), "position with by_duration of an hour");
        Expect.equal(0L, firstPosition(broker, partition, "by_duration:P1D"), "position with by_duration of a day");
    }

    /** A partition with ten records, five of them two hours old. */
    private static TopicPartition halfOfItOld(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        long now = System.currentTimeMillis();
        try (KafkaProducer<byte[], byte[]> producer = broker.producer()) {
            for (int index = 0; index < 10; index++) {
                producer.send(new ProducerRecord<>(topic, 0, index < 5 ? now - 7_200_000 : now, null,
                    Broker.bytes("" + index))).get();
            }
        }
        return partition;
    }

    private static long firstPosition(Broker broker, TopicPartition partition, String policy) {
        try (KafkaConsumer<byte[], byte[]> consumer =
                 broker.consumer("auto.offset.reset", policy, "group.id", broker.name(policy.replace(':', '-')))) {
            consumer.assign(List.of(partition));
            return consumer.position(partition, LIMIT);
        }
    }

    private static void outOfRange(Broker broker, TopicPartition partition) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("auto.offset.reset", "none")) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 11);
            OffsetOutOfRangeException failure = Expect.failure(OffsetOutOfRangeException.class,
                "an offset behind the end", () -> Broker.poll(consumer, 1, LIMIT));
            Expect.equal(Map.of(partition, 11L), failure.offsetOutOfRangePartitions(), "the offset out of range");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 1_000_000);
            Expect.equal(0L, Broker.poll(consumer, 10, LIMIT).get(0).offset(), "offset after the reset to earliest");
        }
    }
}
