package zurau.clients.transactions;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** What an administrator sees of transactions, and how he ends them. */
public final class Administration {
    private Administration() {
    }

    public static void listAndDescribe(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 2);
        TopicPartition place = new TopicPartition(topic, 1);
        String id = broker.name("open");
        try (Admin admin = broker.admin();
             KafkaProducer<byte[], byte[]> open = Readers.producer(broker, "open", "transaction.timeout.ms", 120_000);
             KafkaProducer<byte[], byte[]> empty = Readers.producer(broker, "empty")) {
            Expect.failure(TransactionalIdNotFoundException.class, "describing one that there is not",
                () -> admin.describeTransactions(Set.of(id)).all().get());
            open.initTransactions();
            empty.initTransactions();
            TransactionDescription before = describe(admin, id);
            Expect.equal(TransactionState.EMPTY, before.state(), "state of the first one");
            Expect.equal(120_000L, before.transactionTimeoutMs(), "its timeout");
            Expect.that(before.transactionStartTimeMs().isEmpty(), "it has not begun");
            open.beginTransaction();
            Readers.send(open, topic, 1, "one", "two");
            open.flush();

            TransactionDescription description = describe(admin, id);
            Expect.equal(TransactionState.ONGOING, description.state(), "state of the open one");
            Expect.equal(Set.of(place), description.topicPartitions(), "its partitions");
            Expect.equal(before.producerId(), description.producerId(), "its producer");
            Expect.that(description.transactionStartTimeMs().isPresent(), "it has begun");

            Expect.equal(Set.of(id), names(admin, broker, new ListTransactionsOptions()
                .filterStates(Set.of(TransactionState.ONGOING))), "the ongoing ones");
            Expect.equal(new TreeSet<>(Set.of(id, broker.name("empty"))), names(admin, broker,
                new ListTransactionsOptions()), "all of them");
            Expect.equal(Set.of(id), names(admin, broker, new ListTransactionsOptions()
                .filterProducerIds(Set.of(description.producerId()))), "those of a producer");

            ProducerState state = producers(admin, place).get(0);
            Expect.equal(description.producerId(), state.producerId(), "the producer of the partition");
            Expect.equal(0L, state.currentTransactionStartOffset().getAsLong(), "where its transaction has begun");
            Expect.equal(1, state.lastSequence(), "its last sequence");
            open.commitTransaction();
            Expect.within(Readers.LIMIT, "the transaction is over",
                () -> describe(admin, id).state() == TransactionState.COMPLETE_COMMIT);
            Expect.that(producers(admin, place).get(0).currentTransactionStartOffset().isEmpty(),
                "no transaction is open in the partition");
            Expect.equal(Set.of(), describe(admin, id).topicPartitions(), "no partition is left");
        }
    }

    /** Fencing a producer from outside aborts its transaction. */
    public static void fenceProducers(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        try (Admin admin = broker.admin();
             KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "id")) {
            admin.fenceProducers(Set.of(broker.name("nobody"))).all().get();
            producer.initTransactions();
            producer.beginTransaction();
            Readers.send(producer, topic, 0, "one");
            producer.flush();
            admin.fenceProducers(Set.of(broker.name("id"))).all().get();
            Fencing.fenced("a commit after fencing", () -> {
                producer.commitTransaction();
                return "a commit";
            });
            Readers.awaitDecided(broker, topic, 0);
            Expect.equal(List.of(), Readers.committed(broker, topic, 0), "committed");
        }
    }

    /** Aborting a transaction in one partition, as for one that hangs. */
    public static void abort(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        TopicPartition place = new TopicPartition(topic, 0);
        try (Admin admin = broker.admin();
             KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "id")) {
            producer.initTransactions();
            producer.beginTransaction();
            Readers.send(producer, topic, 0, "one");
            producer.flush();
            ProducerState state = producers(admin, place).get(0);
            Expect.equal(0L, Readers.end(broker, topic, 0, "read_committed"), "the stable end");
            // With transactions of version 2 the marker must carry the next epoch.
            short epoch = (short) (state.producerEpoch() + 1);
            admin.abortTransaction(new AbortTransactionSpec(place, state.producerId(), epoch,
                state.coordinatorEpoch().orElse(0))).all().get();
            Readers.awaitDecided(broker, topic, 0);
            Expect.equal(List.of(), Readers.committed(broker, topic, 0), "committed");
            Expect.that(producers(admin, place).get(0).currentTransactionStartOffset().isEmpty(), "no transaction is open");
        }
    }

    private static TransactionDescription describe(Admin admin, String id) throws Exception {
        return admin.describeTransactions(Set.of(id)).description(id).get();
    }

    private static List<ProducerState> producers(Admin admin, TopicPartition place) throws Exception {
        return admin.describeProducers(Set.of(place)).partitionResult(place).get().activeProducers();
    }

    /** The transactions of this scenario; others share the broker. */
    private static Set<String> names(Admin admin, Broker broker, ListTransactionsOptions options) throws Exception {
        Map<Integer, Collection<TransactionListing>> byBroker = admin.listTransactions(options).allByBrokerId().get();
        return byBroker.values().stream().flatMap(Collection::stream)
            .map(TransactionListing::transactionalId).filter(id -> id.startsWith(broker.name("")))
            .collect(Collectors.toCollection(TreeSet::new));
    }
}
