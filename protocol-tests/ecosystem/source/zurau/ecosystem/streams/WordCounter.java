package zurau.ecosystem.streams;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import zurau.ecosystem.Expect;

/** One instance of an application that counts words: lines, a repartition topic by word, a store with a changelog. */
final class WordCounter implements AutoCloseable {
    private static final String STORE = "counts";
    private static final String REPARTITION = "by-word";
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final KafkaStreams streams;
    private final AtomicLong restored = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    WordCounter(String servers, String application, String lines, String counts, Path state, Map<String, ?> more) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        // Without a cache each word is one record of the changelog and of the output, which can be compared.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put("auto.offset.reset", "earliest");
        // An instance does not leave its group when it closes: the next one waits for the end of its session.
        settings.put("session.timeout.ms", 6000);
        settings.put("heartbeat.interval.ms", 1000);
        settings.putAll(more);
        streams = new KafkaStreams(topology(lines, counts), settings);
        streams.setGlobalStateRestoreListener(new RestoredRecords());
        streams.setUncaughtExceptionHandler(thrown -> {
            failure.set(thrown);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    static String repartitionTopic(String application) {
        return application + "-" + REPARTITION + "-repartition";
    }

    static String changelogTopic(String application) {
        return application + "-" + STORE + "-changelog";
    }

    private static Topology topology(String lines, String counts) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(lines, Consumed.with(Serdes.String(), Serdes.String()))
            .flatMapValues(line -> List.of(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.with(REPARTITION, Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(STORE)
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(counts, Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    /** Starts the instance and waits until all its tasks run. */
    WordCounter start() throws Exception {
        streams.start();
        awaitRunning();
        return this;
    }

    void awaitRunning() throws Exception {
        Expect.within(PATIENCE, "the application runs", () -> {
            noFailure();
            return streams.state() == KafkaStreams.State.RUNNING;
        });
    }

    /** Waits until the stores of this instance hold just these counts. */
    void awaitCounts(Map<String, Long> expected) throws Exception {
        Expect.becomes(PATIENCE, expected, "the counts of the store", () -> {
            noFailure();
            return streams.state() == KafkaStreams.State.RUNNING ? counts() : null;
        });
    }

    /** What the stores of this instance hold. */
    Map<String, Long> counts() {
        ReadOnlyKeyValueStore<String, Long> store = streams.store(
            StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<String, Long>keyValueStore()));
        Map<String, Long> counts = new HashMap<>();
        try (KeyValueIterator<String, Long> all = store.all()) {
            all.forEachRemaining(entry -> counts.put(entry.key, entry.value));
        }
        return counts;
    }

    long activeTasks() {
        return streams.metadataForLocalThreads().stream().mapToLong(thread -> thread.activeTasks().size()).sum();
    }

    long standbyTasks() {
        return streams.metadataForLocalThreads().stream().mapToLong(thread -> thread.standbyTasks().size()).sum();
    }

    /** How many records of the changelog were read to make the stores anew. */
    long restored() {
        return restored.get();
    }

    private void noFailure() {
        if (failure.get() != null) {
            throw new AssertionError("the application failed", failure.get());
        }
    }

    @Override
    public void close() {
        Expect.that(streams.close(Duration.ofSeconds(60)), "the application closes");
        noFailure();
    }

    private final class RestoredRecords implements StateRestoreListener {
        @Override
        public void onRestoreStart(TopicPartition partition, String store, long first, long end) {
        }

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long end, long records) {
            restored.addAndGet(records);
        }

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long total) {
        }
    }
}
