package zurau.clients.admin;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What the admin clients of all releases can do, in the words that all of them understand. */
public final class AdminBasics {
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private AdminBasics() {
    }

    public static void topicsAndGroups(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 2, "retention.ms", "86400000");
        try (Admin admin = broker.admin()) {
            Expect.equal(1, admin.describeCluster().nodes().get().size(), "number of nodes");
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            broker.awaitServing(admin, topic, 3);
            settings(admin, topic);
            for (int partition = 0; partition < 3; partition++) {
                broker.produceNumbers(topic, partition, 0, 10, 5);
            }
            Map<TopicPartition, OffsetSpec> ends = partitions(topic).stream()
                .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()));
            admin.listOffsets(ends).all().get().forEach((partition, end) ->
                Expect.equal(10L, end.offset(), "end of " + partition));
            group(broker, admin, topic);

            admin.deleteTopics(List.of(topic)).all().get();
            Expect.within(LIMIT, "the topic is gone", () -> !admin.listTopics().names().get().contains(topic));
            Expect.failure(UnknownTopicOrPartitionException.class, "deleting it twice",
                () -> admin.deleteTopics(List.of(topic)).all().get());
        }
    }

    private static void settings(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config config = admin.describeConfigs(Set.of(resource)).all().get().get(resource);
        Expect.equal("86400000", config.get("retention.ms").value(), "a setting of the topic");
        Expect.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("retention.ms").source(), "its source");
        Expect.equal("1073741824", config.get("segment.bytes").value(), "a default");
        Expect.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, config.get("segment.bytes").source(), "its source");
    }

    private static void group(Broker broker, Admin admin, String topic) throws Exception {
        String group = broker.name("group");
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "client.id", "only")) {
            consumer.subscribe(List.of(topic));
            Broker.poll(consumer, 30, LIMIT);
            consumer.commitSync();
            ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Expect.equal("range", description.partitionAssignor(), "assignor");
            Expect.equal(List.of("only"), description.members().stream().map(one -> one.clientId()).toList(), "members");
            Expect.equal(Set.copyOf(partitions(topic)),
                description.members().iterator().next().assignment().topicPartitions(), "the member's partitions");
            Expect.failure(GroupNotEmptyException.class, "deleting a group with members",
                () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        }
        Map<TopicPartition, OffsetAndMetadata> offsets =
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Expect.equal(Set.copyOf(partitions(topic)), offsets.keySet(), "partitions with offsets");
        offsets.forEach((partition, offset) -> Expect.equal(10L, offset.offset(), "committed in " + partition));
        admin.deleteConsumerGroups(List.of(group)).all().get();
        Expect.failure(GroupIdNotFoundException.class, "deleting it twice",
            () -> admin.deleteConsumerGroups(List.of(group)).all().get());
    }

    private static List<TopicPartition> partitions(String topic) {
        return IntStream.range(0, 3).mapToObj(partition -> new TopicPartition(topic, partition)).toList();
    }
}
