package zurau.ecosystem.registry;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringSerializer;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;

/** A map that lives in a topic: changed only by writing to the topic, known only by reading it from its beginning. */
final class Registry implements AutoCloseable {
    private static final long PATIENCE_NANOSECONDS = Duration.ofSeconds(30).toNanos();

    private final String topic;
    private final KafkaProducer<String, String> producer;
    private final KafkaConsumer<String, String> consumer;
    private final Thread reader = new Thread(this::read, "reader");
    private final Map<String, String> entries = new LinkedHashMap<>();
    private long readUntil;
    private RuntimeException failure;

    /** Returns when all that the topic holds has been read. */
    Registry(Broker broker, String topic) throws InterruptedException {
        this.topic = topic;
        // One attempt and no idempotence, as registries have it: a write that may have failed is the caller's affair.
        producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", broker.servers(), "acks", "all", "retries", 0, "enable.idempotence", false),
            new StringSerializer(), new StringSerializer());
        consumer = broker.consumer(null);
        TopicPartition partition = new TopicPartition(topic, 0);
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        reader.start();
        awaitReadUntil(end);
    }

    /** Writes an entry, or removes it when the value is null, and returns when the write has been read back. */
    void put(String key, String value) throws Exception {
        long offset = producer.send(new ProducerRecord<>(topic, 0, key, value)).get().offset();
        awaitReadUntil(offset + 1);
    }

    synchronized Map<String, String> entries() {
        return new LinkedHashMap<>(entries);
    }

    @Override
    public void close() throws InterruptedException {
        consumer.wakeup();
        reader.join();
        producer.close();
    }

    private void read() {
        try (consumer) {
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    apply(record);
                }
            }
        } catch (WakeupException closed) {
            // This is how it ends.
        } catch (RuntimeException problem) {
            fail(problem);
        }
    }

    private synchronized void apply(ConsumerRecord<String, String> record) {
        if (record.value() == null) {
            entries.remove(record.key());
        } else {
            entries.put(record.key(), record.value());
        }
        readUntil = record.offset() + 1;
        notifyAll();
    }

    private synchronized void fail(RuntimeException problem) {
        failure = problem;
        notifyAll();
    }

    private synchronized void awaitReadUntil(long offset) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOSECONDS;
        while (readUntil < offset && failure == null) {
            long left = deadline - System.nanoTime();
            Expect.that(left > 0, "read until " + readUntil + ", not until " + offset);
            wait(left / 1_000_000 + 1);
        }
        if (failure != null) {
            throw failure;
        }
    }
}
