package zurau.clients.errors;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.InvalidGroupIdException;
import org.apache.kafka.common.errors.InvalidSessionTimeoutException;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Wrong requests about groups, each with its own answer. */
public final class GroupErrors {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private GroupErrors() {
    }

    /** Requests of an administrator. */
    public static void wrongRequests(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        String unknown = broker.name("unknown");
        broker.createTopic(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(partition, new OffsetAndMetadata(1));
        try (Admin admin = broker.admin();
             KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group)) {
            join(consumer, topic);
            consumer.commitSync(offsets);
            Expect.failure(GroupNotEmptyException.class, "deleting a group with members",
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            Expect.failure(GroupSubscribedToTopicException.class, "deleting offsets of a topic that is read",
                () -> admin.deleteConsumerGroupOffsets(group, Set.of(partition)).partitionResult(partition).get());
            Expect.failure(UnknownMemberIdException.class, "altering offsets of a group with members",
                () -> admin.alterConsumerGroupOffsets(group, offsets).all().get());
            Expect.equal(1L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                .get(partition).offset(), "the offset after all this");

            Expect.failure(GroupIdNotFoundException.class, "deleting an unknown group",
                () -> admin.deleteConsumerGroups(List.of(unknown)).all().get());
            Expect.failure(GroupIdNotFoundException.class, "describing an unknown group",
                () -> admin.describeConsumerGroups(List.of(unknown)).all().get());
            Expect.failure(GroupIdNotFoundException.class, "describing an unknown classic group",
                () -> admin.describeClassicGroups(List.of(unknown)).all().get());
            Expect.failure(GroupIdNotFoundException.class, "deleting offsets of an unknown group",
                () -> admin.deleteConsumerGroupOffsets(unknown, Set.of(partition)).all().get());
            TopicPartition none = new TopicPartition(broker.name("no-topic"), 0);
            Expect.failure(UnknownTopicOrPartitionException.class, "committing for an unknown topic",
                () -> admin.alterConsumerGroupOffsets(unknown, Map.of(none, new OffsetAndMetadata(1))).all().get());
            Expect.failure(GroupIdNotFoundException.class, "such a commit made no group",
                () -> admin.describeClassicGroups(List.of(unknown)).all().get());
        }
    }

    private static void join(KafkaConsumer<byte[], byte[]> consumer, String topic) throws Exception {
        consumer.subscribe(List.of(topic));
        Expect.within(LIMIT, "an assignment", () -> {
            consumer.poll(Duration.ofMillis(50));
            return !consumer.assignment().isEmpty();
        });
    }

    /** Requests of consumers. */
    public static void refusedMembers(Broker broker) throws Exception {
        String topic = broker.name("topic");
        String group = broker.name("group");
        broker.createTopic(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor")) {
            join(consumer, topic);
            // While it still asks for its first position, a later question for the same is given that old answer.
            consumer.position(partition);
            try (KafkaConsumer<byte[], byte[]> other = broker.consumer("group.id", group,
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RoundRobinAssignor")) {
                Expect.failure(InconsistentGroupProtocolException.class, "an assignor that nobody else has",
                    () -> {
                        join(other, topic);
                        return other.assignment();
                    });
            }
            // One who is no member commits for a group that has members.
            try (KafkaConsumer<byte[], byte[]> outsider = broker.consumer("group.id", group)) {
                outsider.assign(List.of(partition));
                Expect.failure(CommitFailedException.class, "a commit by one who is no member", () -> {
                    outsider.commitSync(Map.of(partition, new OffsetAndMetadata(7)));
                    return "a commit";
                });
            }
            Expect.failure(OffsetMetadataTooLarge.class, "too much text with a commit", () -> {
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "x".repeat(4097))));
                return "a commit";
            });
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "x".repeat(4096))));
            Expect.equal(4096, consumer.committed(Set.of(partition)).get(partition).metadata().length(),
                "as much text as allowed");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", broker.name("hasty"),
            "session.timeout.ms", 100, "heartbeat.interval.ms", 30)) {
            Expect.failure(InvalidSessionTimeoutException.class, "a session timeout below the least", () -> {
                join(consumer, topic);
                return consumer.assignment();
            });
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            Expect.failure(InvalidGroupIdException.class, "subscribing without a group", () -> {
                join(consumer, topic);
                return consumer.assignment();
            });
        }
    }
}
