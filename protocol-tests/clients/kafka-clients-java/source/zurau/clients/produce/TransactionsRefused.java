package zurau.clients.produce;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Transactions are not served yet: who asks for one hears it at once, and not when the time is up. */
public final class TransactionsRefused {
    private TransactionsRefused() {
    }

    public static void atOnce(Broker broker) throws Exception {
        // A machine that is busy may be late once.
        long fastest = Long.MAX_VALUE;
        for (int attempt = 0; attempt < 3; attempt++) {
            fastest = Math.min(fastest, refusal(broker));
        }
        Expect.that(fastest < 2000, "the refusal took " + fastest + " ms");
        // It did no harm to those who want none.
        String topic = broker.name("afterwards");
        broker.createTopic(topic, 1);
        broker.produceNumbers(topic, 0, 0, 10, 5);
        broker.readAll(topic, 10);
    }

    /** How many milliseconds it takes until a transactional producer is told. */
    private static long refusal(Broker broker) {
        try (KafkaProducer<byte[], byte[]> producer =
                 broker.producer("transactional.id", broker.name("transactional"), "max.block.ms", 60_000)) {
            long started = System.nanoTime();
            Expect.failure(TransactionalIdAuthorizationException.class, "initTransactions", () -> {
                producer.initTransactions();
                return "a transactional producer";
            });
            return (System.nanoTime() - started) / 1_000_000;
        }
    }
}
