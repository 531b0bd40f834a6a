package zurau.clients.restart;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeReplicaLogDirsResult.ReplicaLogDirInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** A broker with two log directories: what is where, and moving it while it is written, and over a kill. */
public final class LogDirectories {
    private static final int PARTITIONS = 4;
    private static final int RECORDS = 4000;
    /** Large enough for a move to take a while. */
    private static final int SIZE = 2000;

    private final Broker broker;
    private final Admin admin;
    private final int node;
    private final String topic;

    private LogDirectories(Broker broker, Admin admin) throws Exception {
        this.broker = broker;
        this.admin = admin;
        this.node = broker.anyNode(admin).id();
        this.topic = broker.name("topic");
    }

    public static void moves(Broker broker) throws Exception {
        broker.requireControl();
        try (Admin admin = broker.admin()) {
            new LogDirectories(broker, admin).run();
        }
    }

    private void run() throws Exception {
        broker.createTopic(topic, PARTITIONS, "segment.bytes", "1048576");
        Map<Integer, String> first = places();
        Expect.equal(2, Set.copyOf(first.values()).size(), "directories with a replica: " + first);
        Map<Integer, List<String>> written = new TreeMap<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            written.put(partition, new ArrayList<>());
        }
        produce(written, 0, RECORDS);
        for (LogDirDescription directory : descriptions().values()) {
            Expect.that(directory.error() == null, "error of a directory: " + directory.error());
            for (Map.Entry<TopicPartition, ReplicaInfo> entry : directory.replicaInfos().entrySet()) {
                if (entry.getKey().topic().equals(topic)) {
                    Expect.that(entry.getValue().size() > (long) RECORDS * SIZE, "size of " + entry);
                    Expect.equal(0L, entry.getValue().offsetLag(), "lag of " + entry);
                    Expect.that(!entry.getValue().isFuture(), "no move is under way: " + entry);
                }
            }
        }
        refusals(first.get(0));

        // While they are written, all change sides.
        AtomicBoolean moving = new AtomicBoolean(true);
        Thread writer = new Thread(() -> {
            for (int from = RECORDS; moving.get(); from += 100) {
                produce(written, from, from + 100);
            }
        }, "writer");
        writer.start();
        Map<Integer, String> second = otherSides(first);
        alter(second);
        awaitPlaces(second);
        alter(second);
        Expect.equal(second, places(), "asking for where they are moves nothing");
        moving.set(false);
        writer.join();
        compare(written);

        // And back, with a kill on the way; whatever was under way comes to its end.
        alter(first);
        broker.control("kill9");
        broker.control("start");
        broker.awaitServing(admin, topic, PARTITIONS);
        Expect.within(Duration.ofSeconds(60), "no move is under way", () -> infos().values().stream()
            .allMatch(info -> info.getFutureReplicaLogDir() == null));
        compare(written);
        produce(written, 1_000_000, 1_000_100);
        alter(first);
        awaitPlaces(first);
        broker.control("restart");
        broker.awaitServing(admin, topic, PARTITIONS);
        Expect.equal(first, places(), "places after a restart");
        compare(written);
    }

    /** What cannot be; and a partition that is asked for before it is there. */
    private void refusals(String directory) throws Exception {
        String later = broker.name("later");
        TopicPartitionReplica here = new TopicPartitionReplica(topic, 0, node);
        TopicPartitionReplica early = new TopicPartitionReplica(later, 0, node);
        Expect.failure(LogDirNotFoundException.class, "a directory that is not configured",
            () -> admin.alterReplicaLogDirs(Map.of(here, directory + "-other")).all().get());
        Set<String> directories = descriptions().keySet();
        for (String wanted : directories) {
            Expect.failure(UnknownTopicOrPartitionException.class, "a topic that is not there yet",
                () -> admin.alterReplicaLogDirs(Map.of(early, wanted)).all().get());
            broker.createTopic(later, 1);
            Expect.equal(wanted, admin.describeReplicaLogDirs(List.of(early)).all().get().get(early)
                .getCurrentReplicaLogDir(), "directory that was asked for before");
            admin.deleteTopics(List.of(later)).all().get();
            Expect.within(Duration.ofSeconds(20), "the topic is gone",
                () -> !admin.listTopics().names().get().contains(later));
        }
    }

    private Map<String, LogDirDescription> descriptions() throws Exception {
        return admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
    }

    private Map<TopicPartitionReplica, ReplicaLogDirInfo> infos() throws Exception {
        List<TopicPartitionReplica> replicas = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            replicas.add(new TopicPartitionReplica(topic, partition, node));
        }
        return admin.describeReplicaLogDirs(replicas).all().get();
    }

    private Map<Integer, String> places() throws Exception {
        Map<Integer, String> places = new TreeMap<>();
        infos().forEach((replica, info) -> places.put(replica.partition(), info.getCurrentReplicaLogDir()));
        return places;
    }

    private Map<Integer, String> otherSides(Map<Integer, String> places) throws Exception {
        Map<Integer, String> others = new TreeMap<>();
        Set<String> directories = descriptions().keySet();
        places.forEach((partition, place) -> others.put(partition,
            directories.stream().filter(directory -> !directory.equals(place)).findFirst().get()));
        return others;
    }

    private void alter(Map<Integer, String> places) throws Exception {
        Map<TopicPartitionReplica, String> wanted = new HashMap<>();
        places.forEach((partition, place) -> wanted.put(new TopicPartitionReplica(topic, partition, node), place));
        admin.alterReplicaLogDirs(wanted).all().get();
    }

    private void awaitPlaces(Map<Integer, String> wanted) throws Exception {
        Expect.within(Duration.ofSeconds(60), "the replicas are in " + wanted, () -> places().equals(wanted)
            && infos().values().stream().allMatch(info -> info.getFutureReplicaLogDir() == null));
    }

    /** Writes these numbers to every partition and remembers what was acknowledged. */
    private void produce(Map<Integer, List<String>> written, int from, int until) {
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("enable.idempotence", true, "linger.ms", 5)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int number = from; number < until; number++) {
                for (List<String> partition : written.values()) {
                    partition.add("" + number);
                }
                String value = number + " ".repeat(SIZE);
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, partition, null, Broker.bytes(value))));
                }
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        } catch (Exception failure) {
            throw new AssertionError("producing " + from + " to " + until, failure);
        }
    }

    /** Every record is there once, in its order, at the offset that follows from it. */
    private void compare(Map<Integer, List<String>> written) {
        Map<Integer, List<String>> found = new TreeMap<>();
        int count = written.values().stream().mapToInt(List::size).sum();
        for (ConsumerRecord<byte[], byte[]> record : broker.readAll(topic, count)) {
            List<String> partition = found.computeIfAbsent(record.partition(), none -> new ArrayList<>());
            Expect.equal((long) partition.size(), record.offset(), "offset in partition " + record.partition());
            partition.add(Broker.text(record.value()).trim());
        }
        for (int partition = 0; partition < PARTITIONS; partition++) {
            Expect.equal(written.get(partition), found.get(partition), "records of partition " + partition);
        }
    }
}
