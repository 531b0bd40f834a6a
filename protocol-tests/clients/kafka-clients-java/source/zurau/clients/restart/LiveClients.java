package zurau.clients.restart;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** A producer and a consumer in a group that see the broker go and come back twice, and go on by themselves. */
public final class LiveClients {
    private final Broker broker;
    private final String topic;
    private final AtomicBoolean stopped = new AtomicBoolean();
    private final AtomicInteger sent = new AtomicInteger();
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final AtomicLong consumed = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    private LiveClients(Broker broker) {
        this.broker = broker;
        this.topic = broker.name("topic");
    }

    public static void acrossRestarts(Broker broker) throws Exception {
        broker.requireControl();
        new LiveClients(broker).run();
    }

    private void run() throws Exception {
        broker.createTopic(topic, 1);
        Thread producer = start(this::produce);
        Thread consumer = start(this::consume);
        for (String end : List.of("stop", "kill9")) {
            awaitProgress("before " + end);
            broker.control(end);
            Thread.sleep(1000);
            broker.control("start");
            awaitProgress("after " + end);
        }
        stopped.set(true);
        producer.join();
        Expect.equal(null, failure.get(), "failure of a client");
        Expect.equal(sent.get(), acknowledged.get(), "acknowledged records");
        Expect.within(Duration.ofSeconds(30), "all records consumed", () -> consumed.get() == sent.get());
        consumer.interrupt();

        // In the log each record is once, in the order of sending.
        List<ConsumerRecord<byte[], byte[]>> records = broker.readAll(topic, sent.get());
        for (int number = 0; number < records.size(); number++) {
            Expect.equal("" + number, Broker.text(records.get(number).value()), "value at offset " + number);
        }
        System.out.println(sent.get() + " records over two restarts");
    }

    private Thread start(Body body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (Throwable thrown) {
                failure.compareAndSet(null, thrown);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private interface Body {
        void run() throws Exception;
    }

    private void awaitProgress(String what) throws Exception {
        int acknowledgedBefore = acknowledged.get();
        long consumedBefore = consumed.get();
        Expect.within(Duration.ofSeconds(60), "both clients work " + what, () -> {
            if (failure.get() != null) {
                throw new AssertionError("a client failed " + what + ": " + failure.get(), failure.get());
            }
            return acknowledged.get() > acknowledgedBefore + 1000 && consumed.get() > consumedBefore + 1000;
        });
    }

    private void produce() throws InterruptedException {
        try (KafkaProducer<byte[], byte[]> producer = broker.producer("max.block.ms", 60_000, "linger.ms", 1)) {
            while (!stopped.get() && failure.get() == null) {
                int number = sent.getAndIncrement();
                producer.send(new ProducerRecord<>(topic, 0, null, Broker.bytes("" + number)), (metadata, problem) -> {
                    if (problem != null) {
                        failure.compareAndSet(null, problem);
                    } else if (metadata.hasOffset() && metadata.offset() != number) {
                        failure.compareAndSet(null, new AssertionError(number + " acknowledged as " + metadata));
                    } else {
                        acknowledged.incrementAndGet();
                    }
                });
                if (number % 10 == 0) {
                    Thread.sleep(1);
                }
            }
        }
    }

    /** Commits as it goes. After a rebalance it may see records again from its last commit, but it may skip none. */
    private void consume() {
        List<String> gaps = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                 broker.consumer("group.id", broker.name("group"), "heartbeat.interval.ms", 500)) {
            consumer.subscribe(List.of(topic));
            TopicPartition partition = new TopicPartition(topic, 0);
            while (!Thread.currentThread().isInterrupted()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    long next = consumed.get();
                    if (record.offset() > next) {
                        gaps.add(record.offset() + " after " + (next - 1) + " in " + partition);
                    }
                    Expect.equal(List.of(), gaps, "offsets that were skipped");
                    Expect.equal("" + record.offset(), Broker.text(record.value()), "value");
                    consumed.set(Math.max(next, record.offset() + 1));
                }
                consumer.commitAsync();
            }
        } catch (InterruptException expected) {
            // The test is over.
        }
    }
}
