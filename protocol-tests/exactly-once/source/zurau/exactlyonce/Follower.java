package zurau.exactlyonce;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** A consumer outside any group that follows partitions from positions of its own, and writes its polls down. */
final class Follower {
    private final History history;
    private final List<TopicPartition> partitions = Settings.all();
    private final KafkaConsumer<String, String> client;

    Follower(History history, String isolation, Integer mostRecords) {
        this.history = history;
        client = new KafkaConsumer<>(Settings.consumer(isolation, Map.of("max.poll.records", mostRecords)),
            new StringDeserializer(), new StringDeserializer());
    }

    /** From the beginning of every partition, or from so many records before its end. */
    void begin(Long last) throws InterruptedException {
        Map<TopicPartition, Long> positions = last == null
            ? partitions.stream().collect(Collectors.toMap(partition -> partition, partition -> 0L))
            : ends();
        positions.replaceAll((partition, end) -> last == null ? 0L : Math.max(0, end - last));
        history.write("position", "positions", positions);
        client.assign(partitions);
        positions.forEach(client::seek);
    }

    /** The offsets to which records can be read: under read_committed the last stable ones. */
    Map<TopicPartition, Long> ends() throws InterruptedException {
        while (true) {
            try {
                return new HashMap<>(client.endOffsets(partitions));
            } catch (TimeoutException away) {
                Thread.sleep(100);
            }
        }
    }

    boolean isAt(Map<TopicPartition, Long> ends) {
        return ends.entrySet().stream().allMatch(end -> client.position(end.getKey()) >= end.getValue());
    }

    /** What there is, written down. */
    boolean poll(long milliseconds, Object... fields) {
        long asked = System.nanoTime();
        ConsumerRecords<String, String> records = client.poll(Duration.ofMillis(milliseconds));
        if (records.isEmpty()) {
            return false;
        }
        Object[] all = new Object[4 + fields.length];
        all[0] = "asked";
        all[1] = asked;
        all[2] = "records";
        all[3] = records;
        System.arraycopy(fields, 0, all, 4, fields.length);
        history.write("poll", all);
        return true;
    }
}
