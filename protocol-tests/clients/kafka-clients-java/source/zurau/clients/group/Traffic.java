package zurau.clients.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Records that keep coming while a group rebalances, and the account of who read which. */
final class Traffic {
    private final Thread thread;
    private final AtomicInteger sent = new AtomicInteger();
    private final Map<String, AtomicInteger> seen = new ConcurrentHashMap<>();
    private final List<String> disorder = new ArrayList<>();
    private final Map<Integer, Long> lastOffset = new ConcurrentHashMap<>();
    private volatile boolean stopped;
    private volatile Exception failure;

    Traffic(Broker broker, String topic) {
        thread = new Thread(() -> {
            try (KafkaProducer<byte[], byte[]> producer = broker.producer()) {
                while (!stopped) {
                    for (int index = 0; index < 10; index++) {
                        int number = sent.getAndIncrement();
                        producer.send(new ProducerRecord<>(topic, null, Broker.bytes("" + number)),
                            (metadata, problem) -> failure = problem == null ? failure : problem);
                    }
                    producer.flush();
                    Thread.sleep(5);
                }
            } catch (Exception problem) {
                failure = problem;
            }
        }, "traffic");
        thread.start();
    }

    /** Takes a record that a member read. */
    void read(ConsumerRecord<byte[], byte[]> record) {
        seen.computeIfAbsent(Broker.text(record.value()), key -> new AtomicInteger()).incrementAndGet();
        Long before = lastOffset.put(record.partition(), record.offset());
        if (before != null && record.offset() != before + 1) {
            synchronized (disorder) {
                disorder.add(record.partition() + ": " + record.offset() + " after " + before);
            }
        }
    }

    /** Waits until a good part of what is sent from now on was read. */
    void awaitMore(String what) throws Exception {
        int mark = sent.get() + 500;
        Expect.within(Duration.ofSeconds(60), "records are read " + what, () -> {
            Expect.equal(null, failure, "failure of the producer " + what);
            return seen.size() >= mark;
        });
    }

    /** Ends the sending and waits until everything was read. */
    void finish() throws Exception {
        stopped = true;
        thread.join();
        Expect.equal(null, failure, "failure of the producer");
        Expect.within(Duration.ofSeconds(30), "all " + sent.get() + " records read",
            () -> seen.size() == sent.get());
    }

    /** No record twice and none out of order, over all members. */
    void expectExactlyOnce() {
        long twice = seen.values().stream().filter(count -> count.get() > 1).count();
        Expect.equal(0L, twice, "records that were read more than once of " + sent.get());
        Expect.equal(List.of(), disorder, "offsets that did not follow each other");
    }
}
