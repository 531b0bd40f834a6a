package zurau.ecosystem.process;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import zurau.ecosystem.Expect;

/** A program of Kafka's in a process of its own, as its command line script would start it. */
public final class Worker implements AutoCloseable {
    private static final int END_SECONDS = 60;
    /** What Java ends with on SIGTERM, as a clean end does too. */
    private static final int TERMINATED = 143;

    private final String name;
    private final Process process;

    private Worker(String name, Process process) {
        this.name = name;
        this.process = process;
    }

    /** Starts a main class with the class path of this process; what it says is added to {@code log}. */
    public static Worker start(String name, Path log, String mainClass, List<Path> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-cp", System.getProperty("java.class.path"), mainClass));
        arguments.forEach(argument -> command.add(argument.toString()));
        return new Worker(name, new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectInput(new File("/dev/null"))
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start());
    }

    /** Writes a properties file for a program to read. */
    public static Path properties(Path file, Map<String, String> settings) throws IOException {
        Properties properties = new Properties();
        properties.putAll(settings);
        try (var out = Files.newOutputStream(file)) {
            properties.store(out, null);
        }
        return file;
    }

    /** To be asked while waiting for something that only a living process can bring about. */
    public void mustBeAlive() {
        Expect.that(process.isAlive(), name + " ended by itself");
    }

    /** Asks the process to end, and demands that it does so in good order. */
    public void stop() throws InterruptedException {
        mustBeAlive();
        process.destroy();
        Expect.that(process.waitFor(END_SECONDS, TimeUnit.SECONDS), name + " ends when asked");
        Expect.equal(TERMINATED, process.exitValue(), "exit status of " + name);
    }

    /** Ends what has not been stopped, which is so when a scenario fails. */
    @Override
    public void close() {
        process.destroyForcibly();
    }
}
