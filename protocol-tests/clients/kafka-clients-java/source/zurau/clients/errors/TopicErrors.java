package zurau.clients.errors;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Wrong requests about topics, each with its own answer. */
public final class TopicErrors {
    private TopicErrors() {
    }

    public static void wrongRequests(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            String exists = broker.name("exists");
            broker.createTopic(exists, 2);
            expectRefused(admin, TopicExistsException.class, new NewTopic(exists, 1, (short) 1));
            for (String name : List.of("white space", "umlaut-ä", "sla/sh", ".", "..", "x".repeat(250), "")) {
                expectRefused(admin, InvalidTopicException.class, new NewTopic(name, 1, (short) 1));
            }
            // Dot and underscore are the same in names of metrics.
            broker.createTopic(broker.name("a.b"), 1);
            expectRefused(admin, InvalidTopicException.class, new NewTopic(broker.name("a_b"), 1, (short) 1));

            String topic = broker.name("wrong");
            expectRefused(admin, InvalidPartitionsException.class, new NewTopic(topic, 0, (short) 1));
            expectRefused(admin, InvalidReplicationFactorException.class, new NewTopic(topic, 1, (short) 3));
            expectRefused(admin, InvalidReplicationFactorException.class, new NewTopic(topic, 1, (short) 0));
            int node = broker.anyNode(admin).id();
            expectRefused(admin, InvalidReplicaAssignmentException.class,
                new NewTopic(topic, Map.of(0, List.of(node + 17))));
            expectRefused(admin, InvalidReplicaAssignmentException.class,
                new NewTopic(topic, Map.of(0, List.of(node), 2, List.of(node))));
            expectRefused(admin, InvalidReplicaAssignmentException.class,
                new NewTopic(topic, Map.of(0, List.of(node, node))));
            for (Map<String, String> config : List.of(Map.of("retention.ms", "soon"), Map.of("no.such.setting", "1"),
                Map.of("cleanup.policy", "shred"), Map.of("segment.bytes", "1"), Map.of("min.insync.replicas", "0"),
                Map.of("compression.type", "rar"), Map.of("max.message.bytes", "-1"))) {
                expectRefused(admin, InvalidConfigurationException.class,
                    new NewTopic(topic, 1, (short) 1).configs(config));
            }
            Expect.that(!admin.listTopics().names().get().contains(topic), "no refused topic was made");
            oneWrongAmongRight(broker, admin);
            partitions(broker, admin, exists);
            describe(broker, admin);
        }
    }

    private static <T extends Throwable> void expectRefused(Admin admin, Class<T> type, NewTopic topic) {
        for (boolean validateOnly : new boolean[] {true, false}) {
            T failure = Expect.failure(type, "creating " + topic, () -> admin.createTopics(List.of(topic),
                new CreateTopicsOptions().validateOnly(validateOnly)).all().get());
            Expect.that(failure.getMessage() != null && !failure.getMessage().isEmpty(), "a message for " + topic);
        }
    }

    /** Of several topics in one request, each has its own result. */
    private static void oneWrongAmongRight(Broker broker, Admin admin) throws Exception {
        CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(broker.name("right-1"), 1, (short) 1),
            new NewTopic(broker.name("wrong-1"), 1, (short) 9), new NewTopic(broker.name("right-2"), 1, (short) 1)));
        result.values().get(broker.name("right-1")).get();
        result.values().get(broker.name("right-2")).get();
        Expect.failure(InvalidReplicationFactorException.class, "the one in the middle",
            () -> result.values().get(broker.name("wrong-1")).get());
    }

    private static void partitions(Broker broker, Admin admin, String topic) throws Exception {
        int node = broker.anyNode(admin).id();
        for (int count : new int[] {1, 2, 0}) {
            Expect.failure(InvalidPartitionsException.class, "from 2 to " + count + " partitions",
                () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get());
        }
        Expect.failure(InvalidReplicaAssignmentException.class, "an assignment for too few of the new partitions",
            () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4, List.of(List.of(node)))))
                .all().get());
        Expect.failure(InvalidReplicaAssignmentException.class, "an assignment to an unknown broker",
            () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3, List.of(List.of(node + 17)))))
                .all().get());
        Expect.failure(UnknownTopicOrPartitionException.class, "partitions for an unknown topic",
            () -> admin.createPartitions(Map.of(broker.name("unknown"), NewPartitions.increaseTo(3))).all().get());
    }

    private static void describe(Broker broker, Admin admin) {
        Expect.failure(UnknownTopicOrPartitionException.class, "describing an unknown topic",
            () -> admin.describeTopics(List.of(broker.name("unknown"))).allTopicNames().get());
        Uuid id = Uuid.randomUuid();
        Expect.failure(UnknownTopicIdException.class, "describing an unknown id",
            () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get());
        Expect.failure(UnknownTopicIdException.class, "deleting an unknown id",
            () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get());
        ConfigResource invalid = new ConfigResource(ConfigResource.Type.TOPIC, "not a name");
        Expect.failure(InvalidTopicException.class, "configs of an invalid name",
            () -> admin.describeConfigs(List.of(invalid)).all().get());
    }

    /** Who asks for a topic that does not exist gets it made only where broker and client both want that. */
    public static void unknownTopic(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            String consumed = broker.name("consumed");
            try (KafkaConsumer<byte[], byte[]> consumer =
                     broker.consumer("allow.auto.create.topics", false, "default.api.timeout.ms", 4000)) {
                Expect.equal(List.of(), consumer.partitionsFor(consumed), "partitions of an unknown topic");
                consumer.assign(List.of(new TopicPartition(consumed, 0)));
                consumer.poll(Duration.ofMillis(300));
                Expect.failure(TimeoutException.class, "end offsets of an unknown topic",
                    () -> consumer.endOffsets(List.of(new TopicPartition(consumed, 0))));
            }
            Expect.that(!admin.listTopics().names().get().contains(consumed), "no topic by a reader who wants none");

            ConfigResource resource =
                new ConfigResource(ConfigResource.Type.BROKER, "" + broker.anyNode(admin).id());
            boolean autoCreate = admin.describeConfigs(List.of(resource)).all().get().get(resource)
                .get("auto.create.topics.enable").value().equals("true");
            String produced = broker.name("produced");
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.block.ms", autoCreate ? 30_000 : 3000)) {
                if (autoCreate) {
                    Expect.equal(0L, producer.send(new ProducerRecord<>(produced, 0, null, new byte[1])).get().offset(),
                        "first offset of a topic that came to be");
                } else {
                    Expect.failure(TimeoutException.class, "sending to an unknown topic",
                        () -> producer.send(new ProducerRecord<>(produced, new byte[1])).get());
                }
            }
            Set<String> names = admin.listTopics().names().get();
            Expect.equal(autoCreate, names.contains(produced), "topic made by a producer");
            // A partition that an existing topic does not have is no reason to make one.
            String narrow = broker.name("narrow");
            broker.createTopic(narrow, 1);
            try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.block.ms", 3000)) {
                Expect.failure(TimeoutException.class, "sending to an unknown partition",
                    () -> producer.send(new ProducerRecord<>(narrow, 5, null, new byte[1])).get());
            }
        }
    }
}
