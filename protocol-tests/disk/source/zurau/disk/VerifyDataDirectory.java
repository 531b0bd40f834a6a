package zurau.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.TopicImage;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.UnifiedLog;

/** Checks a whole data directory of a stopped broker. */
public final class VerifyDataDirectory {
    private static final String CLUSTER_METADATA = "__cluster_metadata-0";
    private static final String AFTER_KILL = "--after-kill";
    private static final String BY_KAFKA = "--by-kafka";

    private final Path root;
    private final boolean afterKill;
    private final boolean byKafka;
    private final Report report = new Report();
    private final Map<String, PartitionCheck> partitions = new TreeMap<>();
    private Map<TopicPartition, Long> cleaned = Map.of();
    private Map<TopicPartition, Long> logStarts = Map.of();

    private VerifyDataDirectory(Path root, List<String> options) {
        this.root = root;
        this.afterKill = options.contains(AFTER_KILL);
        this.byKafka = options.contains(BY_KAFKA);
    }

    public static void main(String[] arguments) throws IOException {
        List<String> options = Arrays.asList(arguments).subList(0, Math.max(arguments.length - 1, 0));
        boolean known = List.of(AFTER_KILL, BY_KAFKA).containsAll(options);
        if (arguments.length == 0 || !known || !Files.isDirectory(Path.of(arguments[arguments.length - 1]))) {
            System.err.println("usage: verify [--after-kill] [--by-kafka] DATA_DIRECTORY, and not " + Arrays.toString(arguments));
            System.exit(2);
        }
        VerifyDataDirectory verify =
            new VerifyDataDirectory(Path.of(arguments[arguments.length - 1]).toRealPath(), options);
        verify.run();
        verify.report.print();
        System.exit(verify.report.clean() ? 0 : 1);
    }

    private void run() throws IOException {
        checkMetaProperties();
        checkMarker();
        cleaned = readCheckpoint("cleaner-offset-checkpoint");
        logStarts = readCheckpoint("log-start-offset-checkpoint");
        Map<TopicPartition, Long> recoveryPoints = readCheckpoint("recovery-point-offset-checkpoint");
        try (Stream<Path> entries = Files.list(root)) {
            for (Path entry : entries.filter(Files::isDirectory).sorted().toList()) {
                String name = entry.getFileName().toString();
                if (name.endsWith(UnifiedLog.DELETE_DIR_SUFFIX) || name.endsWith(UnifiedLog.STRAY_DIR_SUFFIX)) {
                    report.note(name + " waits for its removal and was left out");
                    continue;
                }
                if (!name.contains("-")) {
                    report.problem(name, "is no directory of a partition");
                    continue;
                }
                TopicPartition partition = topicPartition(name);
                boolean openIndexes = afterKill || byKafka && name.equals(CLUSTER_METADATA);
                PartitionCheck check = new PartitionCheck(entry, afterKill, openIndexes, report,
                    cleaned.getOrDefault(partition, 0L), logStarts.getOrDefault(partition, 0L),
                    recoveryPoints.getOrDefault(partition, 0L));
                partitions.put(name, check);
                check.run();
            }
        }
        checkBootstrap();
        checkCheckpoint("recovery-point-offset-checkpoint", !afterKill);
        checkCheckpoint("replication-offset-checkpoint", !afterKill);
        checkCheckpoint("log-start-offset-checkpoint", false);
        checkCheckpoint("cleaner-offset-checkpoint", false);
        checkClusterMetadata();
    }

    private void checkMetaProperties() throws IOException {
        MetaPropertiesEnsemble ensemble = new MetaPropertiesEnsemble.Loader().addLogDirs(List.of(root.toString()))
            .addMetadataLogDir(root.toString()).load();
        if (!ensemble.errorLogDirs().isEmpty() || !ensemble.emptyLogDirs().isEmpty()) {
            report.problem("meta.properties", "is missing or cannot be read");
        } else if (ensemble.clusterId().isEmpty() || ensemble.nodeId().isEmpty()
            || ensemble.logDirProps().get(root.toString()).directoryId().isEmpty()) {
            report.problem("meta.properties", "lacks cluster.id, node.id or directory.id");
        }
    }

