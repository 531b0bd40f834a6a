package zurau.ecosystem.flink;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * From a topic through a count of each key into a topic, exactly once:
 *
 * <pre>
 *   source, {@link Moment#BEFORE_FLUSH}  --by key-->  count, {@link Moment#AFTER_FLUSH}, writer, committer
 * </pre>
 *
 * Each side is one chain, so one task. A barrier makes the writer flush first and then lets every operator of the chain
 * put down its state; that is why the count is held after the flush.
 */
final class CountingJob {
    static final int KEYS = 17;

    private static final int PARALLELISM = 2;

    private final String servers;
    private final String from;
    private final String to;
    private final String group;
    private final TransactionNamingStrategy naming;

    CountingJob(String servers, String from, String to, String group, TransactionNamingStrategy naming) {
        this.servers = servers;
        this.from = from;
        this.to = to;
        this.group = group;
        this.naming = naming;
    }

    /** Starts the job in a mini-cluster of its own, from a checkpoint unless that is null. */
    JobClient start(Path checkpoints, Path resumed) throws Exception {
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(1));
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.toUri().toString());
        settings.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
            ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        settings.set(CheckpointingOptions.TOLERABLE_FAILURE_NUMBER, Integer.MAX_VALUE);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        settings.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, Integer.MAX_VALUE);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(200));
        if (resumed != null) {
            settings.set(StateRecoveryOptions.SAVEPOINT_PATH, resumed.toUri().toString());
        }
        StreamExecutionEnvironment environment =
            StreamExecutionEnvironment.createLocalEnvironment(PARALLELISM, settings);
        environment.fromSource(source(), WatermarkStrategy.noWatermarks(), "lines").uid("lines")
            .map(new Passing()).uid("passing")
            .keyBy(line -> Integer.parseInt(line) % KEYS)
            .process(new Counting()).uid("counting")
            .sinkTo(sink()).uid("counts");
        return environment.executeAsync();
    }

    private KafkaSource<String> source() {
        return KafkaSource.<String>builder()
            .setBootstrapServers(servers)
            .setTopics(from)
            .setGroupId(group)
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .setProperty("isolation.level", "read_committed")
            .setProperty("reconnect.backoff.max.ms", "250")
            .build();
    }

    private KafkaSink<String> sink() {
        return KafkaSink.<String>builder()
            .setBootstrapServers(servers)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(group)
            .setTransactionNamingStrategy(naming)
            // With this builder, the sink can find out which topics it writes to, as pooling demands.
            .setRecordSerializer(KafkaRecordSerializationSchema.<String>builder()
                .setTopic(to)
                .setKeySerializationSchema(new Part(0))
                .setValueSerializationSchema(new Part(1))
                .build())
            // Longer than the scenario: what is open is committed or aborted by Flink, not by the broker's clock.
            .setProperty("transaction.timeout.ms", "600000")
            .setProperty("reconnect.backoff.max.ms", "250")
            .build();
    }

    /** Before the first space is the key, behind it the value. A class, since Flink looks for its type. */
    private record Part(int index) implements SerializationSchema<String> {
        @Override
        public byte[] serialize(String text) {
            return text.split(" ", 2)[index].getBytes(StandardCharsets.UTF_8);
        }
    }

    /** Lets every line pass, at {@link Moment#BEFORE_FLUSH}. */
    private static final class Passing implements MapFunction<String, String>, CheckpointedFunction {
        @Override
        public String map(String line) {
            return line;
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            Moment.BEFORE_FLUSH.reached(context.getCheckpointId());
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {
        }
    }

    /** The number of the line among those of its key, and the line, at {@link Moment#AFTER_FLUSH}. */
    private static final class Counting extends KeyedProcessFunction<Integer, String, String>
        implements CheckpointedFunction {
        private transient ValueState<Integer> count;

        @Override
        public void processElement(String line, Context context, Collector<String> out) throws Exception {
            int before = count.value() == null ? 0 : count.value();
            count.update(before + 1);
            out.collect(context.getCurrentKey() + " " + (before + 1) + " " + line);
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            Moment.AFTER_FLUSH.reached(context.getCheckpointId());
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {
            count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("count", Integer.class));
        }
    }
}
