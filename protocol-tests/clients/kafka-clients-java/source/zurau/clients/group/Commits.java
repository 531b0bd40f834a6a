package zurau.clients.group;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Offsets that a group commits, and where it goes on. */
public final class Commits {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private Commits() {
    }

    /** Offset, leader epoch and text of a commit come back, and the next member starts there. */
    public static void commitAndResume(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 2);
        broker.produceNumbers(topic, 0, 0, 1000, 37);
        TopicPartition read = new TopicPartition(topic, 0);
        TopicPartition unread = new TopicPartition(topic, 1);
        OffsetAndMetadata committed;
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "max.poll.records", 100)) {
            consumer.subscribe(List.of(topic));
            Expect.equal(null, readSome(consumer).get(read), "commit of a new group");
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 100, LIMIT);
            Optional<Integer> epoch = records.get(records.size() - 1).leaderEpoch();
            Expect.that(epoch.isPresent(), "records have a leader epoch");
            committed = new OffsetAndMetadata(423, epoch, "größer als 422 ✓");
            consumer.commitSync(Map.of(read, committed));
            expectCommitted(consumer, read, unread, committed);
        }
        try (Admin admin = broker.admin()) {
            Expect.equal(Map.of(read, committed),
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), "offsets of the group");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "max.poll.records", 10)) {
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 10, LIMIT);
            Expect.equal(423L, records.get(0).offset(), "offset after resuming");
            Expect.equal("423", Broker.text(records.get(0).value()), "value after resuming");
            // An empty text and no epoch are stored as such.
            consumer.commitSync(Map.of(read, new OffsetAndMetadata(1000)));
            expectCommitted(consumer, read, unread, new OffsetAndMetadata(1000, Optional.empty(), ""));
            // Backwards is allowed: a commit is no high-water mark.
            consumer.commitSync(Map.of(read, new OffsetAndMetadata(7), unread, new OffsetAndMetadata(0)));
            Expect.equal(7L, consumer.committed(Set.of(read)).get(read).offset(), "a commit further back");
            Expect.equal(0L, consumer.committed(Set.of(unread)).get(unread).offset(), "a commit of zero");
        }
        expectAssignedWithoutGroup(broker, group, read);
    }

    /** Joins the group, which a poll without records does as well. */
    private static Map<TopicPartition, OffsetAndMetadata> readSome(KafkaConsumer<byte[], byte[]> consumer)
        throws Exception {
        Expect.within(LIMIT, "an assignment", () -> {
            consumer.poll(Duration.ZERO);
            return !consumer.assignment().isEmpty();
        });
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        consumer.seekToBeginning(consumer.assignment());
        return committed;
    }

    private static void expectCommitted(KafkaConsumer<byte[], byte[]> consumer, TopicPartition read,
                                        TopicPartition unread, OffsetAndMetadata expected) {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(Set.of(read, unread));
        Expect.equal(expected, committed.get(read), "what was committed");
        Expect.equal(null, committed.get(unread), "what was not committed");
    }

    /** A group of a consumer that assigns itself its partitions has commits but no members. */
    private static void expectAssignedWithoutGroup(Broker broker, String group, TopicPartition partition) {
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group + "-assigned")) {
            consumer.assign(List.of(partition));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(55, "by hand")));
            Expect.equal(new OffsetAndMetadata(55, "by hand"), consumer.committed(Set.of(partition)).get(partition),
                "commit without membership");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group + "-assigned")) {
            consumer.assign(List.of(partition));
            Expect.equal(55L, consumer.position(partition), "position without membership");
        }
    }

    /** Many asynchronous commits: their callbacks come in order and the last one holds. */
    public static void async(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 600, 100);
        TopicPartition partition = new TopicPartition(topic, 0);
        AtomicInteger answers = new AtomicInteger();
        AtomicReference<String> wrong = new AtomicReference<>();
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "max.poll.records", 10)) {
            consumer.subscribe(List.of(topic));
            int commits = 0;
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (answers.get() < 50 || commits < 50) {
                Expect.that(System.nanoTime() < deadline, answers.get() + " of " + commits + " commits answered");
                if (!consumer.poll(Duration.ofMillis(50)).isEmpty() && commits < 50) {
                    int number = ++commits;
                    consumer.commitAsync(Map.of(partition, new OffsetAndMetadata(number * 10L, "" + number)),
                        (offsets, failure) -> {
                            int order = answers.incrementAndGet();
                            if (failure != null || offsets.get(partition).offset() != order * 10L) {
                                wrong.compareAndSet(null, "answer " + order + ": " + offsets + " " + failure);
                            }
                        });
                }
            }
            Expect.equal(null, wrong.get(), "first wrong answer");
            Expect.equal(new OffsetAndMetadata(500, "50"), consumer.committed(Set.of(partition)).get(partition),
                "the last commit");
        }
    }

    /** The default of many programs: commits by the clock and at the end. */
    public static void autoCommit(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 500, 100);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "enable.auto.commit", true,
            "auto.commit.interval.ms", 200, "max.poll.records", 250)) {
            consumer.subscribe(List.of(topic));
            Broker.poll(consumer, 250, LIMIT);
            consumer.pause(consumer.assignment());
            Expect.within(LIMIT, "a commit by the clock", () -> {
                consumer.poll(Duration.ofMillis(50));
                OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
                return committed != null && committed.offset() == 250;
            });
            consumer.resume(consumer.assignment());
            Broker.poll(consumer, 250, LIMIT);
        }
        try (Admin admin = broker.admin()) {
            Expect.equal(500L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .get(partition).offset(), "the commit at the end");
        }
    }
}
