package zurau.exactlyonce;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;

/** What the run tells its workers, and the settings that all their clients have. */
final class Settings {
    static final String PREFIX = System.getenv("TOPIC_PREFIX");
    static final String HISTORIES = System.getenv("HISTORY_DIRECTORY");
    static final String SEED = System.getenv("SEED");
    static final int TIMEOUT_MS = Integer.parseInt(System.getenv("TRANSACTION_TIMEOUT_MS"));
    static final List<TopicPartition> INPUTS = partitions("in", "INPUT_PARTITIONS");
    static final List<TopicPartition> OUTPUTS = partitions("out", "OUTPUT_PARTITIONS");

    private Settings() {
    }

    private static List<TopicPartition> partitions(String name, String count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int number = 0; number < Integer.parseInt(System.getenv(count)); number++) {
            partitions.add(new TopicPartition(PREFIX + name, number));
        }
        return partitions;
    }

    static List<TopicPartition> all() {
        List<TopicPartition> all = new ArrayList<>(INPUTS);
        all.addAll(OUTPUTS);
        return all;
    }

    /** A place is a partition in the words of the histories: without the prefix. */
    static String place(TopicPartition partition) {
        return partition.topic().substring(PREFIX.length()) + "-" + partition.partition();
    }

    /** With what must be different; clients have to find a broker that is back at once. */
    static Map<String, Object> client(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", System.getenv("BOOTSTRAP_SERVERS"));
        settings.put("reconnect.backoff.ms", 10);
        settings.put("reconnect.backoff.max.ms", 100);
        settings.put("retry.backoff.ms", 20);
        settings.put("socket.connection.setup.timeout.ms", 2000);
        settings.put("request.timeout.ms", 4000);
        settings.putAll(more);
        return settings;
    }

    static Map<String, Object> consumer(String isolation, Map<String, Object> more) {
        Map<String, Object> settings = client(Map.of(
            "isolation.level", isolation, "enable.auto.commit", false, "auto.offset.reset", "none",
            "fetch.max.wait.ms", 100, "default.api.timeout.ms", 10000));
        settings.putAll(more);
        return settings;
    }
}
