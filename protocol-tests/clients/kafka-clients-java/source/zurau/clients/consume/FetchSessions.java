package zurau.clients.consume;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Many partitions in one consumer, of which few have news: the case that incremental fetch sessions are for. */
public final class FetchSessions {
    private static final int TOPICS = 4;
    private static final int PARTITIONS = 50;
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private final Map<TopicPartition, Integer> sent = new HashMap<>();
    private final Map<TopicPartition, Integer> received = new HashMap<>();
    private final List<TopicPartition> partitions = new ArrayList<>();
    private final Random random = new Random(11);

    private FetchSessions() {
    }

    public static void manyPartitions(Broker broker) throws Exception {
        new FetchSessions().run(broker);
    }

    private void run(Broker broker) throws Exception {
        for (int topic = 0; topic < TOPICS; topic++) {
            String name = broker.name("topic-" + topic);
            broker.createTopic(name, PARTITIONS);
            for (int partition = 0; partition < PARTITIONS; partition++) {
                partitions.add(new TopicPartition(name, partition));
            }
        }
        try (KafkaProducer<byte[], byte[]> producer = broker.producer();
             KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            consumer.assign(partitions);
            for (int round = 0; round < 60; round++) {
                sendToSome(producer, partitions, 3);
                readWhatWasSent(consumer, "round " + round);
            }
            // Partitions leave the session and come back; those that stay must not notice.
            List<TopicPartition> half = partitions.subList(0, partitions.size() / 2);
            List<TopicPartition> rest = partitions.subList(partitions.size() / 2, partitions.size());
            consumer.pause(half);
            sendToSome(producer, half, 5);
            Map<TopicPartition, Integer> before = new HashMap<>(received);
            for (int round = 0; round < 20; round++) {
                sendToSome(producer, rest, 3);
                readFrom(consumer, rest, "round " + round + " with half of them paused");
            }
            half.forEach(partition -> Expect.equal(before.get(partition), received.get(partition),
                "records of the paused " + partition));
            consumer.resume(half);
            readWhatWasSent(consumer, "after resuming");
            // A full round over all of them, as a burst.
            sendToSome(producer, partitions, partitions.size() * 3);
            readWhatWasSent(consumer, "a burst");
        }
    }

    private void sendToSome(KafkaProducer<byte[], byte[]> producer, List<TopicPartition> among, int count)
        throws Exception {
        for (int index = 0; index < count; index++) {
            TopicPartition partition = among.get(random.nextInt(among.size()));
            int number = sent.merge(partition, 1, Integer::sum) - 1;
            producer.send(new ProducerRecord<>(partition.topic(), partition.partition(), null,
                Broker.bytes(partition + "#" + number)));
        }
        producer.flush();
    }

    private void readWhatWasSent(KafkaConsumer<byte[], byte[]> consumer, String what) {
        readFrom(consumer, partitions, what);
    }

    private void readFrom(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> among, String what) {
        long started = System.nanoTime();
        while (!among.stream().allMatch(one -> Objects.equals(sent.get(one), received.get(one)))) {
            Expect.that(System.nanoTime() - started < LIMIT.toNanos(), what + ": records are missing");
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                int number = received.merge(partition, 1, Integer::sum) - 1;
                Expect.equal(partition + "#" + number, Broker.text(record.value()), "next record of " + partition);
                Expect.equal((long) number, record.offset(), "next offset of " + partition);
            }
        }
    }
}
