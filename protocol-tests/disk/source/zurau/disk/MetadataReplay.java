package zurau.disk;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.record.internal.FileLogInputStream;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;
import org.apache.kafka.metadata.MetadataRecordSerde;

/** Builds Kafka's in-memory image of the cluster from the newest metadata snapshot and the log after it. */
final class MetadataReplay {
    private MetadataImage image = MetadataImage.EMPTY;

    private MetadataReplay() {
    }

    /** The image; a record that Kafka cannot apply makes this throw. */
    static MetadataImage read(Path directory) throws Exception {
        MetadataReplay replay = new MetadataReplay();
        long from = 0;
        List<Path> snapshots = list(directory, ".checkpoint");
        if (!snapshots.isEmpty()) {
            Path newest = snapshots.get(snapshots.size() - 1);
            from = Long.parseLong(newest.getFileName().toString().substring(0, 20));
            replay.apply(newest, Long.MIN_VALUE, true);
        }
        for (Path log : list(directory, ".log")) {
            if (Files.size(log) > 0) {
                replay.apply(log, from, false);
            }
        }
        return replay.image;
    }

    private static List<Path> list(Path directory, String suffix) throws Exception {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().endsWith(suffix)).sorted().toList();
        }
    }

    private void apply(Path file, long from, boolean snapshot) throws Exception {
        MetadataDelta delta = new MetadataDelta.Builder().setImage(image).build();
        try (FileRecords records = FileRecords.open(file.toFile(), false)) {
            for (FileLogInputStream.FileChannelRecordBatch batch : records.batches()) {
                // Control batches are about the quorum. Kafka's own reader of such files does not know all of them.
                if (batch.isControlBatch() || batch.lastOffset() < from) {
                    continue;
                }
                batch.ensureValid();
                for (Record record : batch) {
                    ByteBufferAccessor value = new ByteBufferAccessor(record.value());
                    replay(delta, MetadataRecordSerde.INSTANCE.read(value, record.valueSize()).message());
                }
            }
        }
        if (snapshot) {
            delta.finishSnapshot();
        }
        image = delta.apply(MetadataProvenance.EMPTY);
    }

    private static void replay(MetadataDelta delta, ApiMessage record) {
        // The marks of a metadata transaction are read by the loader in front of the image, which does not know them.
        switch (record.getClass().getSimpleName()) {
            case "BeginTransactionRecord", "EndTransactionRecord" -> { }
            case "AbortTransactionRecord" -> throw new IllegalStateException("an aborted metadata transaction");
            default -> delta.replay(record);
        }
    }
}
