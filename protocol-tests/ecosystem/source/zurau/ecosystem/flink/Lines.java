package zurau.ecosystem.flink;

import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import zurau.ecosystem.Broker;

/** Writes 0, 1, 2 ... without a pause. The producer is idempotent, so each is there once, whatever happens to the broker. */
final class Lines implements AutoCloseable {
    private final Broker broker;
    private final String topic;
    private final int partitions;
    private final AtomicBoolean over = new AtomicBoolean();
    private final Thread sender = new Thread(this::send, "lines");
    private volatile int count;
    private volatile Throwable failure;

    Lines(Broker broker, String topic, int partitions) {
        this.broker = broker;
        this.topic = topic;
        this.partitions = partitions;
    }

    Lines start() {
        sender.start();
        return this;
    }

    /** Ends, and says how many there are. */
    int end() throws Exception {
        close();
        if (failure != null) {
            throw new AssertionError("a line was not sent", failure);
        }
        return count;
    }

    @Override
    public void close() throws InterruptedException {
        over.set(true);
        sender.join();
    }

    private void send() {
        Map<String, Object> settings = Map.of("bootstrap.servers", broker.servers(), "acks", "all",
            "delivery.timeout.ms", 600000, "max.block.ms", 600000, "reconnect.backoff.max.ms", 250);
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (; !over.get(); count++) {
                ProducerRecord<String, String> line =
                    new ProducerRecord<>(topic, count % partitions, null, Integer.toString(count));
                producer.send(line, (metadata, problem) -> {
                    if (problem != null) {
                        failure = problem;
                    }
                });
                Thread.sleep(5);
            }
        } catch (Throwable problem) {
            failure = problem;
        }
    }
}
