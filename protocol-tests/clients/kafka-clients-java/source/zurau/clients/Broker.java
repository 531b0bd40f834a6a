package zurau.clients;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The broker under test: makes clients for it and names that nobody else uses. */
public final class Broker {
    private final String servers;
    private final String prefix;
    private final String control;
    /** What every consumer is told beside its own settings. */
    private final Map<String, Object> group;

    private Broker(String servers, String prefix, String control, Map<String, Object> group) {
        this.servers = servers;
        this.prefix = prefix;
        this.control = control;
        this.group = group;
    }

    static Broker fromEnvironment(String scenario) {
        String servers = System.getenv("BOOTSTRAP_SERVERS");
        if (servers == null) {
            throw new IllegalStateException("BOOTSTRAP_SERVERS is not set");
        }
        String prefix = System.getenv("TOPIC_PREFIX");
        if (prefix == null) {
            prefix = "t" + Long.toString(System.currentTimeMillis(), 36);
        }
        if (!prefix.endsWith("-")) {
            prefix += "-";
        }
        return new Broker(servers, prefix + scenario, System.getenv("BROKER_CONTROL"), Map.of());
    }

    /** A name for a topic or a group of this run. */
    public String name(String part) {
        return prefix + "-" + part;
    }

    /** The same broker with other names, for a scenario within a scenario. */
    public Broker part(String name) {
        return new Broker(servers, name(name), control, group);
    }

    /** The same broker, whose consumers are members by the consumer protocol (KIP-848): the broker assigns. */
    public Broker withConsumerProtocol() {
        return new Broker(servers, prefix, control, Map.of("group.protocol", "consumer"));
    }

    /** The same with this assignor of the broker. */
    public Broker withConsumerProtocol(String assignor) {
        return new Broker(servers, prefix, control,
            Map.of("group.protocol", "consumer", "group.remote.assignor", assignor));
    }

    /** Tells the one who runs the broker to {@code stop}, {@code start}, {@code kill9} or {@code restart} it. */
    public void control(String command) throws Exception {
        requireControl();
        Process process = new ProcessBuilder(control, command).inheritIO().start();
        int status = process.waitFor();
        Expect.equal(0, status, "status of " + control + " " + command);
    }

    public void requireControl() {
        if (control == null || control.isEmpty()) {
            throw new Skipped("BROKER_CONTROL is not set");
        }
    }

    public Admin admin(Object... settings) {
        return Admin.create(configuration(Map.of("default.api.timeout.ms", 30000), settings));
    }

    public KafkaProducer<byte[], byte[]> producer(Object... settings) {
        return new KafkaProducer<>(configuration(Map.of("max.block.ms", 30000), settings), new ByteArraySerializer(),
            new ByteArraySerializer());
    }

    /** A consumer that begins at the earliest record and never commits by itself, unless the settings differ. */
    public KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
        Map<String, Object> configuration =
            configuration(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", false), settings);
        if (!group.isEmpty()) {
            // The broker says these, and a client that is told them refuses to start.
            configuration.keySet().removeAll(
                List.of("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"));
            configuration.putAll(group);
        }
        return new KafkaConsumer<>(configuration, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<String, Object> configuration(Map<String, Object> defaults, Object... settings) {
        Map<String, Object> configuration = new HashMap<>(defaults);
        configuration.put("bootstrap.servers", servers);
        // Reconnecting once a second makes every test with a restart wait for nothing.
        configuration.put("reconnect.backoff.max.ms", 250);
        for (int index = 0; index < settings.length; index += 2) {
            configuration.put((String) settings[index], settings[index + 1]);
        }
        return configuration;
    }

    /**
     * Creates a topic with settings given as key, value, key, value ... and returns its id. All its partitions serve
     * then: Kafka answers a moment before they do, and the first batch of an idempotent producer that is refused for it
     * is overtaken by the second, which a partition without state of the producer takes whatever its sequence.
     */
    public Uuid createTopic(String topic, int partitions, String... settings) throws Exception {
        Map<String, String> configs = new HashMap<>();
        // Some tests write timestamps of long ago, which the housekeeping of a broker would remove while they run.
        configs.put("retention.ms", "-1");
        for (int index = 0; index < settings.length; index += 2) {
            configs.put(settings[index], settings[index + 1]);
        }
        try (Admin admin = admin()) {
            Uuid id = admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs)))
                .topicId(topic).get();
            awaitServing(admin, topic, partitions);
            return id;
        }
    }

    /** Waits until so many partitions of the topic answer. */
    public void awaitServing(Admin admin, String topic, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> serving = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            serving.put(new TopicPartition(topic, partition), OffsetSpec.latest());
        }
        Expect.within(Duration.ofSeconds(30), "the partitions of " + topic + " serve", () -> {
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

    public Node anyNode(Admin admin) throws ExecutionException, InterruptedException {
        return admin.describeCluster().nodes().get().iterator().next();
    }

    /** Sends records with the values 0, 1, 2 ... as text, one batch per {@code batch} records. */
    public void produceNumbers(String topic, int partition, int from, int until, int batch) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 1000, "batch.size", 1 << 20)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int number = from; number < until; number++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, null, bytes("" + number))));
                if ((number - from) % batch == batch - 1) {
                    producer.flush();
                }
            }
            producer.flush();
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
    }

    /** Polls until so many records are there. More than that is a failure too. */
    public static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count,
                                                            Duration limit) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + limit.toNanos();
        while (records.size() < count) {
            Expect.that(System.nanoTime() < deadline,
                "only " + records.size() + " of " + count + " records within " + limit.toSeconds() + " s");
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        Expect.equal(count, records.size(), "number of records");
        return records;
    }

    /** Reads a whole topic from the beginning until it has so many records, partition by partition in order. */
    public List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(partition -> new TopicPartition(topic, partition.partition())).toList();
            consumer.assign(partitions);
            List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, count, Duration.ofSeconds(60));
            long end = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
            Expect.equal((long) count, end, "sum of the end offsets of " + topic);
            return records;
        }
    }

    public static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    public static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}
