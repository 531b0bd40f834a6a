package zurau.clients.transactions;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What readers of each isolation level see, and the producers whose records they are. */
final class Readers {
    static final Duration LIMIT = Duration.ofSeconds(60);
    private static final String ISOLATION = "isolation.level";

    private Readers() {
    }

    static KafkaProducer<byte[], byte[]> producer(Broker broker, String transactionalId, Object... settings) {
        Object[] all = new Object[settings.length + 2];
        System.arraycopy(settings, 0, all, 0, settings.length);
        all[settings.length] = "transactional.id";
        all[settings.length + 1] = broker.name(transactionalId);
        return broker.producer(all);
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, String... values) {
        for (String value : values) {
            producer.send(new ProducerRecord<>(topic, partition, null, Broker.bytes(value)));
        }
    }

    /** The values of the committed records of one partition, which end where the log ends. */
    static List<String> committed(Broker broker, String topic, int partition) {
        return until(broker, topic, partition, "read_committed", end(broker, topic, partition, "read_uncommitted"));
    }

    /** The values of the committed records up to what is stable now. */
    static List<String> stable(Broker broker, String topic, int partition) {
        return until(broker, topic, partition, "read_committed", end(broker, topic, partition, "read_committed"));
    }

    /** The values of all records. */
    static List<String> everything(Broker broker, String topic, int partition) {
        return until(broker, topic, partition, "read_uncommitted", end(broker, topic, partition, "read_uncommitted"));
    }

    /** Where the partition ends for readers of this level. */
    static long end(Broker broker, String topic, int partition, String isolation) {
        TopicPartition place = new TopicPartition(topic, partition);
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer(ISOLATION, isolation)) {
            return consumer.endOffsets(List.of(place)).get(place);
        }
    }

    /** Waits until nothing in the partition is undecided. */
    static void awaitDecided(Broker broker, String topic, int partition) throws Exception {
        Expect.within(LIMIT, topic + "-" + partition + " is decided",
            () -> end(broker, topic, partition, "read_committed") == end(broker, topic, partition, "read_uncommitted"));
    }

    private static List<String> until(Broker broker, String topic, int partition, String isolation, long end) {
        TopicPartition place = new TopicPartition(topic, partition);
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = broker.consumer(ISOLATION, isolation)) {
            consumer.assign(List.of(place));
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (consumer.position(place) < end) {
                Expect.that(System.nanoTime() < deadline, "the reader of " + place + " is at "
                    + consumer.position(place) + " and not at " + end + ", with " + values.size() + " records");
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    values.add(Broker.text(record.value()));
                }
            }
        }
        return values;
    }
}
