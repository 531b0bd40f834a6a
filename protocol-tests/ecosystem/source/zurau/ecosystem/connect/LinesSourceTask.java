package zurau.ecosystem.connect;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/** Reads whole lines, and stores with each how far the file is read then. */
public final class LinesSourceTask extends SourceTask {
    private static final String POSITION = "position";
    private static final int MOST_BYTES = 8192;

    private Path file;
    private String topic;
    private Map<String, String> partition;
    private long position;

    @Override
    public void start(Map<String, String> settings) {
        file = Path.of(settings.get("file"));
        topic = settings.get("topic");
        partition = Map.of("file", file.toString());
        Map<String, Object> stored = context.offsetStorageReader().offset(partition);
        position = stored == null ? 0 : (Long) stored.get(POSITION);
    }

    @Override
    public List<SourceRecord> poll() throws InterruptedException {
        List<SourceRecord> records = new ArrayList<>();
        try {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (byte next : next()) {
                if (next != '\n') {
                    line.write(next);
                    continue;
                }
                position += line.size() + 1;
                records.add(new SourceRecord(partition, Map.of(POSITION, position), topic, Schema.STRING_SCHEMA,
                    line.toString(StandardCharsets.UTF_8)));
                line.reset();
            }
        } catch (IOException problem) {
            throw new ConnectException(problem);
        }
        if (records.isEmpty()) {
            // A file tells nobody that it has grown.
            Thread.sleep(50);
            return null;
        }
        return records;
    }

    private byte[] next() throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer bytes = ByteBuffer.allocate(MOST_BYTES);
            int count = Math.max(channel.read(bytes, position), 0);
            return Arrays.copyOf(bytes.array(), count);
        }
    }

    @Override
    public void stop() {
    }

    @Override
    public String version() {
        return "1";
    }
}
