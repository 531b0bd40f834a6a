package zurau.ecosystem.flink;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import org.apache.flink.core.execution.JobClient;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;

/**
 * Flink's exactly-once sink over a broker that is killed in the middle of checkpoints. Flink writes a transaction, makes it
 * part of a checkpoint, and only then commits it; so whoever comes back from a checkpoint takes up the transactions
 * of another producer, by its id and epoch, and aborts those that came after.
 */
final class ExactlyOnce {
    private static final int PARTITIONS = 3;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final Run run;
    private final Broker broker;
    private final String lines;
    private final String counts;
    private final String group;
    private final Path checkpoints;
    private final CountingJob job;
    private JobClient running;
    private int kills;

    ExactlyOnce(Run run, TransactionNamingStrategy naming) {
        this.run = run;
        broker = run.broker();
        lines = run.name("lines");
        counts = run.name("counts");
        group = run.name("flink");
        checkpoints = run.path("checkpoints").toAbsolutePath();
        job = new CountingJob(broker.servers(), lines, counts, group, naming);
    }

    /** Each line is counted once, in Flink's state and in what it commits. */
    void play() throws Exception {
        broker.createTopic(lines, PARTITIONS, Map.of());
        broker.createTopic(counts, PARTITIONS, Map.of());
        Files.createDirectories(checkpoints);
        try (Lines written = new Lines(broker, lines, PARTITIONS).start()) {
            running = job.start(checkpoints, null);
            killed();
            failed();
            resumed();
            killed();
            int all = written.end();
            Expect.within(PATIENCE, "all " + all + " lines are counted", () -> {
                still();
                return broker.readCommitted(counts).size() >= all;
            });
            check(all);
            System.out.println("figures: " + kills + " kills, " + all + " lines, "
                + (broker.readAll(counts).size() - all) + " counts that were aborted");
        } finally {
            stop();
        }
    }

    /** The broker comes back before the tasks give up. */
    private void killed() throws Exception {
        for (Moment moment : Moment.values()) {
            progress();
            moment.during(this::kill);
            run.control("start");
        }
    }

    /** Flink restarts the tasks, from the checkpoint before: what they had written since is aborted. */
    private void failed() throws Exception {
        for (Moment moment : Moment.values()) {
            progress();
            moment.beforeFailureDuring(this::kill);
            run.control("start");
        }
    }

    /** The whole job ends after a checkpoint whose transactions nobody has committed; another one commits them. */
    private void resumed() throws Exception {
        progress();
        long checkpoint = Moment.AFTER_FLUSH.during(this::kill);
        Path complete = complete(checkpoint);
        stop();
        run.control("start");
        running = job.start(checkpoints, complete);
    }

    /** Ends the job without a last checkpoint. */
    private void stop() throws Exception {
        if (running == null) {
            return;
        }
        JobClient ended = running;
        running = null;
        // The mini-cluster goes with its job, and then nobody says what has become of it.
        CompletableFuture<?> end = ended.getJobExecutionResult().handle((result, cancelled) -> null);
        ended.cancel();
        end.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    private void kill() throws Exception {
        run.control("kill9");
        kills++;
    }

    /** Waits until more is committed: the broker and Flink are both at work again. */
    private void progress() throws Exception {
        int before = broker.readCommitted(counts).size();
        Expect.within(PATIENCE, "more than " + before + " counts are committed", () -> {
            still();
            return broker.readCommitted(counts).size() > before;
        });
    }

    private void still() throws Exception {
        JobStatus status = running.getJobStatus().get();
        Expect.that(!status.isTerminalState(), "the job is " + status);
    }

    /** The directory of a checkpoint of this number or a later one, as soon as it is complete. */
    private Path complete(long number) throws Exception {
        Path folder = checkpoints.resolve(running.getJobID().toHexString());
        Optional<?>[] found = {Optional.empty()};
        Expect.within(PATIENCE, "checkpoint " + number + " is complete", () -> {
            found[0] = newest(folder, number);
            return found[0].isPresent();
        });
        return (Path) found[0].get();
    }

    private static Optional<Path> newest(Path folder, long least) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(path -> number(path) >= least && Files.exists(path.resolve("_metadata"))).findAny();
        }
    }

    private static long number(Path checkpoint) {
        String name = checkpoint.getFileName().toString();
        return name.startsWith("chk-") ? Long.parseLong(name.substring(4)) : -1;
    }

    private void check(int all) throws Exception {
        Map<String, Integer> seen = new HashMap<>();
        BitSet counted = new BitSet();
        List<ConsumerRecord<String, String>> records = broker.readCommitted(counts);
        for (ConsumerRecord<String, String> record : records) {
            String[] parts = record.value().split(" ");
            int line = Integer.parseInt(parts[1]);
            Expect.equal(Integer.toString(line % CountingJob.KEYS), record.key(), "key of line " + line);
            Expect.equal(seen.merge(record.key(), 1, Integer::sum).toString(), parts[0], "count of key " + record.key());
            Expect.that(!counted.get(line), "line " + line + " is counted once");
            counted.set(line);
        }
        Expect.equal(all, records.size(), "counts");
        Expect.equal(all, counted.cardinality(), "lines that are counted");
        Map<TopicPartition, Long> offsets = new HashMap<>();
        for (int number = 0; number < PARTITIONS; number++) {
            offsets.put(new TopicPartition(lines, number), (long) (all - number + PARTITIONS - 1) / PARTITIONS);
        }
        Expect.becomes(PATIENCE, offsets, "offsets that the source has committed", () -> broker.committed(group));
    }
}
