package zurau.clients;

import java.time.Duration;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** The ways in which a consumer goes, for releases that take options. */
public final class Closing {
    private Closing() {
    }

    /** Leaves the group as a consumer does by default: static members stay registered. */
    public static void within(Duration limit, KafkaConsumer<?, ?> consumer) {
        consumer.close(CloseOptions.timeout(limit));
    }

    /** Goes without a word to the broker, as one that was killed. */
    public static void silently(KafkaConsumer<?, ?> consumer) {
        consumer.close(CloseOptions.timeout(Duration.ofSeconds(10))
            .withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP));
    }
}
