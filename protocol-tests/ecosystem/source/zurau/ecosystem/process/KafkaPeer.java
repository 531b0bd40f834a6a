package zurau.ecosystem.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;

/** A real Kafka beside the broker under test. */
public final class KafkaPeer implements AutoCloseable {
    private final Process process;
    private final Broker broker;

    private KafkaPeer(Process process, Broker broker) {
        this.process = process;
        this.broker = broker;
    }

    /** Starts Kafka with its data in a directory, and returns when it serves. */
    public static KafkaPeer start(Path directory) throws IOException {
        Path launcher = Path.of(System.getenv().getOrDefault("PROTOCOL_TESTS", ".."), "kafka-peer", "start-kafka");
        int port = FreePort.find();
        Process process = new ProcessBuilder(launcher.toString(), directory.toString(), Integer.toString(port))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
        // The end of the output without that line is the end of Kafka; the runner bounds how long it may take.
        BufferedReader output = process.inputReader();
        String line = output.readLine();
        Expect.that(line != null && line.startsWith("kafka ready"), "the Kafka peer serves, but it said: " + line);
        return new KafkaPeer(process, new Broker("127.0.0.1:" + port));
    }

    public Broker broker() {
        return broker;
    }

    @Override
    public void close() {
        // Its data is thrown away, so there is nothing to be written in good order.
        process.destroyForcibly();
        try {
            process.waitFor(10, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
