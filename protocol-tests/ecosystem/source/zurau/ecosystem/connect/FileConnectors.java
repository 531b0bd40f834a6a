package zurau.ecosystem.connect;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Settings of Connect's workers and of its two connectors for files. */
final class FileConnectors {
    private FileConnectors() {
    }

    /** What workers of both kinds need. */
    static Map<String, String> worker(String servers, int restPort) {
        return new HashMap<>(Map.of(
            "bootstrap.servers", servers,
            "key.converter", "org.apache.kafka.connect.storage.StringConverter",
            "value.converter", "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms", "500",
            "listeners", "http://127.0.0.1:" + restPort,
            // The connectors are on the class path and name themselves there; a scan only costs time.
            "plugin.discovery", "service_load"));
    }

    /** Lines of a file become records of a topic, which Connect itself creates. */
    static Map<String, String> source(String name, Path file, String topic) {
        return new HashMap<>(Map.of(
            "name", name,
            "connector.class", LinesSource.class.getName(),
            "tasks.max", "1",
            "file", file.toString(),
            "topic", topic,
            "topic.creation.default.partitions", "1",
            "topic.creation.default.replication.factor", "-1",
            "topic.creation.default.retention.ms", "123456789"));
    }

    /** Records of a topic become lines of a file. */
    static Map<String, String> sink(String name, String topic, Path file) {
        return new HashMap<>(Map.of(
            "name", name,
            "connector.class", LinesSink.class.getName(),
            "tasks.max", "1",
            "topics", topic,
            "file", file.toString()));
    }

    /** The group in which a sink reads. */
    static String group(String sink) {
        return "connect-" + sink;
    }
}
