package zurau.directory;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Transactions that were committed, that were aborted, and one that is left open for the next broker. */
final class Transactions {
    private final String bootstrap;
    private final int stay;

    private Transactions(String bootstrap, int stay) {
        this.bootstrap = bootstrap;
        this.stay = stay;
    }

    static void run(String bootstrap, int stay) throws Exception {
        try (Admin admin = Clients.admin(bootstrap)) {
            Load.create(admin, "transactions", 2, Map.of("segment.bytes", "1048576"));
        }
        new Transactions(bootstrap, stay).load();
    }

    private void load() {
        try (KafkaProducer<byte[], byte[]> producer = transactional("finished")) {
            producer.initTransactions();
            for (int number = 0; number < 8; number++) {
                producer.beginTransaction();
                send(producer, number);
                commitIn(producer, 10 * stay + number);
                // What has not been sent when a transaction is aborted never is.
                producer.flush();
                if (number % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        KafkaProducer<byte[], byte[]> left = transactional("left-open");
        // From the second time on, this ends what the broker before has left open.
        left.initTransactions();
        left.beginTransaction();
        send(left, 100);
        commitIn(left, 1_000_000);
        left.flush();
    }

    /** Offsets that count when the transaction is committed, and not before. */
    private static void commitIn(KafkaProducer<byte[], byte[]> producer, long offset) {
        producer.sendOffsetsToTransaction(Map.of(new TopicPartition("codec-none", 0), new OffsetAndMetadata(offset)),
            new ConsumerGroupMetadata("exactly-once"));
    }

    private KafkaProducer<byte[], byte[]> transactional(String id) {
        return Clients.producer(bootstrap, Map.of("transactional.id", id, "transaction.timeout.ms", 800_000));
    }

    private void send(KafkaProducer<byte[], byte[]> producer, int number) {
        for (int record = 0; record < 6; record++) {
            byte[] value = ("transaction " + stay + "/" + number + "/" + record).getBytes(StandardCharsets.UTF_8);
            producer.send(new ProducerRecord<>("transactions", record % 2, null, value));
        }
    }
}
