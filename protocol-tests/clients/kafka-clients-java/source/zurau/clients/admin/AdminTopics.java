package zurau.clients.admin;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TopicListing;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Topics made, changed, described and removed. */
public final class AdminTopics {
    /** What a broker without an authorizer lets everybody do with a topic. */
    private static final Set<AclOperation> ALL_OPERATIONS = Set.of(AclOperation.READ, AclOperation.WRITE,
        AclOperation.CREATE, AclOperation.DELETE, AclOperation.ALTER, AclOperation.DESCRIBE,
        AclOperation.DESCRIBE_CONFIGS, AclOperation.ALTER_CONFIGS);

    private AdminTopics() {
    }

    public static void create(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            int node = broker.anyNode(admin).id();
            String plain = broker.name("plain");
            String defaults = broker.name("defaults");
            String assigned = broker.name("assigned");
            List<NewTopic> topics = List.of(
                new NewTopic(plain, 3, (short) 1).configs(Map.of("cleanup.policy", "compact", "retention.ms", "12345",
                    "max.message.bytes", "54321")),
                new NewTopic(defaults, Optional.empty(), Optional.empty()),
                new NewTopic(assigned, Map.of(0, List.of(node), 1, List.of(node))));

            // Nothing is made of a request that is only to be validated, yet it says what would be.
            CreateTopicsResult validated = admin.createTopics(topics, new CreateTopicsOptions().validateOnly(true));
            validated.all().get();
            Expect.equal(3, validated.numPartitions(plain).get(), "partitions that would be created");
            Expect.equal("12345", value(validated.config(plain).get(), "retention.ms"), "config that would be set");
            Expect.that(!admin.listTopics().names().get().contains(plain), "validating creates nothing");

            CreateTopicsResult created = admin.createTopics(topics);
            created.all().get();
            // Kafka's broker hears of a new topic a moment after its controller has answered.
            Expect.within(Duration.ofSeconds(20), "the topics are listed",
                () -> admin.listTopics().names().get().containsAll(List.of(plain, defaults, assigned)));
            Expect.equal(3, created.numPartitions(plain).get(), "partitions");
            Expect.equal(1, created.replicationFactor(plain).get(), "replication factor");
            Expect.equal("compact", value(created.config(plain).get(), "cleanup.policy"), "cleanup.policy");
            Expect.equal("54321", value(created.config(plain).get(), "max.message.bytes"), "max.message.bytes");
            Expect.equal("delete", value(created.config(defaults).get(), "cleanup.policy"), "default cleanup.policy");
            int defaultPartitions = Integer.parseInt(AdminConfigs.brokerValue(broker, admin, "num.partitions"));
            Expect.equal(defaultPartitions, created.numPartitions(defaults).get(), "partitions by default");
            Expect.equal(1, created.replicationFactor(defaults).get(), "replication factor by default");
            Expect.equal(2, created.numPartitions(assigned).get(), "partitions by assignment");

            Set<Uuid> ids = new HashSet<>();
            for (NewTopic topic : topics) {
                Uuid id = created.topicId(topic.name()).get();
                Expect.that(!id.equals(Uuid.ZERO_UUID), "an id for " + topic.name());
                ids.add(id);
                TopicDescription described =
                    admin.describeTopics(List.of(topic.name())).topicNameValues().get(topic.name()).get();
                Expect.equal(id, described.topicId(), "id in the description");
                Expect.equal(created.numPartitions(topic.name()).get(), described.partitions().size(), "described");
            }
            Expect.equal(3, ids.size(), "different ids");
        }
    }

    private static String value(Config config, String key) {
        return config.get(key) == null ? null : config.get(key).value();
    }

    public static void delete(Broker broker) throws Exception {
        String byName = broker.name("by-name");
        String byId = broker.name("by-id");
        String kept = broker.name("kept");
        Uuid oldId = broker.createTopic(byName, 2);
        Uuid id = broker.createTopic(byId, 2);
        broker.createTopic(kept, 1);
        broker.produceNumbers(byName, 0, 0, 100, 10);
        broker.produceNumbers(kept, 0, 0, 100, 10);
        try (Admin admin = broker.admin()) {
            admin.deleteTopics(TopicCollection.ofTopicNames(List.of(byName))).all().get();
            admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
            Expect.within(Duration.ofSeconds(20), "deleted topics are not listed", () -> {
                Set<String> names = admin.listTopics().names().get();
                return !names.contains(byName) && !names.contains(byId);
            });
            Expect.that(admin.listTopics().names().get().contains(kept), "the other topic is listed");
            Expect.failure(UnknownTopicOrPartitionException.class, "deleting it again",
                () -> admin.deleteTopics(List.of(byName)).all().get());
            Expect.failure(UnknownTopicIdException.class, "deleting by an id that is gone",
                () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get());

            // The name is free at once, for a topic that shares nothing with the old one.
            Uuid newId = broker.createTopic(byName, 1);
            Expect.that(!newId.equals(oldId), "a new topic of an old name has a new id");
            broker.produceNumbers(byName, 0, 0, 7, 10);
            Expect.equal(7, broker.readAll(byName, 7).size(), "records of the new topic");
            broker.readAll(kept, 100);
            TopicListing listing = admin.listTopics().namesToListings().get().get(byName);
            Expect.equal(newId, listing.topicId(), "id in the listing");
        }
    }

    public static void createPartitions(Broker broker) throws Exception {
        String topic = broker.name("grows");
        broker.createTopic(topic, 2);
        broker.produceNumbers(topic, 1, 0, 20, 10);
        try (Admin admin = broker.admin(); KafkaConsumer<byte[], byte[]> consumer = broker.consumer()) {
            int node = broker.anyNode(admin).id();
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(9)),
                new CreatePartitionsOptions().validateOnly(true)).all().get();
            Thread.sleep(200);
            Expect.equal(2, partitions(admin, topic), "partitions after validating");
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5, List.of(List.of(node))))).all().get();
            // The broker may learn of its new partitions a moment after the answer.
            Expect.within(Duration.ofSeconds(10), "five partitions", () -> partitions(admin, topic) == 5);
            broker.produceNumbers(topic, 4, 0, 20, 10);
            List<TopicPartition> read = new ArrayList<>();
            for (int partition = 0; partition < 5; partition++) {
                read.add(new TopicPartition(topic, partition));
            }
            consumer.assign(read);
            Broker.poll(consumer, 40, Duration.ofSeconds(20));
        }
    }

    private static int partitions(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).topicNameValues().get(topic).get().partitions().size();
    }

    public static void describe(Broker broker) throws Exception {
        String small = broker.name("small");
        String wide = broker.name("wide");
        Uuid smallId = broker.createTopic(small, 1);
        Uuid wideId = broker.createTopic(wide, 30);
        try (Admin admin = broker.admin()) {
            int node = broker.anyNode(admin).id();
            // By name, in pages that are smaller than the topic.
            Map<String, TopicDescription> byName = admin.describeTopics(TopicCollection.ofTopicNames(
                List.of(small, wide)), new DescribeTopicsOptions().partitionSizeLimitPerResponse(7)
                .includeAuthorizedOperations(true)).allTopicNames().get();
            expectDescription(byName.get(small), small, smallId, 1, node);
            expectDescription(byName.get(wide), wide, wideId, 30, node);
            Expect.equal(ALL_OPERATIONS, byName.get(small).authorizedOperations(), "operations by name");
            Map<Uuid, TopicDescription> byId = admin.describeTopics(TopicCollection.ofTopicIds(
                List.of(smallId, wideId)), new DescribeTopicsOptions().includeAuthorizedOperations(true))
                .allTopicIds().get();
            expectDescription(byId.get(smallId), small, smallId, 1, node);
            expectDescription(byId.get(wideId), wide, wideId, 30, node);
            Expect.equal(ALL_OPERATIONS, byId.get(wideId).authorizedOperations(), "operations by id");
            Expect.equal(null, admin.describeTopics(TopicCollection.ofTopicIds(List.of(smallId))).allTopicIds().get()
                .get(smallId).authorizedOperations(), "operations that nobody asked for");
            listInternal(broker, admin);
        }
    }

    private static void expectDescription(TopicDescription topic, String name, Uuid id, int partitions, int node) {
        Expect.equal(name, topic.name(), "name");
        Expect.equal(id, topic.topicId(), "id of " + name);
        Expect.equal(false, topic.isInternal(), "internal " + name);
        Expect.equal(partitions, topic.partitions().size(), "partitions of " + name);
        for (int index = 0; index < partitions; index++) {
            String what = name + "-" + index;
            Expect.equal(index, topic.partitions().get(index).partition(), "order of " + what);
            Expect.equal(node, topic.partitions().get(index).leader().id(), "leader of " + what);
            Expect.equal(List.of(node), topic.partitions().get(index).replicas().stream().map(one -> one.id())
                .collect(Collectors.toList()), "replicas of " + what);
            Expect.equal(1, topic.partitions().get(index).isr().size(), "in-sync replicas of " + what);
        }
    }

    /** The topic of the committed offsets is there once a group was, and marked as internal. */
    private static void listInternal(Broker broker, Admin admin) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer("group.id", broker.name("group"))) {
            consumer.subscribe(List.of(broker.name("small")));
            Expect.within(Duration.ofSeconds(20), "an assignment", () -> {
                consumer.poll(Duration.ofMillis(50));
                return !consumer.assignment().isEmpty();
            });
        }
        Map<String, TopicListing> all =
            admin.listTopics(new ListTopicsOptions().listInternal(true)).namesToListings().get();
        Expect.that(all.containsKey("__consumer_offsets"), "the internal topic is listed when asked for");
        Expect.that(all.get("__consumer_offsets").isInternal(), "__consumer_offsets is internal");
        Expect.that(!admin.listTopics().names().get().contains("__consumer_offsets"), "else it is not listed");
        TopicDescription offsets = admin.describeTopics(List.of("__consumer_offsets")).topicNameValues()
            .get("__consumer_offsets").get();
        Expect.that(offsets.isInternal(), "its description says internal");
        Expect.that(!admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get()
            .contains("__cluster_metadata"), "the metadata topic is never listed");
    }
}
