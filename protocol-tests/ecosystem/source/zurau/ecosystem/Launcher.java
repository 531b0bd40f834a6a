package zurau.ecosystem;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Runs one scenario of a project by its name. */
public final class Launcher {
    private static final int LOG_LINES = 25;

    private Launcher() {
    }

    public static void launch(Map<String, Scenario> scenarios, String[] arguments) throws Exception {
        if (arguments.length != 1 || !scenarios.containsKey(arguments[0])) {
            System.err.println("usage: scenario NAME, with a NAME of " + scenarios.keySet());
            System.exit(2);
        }
        Run run = Run.fromEnvironment();
        int status = 0;
        try {
            scenarios.get(arguments[0]).run(run);
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
