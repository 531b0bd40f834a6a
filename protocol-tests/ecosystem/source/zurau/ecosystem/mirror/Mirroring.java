package zurau.ecosystem.mirror;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;
import zurau.ecosystem.process.KafkaPeer;
import zurau.ecosystem.process.Worker;

/** MirrorMaker 2 between the broker under test and a Kafka: topics, records, settings and groups arrive. */
public final class Mirroring {
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final Run run;
    private final Broker source;
    private final Broker target;
    private final String topic;
    private final String copy;
    private final String group;
    private int sent;

    private Mirroring(Run run, Broker source, Broker target) {
        this.run = run;
        this.source = source;
        this.target = target;
        topic = run.name("orders");
        copy = MirrorMaker.mirrored(topic);
        group = run.name("readers");
    }

    public static void toBroker(Run run) throws Exception {
        try (KafkaPeer peer = KafkaPeer.start(run.path("peer"))) {
            new Mirroring(run, peer.broker(), run.broker()).everythingArrives();
        }
    }

    public static void fromBroker(Run run) throws Exception {
        try (KafkaPeer peer = KafkaPeer.start(run.path("peer"))) {
            new Mirroring(run, run.broker(), peer.broker()).everythingArrives();
        }
    }

    /** A setting that the source's topic gets later arrives as well. */
    public static void configChange(Run run) throws Exception {
        try (KafkaPeer peer = KafkaPeer.start(run.path("peer"))) {
            new Mirroring(run, peer.broker(), run.broker()).laterSettingArrives();
        }
    }

    private void everythingArrives() throws Exception {
        source.createTopic(topic, 3, Map.of("retention.ms", "123456789", "max.message.bytes", "1234567"));
        send(1000, 3);
        Map<TopicPartition, Long> committed = readAndCommit();
        try (Worker mirrorMaker = start()) {
            awaitCopy(mirrorMaker, 3);
            Expect.equal("123456789", target.setting(copy, "retention.ms"), "retention.ms of the copy");
            Expect.equal("1234567", target.setting(copy, "max.message.bytes"), "max.message.bytes of the copy");
            awaitCommits(mirrorMaker, committed);

            try (Admin admin = source.admin()) {
                admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
            }
            Set<String> later = send(500, 5);
            awaitCopy(mirrorMaker, 5);
            resumeOnTarget(later);
            mirrorMaker.stop();
        }
        send(100, 5);
        try (Worker restarted = start()) {
            awaitCopy(restarted, 5);
            restarted.stop();
        }
    }

    private void laterSettingArrives() throws Exception {
        source.createTopic(topic, 1, Map.of("retention.ms", "123456789"));
        send(10, 1);
        try (Worker mirrorMaker = start()) {
            awaitCopy(mirrorMaker, 1);
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            AlterConfigOp change = new AlterConfigOp(
                new ConfigEntry("retention.ms", "987654321"), AlterConfigOp.OpType.SET);
            try (Admin admin = source.admin()) {
                admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
            }
            Expect.becomes(PATIENCE, "987654321", "retention.ms of the copy", () -> {
                mirrorMaker.mustBeAlive();
                return target.setting(copy, "retention.ms");
            });
            mirrorMaker.stop();
        }
    }

    private Worker start() throws Exception {
        return MirrorMaker.start(run, source, target, topic, group);
    }

    /** Sends records, some without a key or a value, and returns their headers, of which no two are the same. */
    private Set<String> send(int count, int partitions) throws Exception {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        Set<String> headers = new HashSet<>();
        for (int number = sent; number < sent + count; number++) {
            String key = number % 7 == 0 ? null : "key " + number % 50;
            String value = key != null && number % 11 == 0 ? null : "value " + number;
            ProducerRecord<String, String> record =
                new ProducerRecord<>(topic, number % partitions, System.currentTimeMillis() - number, key, value);
            record.headers().add("number", Integer.toString(number).getBytes(StandardCharsets.UTF_8));
            records.add(record);
            headers.add(header(record.headers().lastHeader("number")));
        }
        source.produce(records);
        sent += count;
        return headers;
    }

    /** A group of the source reads all there is. */
    private Map<TopicPartition, Long> readAndCommit() {
        try (KafkaConsumer<String, String> consumer = source.consumer(group)) {
            consumer.subscribe(List.of(topic));
            poll(consumer, sent);
            consumer.commitSync();
            Map<TopicPartition, Long> committed = new HashMap<>();
            for (TopicPartition partition : consumer.assignment()) {
                committed.put(new TopicPartition(copy, partition.partition()), consumer.position(partition));
            }
            return committed;
        }
    }

    /** The same group goes on at the target: what it had read does not come again, and nothing is left out. */
    private void resumeOnTarget(Set<String> expected) {
        try (KafkaConsumer<String, String> consumer = target.consumer(group)) {
            consumer.subscribe(List.of(copy));
            Set<String> read = new HashSet<>();
            poll(consumer, expected.size())
                .forEach(record -> read.add(header(record.headers().lastHeader("number"))));
            Expect.equal(expected, read, "records with which the group goes on at the target");
        }
    }

    private static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            Expect.that(System.nanoTime() < deadline, "only " + records.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        return records;
    }

    private void awaitCommits(Worker mirrorMaker, Map<TopicPartition, Long> expected) throws Exception {
        Expect.becomes(PATIENCE, expected, "commits of " + group + " at the target", () -> {
            mirrorMaker.mustBeAlive();
            return target.committed(group);
        });
    }

    /** Waits until the target has every record of the source, each partition with the same ones in the same order. */
    private void awaitCopy(Worker mirrorMaker, int partitions) throws Exception {
        List<String> expected = content(source, topic);
        Expect.equal(sent, expected.size(), "records of the source");
        Expect.becomes(PATIENCE, partitions, "partitions of the copy", () -> {
            mirrorMaker.mustBeAlive();
            return target.partitionCount(copy);
        });
        Expect.within(PATIENCE, "the copy has " + sent + " records", () -> {
            mirrorMaker.mustBeAlive();
            return target.readAll(copy).size() >= sent;
        });
        Expect.equal(expected, content(target, copy), "records of the copy");
    }

    private static List<String> content(Broker broker, String topic) {
        return broker.readAll(topic).stream()
            .sorted(Comparator.comparing(ConsumerRecord<String, String>::partition)
                .thenComparing(ConsumerRecord::offset))
            .map(record -> String.join(" ", record.partition() + ":" + record.offset(), "" + record.timestamp(),
                record.key(), record.value(), header(record.headers().lastHeader("number"))))
            .toList();
    }

    private static String header(Header header) {
        return header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8);
    }
}
