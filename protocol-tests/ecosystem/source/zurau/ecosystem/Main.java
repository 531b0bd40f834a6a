package zurau.ecosystem;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import zurau.ecosystem.connect.Distributed;
import zurau.ecosystem.connect.Standalone;
import zurau.ecosystem.mirror.Mirroring;
import zurau.ecosystem.registry.SchemaStorage;
import zurau.ecosystem.streams.ExactlyOnce;
import zurau.ecosystem.streams.WordCounts;

/** Runs one scenario by its name. */
public final class Main {
    private static final int LOG_LINES = 25;
    private static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

    static {
        SCENARIOS.put("streams-word-count", WordCounts::once);
        SCENARIOS.put("streams-restart", WordCounts::restart);
        SCENARIOS.put("streams-standby", WordCounts::standby);
        SCENARIOS.put("streams-purge", WordCounts::purge);
        SCENARIOS.put("streams-exactly-once", ExactlyOnce::killedTenTimes);
        SCENARIOS.put("connect-standalone", Standalone::fileToFile);
        SCENARIOS.put("connect-distributed", Distributed::twoWorkers);
        SCENARIOS.put("mirror-to-broker", Mirroring::toBroker);
        SCENARIOS.put("mirror-from-broker", Mirroring::fromBroker);
        SCENARIOS.put("mirror-config-change", Mirroring::configChange);
        SCENARIOS.put("schema-storage", SchemaStorage::writeReadRestart);
    }

    private Main() {
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1 || !SCENARIOS.containsKey(arguments[0])) {
            System.err.println("usage: scenario NAME, with a NAME of " + SCENARIOS.keySet());
            System.exit(2);
        }
        Run run = Run.fromEnvironment();
        int status = 0;
        try {
            SCENARIOS.get(arguments[0]).run(run);
        } catch (Throwable failure) {
            status = 1;
            printLogs(run.path("."));
            failure.printStackTrace(System.out);
            System.out.println("FAILED " + arguments[0] + ": " + failure);
        }
        System.out.flush();
        // Clients of a failed scenario may have threads left; they must not keep the process.
        Runtime.getRuntime().halt(status);
    }

    /** The end of what each process of the scenario had to say. */
    private static void printLogs(Path directory) throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            for (Path log : entries.filter(path -> path.toString().endsWith(".log")).sorted().toList()) {
                List<String> lines = Files.readAllLines(log);
                System.out.println("--- " + log.getFileName());
                lines.subList(Math.max(0, lines.size() - LOG_LINES), lines.size()).forEach(System.out::println);
            }
        }
    }
}
