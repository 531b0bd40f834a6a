package zurau.disk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;

/** Checks one partition directory: each file by Kafka's tool, and that the files agree with each other. */
final class PartitionCheck {
    private static final Pattern STEM = Pattern.compile("(\\d{20})\\.(log|index|timeindex|txnindex|snapshot)");
    /** Whose transaction ended in a newer epoch has no batch in that epoch yet, and so no sequence. */
    private static final Pattern PRODUCER = Pattern.compile("producerId: (-?\\d+) producerEpoch: (-?\\d+) .*?"
        + "(?: lastSequence: (-?\\d+) lastOffset: (-?\\d+) .*)?");

    private static final long PRODUCER_ID_EXPIRATION_MS = 86_400_000;

    /** The last batch of a producer. */
    private record ProducerState(int epoch, int lastSequence, long lastOffset) {
        static ProducerState withoutBatch(int epoch) {
            return new ProducerState(epoch, -1, -1);
        }
    }

    private final Path directory;
    private final String name;
    private final boolean afterKill;
    private final boolean openIndexes;
    private final Report report;
    private final String decoder;
    /** Records below this may have been deleted one by one: the log was compacted so far. */
    private final long cleanedUpTo;
    /** Records below this are deleted, even where their segment is still there. */
    private final long logStart;
    /** From here on, a start after a kill reads the records again. */
    private final long recoveryPoint;
    private final Map<Long, ProducerState> producers = new HashMap<>();
    /** Where each producer's last batch or marker ends. */
    private final Map<Long, Long> lastOffsets = new HashMap<>();
    /** The largest timestamp of each producer's last batch. */
    private final Map<Long, Long> lastTimestamps = new HashMap<>();
    private List<EpochEntry> epochs = List.of();
    private long logEndOffset;
    private long lastSegment;

    PartitionCheck(Path directory, boolean afterKill, boolean openIndexes, Report report, long cleanedUpTo, long logStart,
        long recoveryPoint) {
        this.directory = directory;
        this.cleanedUpTo = cleanedUpTo;
        this.logStart = logStart;
        this.recoveryPoint = recoveryPoint;
        this.name = directory.getFileName().toString();
        this.afterKill = afterKill;
        this.openIndexes = openIndexes;
        this.report = report;
        this.decoder = decoderOf(name);
    }

    private static String decoderOf(String name) {
        if (name.startsWith("__consumer_offsets-")) {
            return "--offsets-decoder";
        }
        if (name.startsWith("__transaction_state-")) {
            return "--transaction-log-decoder";
        }
        return name.equals("__cluster_metadata-0") ? "--cluster-metadata-decoder" : null;
    }

    String name() {
        return name;
    }

    long logEndOffset() {
        return logEndOffset;
    }

