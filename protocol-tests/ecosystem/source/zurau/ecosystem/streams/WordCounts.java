package zurau.ecosystem.streams;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;

/** Kafka Streams at least once: words are counted in a store that lives in a changelog topic. */
public final class WordCounts {
    private static final int PARTITIONS = 3;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String[] WORDS =
        {"ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "oak", "pine", "yew"};

    private final Broker broker;
    private final Run run;
    private final String application;
    private final String lines;
    private final String counts;
    private final Map<String, Long> expected = new HashMap<>();
    private long wordsSent;

    private WordCounts(Run run) throws Exception {
        this.run = run;
        broker = run.broker();
        application = run.name("counter");
        lines = run.name("lines");
        counts = run.name("counts");
        broker.createTopic(lines, PARTITIONS, Map.of());
        broker.createTopic(counts, PARTITIONS, Map.of());
    }

    /** Counts, and leaves behind the internal topics, their records and the commits that are expected of it. */
    public static void once(Run run) throws Exception {
        WordCounts words = new WordCounts(run);
        words.sendLines(200);
        try (WordCounter counter = words.counter("state", Map.of()).start()) {
            counter.awaitCounts(words.expected);
        }
        words.checkTopics();
        words.checkCommits();
    }

    /** Goes on from the commits, with its local state and, once that is lost, with what the changelog gives back. */
    public static void restart(Run run) throws Exception {
        WordCounts words = new WordCounts(run);
        words.sendLines(2000);
        try (WordCounter counter = words.counter("state", Map.of()).start()) {
            counter.awaitCounts(words.expected);
        }
        words.sendLines(500);
        try (WordCounter counter = words.counter("state", Map.of()).start()) {
            counter.awaitCounts(words.expected);
            Expect.equal(0L, counter.restored(), "records that were restored although the state was there");
        }
        removeAll(run.path("state"));
        long changelog = words.wordsSent;
        words.sendLines(500);
        try (WordCounter counter = words.counter("state", Map.of()).start()) {
            counter.awaitCounts(words.expected);
            Expect.equal(changelog, counter.restored(), "records that were restored from the changelog");
        }
        words.checkTopics();
        words.checkCommits();
    }

    /** Two instances share the tasks and keep standby copies; when one leaves, the other goes on alone. */
    public static void standby(Run run) throws Exception {
        WordCounts words = new WordCounts(run);
        Map<String, ?> settings = Map.of("num.standby.replicas", 1, "probing.rebalance.interval.ms", 60000);
        words.sendLines(500);
        try (WordCounter first = words.counter("first", settings).start()) {
            first.awaitCounts(words.expected);
            try (WordCounter second = words.counter("second", settings).start()) {
                // Three partitions of the lines and three by word, of which only the latter have a store.
                Expect.within(PATIENCE, "both have tasks, and each store a standby", () ->
                    first.activeTasks() > 0 && second.activeTasks() > 0
                        && first.activeTasks() + second.activeTasks() == 2 * PARTITIONS
                        && first.standbyTasks() + second.standbyTasks() == PARTITIONS);
                first.awaitRunning();
                second.awaitRunning();
                words.sendLines(500);
                words.awaitOutput();
            }
            words.sendLines(500);
            first.awaitCounts(words.expected);
        }
        words.checkTopics();
        words.checkCommits();
    }

    /** Records of the repartition topic that were processed are removed (DeleteRecords), or it grows for ever. */
    public static void purge(Run run) throws Exception {
        WordCounts words = new WordCounts(run);
        words.sendLines(500);
        try (WordCounter counter = words.counter("state", Map.of("repartition.purge.interval.ms", 200)).start()) {
            counter.awaitCounts(words.expected);
            String topic = WordCounter.repartitionTopic(words.application);
            Expect.becomes(PATIENCE, words.wordsSent, "sum of the first offsets of the repartition topic", () -> {
                long removed = 0;
                for (TopicPartition partition : Broker.partitions(topic, PARTITIONS)) {
                    removed += words.broker.earliestOffset(partition);
                }
                return removed;
            });
        }
    }

    private WordCounter counter(String state, Map<String, ?> settings) {
        return new WordCounter(broker.servers(), application, lines, counts, run.path(state), settings);
    }

    /** Sends lines whose words occur unequally often, and remembers what that makes. */
    private void sendLines(int count) throws Exception {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            List<String> line = new ArrayList<>();
            for (int place = 0; place <= number % 4; place++) {
                String word = WORDS[(number * (place + 1)) % WORDS.length];
                line.add(word);
                expected.merge(word, 1L, Long::sum);
                wordsSent++;
            }
            records.add(new ProducerRecord<>(lines, number % PARTITIONS, null, String.join(" ", line)));
        }
        broker.produce(records);
    }

    private void awaitOutput() throws Exception {
        Expect.becomes(PATIENCE, wordsSent, "counts that were put out", () -> (long) broker.readAll(counts).size());
    }

    /** After a clean end each word was counted once: 1, 2, 3 ... in its order; the changelog says the same. */
    private void checkTopics() throws Exception {
        Map<String, Long> seen = new HashMap<>();
        for (ConsumerRecord<String, String> record : broker.readAll(counts)) {
            long count = seen.merge(record.key(), 1L, Long::sum);
            Expect.equal(Long.toString(count), record.value(), "count of " + record.key());
        }
        Expect.equal(expected, seen, "counts that were put out");

        String changelog = WordCounter.changelogTopic(application);
        Expect.equal(PARTITIONS, broker.partitionCount(changelog), "partitions of the changelog");
        Expect.equal("compact", broker.setting(changelog, "cleanup.policy"), "cleanup.policy of the changelog");
        Expect.equal(wordsSent, (long) broker.readAll(changelog).size(), "records of the changelog");

        String repartition = WordCounter.repartitionTopic(application);
        Expect.equal(PARTITIONS, broker.partitionCount(repartition), "partitions of the repartition topic");
        Expect.equal("delete", broker.setting(repartition, "cleanup.policy"),
            "cleanup.policy of the repartition topic");
        Expect.equal("-1", broker.setting(repartition, "retention.ms"), "retention.ms of the repartition topic");
    }

    /** All that was read was committed: the lines, and what went through the repartition topic. */
    private void checkCommits() throws Exception {
        Map<TopicPartition, Long> committed = broker.committed(application);
        Expect.equal(broker.readAll(lines).size() + wordsSent,
            committed.values().stream().mapToLong(Long::longValue).sum(), "sum of the commits in " + committed);
    }

    private static void removeAll(Path directory) throws IOException {
        try (Stream<Path> paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}
