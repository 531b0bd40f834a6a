package zurau.ecosystem;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** One run of a scenario: the broker under test, names that nobody else uses, and a directory. */
public final class Run {
    private final Broker broker;
    private final String prefix;
    private final Path directory;

    private Run(Broker broker, String prefix, Path directory) {
        this.broker = broker;
        this.prefix = prefix;
        this.directory = directory;
    }

    static Run fromEnvironment() throws IOException {
        String servers = System.getenv("BOOTSTRAP_SERVERS");
        if (servers == null) {
            throw new IllegalStateException("BOOTSTRAP_SERVERS is not set");
        }
        String prefix = System.getenv("TOPIC_PREFIX");
        String directory = System.getenv("WORK_DIRECTORY");
        return new Run(
            new Broker(servers),
            prefix == null ? "t" + Long.toString(System.currentTimeMillis(), 36) + "-" : prefix,
            directory == null ? Files.createTempDirectory("zurau-ecosystem-") : Path.of(directory));
    }

    public Broker broker() {
        return broker;
    }

    /** A name for a topic, a group or an application of this run. */
    public String name(String part) {
        return prefix + part;
    }

    /** Tells the one who runs the broker to {@code stop}, {@code start} or {@code kill9} it, and waits until that is done. */
    public void control(String order) throws Exception {
        String control = System.getenv("BROKER_CONTROL");
        Expect.that(control != null, "BROKER_CONTROL says how to reach whoever runs the broker");
        Expect.equal(0, new ProcessBuilder(control, order).inheritIO().start().waitFor(), "status of " + order);
    }

    /** A path in the directory of this run. */
    public Path path(String part) {
        return directory.resolve(part);
    }
}
