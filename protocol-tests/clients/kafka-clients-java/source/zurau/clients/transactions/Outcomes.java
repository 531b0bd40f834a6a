package zurau.clients.transactions;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import zurau.clients.Broker;
import zurau.clients.Closing;
import zurau.clients.Expect;

/** Transactions that are committed and aborted, and who sees their records when. */
public final class Outcomes {
    private static final int PRODUCERS = 4;
    private static final int TRANSACTIONS = 60;
    private static final int PARTITIONS = 3;

    private Outcomes() {
    }

    /** One transaction after the other over several partitions; only what was committed is seen. */
    public static void commitAndAbort(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, PARTITIONS);
        List<String> committed = new ArrayList<>();
        List<String> all = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "one")) {
            producer.initTransactions();
            for (int transaction = 0; transaction < 12; transaction++) {
                producer.beginTransaction();
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    Readers.send(producer, topic, partition, transaction + "a", transaction + "b");
                }
                all.addAll(List.of(transaction + "a", transaction + "b"));
                if (transaction % 3 == 1) {
                    // What was not sent yet is not sent at all, so that all of it is there to be seen.
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    committed.addAll(List.of(transaction + "a", transaction + "b"));
                }
            }
            // With nothing in them.
            producer.beginTransaction();
            producer.commitTransaction();
            producer.beginTransaction();
            producer.abortTransaction();
        }
        for (int partition = 0; partition < PARTITIONS; partition++) {
            Readers.awaitDecided(broker, topic, partition);
            Expect.equal(committed, Readers.committed(broker, topic, partition), "committed in " + partition);
            Expect.equal(all, Readers.everything(broker, topic, partition), "everything in " + partition);
        }
    }

    /** An open transaction hides what comes after it, and its end wakes the reader who waits. */
    public static void openTransaction(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, 1);
        TopicPartition place = new TopicPartition(topic, 0);
        try (KafkaProducer<byte[], byte[]> first = Readers.producer(broker, "first");
             KafkaProducer<byte[], byte[]> second = Readers.producer(broker, "second");
             KafkaConsumer<byte[], byte[]> reader = broker.consumer("isolation.level", "read_committed",
                 "fetch.max.wait.ms", 10_000)) {
            first.initTransactions();
            second.initTransactions();
            reader.assign(List.of(place));
            broker.produceNumbers(topic, 0, 0, 2, 2);
            first.beginTransaction();
            Readers.send(first, topic, 0, "first");
            first.flush();
            second.beginTransaction();
            Readers.send(second, topic, 0, "second");
            second.commitTransaction();
            broker.produceNumbers(topic, 0, 2, 3, 1);
            Expect.equal(List.of("0", "1", "first", "second", "2"), Readers.everything(broker, topic, 0), "everything");
            Expect.equal(List.of("0", "1"), Readers.stable(broker, topic, 0), "what is stable");
            Expect.equal(2L, Readers.end(broker, topic, 0, "read_committed"), "the stable end");
            List<ConsumerRecord<byte[], byte[]>> records = Broker.poll(reader, 2, Readers.LIMIT);
            Expect.equal(1L, records.get(1).offset(), "the last stable offset");
            Expect.equal(true, reader.poll(Duration.ofMillis(300)).isEmpty(), "nothing more");
            // The next fetch waits at the broker now.
            long began = System.nanoTime();
            first.commitTransaction();
            List<String> values = new ArrayList<>();
            Broker.poll(reader, 3, Readers.LIMIT).forEach(record -> values.add(Broker.text(record.value())));
            long took = (System.nanoTime() - began) / 1_000_000;
            Expect.equal(List.of("first", "second", "2"), values, "what the end of the transaction lets out");
            Expect.that(took < 7_000, "the reader was woken after " + took + " ms");
            // The next fetch waits already, and a polite close would wait for its answer.
            Closing.within(Duration.ZERO, reader);
        }
    }

    /** Several producers at once, with transactions that overlap in every partition; some of them are aborted. */
    public static void concurrent(Broker broker) throws Exception {
        String topic = broker.name("topic");
        broker.createTopic(topic, PARTITIONS);
        AtomicReference<Throwable> wrong = new AtomicReference<>();
        List<TreeSet<String>> committed = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < PRODUCERS; number++) {
            int id = number;
            TreeSet<String> own = new TreeSet<>();
            committed.add(own);
            Thread thread = new Thread(() -> {
                try {
                    transactions(broker, topic, id, own);
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
        TreeSet<String> expected = new TreeSet<>();
        committed.forEach(expected::addAll);
        List<String> seen = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            Readers.awaitDecided(broker, topic, partition);
            List<String> values = Readers.committed(broker, topic, partition);
            for (int number = 0; number < PRODUCERS; number++) {
                String of = number + ":";
                List<String> own = values.stream().filter(value -> value.startsWith(of)).toList();
                Expect.equal(own.stream().sorted().toList(), own, "order of producer " + number + " in " + partition);
            }
            seen.addAll(values);
        }
        Expect.equal(expected.size(), seen.size(), "number of committed records");
        Expect.equal(expected, new TreeSet<>(seen), "the committed records");
    }

    private static void transactions(Broker broker, String topic, int id, TreeSet<String> committed) {
        Random random = new Random(id);
        try (KafkaProducer<byte[], byte[]> producer = Readers.producer(broker, "concurrent-" + id,
            "batch.size", 300, "linger.ms", 1)) {
            producer.initTransactions();
            for (int transaction = 0; transaction < TRANSACTIONS; transaction++) {
                List<String> values = new ArrayList<>();
                producer.beginTransaction();
                for (int record = 0; record < 20; record++) {
                    String value = String.format("%d:%03d:%02d", id, transaction, record);
                    Readers.send(producer, topic, random.nextInt(PARTITIONS), value);
                    values.add(value);
                }
                if (random.nextInt(4) == 0) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    committed.addAll(values);
                }
            }
        }
    }
}
