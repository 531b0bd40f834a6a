package zurau.clients.consume;

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Which partitions a consumer reads, and when. */
public final class Subscriptions {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Subscriptions() {
    }

    /** A paused partition yields nothing, and nothing of it is lost. */
    public static void pauseAndResume(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 2);
        TopicPartition flowing = new TopicPartition(topic, 0);
        TopicPartition paused = new TopicPartition(topic, 1);
        broker.produceNumbers(topic, 0, 0, 100, 50);
        broker.produceNumbers(topic, 1, 0, 100, 50);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(List.of(flowing, paused));
            consumer.pause(List.of(paused));
            Broker.poll(consumer, 100, LIMIT).forEach(
                record -> Expect.equal(0, record.partition(), "partition of a record while the other is paused"));
            broker.produceNumbers(topic, 0, 100, 200, 50);
            Broker.poll(consumer, 100, LIMIT).forEach(
                record -> Expect.equal(0, record.partition(), "partition of a record while the other is paused"));
            consumer.resume(List.of(paused));
            consumer.pause(List.of(flowing));
            broker.produceNumbers(topic, 0, 200, 300, 50);
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 100, LIMIT);
            for (int index = 0; index < 100; index++) {
                Expect.equal(1, records.get(index).partition(), "partition after resuming");
                Expect.equal((long) index, records.get(index).offset(), "offset after resuming");
            }
            consumer.resume(List.of(flowing));
            Expect.equal(200L, Broker.poll(consumer, 100, LIMIT).get(0).offset(), "offset after resuming the first");
        }
    }

    /** Topics by a pattern, also those that come later, and not those that do not match. */
    public static void pattern(Broker broker) throws Exception {
        broker.createTopic(broker.name("wanted-1"), 1);
        broker.createTopic(broker.name("other"), 1);
        broker.produceNumbers(broker.name("wanted-1"), 0, 0, 10, 10);
        broker.produceNumbers(broker.name("other"), 0, 0, 10, 10);
        try (KafkaConsumer<byte[], byte[]> consumer =
                 broker.consumer("group.id", broker.name("group"), "metadata.max.age.ms", 300)) {
            consumer.subscribe(Pattern.compile(Pattern.quote(broker.name("wanted-")) + "\\d"));
            Broker.poll(consumer, 10, LIMIT).forEach(
                record -> Expect.equal(broker.name("wanted-1"), record.topic(), "topic by pattern"));
            // The new topic brings a rebalance, after which the group goes on from what was committed.
            consumer.commitSync();
            broker.createTopic(broker.name("wanted-2"), 2);
            broker.produceNumbers(broker.name("wanted-2"), 1, 0, 10, 10);
            Set<String> topics = new HashSet<>();
            Broker.poll(consumer, 10, LIMIT).forEach(record -> topics.add(record.topic()));
            Expect.equal(Set.of(broker.name("wanted-2")), topics, "topics that came later");
            Expect.equal(3, consumer.assignment().size(), "partitions by pattern");
        }
    }
}
