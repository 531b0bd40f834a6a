package zurau.exactlyonce;

import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringSerializer;

/** A transactional producer that writes down what it asks for and what it is told, and begins anew when it must. */
final class TransactionalProducer {
    /** The body of a transaction; it says whether to commit. */
    interface Body {
        boolean run() throws Exception;
    }

    private final History history;
    private final String id;
    private final AtomicBoolean stop;
    private KafkaProducer<String, String> client;
    private int producers;
    private int transactions;

    TransactionalProducer(History history, String worker, AtomicBoolean stop) {
        this.history = history;
        this.id = Settings.PREFIX + worker;
        this.stop = stop;
    }

    int transaction() {
        return transactions;
    }

    /** A new producer, which has been given its id; tried until that succeeds or the run is over. */
    boolean open() throws InterruptedException {
        while (!stop.get()) {
            if (client != null) {
                client.close(Duration.ZERO);
            }
            producers++;
            client = new KafkaProducer<>(Settings.client(Map.of(
                "transactional.id", id, "transaction.timeout.ms", Settings.TIMEOUT_MS, "linger.ms", 1,
                "max.block.ms", 10000, "delivery.timeout.ms", 8000)), new StringSerializer(), new StringSerializer());
            history.write("init", "producer", producers, "id", id);
            try {
                client.initTransactions();
            } catch (KafkaException failure) {
                history.write("init-failed", "producer", producers, "error", failure);
                Thread.sleep(50);
                continue;
            }
            history.write("initialized", "producer", producers);
            return true;
        }
        return false;
    }

    void send(TopicPartition partition, String value) {
        int transaction = transactions;
        String place = Settings.place(partition);
        history.write("send", "txn", transaction, "value", value, "place", place);
        ProducerRecord<String, String> record =
            new ProducerRecord<>(partition.topic(), partition.partition(), null, value);
        client.send(record, (metadata, failure) -> {
            if (failure == null) {
                history.write("acked", "txn", transaction, "value", value, "place", place, "offset", metadata.offset());
            } else {
                history.write("send-failed", "txn", transaction, "value", value, "error", failure);
            }
        });
    }

    void offsets(Map<TopicPartition, Long> positions, ConsumerGroupMetadata group) {
        history.write("offsets", "txn", transactions, "offsets", positions);
        client.sendOffsetsToTransaction(positions.entrySet().stream().collect(Collectors.toMap(
            Map.Entry::getKey, entry -> new OffsetAndMetadata(entry.getValue()))), group);
        history.write("offsets-taken", "txn", transactions);
    }

    /** Waits with all sent, longer than the broker lets a transaction be open. */
    void sleepPastTheTimeout(Random chance) throws InterruptedException {
        client.flush();
        history.write("sleep", "txn", transactions);
        Thread.sleep(Settings.TIMEOUT_MS + 500 + chance.nextInt(4000));
    }

    /** The body within a transaction. Whether it was committed; if not, the reader goes back to what is committed. */
    boolean run(Body body) throws Exception {
        transactions++;
        try {
            history.write("begin", "txn", transactions, "producer", producers);
            client.beginTransaction();
            if (body.run()) {
                history.write("commit", "txn", transactions);
                client.commitTransaction();
                history.write("committed", "txn", transactions);
                return true;
            }
            abort();
        } catch (TimeoutException late) {
            // What became of a commit cannot be asked of this producer without repeating it.
            history.write("failed", "txn", transactions, "error", late);
            open();
        } catch (IllegalStateException lost) {
            // Client 3.9 can return from an abort before it has its new epoch, and then refuses to begin.
            history.write("failed", "txn", transactions, "error", lost);
            open();
        } catch (KafkaException failure) {
            history.write("failed", "txn", transactions, "error", failure);
            try {
                abort();
            } catch (KafkaException again) {
                history.write("abort-failed", "txn", transactions, "error", again);
                open();
            }
        }
        return false;
    }

    private void abort() {
        history.write("abort", "txn", transactions);
        client.abortTransaction();
        history.write("aborted", "txn", transactions);
    }

    void close() {
        if (client != null) {
            client.close(Duration.ofSeconds(2));
        }
    }
}
