package zurau.clients.transactions;

import java.util.List;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.InvalidTxnTimeoutException;
import org.apache.kafka.common.errors.ProducerFencedException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Producers that others have taken the transactional id from, and those whose time is up. */
public final class Fencing {
    private Fencing() {
    }

    /** The second one aborts what the first one has begun, and the first one can do nothing any more. */
    public static void secondProducer(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        try (KafkaProducer<byte[], byte[]> zombie = Readers.producer(broker, "id");
             KafkaProducer<byte[], byte[]> next = Readers.producer(broker, "id")) {
            zombie.initTransactions();
            zombie.beginTransaction();
            Readers.send(zombie, topic, 0, "of the zombie");
            zombie.flush();
            next.initTransactions();
            Readers.awaitDecided(broker, topic, 0);
            next.beginTransaction();
            Readers.send(next, topic, 0, "of the next");
            next.flush();
            fenced("the commit of the zombie", () -> {
                zombie.commitTransaction();
                return "a commit";
            });
            fenced("the next transaction of the zombie", () -> {
                zombie.beginTransaction();
                return "a transaction";
            });
            next.commitTransaction();
        }
        Readers.awaitDecided(broker, topic, 0);
        Expect.equal(List.of("of the next"), Readers.committed(broker, topic, 0), "committed");
        Expect.equal(List.of("of the zombie", "of the next"), Readers.everything(broker, topic, 0), "everything");
    }

    /** A zombie that sends: its records are refused, and it is told. */
    public static void zombieSends(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        try (KafkaProducer<byte[], byte[]> zombie = Readers.producer(broker, "id");
             KafkaProducer<byte[], byte[]> next = Readers.producer(broker, "id")) {
            zombie.initTransactions();
            zombie.beginTransaction();
            Readers.send(zombie, topic, 0, "first");
            zombie.commitTransaction();
            next.initTransactions();
            zombie.beginTransaction();
            fenced("the commit of what the zombie has sent", () -> {
                Readers.send(zombie, topic, 0, "late");
                zombie.commitTransaction();
                return "a commit";
            });
            next.beginTransaction();
            Readers.send(next, topic, 0, "second");
            next.commitTransaction();
        }
        Readers.awaitDecided(broker, topic, 0);
        Expect.equal(List.of("first", "second"), Readers.everything(broker, topic, 0), "everything");
    }

    /** The broker aborts a transaction whose time is up; a new producer goes on. */
    public static void timeUp(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        try (KafkaProducer<byte[], byte[]> slow = Readers.producer(broker, "slow", "transaction.timeout.ms", 1000)) {
            slow.initTransactions();
            slow.beginTransaction();
            Readers.send(slow, topic, 0, "of the slow one");
            slow.flush();
            Expect.equal(0L, Readers.end(broker, topic, 0, "read_committed"), "the stable end");
            Readers.awaitDecided(broker, topic, 0);
            Expect.equal(List.of(), Readers.committed(broker, topic, 0), "committed after the time was up");
            refused("a commit after the time was up", () -> {
                slow.commitTransaction();
                return "a commit";
            }, InvalidTxnStateException.class, ProducerFencedException.class, InvalidProducerEpochException.class);
        }
        try (KafkaProducer<byte[], byte[]> next = Readers.producer(broker, "slow")) {
            next.initTransactions();
            next.beginTransaction();
            Readers.send(next, topic, 0, "of the next");
            next.commitTransaction();
        }
        Readers.awaitDecided(broker, topic, 0);
        Expect.equal(List.of("of the next"), Readers.committed(broker, topic, 0), "committed");
    }

    /** More time than the broker gives is refused at once. */
    public static void tooMuchTime(Broker broker) {
        try (KafkaProducer<byte[], byte[]> producer =
                 Readers.producer(broker, "patient", "transaction.timeout.ms", 900_001)) {
            KafkaException thrown = Expect.failure(KafkaException.class, "initTransactions", () -> {
                producer.initTransactions();
                return "a transactional producer";
            });
            // Most releases wrap it in an exception that has only the text.
            Expect.that(thrown.toString().contains("transaction.max.timeout.ms")
                || thrown instanceof InvalidTxnTimeoutException, "the reason is told: " + thrown);
        }
    }

    /** Each release has its own word for it. */
    static void fenced(String what, Callable<?> call) {
        refused(what, call, ProducerFencedException.class, InvalidProducerEpochException.class);
    }

    /** One of these, be it within another exception. */
    private static void refused(String what, Callable<?> call, Class<?>... reasons) {
        KafkaException thrown = Expect.failure(KafkaException.class, what, call);
        for (Throwable one = thrown; one != null; one = one.getCause()) {
            for (Class<?> reason : reasons) {
                if (reason.isInstance(one)) {
                    return;
                }
            }
        }
        throw new AssertionError(what + ": expected that the producer is refused, got " + thrown, thrown);
    }
}
