package zurau.clients.transactions;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.KafkaProducer;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Transactions over the end of a broker. */
public final class Survival {
    private Survival() {
    }

    public static void clean(Broker broker) throws Exception {
        over(broker, "stop");
    }

    public static void killed(Broker broker) throws Exception {
        over(broker, "kill9");
    }

    /** One producer goes on with its open transaction, one aborts it, one never comes back and is replaced. */
    private static void over(Broker broker, String end) throws Exception {
        broker.requireControl();
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        List<String> committed = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> commits = producer(broker, "commits");
             KafkaProducer<byte[], byte[]> aborts = producer(broker, "aborts")) {
            KafkaProducer<byte[], byte[]> vanishes = producer(broker, "vanishes");
            for (KafkaProducer<byte[], byte[]> producer : List.of(commits, aborts, vanishes)) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            for (int round = 0; round < 3; round++) {
                Readers.send(commits, topic, 0, "commits " + round);
                commits.flush();
                Readers.send(aborts, topic, 0, "aborts " + round);
                aborts.flush();
                Readers.send(vanishes, topic, 0, "vanishes " + round);
                vanishes.flush();
                committed.add("commits " + round);
                if (round < 2) {
                    broker.control(end);
                    broker.control("start");
                }
            }
            commits.commitTransaction();
            aborts.abortTransaction();
            Expect.equal(List.of(), Readers.stable(broker, topic, 0).stream()
                .filter(value -> !value.startsWith("commits")).toList(), "what is stable");
            try (KafkaProducer<byte[], byte[]> next = producer(broker, "vanishes")) {
                next.initTransactions();
                next.beginTransaction();
                Readers.send(next, topic, 0, "next");
                next.commitTransaction();
                committed.add("next");
            }
            Readers.awaitDecided(broker, topic, 0);
            Expect.equal(committed, Readers.committed(broker, topic, 0), "committed");
            // After the end of the broker, too.
            broker.control(end);
            broker.control("start");
            Expect.equal(committed, Readers.committed(broker, topic, 0), "committed, after another " + end);
            commits.beginTransaction();
            Readers.send(commits, topic, 0, "again");
            commits.commitTransaction();
            committed.add("again");
            Readers.awaitDecided(broker, topic, 0);
            Expect.equal(committed, Readers.committed(broker, topic, 0), "committed at last");
            vanishes.close(Duration.ZERO);
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(Broker broker, String id) {
        return Readers.producer(broker, id, "max.block.ms", 60_000, "transaction.timeout.ms", 300_000);
    }
}
