package zurau.exactlyonce;

import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.common.TopicPartition;

/** Reads everything from the beginning, under one isolation level, to the end that there is when it is told to stop. */
final class Reader implements Worker {
    private static final long LAST_SECONDS = 20;

    private final String isolation;
    private final History history;
    private final AtomicBoolean stop;

    Reader(String name, History history, AtomicBoolean stop) {
        isolation = name.contains("uncommitted") ? "read_uncommitted" : "read_committed";
        this.history = history;
        this.stop = stop;
    }

    @Override
    public void run() throws Exception {
        history.write("start", "client", "java", "isolation", isolation);
        Follower follower = new Follower(history, isolation, 500);
        follower.begin(null);
        while (!stop.get()) {
            follower.poll(100);
        }
        Map<TopicPartition, Long> ends = follower.ends();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(LAST_SECONDS);
        while (System.nanoTime() < deadline && !follower.isAt(ends)) {
            follower.poll(100);
        }
    }
}
