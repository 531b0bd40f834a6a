package zurau.exactlyonce;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Consume, transform, produce: the offsets of what was read are a part of the transaction that writes the outputs. */
final class Loop implements Worker, ConsumerRebalanceListener {
    private final String name;
    private final int run;
    private final History history;
    private final AtomicBoolean stop;
    private final Random chance;
    private final KafkaConsumer<String, String> consumer;

    Loop(String name, int run, History history, AtomicBoolean stop) {
        this.name = name;
        this.run = run;
        this.history = history;
        this.stop = stop;
        chance = new Random((Settings.SEED + name + run).hashCode());
        consumer = new KafkaConsumer<>(Settings.consumer("read_committed", Map.of(
            "group.id", Settings.PREFIX + "loops", "session.timeout.ms", 2500, "heartbeat.interval.ms", 400,
            // Whoever is stuck in a call must not keep its partitions.
            "max.poll.interval.ms", 15000,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor",
            "max.poll.records", 30)), new StringDeserializer(), new StringDeserializer());
    }

    @Override
    public void run() throws Exception {
        history.write("start", "client", "java", "isolation", "read_committed", "timeout_ms", Settings.TIMEOUT_MS);
        TransactionalProducer producer = new TransactionalProducer(history, name, stop);
        if (!producer.open()) {
            return;
        }
        consumer.subscribe(List.of(Settings.PREFIX + "in"), this);
        while (!stop.get()) {
            long asked = System.nanoTime();
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
            if (records.isEmpty()) {
                continue;
            }
            history.write("poll", "asked", asked, "records", records);
            if (!producer.run(() -> transform(records, producer))) {
                goToCommitted(consumer.assignment());
            }
        }
        consumer.close();
        producer.close();
    }

    private boolean transform(ConsumerRecords<String, String> records, TransactionalProducer producer) throws Exception {
        Map<TopicPartition, Long> following = new HashMap<>();
        int index = 0;
        for (ConsumerRecord<String, String> record : records) {
            TopicPartition source = new TopicPartition(record.topic(), record.partition());
            TopicPartition target = Settings.OUTPUTS.get(chance.nextInt(Settings.OUTPUTS.size()));
            producer.send(target, name + "." + run + "." + producer.transaction() + "." + index++ + "<"
                + Settings.place(source) + "@" + record.offset());
            following.put(source, record.offset() + 1);
        }
        producer.offsets(following, consumer.groupMetadata());
        if (chance.nextDouble() < 0.003) {
            producer.sleepPastTheTimeout(chance);
        }
        return chance.nextDouble() < 0.9;
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        goToCommitted(Set.copyOf(partitions));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        history.write("revoked");
    }

    /** Where transactions have left the group; asked until it is answered or the run is over. */
    private void goToCommitted(Set<TopicPartition> partitions) {
        while (!partitions.isEmpty()) {
            long asked = System.nanoTime();
            try {
                Map<TopicPartition, OffsetAndMetadata> found = consumer.committed(partitions);
                Map<TopicPartition, Long> positions = new HashMap<>();
                partitions.forEach(partition -> positions.put(partition, 0L));
                found.forEach((partition, offset) -> {
                    if (offset != null) {
                        positions.put(partition, offset.offset());
                    }
                });
                history.write("position", "asked", asked, "committed", true, "positions", positions);
                positions.forEach(consumer::seek);
                return;
            } catch (KafkaException failure) {
                history.write("committed-unknown", "error", failure);
                if (stop.get()) {
                    return;
                }
            }
        }
    }
}
