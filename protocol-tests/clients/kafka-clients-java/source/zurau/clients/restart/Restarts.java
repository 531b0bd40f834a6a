package zurau.clients.restart;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What was acknowledged is there after the broker went away and came back. */
public final class Restarts {
    private static final int RECORDS = 5000;

    private Restarts() {
    }

    public static void clean(Broker broker) throws Exception {
        everythingIsBack(broker, "stop");
    }

    public static void killed(Broker broker) throws Exception {
        everythingIsBack(broker, "kill9");
    }

    private static void everythingIsBack(Broker broker, String end) throws Exception {
        broker.requireControl();
        String topic = broker.name("topic");
        String deleted = broker.name("deleted");
        String group = broker.name("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        Uuid id = broker.createTopic(topic, 1, "segment.bytes", "1048576", "retention.ms", "86400000");
        broker.createTopic(deleted, 1);
        broker.produceNumbers(topic, 0, 0, RECORDS, 100);
        OffsetAndMetadata committed;
        String clusterId;
        try (Admin admin = broker.admin();
             KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "max.poll.records", 100)) {
            clusterId = admin.describeCluster().clusterId().get();
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            admin.deleteTopics(List.of(deleted)).all().get();
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(consumer, 100, Duration.ofSeconds(20));
            committed = new OffsetAndMetadata(100, records.get(99).leaderEpoch(), "before the end");
            consumer.commitSync(Map.of(partition, committed));
        }

        broker.control(end);
        broker.control("start");

        try (Admin admin = broker.admin()) {
            Expect.equal(clusterId, admin.describeCluster().clusterId().get(), "cluster id");
            Expect.equal(id, admin.listTopics().namesToListings().get().get(topic).topicId(), "topic id");
            Expect.that(!admin.listTopics().names().get().contains(deleted), "the deleted topic stays away");
            Expect.equal(3, admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size(),
                "partitions");
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Expect.equal("86400000", admin.describeConfigs(List.of(resource)).all().get().get(resource)
                .get("retention.ms").value(), "setting of the topic");
            Expect.equal(Map.of(partition, committed),
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), "committed offsets");
            ConsumerGroupDescription description =
                admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Expect.equal(GroupState.EMPTY, description.groupState(), "state of the group");
        }
        broker.produceNumbers(topic, 0, RECORDS, RECORDS + 10, 10);
        List<ConsumerRecord<byte[], byte[]>> records = broker.readAll(topic, RECORDS + 10);
        Optional<Integer> epoch = Optional.of(-1);
        for (int number = 0; number < records.size(); number++) {
            Expect.equal((long) number, records.get(number).offset(), "offset");
            Expect.equal("" + number, Broker.text(records.get(number).value()), "value at " + number);
            Expect.that(records.get(number).leaderEpoch().get() >= epoch.get(), "the leader epoch never goes back");
            epoch = records.get(number).leaderEpoch();
        }
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", group, "max.poll.records", 100)) {
            consumer.subscribe(List.of(topic));
            Expect.equal(100L, Broker.poll(consumer, 100, Duration.ofSeconds(20)).get(0).offset(),
                "offset at which the group resumes");
        }
    }
}
