package zurau.clients.admin;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Offsets of logs and of groups. */
public final class AdminOffsets {
    private AdminOffsets() {
    }

    public static void listOffsets(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 2);
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        long base = System.currentTimeMillis() - 100_000;
        // The largest timestamp is neither first nor last, and once inside of a batch.
        long[] timestamps = {base, base + 10, base + 90, base + 20, base + 30, base + 80};
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("linger.ms", 500)) {
            for (long timestamp : timestamps) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, Broker.bytes("x")));
            }
        }
        try (Admin admin = broker.admin()) {
            expect(admin, full, OffsetSpec.earliest(), 0, -1);
            expect(admin, full, OffsetSpec.latest(), 6, -1);
            expect(admin, full, OffsetSpec.maxTimestamp(), 2, base + 90);
            expect(admin, full, OffsetSpec.forTimestamp(base + 11), 2, base + 90);
            expect(admin, full, OffsetSpec.forTimestamp(0), 0, base);
            expect(admin, full, OffsetSpec.forTimestamp(base + 91), -1, -1);
            // Without tiered storage the local log is all there is.
            expect(admin, full, OffsetSpec.earliestLocal(), 0, -1);
            expect(admin, full, OffsetSpec.latestTiered(), -1, -1);
            expect(admin, empty, OffsetSpec.earliest(), 0, -1);
            expect(admin, empty, OffsetSpec.latest(), 0, -1);
            expect(admin, empty, OffsetSpec.maxTimestamp(), -1, -1);
            expect(admin, empty, OffsetSpec.forTimestamp(base), -1, -1);
            // All kinds in one request, and as a reader of committed records.
            Map<TopicPartition, ListOffsetsResultInfo> both = admin.listOffsets(
                Map.of(full, OffsetSpec.latest(), empty, OffsetSpec.earliest()),
                new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get();
            Expect.equal(6L, both.get(full).offset(), "latest committed offset");
            Expect.that(both.get(full).leaderEpoch().isPresent(), "leader epoch of the latest offset");
        }
    }

    private static void expect(Admin admin, TopicPartition partition, OffsetSpec spec, long offset, long timestamp)
        throws Exception {
        ListOffsetsResultInfo found = admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
        String what = spec.getClass().getSimpleName() + " of " + partition;
        Expect.equal(offset, found.offset(), "offset for " + what);
        Expect.equal(timestamp, found.timestamp(), "timestamp for " + what);
    }

    public static void groupOffsets(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        String other = broker.name("other");
        broker.createTopic(topic, 3);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        TopicPartition third = new TopicPartition(topic, 2);
        OffsetAndMetadata large = new OffsetAndMetadata(123_456_789_012L, Optional.of(0), "by the admin");
        try (Admin admin = broker.admin()) {
            // A group comes to be by its first commit, also one for an offset that no log has.
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            offsets.put(first, large);
            offsets.put(second, new OffsetAndMetadata(5));
            admin.alterConsumerGroupOffsets(group, offsets).all().get();
            admin.alterConsumerGroupOffsets(other, Map.of(third, new OffsetAndMetadata(9))).all().get();
            Expect.equal(Map.of(first, large, second, new OffsetAndMetadata(5)), list(admin, group), "offsets");

            // Several groups at once, one of them for some partitions only and one that does not exist.
            Map<String, Map<TopicPartition, OffsetAndMetadata>> several = admin.listConsumerGroupOffsets(Map.of(
                group, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(second, third)),
                other, new ListConsumerGroupOffsetsSpec(),
                broker.name("unknown"), new ListConsumerGroupOffsetsSpec())).all().get();
            Map<TopicPartition, OffsetAndMetadata> some = new HashMap<>();
            some.put(second, new OffsetAndMetadata(5));
            some.put(third, null);
            Expect.equal(some, several.get(group), "offsets of some partitions");
            Expect.equal(Map.of(third, new OffsetAndMetadata(9)), several.get(other), "offsets of the other group");
            Expect.equal(Map.of(), several.get(broker.name("unknown")), "offsets of an unknown group");

            admin.deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
            Expect.equal(Map.of(second, new OffsetAndMetadata(5)), list(admin, group), "offsets after deleting one");
            // One that is not there can be deleted all the same.
            admin.deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
            expectResume(broker, group, second);

            admin.deleteConsumerGroups(List.of(group, other)).all().get();
            Expect.equal(Map.of(), list(admin, group), "offsets of a deleted group");
            Expect.failure(GroupIdNotFoundException.class, "deleting a group again",
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            topicTakesItsOffsetsAlong(broker, admin);
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> list(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    private static void expectResume(Broker broker, String group, TopicPartition partition) {
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group)) {
            consumer.assign(List.of(partition));
            Expect.equal(5L, consumer.position(partition), "position from an altered offset");
        }
    }

    /** With a topic its committed offsets go. */
    private static void topicTakesItsOffsetsAlong(Broker broker, Admin admin) throws Exception {
        String topic = broker.name("short-lived");
        String group = broker.name("survivor");
        broker.createTopic(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(3))).all().get();
        admin.deleteTopics(List.of(topic)).all().get();
        Expect.within(Duration.ofSeconds(20), "no offsets of a deleted topic", () -> list(admin, group).isEmpty());
    }
}
