package zurau.clients.produce;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** The producer as it is by default: idempotent, five requests in flight. */
public final class Idempotence {
    private static final int PRODUCERS = 3;
    private static final int PARTITIONS = 4;
    private static final int PER_PRODUCER = 20_000;

    private Idempotence() {
    }

    /** Several producers with tiny batches, so that many requests are in flight; each one's records keep their order. */
    public static void orderAndNoDuplicates(Broker broker) throws Exception {
        String topic = broker.name("ordered");
        broker.createTopic(topic, PARTITIONS);
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int producer = 0; producer < PRODUCERS; producer++) {
            int id = producer;
            Thread thread = new Thread(() -> {
                try {
                    sendNumbers(broker, topic, id, wrong);
                } catch (Throwable failure) {
                    wrong.compareAndSet(null, failure);
                }
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        Expect.equal(null, wrong.get(), "failure of a producer");

        int[][] next = new int[PRODUCERS][PARTITIONS];
        for (ConsumerRecord<byte[], byte[]> record : broker.readAll(topic, PRODUCERS * PER_PRODUCER)) {
            int producer = Integer.parseInt(Broker.text(record.key()));
            int expected = next[producer][record.partition()]++ * PARTITIONS + record.partition();
            Expect.equal("" + expected, Broker.text(record.value()),
                "next record of producer " + producer + " at " + record.partition() + "@" + record.offset());
        }
    }

    private static void sendNumbers(Broker broker, String topic, int id, AtomicReference<Throwable> wrong) {
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("batch.size", 200, "linger.ms", 0)) {
            byte[] key = Broker.bytes("" + id);
            for (int number = 0; number < PER_PRODUCER; number++) {
                producer.send(new ProducerRecord<>(topic, number % PARTITIONS, key, Broker.bytes("" + number)),
                    (metadata, failure) -> {
                        if (failure != null) {
                            wrong.compareAndSet(null, failure);
                        }
                    });
            }
        }
    }
}
