package zurau.ecosystem.streams;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;

/** Kafka Streams with {@code exactly_once_v2} over a broker that is killed again and again: the counts are exact. */
public final class ExactlyOnce {
    private static final int PARTITIONS = 3;
    private static final int KILLS = 10;
    private static final int WORDS = 20;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final Run run;
    private final Broker broker;
    private final String lines;
    private final String counts;
    private final AtomicBoolean over = new AtomicBoolean();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Map<String, Long> expected = new HashMap<>();

    private ExactlyOnce(Run run) throws Exception {
        this.run = run;
        broker = run.broker();
        lines = run.name("lines");
        counts = run.name("counts");
        broker.createTopic(lines, PARTITIONS, Map.of());
        broker.createTopic(counts, PARTITIONS, Map.of());
    }

    /** Words come without a pause while the broker dies; each is counted once, in the store and in what is put out. */
    public static void killedTenTimes(Run run) throws Exception {
        ExactlyOnce once = new ExactlyOnce(run);
        long seed = System.nanoTime();
        System.out.println("seed " + seed);
        Map<String, Object> settings = Map.of(
            "processing.guarantee", "exactly_once_v2",
            "reconnect.backoff.max.ms", 250,
            // A transaction of a broker that is gone for a while must not keep the next one waiting for minutes.
            "producer.transaction.timeout.ms", 20000);
        try (WordCounter counter = new WordCounter(once.broker.servers(), run.name("exact"), once.lines, once.counts,
            run.path("state"), settings).start()) {
            Thread sender = new Thread(once::send);
            sender.start();
            once.kill(new Random(seed));
            once.over.set(true);
            sender.join();
            once.noFailure();
            counter.awaitCounts(once.expected);
        }
        once.checkOutput();
        System.out.println("figures: " + KILLS + " kills, " + once.words() + " words, " + once.aborted()
            + " counts that were aborted");
    }

    private void kill(Random chance) throws Exception {
        for (int kill = 1; kill <= KILLS; kill++) {
            // In the middle of the counting: some output of this life of the broker is there.
            int before = broker.readAll(counts).size();
            within(() -> broker.readAll(counts).size() > before, "output before the next kill");
            Thread.sleep(chance.nextInt(1000));
            run.control("kill9");
            run.control("start");
        }
    }

    /** An idempotent producer that lives as long as the scenario: each line is there once, whatever happens. */
    private void send() {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker.servers(), "acks", "all",
            "delivery.timeout.ms", 600000, "max.block.ms", 600000, "reconnect.backoff.max.ms", 250);
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; !over.get(); number++) {
                String first = "word-" + number % WORDS;
                String second = "word-" + number * 7 % 11;
                expected.merge(first, 1L, Long::sum);
                expected.merge(second, 1L, Long::sum);
                producer.send(new ProducerRecord<>(lines, number % PARTITIONS, null, first + " " + second), (metadata, problem) -> {
                    if (problem != null) {
                        failure.set(problem);
                    }
                });
                Thread.sleep(5);
            }
        } catch (Throwable problem) {
            failure.set(problem);
        }
    }

    private void noFailure() {
        if (failure.get() != null) {
            throw new AssertionError("a line was not sent", failure.get());
        }
    }

    private void within(Callable<Boolean> condition, String what) throws Exception {
        Expect.within(PATIENCE, what, () -> {
            noFailure();
            return condition.call();
        });
    }

    /** 1, 2, 3 ... of each word in its order, as it is read committed. */
    private void checkOutput() throws Exception {
        Map<String, Long> seen = new HashMap<>();
        for (ConsumerRecord<String, String> record : broker.readCommitted(counts)) {
            long count = seen.merge(record.key(), 1L, Long::sum);
            Expect.equal(Long.toString(count), record.value(), "count of " + record.key());
        }
        Expect.equal(expected, seen, "counts that were put out");
    }

    private long words() {
        return expected.values().stream().mapToLong(Long::longValue).sum();
    }

    private long aborted() {
        return broker.readAll(counts).size() - words();
    }
}
