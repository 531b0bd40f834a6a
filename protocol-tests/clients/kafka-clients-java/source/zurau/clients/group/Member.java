package zurau.clients.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import zurau.clients.Closing;

/**
 * A group member with a thread of its own. It commits what it has read whenever it gives partitions away, so that a
 * group of such members reads every record exactly once.
 */
final class Member {
    /** What a listener of the consumer was told. */
    record Event(String kind, Set<Integer> partitions) {
    }

    final String name;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Thread thread;
    private final List<Event> events = new CopyOnWriteArrayList<>();
    private volatile Set<Integer> assignment = Set.of();
    private volatile int generation = -1;
    private volatile boolean leaving;
    private volatile boolean vanishing;
    private volatile Throwable failure;

    Member(String name, KafkaConsumer<byte[], byte[]> consumer, String topic,
           Consumer<ConsumerRecord<byte[], byte[]>> sink) {
        this.name = name;
        this.consumer = consumer;
        this.thread = new Thread(() -> run(topic, sink), name);
        thread.start();
    }

    private void run(String topic, Consumer<ConsumerRecord<byte[], byte[]>> sink) {
        try {
            consumer.subscribe(List.of(topic), new Listener());
            while (!leaving) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                records.forEach(sink);
                publish();
            }
            if (vanishing) {
                commit(consumer.assignment());
            }
        } catch (WakeupException expected) {
            // Only close() wakes it.
        } catch (Throwable thrown) {
            failure = thrown;
        } finally {
            try {
                if (vanishing) {
                    Closing.silently(consumer);
                } else {
                    Closing.within(Duration.ofSeconds(10), consumer);
                }
            } catch (Throwable thrown) {
                failure = failure == null ? thrown : failure;
            }
            assignment = Set.of();
        }
    }

    private void publish() {
        Set<Integer> partitions = new TreeSet<>();
        consumer.assignment().forEach(partition -> partitions.add(partition.partition()));
        generation = consumer.groupMetadata().generationId();
        assignment = partitions;
    }

    private void commit(Collection<TopicPartition> partitions) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        partitions.forEach(one -> offsets.put(one, new OffsetAndMetadata(consumer.position(one))));
        if (!offsets.isEmpty()) {
            consumer.commitSync(offsets);
        }
    }

    Set<Integer> assignment() {
        check();
        return assignment;
    }

    int generation() {
        check();
        return generation;
    }

    List<Event> events() {
        return new ArrayList<>(events);
    }

    Throwable failure() {
        return failure;
    }

    private void check() {
        if (failure != null) {
            throw new AssertionError(name + " failed: " + failure, failure);
        }
    }

    /** Goes without a word to the broker, as one that was killed. */
    void vanish() throws InterruptedException {
        vanishing = true;
        close();
    }

    /** Leaves the group as a consumer does by default: static members stay registered. */
    void close() throws InterruptedException {
        leaving = true;
        thread.join(30_000);
        check();
        if (thread.isAlive()) {
            throw new AssertionError(name + " does not end");
        }
    }

    private final class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            commit(partitions);
            note("revoked", partitions);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            note("assigned", partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            note("lost", partitions);
        }

        private void note(String kind, Collection<TopicPartition> partitions) {
            Set<Integer> numbers = new TreeSet<>();
            partitions.forEach(partition -> numbers.add(partition.partition()));
            events.add(new Event(kind, numbers));
        }
    }
}
