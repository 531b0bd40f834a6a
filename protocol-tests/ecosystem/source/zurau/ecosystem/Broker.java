package zurau.ecosystem;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** A broker, the one under test or a peer, seen through plain clients: what went in and what came out. */
public final class Broker {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final String servers;

    public Broker(String servers) {
        this.servers = servers;
    }

    public String servers() {
        return servers;
    }

    public Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", servers, "default.api.timeout.ms", 30000));
    }

    public KafkaProducer<String, String> producer() {
        return new KafkaProducer<>(Map.of("bootstrap.servers", servers, "acks", "all", "max.block.ms", 30000),
            new StringSerializer(), new StringSerializer());
    }

    /** A consumer that begins at the earliest record and never commits by itself; the group may be null. */
    public KafkaConsumer<String, String> consumer(String group) {
        return consumer(group, Map.of());
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of(
            "bootstrap.servers", servers, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        if (group != null) {
            settings.put("group.id", group);
        }
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    /** Creates a topic and waits until all its partitions serve, which is a moment after the answer. */
    public void createTopic(String topic, int partitions, Map<String, String> settings) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(settings))).all().get();
            Map<TopicPartition, OffsetSpec> serving = partitions(topic, partitions).stream()
                .collect(Collectors.toMap(partition -> partition, partition -> OffsetSpec.latest()));
            Expect.within(PATIENCE, "the partitions of " + topic + " serve", () -> {
                try {
                    return admin.listOffsets(serving).all().get().size() == partitions;
                } catch (ExecutionException notYet) {
                    if (notYet.getCause() instanceof UnknownTopicOrPartitionException) {
                        return false;
                    }
                    throw notYet;
                }
            });
        }
    }

    public static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            partitions.add(new TopicPartition(topic, number));
        }
        return partitions;
    }

    public void produce(List<ProducerRecord<String, String>> records) throws Exception {
        try (KafkaProducer<String, String> producer = producer()) {
            List<Future<RecordMetadata>> sent = records.stream().map(producer::send).toList();
            producer.flush();
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
    }

    /** All that a topic holds now, each partition in its order. */
    public List<ConsumerRecord<String, String>> readAll(String topic) {
        return readAll(topic, Map.of());
    }

    /** The same without what was aborted, and without what belongs to a transaction that is still open. */
    public List<ConsumerRecord<String, String>> readCommitted(String topic) {
        return readAll(topic, Map.of("isolation.level", "read_committed"));
    }

    private List<ConsumerRecord<String, String>> readAll(String topic, Map<String, Object> more) {
        try (KafkaConsumer<String, String> consumer = consumer(null, more)) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(partition -> new TopicPartition(topic, partition.partition())).toList();
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                Expect.that(System.nanoTime() < deadline, topic + " was not read to its end " + ends);
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
            return records;
        }
    }

    public long earliestOffset(TopicPartition partition) throws Exception {
        try (Admin admin = admin()) {
            return admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get()
                .offset();
        }
    }

    /** The offsets that a group has committed, without those that it has not. */
    public Map<TopicPartition, Long> committed(String group) throws Exception {
        try (Admin admin = admin()) {
            Map<TopicPartition, OffsetAndMetadata> offsets =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            Map<TopicPartition, Long> committed = new HashMap<>();
            offsets.forEach((partition, offset) -> {
                if (offset != null) {
                    committed.put(partition, offset.offset());
                }
            });
            return committed;
        }
    }

    /** How many partitions a topic has; 0 when there is no such topic. */
    public int partitionCount(String topic) throws Exception {
        try (Admin admin = admin()) {
            if (!admin.listTopics().names().get().contains(topic)) {
                return 0;
            }
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        }
    }

    /** One setting of a topic. */
    public String setting(String topic, String name) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = admin()) {
            Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            return config.get(name).value();
        }
    }
}