    private void checkMarker() {
        CleanShutdownFileHandler marker = new CleanShutdownFileHandler(root.toString());
        if (afterKill) {
            return;
        }
        if (!marker.exists()) {
            report.problem(CleanShutdownFileHandler.CLEAN_SHUTDOWN_FILE_NAME, "is missing: the stop was not clean");
        } else if (marker.read().isEmpty()) {
            report.problem(CleanShutdownFileHandler.CLEAN_SHUTDOWN_FILE_NAME, "has no readable broker epoch");
        }
    }

    private void checkBootstrap() {
        Path bootstrap = root.resolve("bootstrap.checkpoint");
        if (!Files.exists(bootstrap)) {
            return;
        }
        report.count("metadata snapshots", 1);
        long tail = SegmentDump.read(bootstrap, "bootstrap.checkpoint", "--cluster-metadata-decoder", report, 0,
            batch -> { });
        if (tail > 0) {
            report.problem("bootstrap.checkpoint", tail + " bytes at the end are no batch");
        }
    }

    /**
     * Reads an offset checkpoint. No offset may lie outside of its log, and where the file must be complete, as after a
     * clean stop, it names every partition with its log end offset.
     */
    private void checkCheckpoint(String name, boolean complete) throws IOException {
        Path file = root.resolve(name);
        if (!Files.exists(file)) {
            if (complete) {
                report.problem(name, "is missing");
            }
            return;
        }
        Map<TopicPartition, Long> offsets = readCheckpoint(name);
        report.count("checkpoint entries", offsets.size());
        offsets.forEach((partition, offset) -> {
            PartitionCheck check = partitions.get(partition.toString());
            // Kafka also leaves entries of deleted partitions behind until its next write of the file.
            if (check != null && (offset > check.logEndOffset() || offset < 0)) {
                report.problem(name, partition + " has offset " + offset + ", its log ends at " + check.logEndOffset());
            } else if (check != null && complete && offset != check.logEndOffset()) {
                report.problem(name, partition + " has offset " + offset + " after a clean stop, its log ends at "
                    + check.logEndOffset());
            }
        });
        if (complete) {
            partitions.forEach((directory, check) -> {
                if (!directory.equals(CLUSTER_METADATA) && !offsets.containsKey(topicPartition(directory))) {
                    report.problem(name, "does not name " + directory);
                }
            });
        }
    }

    /** The entries of a checkpoint; none where it is not there or, which is reported, cannot be read. */
    private Map<TopicPartition, Long> readCheckpoint(String name) throws IOException {
        Path file = root.resolve(name);
        if (!Files.exists(file)) {
            return Map.of();
        }
        try {
            return new OffsetCheckpointFile(file.toFile(), new LogDirFailureChannel(1)).read();
        } catch (RuntimeException unreadable) {
            report.problem(name, "cannot be read: " + unreadable);
            return Map.of();
        }
    }

    /** The cluster's metadata must be something that Kafka can apply, and must know every directory by its topic id. */
    private void checkClusterMetadata() {
        if (!partitions.containsKey(CLUSTER_METADATA)) {
            report.problem(CLUSTER_METADATA, "is missing");
            return;
        }
        MetadataImage image;
        try {
            image = MetadataReplay.read(root.resolve(CLUSTER_METADATA));
        } catch (Exception unreadable) {
            report.problem(CLUSTER_METADATA, "Kafka cannot replay it: " + unreadable);
            return;
        }
        report.count("topics in the metadata", image.topics().topicsByName().size());
        if (image.features().metadataVersion().isEmpty()) {
            report.problem(CLUSTER_METADATA, "has no metadata.version");
        }
        partitions.forEach((directory, check) -> {
            Optional<Uuid> id = check.topicId();
            if (directory.equals(CLUSTER_METADATA)) {
                if (id.isPresent() && !id.get().equals(Uuid.METADATA_TOPIC_ID)) {
                    report.problem(directory, "partition.metadata has the id " + id.get());
                }
                return;
            }
            TopicPartition partition = topicPartition(directory);
            TopicImage topic = image.topics().getTopic(partition.topic());
            if (topic == null || topic.partitions().get(partition.partition()) == null) {
                report.problem(directory, "is not in the metadata");
            } else if (id.isPresent() && !id.get().equals(topic.id())) {
                report.problem(directory, "partition.metadata has the id " + id.get() + ", the metadata " + topic.id());
            }
        });
    }

    private static TopicPartition topicPartition(String directory) {
        int dash = directory.lastIndexOf('-');
        return new TopicPartition(directory.substring(0, dash), Integer.parseInt(directory.substring(dash + 1)));
    }
}
