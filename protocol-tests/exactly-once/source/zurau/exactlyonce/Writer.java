package zurau.exactlyonce;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.TopicPartition;

/** Writes transactions over several input partitions, and reads from all of them in the middle of some. */
final class Writer implements Worker {
    private static final int[] SIZES = {1, 2, 3, 5, 12};

    private final String name;
    private final int run;
    private final History history;
    private final AtomicBoolean stop;
    private final Random chance;

    Writer(String name, int run, History history, AtomicBoolean stop) {
        this.name = name;
        this.run = run;
        this.history = history;
        this.stop = stop;
        chance = new Random((Settings.SEED + name + run).hashCode());
    }

    @Override
    public void run() throws Exception {
        history.write("start", "client", "java", "isolation", "read_committed", "timeout_ms", Settings.TIMEOUT_MS);
        TransactionalProducer producer = new TransactionalProducer(history, name, stop);
        if (!producer.open()) {
            return;
        }
        Follower follower = new Follower(history, "read_committed", 300);
        follower.begin(200L);
        while (!stop.get()) {
            producer.run(() -> write(producer, follower));
            Thread.sleep(chance.nextInt(40));
        }
        producer.close();
    }

    private boolean write(TransactionalProducer producer, Follower follower) throws Exception {
        List<TopicPartition> partitions = new ArrayList<>(Settings.INPUTS);
        Collections.shuffle(partitions, chance);
        int spread = 1 + chance.nextInt(3);
        int size = SIZES[chance.nextInt(SIZES.length)];
        for (int index = 0; index < size; index++) {
            producer.send(partitions.get(chance.nextInt(spread)), name + "." + run + "." + producer.transaction() + "." + index);
            if (chance.nextDouble() < 0.1) {
                follower.poll(20, "txn", producer.transaction());
            }
        }
        if (chance.nextDouble() < 0.004) {
            producer.sleepPastTheTimeout(chance);
        }
        return chance.nextDouble() < 0.85;
    }
}
