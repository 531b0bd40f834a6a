package zurau.ecosystem.flink;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import zurau.ecosystem.Expect;

/**
 * A place within a checkpoint at which a task can be held. The tasks of the mini-cluster are in this process,
 * so the scenario meets them here.
 */
enum Moment {
    /** The sources have put down where they are; the sink has not written out what came before that. */
    BEFORE_FLUSH,
    /** The sink has written out the transaction, which is part of the checkpoint now; nobody has committed it. */
    AFTER_FLUSH;

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final AtomicReference<Meeting> wanted = new AtomicReference<>();

    /** What is done while a task is held. */
    @FunctionalInterface
    interface Action {
        void run() throws Exception;
    }

    private static final class Meeting {
        private final boolean fails;
        private final CountDownLatch here = new CountDownLatch(1);
        private final CountDownLatch over = new CountDownLatch(1);
        private volatile long checkpoint;

        private Meeting(boolean fails) {
            this.fails = fails;
        }
    }

    /** A task is there; the first one that the scenario waits for is held. */
    void reached(long checkpoint) throws Exception {
        Meeting meeting = wanted.getAndSet(null);
        if (meeting == null) {
            return;
        }
        meeting.checkpoint = checkpoint;
        meeting.here.countDown();
        meeting.over.await();
        if (meeting.fails) {
            throw new IllegalStateException("the scenario wants this task to fail in checkpoint " + checkpoint);
        }
    }

    /** Does something in the midst of the next checkpoint and lets it go on; the answer is its number. */
    long during(Action action) throws Exception {
        return meet(false, action);
    }

    /** Does something in the midst of the next checkpoint, and then the task fails. */
    void beforeFailureDuring(Action action) throws Exception {
        meet(true, action);
    }

    private long meet(boolean fails, Action action) throws Exception {
        Meeting meeting = new Meeting(fails);
        wanted.set(meeting);
        Expect.that(meeting.here.await(PATIENCE.toSeconds(), TimeUnit.SECONDS), "a checkpoint comes to " + this);
        try {
            action.run();
        } finally {
            meeting.over.countDown();
        }
        return meeting.checkpoint;
    }
}
