package zurau.directory;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What every broker takes: topics made and deleted, records in every codec, commits of classic groups. */
final class Load {
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    static final List<String> GROUPS_WITH_OFFSETS =
        List.of("members", "committer", "sleeper", "modern", "exactly-once", "of-stay-1", "of-stay-2", "of-stay-3",
            "of-stay-4");
    private static final int RECORDS = 150;

    private final String bootstrap;
    private final int stay;
    private final Random random;

    private Load(String bootstrap, int stay) {
        this.bootstrap = bootstrap;
        this.stay = stay;
        this.random = new Random(stay);
    }

    static void run(String bootstrap, int stay) throws Exception {
        Load load = new Load(bootstrap, stay);
        try (Admin admin = Clients.admin(bootstrap)) {
            load.topics(admin);
            load.configure(admin);
            load.trimmed(admin);
        }
        for (String codec : CODECS) {
            load.produce("codec-" + codec, codec, 2);
        }
        load.produce("of-stay-" + stay, "none", 1);
        load.compacted();
        load.member();
        load.commits();
    }

    /** Makes a topic if it is not there yet. */
    static void create(Admin admin, String name, int partitions, Map<String, String> configs) throws Exception {
        try {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get();
        } catch (java.util.concurrent.ExecutionException failed) {
            if (!(failed.getCause() instanceof TopicExistsException)) {
                throw failed;
            }
        }
    }

    private void topics(Admin admin) throws Exception {
        for (String codec : CODECS) {
            // Small segments, so that each stay leaves several of them.
            create(admin, "codec-" + codec, 2, Map.of("segment.bytes", "1048576", "retention.ms", "-1"));
        }
        // In the end nothing is cleaned any more, so that what is read can be compared.
        create(admin, "compacted", 1, Map.of("cleanup.policy", "compact", "segment.bytes", "1048576",
            "min.cleanable.dirty.ratio", "0.01", "min.compaction.lag.ms", "600000"));
        create(admin, "of-stay-" + stay, 1, Map.of("max.message.bytes", String.valueOf(1_000_000 + stay)));
        create(admin, "doomed-" + stay, 2, Map.of());
        if (stay > 1) {
            // Made by the broker before.
            admin.deleteTopics(List.of("doomed-" + (stay - 1))).all().get();
            // Made again under the same name, and so under another id.
            admin.deleteTopics(List.of("of-stay-" + (stay - 1))).all().get();
        }
    }

    /** A value that changes with each stay, one that only this stay sets, and one that goes again. */
    private void configure(Admin admin) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        changes.add(set("retention.bytes", String.valueOf(2_000_000_000L + stay)));
        changes.add(set(stay % 2 == 0 ? "flush.messages" : "index.interval.bytes", String.valueOf(4000 + stay)));
        if (stay > 1) {
            String before = stay % 2 == 0 ? "index.interval.bytes" : "flush.messages";
            changes.add(new AlterConfigOp(new ConfigEntry(before, ""), AlterConfigOp.OpType.DELETE));
        }
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "codec-snappy"), changes)).all().get();
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    /** Two partitions of which records are deleted: some of the one, all of the other. */
    private void trimmed(Admin admin) throws Exception {
        create(admin, "trimmed", 2, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, Map.of("batch.size", 100))) {
            for (int number = 0; number < 40; number++) {
                producer.send(new ProducerRecord<>("trimmed", number % 2, null, new byte[100]));
            }
        }
        TopicPartition some = new TopicPartition("trimmed", 0);
        long end = admin.listOffsets(Map.of(some, OffsetSpec.latest())).partitionResult(some).get().offset();
        admin.deleteRecords(Map.of(
            some, RecordsToDelete.beforeOffset(end - 7),
            new TopicPartition("trimmed", 1), RecordsToDelete.beforeOffset(-1))).all().get();
    }

    /** Random text, of which some is repeated, so that codecs have something to do. */
    private byte[] text(int length) {
        StringBuilder text = new StringBuilder("stay " + stay + " ");
        while (text.length() < length) {
            text.append((char) ('a' + random.nextInt(26))).append("xyz".repeat(random.nextInt(4)));
        }
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    private void produce(String topic, String codec, int partitions) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap,
            Map.of("compression.type", codec, "batch.size", 40_000))) {
            for (int number = 0; number < RECORDS; number++) {
                byte[] key = number % 7 == 0 ? null : ("key " + number).getBytes(StandardCharsets.UTF_8);
                byte[] value = number % 11 == 0 ? null : text(number % 10 == 0 ? 30_000 : 60);
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, number % partitions, key, value);
                if (number % 3 == 0) {
                    // The same key twice, and a value that is not there.
                    record.headers().add("h", text(5)).add("h", new byte[0]).add("none", null);
                }
                sent.add(producer.send(record));
            }
        }
        for (Future<RecordMetadata> future : sent) {
            future.get();
        }
    }

    private void compacted() throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(bootstrap, Map.of())) {
            for (int number = 0; number < 60; number++) {
                byte[] key = ("key " + number % 20).getBytes(StandardCharsets.UTF_8);
                byte[] value = number % 19 == 0 ? null : text(20_000);
                sent.add(producer.send(new ProducerRecord<>("compacted", key, value)));
            }
        }
        for (Future<RecordMetadata> future : sent) {
            future.get();
        }
    }

    /** A classic group with a member, which goes on where it was, commits and leaves. */
    private void member() {
        Map<String, Object> settings = Clients.settings(bootstrap);
        settings.put("group.id", "members");
        settings.put("group.protocol", "classic");
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 60);
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of("codec-none", "codec-zstd"));
            long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
            while (consumer.poll(Duration.ofMillis(200)).isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the group's member got no record");
                }
            }
            consumer.commitSync();
        }
    }

    private void commits() throws Exception {
        try (Admin admin = Clients.admin(bootstrap)) {
            for (String group : List.of("committer", "of-stay-" + stay)) {
                admin.alterConsumerGroupOffsets(group, Map.of(
                    new TopicPartition("codec-gzip", 0), new OffsetAndMetadata(10 + stay, java.util.Optional.of(0), "metadata of " + stay),
                    new TopicPartition("of-stay-" + stay, 0), new OffsetAndMetadata(stay))).all().get();
            }
            if (stay == 1) {
                // Nobody ever touches this one again.
                admin.alterConsumerGroupOffsets("sleeper", Map.of(
                    new TopicPartition("codec-lz4", 1), new OffsetAndMetadata(7))).all().get();
            }
        }
    }
}