    void run() throws IOException {
        report.count("partitions", 1);
        TreeMap<Long, Path> logs = new TreeMap<>();
        TreeMap<Long, Path> snapshots = new TreeMap<>();
        List<Path> indexes = new ArrayList<>();
        readEpochs();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.sorted().toList()) {
                Matcher stem = STEM.matcher(file.getFileName().toString());
                if (stem.matches()) {
                    switch (stem.group(2)) {
                        case "log" -> logs.put(Long.parseLong(stem.group(1)), file);
                        case "snapshot" -> snapshots.put(Long.parseLong(stem.group(1)), file);
                        default -> indexes.add(file);
                    }
                } else if (file.getFileName().toString().endsWith(".checkpoint")) {
                    report.count("metadata snapshots", 1);
                    long tail = SegmentDump.read(file, name(file), decoder, report, 0, batch -> { });
                    reportTail(file, tail, false);
                }
            }
        }
        if (logs.isEmpty()) {
            report.problem(name, "has no segment");
            return;
        }
        checkSegments(logs);
        for (Path index : indexes) {
            checkIndex(index, logs);
        }
        for (Map.Entry<Long, Path> snapshot : snapshots.entrySet()) {
            checkProducerSnapshot(snapshot.getKey(), snapshot.getValue(), snapshot.equals(snapshots.lastEntry()));
        }
        // Kafka leaves none where every record is deleted.
        boolean hasRecords = logStart < logEndOffset;
        if (!afterKill && hasRecords && !producers.isEmpty() && (snapshots.isEmpty() || snapshots.lastKey() != logEndOffset)) {
            report.problem(name, "a clean stop leaves a producer snapshot at the log end offset " + logEndOffset);
        }
    }

    /** The topic id that the directory claims; absent when it cannot be read. */
    Optional<Uuid> topicId() {
        PartitionMetadataFile file = new PartitionMetadataFile(PartitionMetadataFile.newFile(directory.toFile()), null);
        if (!file.exists()) {
            report.problem(name, "has no partition.metadata");
            return Optional.empty();
        }
        try {
            return Optional.of(file.read().topicId());
        } catch (RuntimeException unreadable) {
            report.problem(name, "partition.metadata cannot be read: " + unreadable);
            return Optional.empty();
        }
    }

    private void readEpochs() throws IOException {
        if (!Files.exists(directory.resolve("leader-epoch-checkpoint"))) {
            report.problem(name, "has no leader-epoch-checkpoint");
            return;
        }
        try {
            epochs = new LeaderEpochCheckpointFile(LeaderEpochCheckpointFile.newFile(directory.toFile()),
                new LogDirFailureChannel(1)).read();
        } catch (RuntimeException unreadable) {
            report.problem(name, "leader-epoch-checkpoint cannot be read: " + unreadable);
        }
        for (int index = 1; index < epochs.size(); index++) {
            if (epochs.get(index).epoch() <= epochs.get(index - 1).epoch()
                || epochs.get(index).startOffset() <= epochs.get(index - 1).startOffset()) {
                report.problem(name, "leader-epoch-checkpoint does not increase: " + epochs);
            }
        }
    }

    /** Whether records up to this offset were set aside, so that the log goes on behind them. */
    private boolean isSetAsideBefore(long offset) {
        String[] names = directory.toFile().list((folder, name) -> name.endsWith("-" + stem(offset) + ".log.set-aside"));
        return names != null && names.length > 0;
    }

    private void checkSegments(TreeMap<Long, Path> logs) {
        lastSegment = logs.lastKey();
        logEndOffset = logs.firstKey();
        for (Map.Entry<Long, Path> log : logs.entrySet()) {
            report.count("segments", 1);
            Path file = log.getValue();
            boolean follows = log.getKey() <= Math.max(logEndOffset, cleanedUpTo) || isSetAsideBefore(log.getKey());
            if (log.getKey() < logEndOffset || !follows) {
                report.problem(name(file), "starts at another offset than " + logEndOffset + ", the end before it");
            }
            logEndOffset = log.getKey();
            for (String sibling : List.of("index", "timeindex")) {
                if (!Files.exists(directory.resolve(stem(log.getKey()) + "." + sibling))) {
                    report.problem(name(file), "has no ." + sibling);
                }
            }
            long tail = SegmentDump.read(file, name(file), decoder, report, cleanedUpTo,
                batch -> checkBatch(file, batch));
            reportTail(file, tail, log.getKey() == lastSegment);
        }
        if (!epochs.isEmpty() && epochs.get(epochs.size() - 1).startOffset() > logEndOffset) {
            report.problem(name, "an epoch starts behind the log end offset " + logEndOffset + ": " + epochs);
        }
    }

    private void reportTail(Path file, long tail, boolean lastSegment) {
        if (tail > 0 && afterKill && lastSegment) {
            report.note(name(file) + " ends with a torn batch of " + tail + " bytes");
        } else if (tail > 0) {
            report.problem(name(file), tail + " bytes at the end are no batch");
        }
    }

    private void checkBatch(Path file, SegmentDump.Batch batch) {
        boolean cleaned = batch.baseOffset() < cleanedUpTo;
        if (batch.baseOffset() < logEndOffset || batch.baseOffset() > logEndOffset && !cleaned) {
            report.problem(name(file), "a batch at " + batch.baseOffset() + " follows the offset " + (logEndOffset - 1));
        }
        logEndOffset = batch.lastOffset() + 1;
        int expected = epochAt(batch.baseOffset());
        if (batch.leaderEpoch() != expected && !isBeforeEpochs(batch) && !isRecovered(batch, expected)) {
            report.problem(name(file), "the batch at " + batch.baseOffset() + " has leader epoch " + batch.leaderEpoch()
                + " and leader-epoch-checkpoint says " + expected);
        }
        if (batch.producerId() < 0) {
            return;
        }
        lastOffsets.put(batch.producerId(), batch.lastOffset());
        if (batch.control()) {
            // The end of a transaction begins the producer's next epoch, from transaction.version 2 on.
            producers.merge(batch.producerId(), ProducerState.withoutBatch(batch.producerEpoch()),
                (known, marker) -> marker.epoch > known.epoch ? marker : known);
            lastTimestamps.merge(batch.producerId(), batch.maxTimestamp(), Math::max);
            return;
        }
        ProducerState before = producers.get(batch.producerId());
        // The coordinator of a group writes the offsets of a transaction itself, always with sequence 0.
        boolean counted = !name.startsWith("__consumer_offsets-");
        if (counted && before != null && before.epoch == batch.producerEpoch() && before.lastOffset >= 0 && !cleaned) {
            int next = before.lastSequence == Integer.MAX_VALUE ? 0 : before.lastSequence + 1;
            if (batch.baseSequence() != next) {
                report.problem(name(file), "producer " + batch.producerId() + " goes on with sequence "
                    + batch.baseSequence() + " at offset " + batch.baseOffset() + " where " + next + " was due");
            }
        }
        producers.put(batch.producerId(),
            new ProducerState(batch.producerEpoch(), batch.lastSequence(), batch.lastOffset()));
        lastTimestamps.put(batch.producerId(), batch.maxTimestamp());
    }

    /** Epochs are forgotten with the records that are deleted; a segment that holds others as well is still there. */
    private boolean isBeforeEpochs(SegmentDump.Batch batch) {
        return !epochs.isEmpty() && batch.baseOffset() < epochs.get(0).startOffset()
            && batch.leaderEpoch() <= epochs.get(0).epoch() && (afterKill || batch.baseOffset() < logStart);
    }

    /** A new epoch reaches its file before the recovery point passes it; the start after a kill finds it in the batches. */
    private boolean isRecovered(SegmentDump.Batch batch, int expected) {
        return afterKill && batch.baseOffset() >= recoveryPoint && batch.leaderEpoch() > expected;
    }

    private int epochAt(long offset) {
        int epoch = -1;
        for (EpochEntry entry : epochs) {
            if (entry.startOffset() <= offset) {
                epoch = entry.epoch();
            }
        }
        return epoch;
    }

    private void checkIndex(Path index, Map<Long, Path> logs) {
        String file = index.getFileName().toString();
        Path log = directory.resolve(file.substring(0, file.indexOf('.')) + ".log");
        if (!logs.containsValue(log)) {
            report.problem(name(index), "has no segment");
            return;
        }
        if (file.endsWith(".txnindex")) {
            report.count("transaction indexes", 1);
            reportAll(index, List.of());
            return;
        }
        // A killed broker leaves the indexes of the active segment at their full size, with zeros behind the last entry,
        // which may be half written (Kafka does that too). The next start rebuilds them; the tool cannot read them.
        if (openIndexes && file.startsWith(stem(lastSegment))) {
            report.count("indexes left out, of active segments", 1);
            return;
        }
        report.count("indexes", 1);
        reportAll(index, List.of("--index-sanity-check"));
        // The largest message must not make the tool stop short of a whole batch.
        reportAll(index, List.of("--verify-index-only", "--max-message-size", "1073741824"));
    }

    private void reportAll(Path file, List<String> options) {
        DumpTool.run(file, options, line -> { }).forEach(complaint -> report.problem(name(file), complaint.strip()));
    }

    private void checkProducerSnapshot(long offset, Path file, boolean newest) {
        report.count("producer snapshots", 1);
        Map<Long, ProducerState> stored = new HashMap<>();
        DumpTool.run(file, List.of(), line -> {
            Matcher producer = PRODUCER.matcher(line);
            if (producer.matches()) {
                int epoch = Integer.parseInt(producer.group(2));
                stored.put(Long.parseLong(producer.group(1)),
                    producer.group(3) == null ? ProducerState.withoutBatch(epoch)
                        : new ProducerState(epoch, Integer.parseInt(producer.group(3)), Long.parseLong(producer.group(4))));
            }
        }).forEach(complaint -> report.problem(name(file), complaint));
        if (offset > logEndOffset) {
            report.problem(name(file), "lies behind the log end offset " + logEndOffset);
        }
        if (!newest) {
            return;
        }
        producers.forEach((id, state) -> {
            if (!stored.containsKey(id) && hasExpired(id)) {
                report.count("producers forgotten for their age", 1);
            } else if (!stored.containsKey(id) && state.lastOffset < logStart) {
                report.count("producers forgotten with their records", 1);
            } else if (hasOnlyMarker(state, stored.get(id))) {
                report.count("producers whose records went before their marker", 1);
            } else if (lastOffsets.get(id) < offset && !state.equals(stored.get(id))) {
                report.problem(name(file), "has " + stored.get(id) + " for producer " + id + ", the log " + state);
            }
        });
    }

    /** Whether the log has the end of a transaction whose last batch was deleted: the snapshot still knows that one. */
    private boolean hasOnlyMarker(ProducerState inLog, ProducerState stored) {
        return inLog.lastOffset < 0 && stored != null && stored.epoch == inLog.epoch && stored.lastOffset < logStart;
    }

    /** Whether a broker that looked just now forgot the producer: its records are older than producer.id.expiration.ms. */
    private boolean hasExpired(long producer) {
        return lastTimestamps.get(producer) < System.currentTimeMillis() - PRODUCER_ID_EXPIRATION_MS;
    }

    private String name(Path file) {
        return name + "/" + file.getFileName();
    }

    private static String stem(long offset) {
        return String.format("%020d", offset);
    }
}
