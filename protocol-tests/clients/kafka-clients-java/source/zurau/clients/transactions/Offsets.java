package zurau.clients.transactions;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.TimeoutException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Offsets that are committed in the transaction of what was made out of their records. */
public final class Offsets {
    private static final int RECORDS = 600;

    private Offsets() {
    }

    /** Reads, changes and writes; every third transaction is aborted and done again. Each record comes out once. */
    public static void readProcessWrite(Broker broker) throws Exception {
        String input = broker.name("input");
        String output = broker.name("output");
        broker.createTopic(input, 2);
        broker.createTopic(output, 1);
        broker.produceNumbers(input, 0, 0, RECORDS / 2, 50);
        broker.produceNumbers(input, 1, RECORDS / 2, RECORDS, 50);
        Set<TopicPartition> inputs = Set.of(new TopicPartition(input, 0), new TopicPartition(input, 1));
        int rounds = 0;
        int done = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", broker.name("group"),
                 "max.poll.records", 40, "isolation.level", "read_committed");
             KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "worker")) {
            producer.initTransactions();
            consumer.subscribe(List.of(input));
            long deadline = System.nanoTime() + Readers.LIMIT.toNanos();
            while (done < RECORDS) {
                Expect.that(System.nanoTime() < deadline, done + " of " + RECORDS + " records were done in time");
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    Readers.send(producer, output, 0, "done " + Broker.text(record.value()));
                }
                producer.sendOffsetsToTransaction(next(records), consumer.groupMetadata());
                if (rounds++ % 3 == 1) {
                    producer.abortTransaction();
                    backToCommitted(consumer, inputs);
                } else {
                    producer.commitTransaction();
                    done += records.count();
                }
            }
            Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(inputs);
            for (TopicPartition place : inputs) {
                Expect.equal((long) RECORDS / 2, committed.get(place).offset(), "committed offset of " + place);
            }
        }
        Expect.that(rounds > 6, "there were several rounds: " + rounds);
        Readers.awaitDecided(broker, output, 0);
        List<String> values = Readers.committed(broker, output, 0);
        List<String> expected = new ArrayList<>();
        for (int number = 0; number < RECORDS; number++) {
            expected.add("done " + number);
        }
        Expect.equal(expected.stream().sorted().toList(), values.stream().sorted().toList(), "what came out");
    }

    /** Offsets of an open transaction are not told, and those of an aborted one never. */
    public static void pending(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        TopicPartition place = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", broker.name("group"));
             KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "worker")) {
            consumer.assign(List.of(place));
            consumer.commitSync(Map.of(place, new OffsetAndMetadata(1, "before")));
            producer.initTransactions();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(5, "text")), consumer.groupMetadata());
            producer.abortTransaction();
            Expect.equal(new OffsetAndMetadata(1, "before"), consumer.committed(Set.of(place)).get(place), "after an abort");
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(7, "text")), consumer.groupMetadata());
            // A consumer waits for stable offsets, so that it gets none while the transaction is open.
            Expect.failure(TimeoutException.class, "committed in an open transaction",
                () -> consumer.committed(Set.of(place), Duration.ofMillis(700)));
            producer.commitTransaction();
            Expect.equal(new OffsetAndMetadata(7, "text"), consumer.committed(Set.of(place)).get(place), "after a commit");
        }
    }

    /** Who was put out of the group commits no offsets in a transaction. */
    public static void staleMember(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 10, 10);
        TopicPartition place = new TopicPartition(topic, 0);
        String group = broker.name("group");
        try (KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "worker");
             KafkaConsumer<byte[], byte[]> stale = broker.consumer("group.id", group, "group.instance.id", "same");
             KafkaConsumer<byte[], byte[]> fresh = broker.consumer("group.id", group, "group.instance.id", "same")) {
            producer.initTransactions();
            stale.subscribe(List.of(topic));
            Broker.poll(stale, 10, Readers.LIMIT);
            fresh.subscribe(List.of(topic));
            Broker.poll(fresh, 10, Readers.LIMIT);
            producer.beginTransaction();
            KafkaException thrown = Expect.failure(KafkaException.class, "offsets of a member that was replaced", () -> {
                producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(10)), stale.groupMetadata());
                return "offsets";
            });
            Expect.that(thrown instanceof CommitFailedException
                || thrown instanceof FencedInstanceIdException
                || thrown.getCause() instanceof FencedInstanceIdException,
                "the member is fenced: " + thrown);
            producer.abortTransaction();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(10)), fresh.groupMetadata());
            producer.commitTransaction();
            Expect.equal(10L, fresh.committed(Set.of(place)).get(place).offset(), "committed offset");
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> next(ConsumerRecords<byte[], byte[]> records) {
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        return next;
    }

    private static void backToCommitted(KafkaConsumer<byte[], byte[]> consumer, Set<TopicPartition> places) {
        consumer.committed(places).forEach((place, offset) -> consumer.seek(place, offset == null ? 0 : offset.offset()));
    }
}
