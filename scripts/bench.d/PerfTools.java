import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLongArray;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.internals.Exit;
import org.apache.kafka.tools.ConsumerPerformance;
import org.apache.kafka.tools.ProducerPerformance;

/**
 * Runs Apache Kafka's own performance tools, several at once where that is asked for, in one Java process that stays.
 * So neither the start of Java nor cold code is measured, and eight producers do not need eight Javas.
 *
 * <p>Standard input names one tool per line, "producer", "consumer", "transactions" or "rolling-restart" and its arguments, separated
 * by tabs; an empty line runs those together. What the tools print goes to standard output, then a line "done" or "failed: reason".
 */
final class PerfTools {
    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((status, message) -> {
            throw new IllegalStateException("the tool wants to exit with status " + status + ": " + message);
        });
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        List<String[]> tools = new ArrayList<>();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (!line.isEmpty()) {
                tools.add(line.split("\t"));
                continue;
            }
            String failure = runTogether(tools);
            System.out.println(failure == null ? "done" : "failed: " + failure.replace('\n', ' '));
            System.out.flush();
            tools.clear();
        }
    }

    private static String runTogether(List<String[]> tools) throws InterruptedException {
        String[] failures = new String[tools.size()];
        CountDownLatch gate = new CountDownLatch(1);
        List<Thread> threads = new ArrayList<>();
        for (int at = 0; at < tools.size(); at++) {
            int number = at;
            Thread thread = new Thread(() -> {
                try {
                    gate.await();
                    run(tools.get(number));
                } catch (Throwable failure) {
                    failures[number] = failure.toString();
                }
            });
            thread.start();
            threads.add(thread);
        }
        gate.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        return Arrays.stream(failures).filter(failure -> failure != null).findFirst().orElse(null);
    }

    private static void run(String[] words) throws Exception {
        String[] arguments = Arrays.copyOfRange(words, 1, words.length);
        switch (words[0]) {
            case "producer" -> ProducerPerformance.main(arguments);
            case "consumer" -> ConsumerPerformance.main(arguments);
            case "transactions" -> Transactions.main(arguments);
            default -> RollingRestart.main(arguments);
        }
    }
}

/** Transactions of so many records each, one after another, and a consumer that reads them committed. */
final class Transactions {
    private static final int WARM_UP = 50;
    private static final long PATIENCE_NANOSECONDS = 60_000_000_000L;

    private final int count;
    private final int records;
    /** When each transaction began, and when its last record was read. */
    private final long[] began;
    private final long[] read;

    private Transactions(int count, int records) {
        this.count = count;
        this.records = records;
        began = new long[WARM_UP + count];
        read = new long[WARM_UP + count];
    }

    /** Bootstrap server, topic of one partition, number of transactions, records in each, file of values. */
    static void main(String[] words) throws Exception {
        Transactions run = new Transactions(Integer.parseInt(words[2]), Integer.parseInt(words[3]));
        String[] failure = new String[1];
        Thread reader = new Thread(() -> {
            try {
                run.read(words[0], new TopicPartition(words[1], 0));
            } catch (Throwable thrown) {
                failure[0] = thrown.toString();
            }
        });
        reader.setDaemon(true);
        reader.start();
        double seconds = run.write(words[0], words[1], Files.readAllLines(Path.of(words[4])));
        reader.join();
        if (failure[0] != null) {
            throw new IllegalStateException(failure[0]);
        }
        long[] latencies = new long[run.count];
        Arrays.setAll(latencies, at -> run.read[WARM_UP + at] - run.began[WARM_UP + at]);
        Arrays.sort(latencies);
        System.out.printf("%d transactions, %.1f commits/sec, %.4f ms p50, %.4f ms p99%n", run.count, run.count / seconds,
            latencies[run.count / 2] / 1e6, latencies[run.count * 99 / 100] / 1e6);
    }

    private double write(String servers, String topic, List<String> values) {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "transactional.id", topic);
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            long start = 0;
            for (int number = 0; number < WARM_UP + count; number++) {
                began[number] = System.nanoTime();
                start = number == WARM_UP ? began[number] : start;
                producer.beginTransaction();
                for (int record = 0; record < records; record++) {
                    producer.send(new ProducerRecord<>(topic, values.get((number * records + record) % values.size())));
                }
                producer.commitTransaction();
            }
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private void read(String servers, TopicPartition partition) {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "isolation.level", "read_committed");
        try (KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long seen = 0, deadline = System.nanoTime() + PATIENCE_NANOSECONDS;
            while (seen < (long) (WARM_UP + count) * records) {
                int some = consumer.poll(Duration.ofMillis(500)).count();
                long now = System.nanoTime();
                for (long end = seen + some; seen < end; seen++) {
                    read[(int) (seen / records)] = now;
                }
                deadline = some > 0 ? now + PATIENCE_NANOSECONDS : deadline;
                if (now > deadline) {
                    throw new IllegalStateException(seen + " records were read committed, then none came");
                }
            }
        }
    }
}

/** A group whose members leave and come back one after another, while every partition is written to all the time. */
final class RollingRestart {
    /** So often a record goes to each partition. */
    private static final long BEAT_NANOSECONDS = 20_000_000;
    private static final long PATIENCE_NANOSECONDS = 120_000_000_000L;
    private static final int HEARTBEAT_MILLISECONDS = 1000;
    /** Of a run without restarts, before the first one. */
    private static final long CALM_NANOSECONDS = 3_000_000_000L;

