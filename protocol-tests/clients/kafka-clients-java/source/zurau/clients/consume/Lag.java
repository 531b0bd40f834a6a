package zurau.clients.consume;

import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** How far a consumer knows itself to be behind, which is from the ends that fetches tell. */
public final class Lag {
    private static final Duration LIMIT = Duration.ofSeconds(20);

    private Lag() {
    }

    public static void atTheEnd(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 500, 50);
        TopicPartition partition = new TopicPartition(topic, 0);
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            try (KafkaConsumer<byte[], byte[]> consumer =
                     broker.consumer("isolation.level", isolation, "max.poll.records", 100)) {
                consumer.assign(List.of(partition));
                for (long lag = 400; lag >= 0; lag -= 100) {
                    Broker.poll(consumer, 100, LIMIT);
                    Expect.equal(lag, consumer.currentLag(partition).orElse(-1), isolation + ": lag");
                }
            }
        }
    }
}
