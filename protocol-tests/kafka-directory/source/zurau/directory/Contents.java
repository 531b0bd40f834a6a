package zurau.directory;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Everything that clients can read of topics, groups and transactions, one fact per line. */
final class Contents {
    /** The kinds of groups that both brokers have. */
    static final Set<Optional<GroupType>> OF_CONSUMERS =
        Set.of(Optional.of(GroupType.CLASSIC), Optional.of(GroupType.CONSUMER));

    private final List<String> lines = new ArrayList<>();
    private final String bootstrap;

    private Contents(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    static void write(String bootstrap, Path file) throws Exception {
        Contents contents = new Contents(bootstrap);
        try (Admin admin = Clients.admin(bootstrap)) {
            Map<String, TopicDescription> topics = contents.topics(admin);
            contents.groups(admin);
            contents.transactions(admin);
            contents.records(topics.values(), "read_uncommitted", "record");
            contents.records(topics.values(), "read_committed", "committed");
        }
        contents.lines.sort(null);
        Files.write(file, contents.lines);
    }

    private void add(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        lines.add(line.toString());
    }

    private Map<String, TopicDescription> topics(Admin admin) throws Exception {
        Collection<String> names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        Map<String, TopicDescription> topics = new TreeMap<>(admin.describeTopics(names).allTopicNames().get());
        topics.forEach((name, topic) -> {
            add("topic", name, topic.topicId(), topic.isInternal() ? "internal" : "ordinary", topic.partitions().size());
            topic.partitions().forEach(partition -> {
                if (partition.leader() == null || partition.leader().id() != 1 || partition.isr().size() != 1) {
                    throw new IllegalStateException(name + " is not led: " + partition);
                }
            });
        });
        List<ConfigResource> resources = new ArrayList<>();
        names.forEach(name -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, name)));
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> config.entries().stream()
            .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
            .forEach(entry -> add("config", resource.name(), entry.name(), entry.value())));
        return topics;
    }

    /** Transactional ids with their states; one that is being ended soon has another. */
    private void transactions(Admin admin) throws Exception {
        Collection<TransactionListing> transactions = admin.listTransactions().all().get();
        for (int look = 0; look < 200 && transactions.stream().anyMatch(Contents::isEnding); look++) {
            Thread.sleep(50);
            transactions = admin.listTransactions().all().get();
        }
        transactions.forEach(transaction -> add("transaction", transaction));
    }

    private static boolean isEnding(TransactionListing transaction) {
        return switch (transaction.state()) {
            case PREPARE_COMMIT, PREPARE_ABORT, PREPARE_EPOCH_FENCE -> true;
            default -> false;
        };
    }

    /** Groups with their offsets; of other kinds than these Kafka lists more than we do. */
    private void groups(Admin admin) throws Exception {
        for (String group : Load.GROUPS_WITH_OFFSETS) {
            Map<TopicPartition, OffsetAndMetadata> offsets =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            offsets.forEach((partition, offset) -> {
                if (offset != null) {
                    add("offset", group, partition, offset.offset(), offset.leaderEpoch().orElse(-1), "'" + offset.metadata() + "'");
                }
            });
        }
        // Last: of a partition that is still being loaded Kafka lists nothing.
        for (GroupListing group : admin.listGroups(new ListGroupsOptions()).all().get()) {
            if (OF_CONSUMERS.contains(group.type())) {
                add("group", group.groupId(), group.type().get(), group.protocol().isEmpty() ? "-" : group.protocol());
            }
        }
    }

    private void records(Collection<TopicDescription> topics, String isolation, String word) {
        Map<String, Object> settings = Clients.settings(bootstrap);
        settings.put("isolation.level", isolation);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "none");
        settings.put("check.crcs", true);
        List<TopicPartition> partitions = new ArrayList<>();
        topics.forEach(topic -> topic.partitions().forEach(
            partition -> partitions.add(new TopicPartition(topic.name(), partition.partition()))));
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            for (TopicPartition partition : partitions) {
                add("range", isolation, partition, begins.get(partition), ends.get(partition));
            }
            List<TopicPartition> left = new ArrayList<>(partitions);
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (!left.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    addRecord(word, record);
                }
                left.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
                consumer.pause(partitions.stream().filter(partition -> !left.contains(partition)).toList());
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(isolation + ": not read to the end: " + left);
                }
            }
        }
    }

    private void addRecord(String word, ConsumerRecord<byte[], byte[]> record) {
        String place = record.topic() + "-" + record.partition() + " " + String.format("%08d", record.offset());
        if (word.equals("committed")) {
            add(word, place);
            return;
        }
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(header.key()).append('=').append(hex(header.value())).append(';');
        }
        add(word, place, "epoch=" + record.leaderEpoch().orElse(-1), record.timestampType() + "=" + record.timestamp(),
            "key=" + hex(record.key()), "headers=" + headers, "value=" + hex(record.value()));
    }

    /** Short values in full, long ones by their digest. */
    private static String hex(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        return bytes.length <= 400 ? HexFormat.of().formatHex(bytes) : bytes.length + ":" + Clients.digest(bytes);
    }
}