    private final String servers;
    private final String topic;
    private final String protocol;
    private final int partitions;
    /** When the last record of each partition was read, and the longest time between a record's sending and its reading. */
    private final AtomicLongArray readLast;
    private final AtomicLongArray longest;
    private volatile boolean ended;
    private volatile Throwable failure;

    private RollingRestart(String servers, String topic, String protocol, int partitions) {
        this.servers = servers;
        this.topic = topic;
        this.protocol = protocol;
        this.partitions = partitions;
        readLast = new AtomicLongArray(partitions);
        longest = new AtomicLongArray(partitions);
    }

    /** Bootstrap server, topic, protocol of the group, number of members. */
    static void main(String[] words) throws Exception {
        int partitions;
        try (KafkaProducer<String, String> producer = producer(words[0])) {
            partitions = producer.partitionsFor(words[1]).size();
        }
        new RollingRestart(words[0], words[1], words[2], partitions).run(Integer.parseInt(words[3]));
    }

    private void run(int count) throws Exception {
        List<Member> members = new ArrayList<>();
        Thread writer = new Thread(this::write);
        writer.start();
        try {
            for (int number = 0; number < count; number++) {
                members.add(new Member());
            }
            awaitProgress(members);
            reset();
            Thread.sleep(CALM_NANOSECONDS / 1_000_000);
            long[] calm = sorted();
            reset();
            long restarting = 0;
            for (int number = 0; number < count; number++) {
                // Members that came together ask together: each leaves at another moment between two heartbeats.
                Thread.sleep(HEARTBEAT_MILLISECONDS + HEARTBEAT_MILLISECONDS * number / count);
                long began = System.nanoTime();
                members.get(number).leave();
                members.set(number, new Member());
                awaitProgress(members);
                restarting += System.nanoTime() - began;
            }
            double seconds = restarting / 1e9;
            long[] stalls = sorted();
            long usual = calm[partitions / 2];
            System.out.printf("%d members restarted in %.1f s, %.1f ms p50, %.1f ms p99, %.1f ms at most%n", count, seconds,
                Math.max(0, stalls[partitions / 2] - usual) / 1e6, Math.max(0, stalls[partitions * 99 / 100] - usual) / 1e6,
                Math.max(0, stalls[partitions - 1] - usual) / 1e6);
        } finally {
            ended = true;
            writer.join();
            for (Member member : members) {
                member.leave();
            }
        }
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
    }

    private void reset() {
        for (int partition = 0; partition < partitions; partition++) {
            longest.set(partition, 0);
        }
    }

    private long[] sorted() {
        long[] values = new long[partitions];
        Arrays.setAll(values, longest::get);
        Arrays.sort(values);
        return values;
    }

    /** Until every member has its share and each partition has been read since that was so. */
    private void awaitProgress(List<Member> members) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOSECONDS;
        long since = Long.MAX_VALUE;
        while (true) {
            if (failure != null) {
                throw new IllegalStateException(failure);
            }
            int share = partitions / members.size();
            boolean shared = members.stream().mapToInt(member -> member.owned).sum() == partitions
                && members.stream().allMatch(member -> member.owned >= share);
            since = shared ? Math.min(since, System.nanoTime()) : Long.MAX_VALUE;
            long settled = since;
            if (shared && java.util.stream.IntStream.range(0, partitions).allMatch(partition -> readLast.get(partition) > settled)) {
                return;
            }
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("the group does not settle: " + members.stream().map(member -> member.owned).toList());
            }
            Thread.sleep(5);
        }
    }

    private void write() {
        try (KafkaProducer<String, String> producer = producer(servers)) {
            long next = System.nanoTime();
            while (!ended) {
                for (int partition = 0; partition < partitions; partition++) {
                    producer.send(new ProducerRecord<>(topic, partition, null, Long.toString(System.nanoTime())));
                }
                next += BEAT_NANOSECONDS;
                long wait = next - System.nanoTime();
                if (wait > 0) {
                    Thread.sleep(wait / 1_000_000, (int) (wait % 1_000_000));
                }
            }
        } catch (Throwable thrown) {
            failure = thrown;
        }
    }

    private static KafkaProducer<String, String> producer(String servers) {
        return new KafkaProducer<>(Map.of("bootstrap.servers", servers, "linger.ms", 0), new StringSerializer(), new StringSerializer());
    }

    private final class Member {
        private final Thread thread = new Thread(this::read);
        private volatile boolean leaving;
        private volatile int owned;

        Member() {
            thread.start();
        }

        void leave() throws InterruptedException {
            leaving = true;
            thread.join();
            owned = 0;
        }

        private void read() {
            Map<String, Object> settings = new java.util.HashMap<>(Map.of("bootstrap.servers", servers, "group.id", topic,
                "group.protocol", protocol, "auto.offset.reset", "earliest"));
            if (protocol.equals("classic")) {
                settings.put("heartbeat.interval.ms", HEARTBEAT_MILLISECONDS);
            }
            try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
                consumer.subscribe(List.of(topic));
                while (!leaving) {
                    var records = consumer.poll(Duration.ofMillis(50));
                    long now = System.nanoTime();
                    records.forEach(record -> {
                        long waited = now - Long.parseLong(record.value());
                        longest.accumulateAndGet(record.partition(), waited, Math::max);
                        readLast.set(record.partition(), now);
                    });
                    owned = consumer.assignment().size();
                }
                consumer.commitSync();
            } catch (Throwable thrown) {
                failure = thrown;
            }
        }
    }
}
