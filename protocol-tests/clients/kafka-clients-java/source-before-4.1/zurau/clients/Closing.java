package zurau.clients;

import java.time.Duration;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** The ways in which a consumer goes, for releases that take a time and nothing else. */
public final class Closing {
    private Closing() {
    }

    /** Leaves the group as a consumer does by default: static members stay registered. */
    public static void within(Duration limit, KafkaConsumer<?, ?> consumer) {
        consumer.close(limit);
    }

    public static void silently(KafkaConsumer<?, ?> consumer) {
        throw new UnsupportedOperationException("a consumer of this release cannot go without a word");
    }
}
