package zurau.disk;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What was looked at and what was wrong with it. */
final class Report {
    /** A broken segment can have a complaint per record; the first few of a file say enough. */
    private static final int PROBLEMS_PER_FILE = 8;

    private final Map<String, Long> counts = new TreeMap<>();
    private final Map<String, Integer> problemsOfFile = new TreeMap<>();
    private final List<String> problems = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    void count(String what, long amount) {
        counts.merge(what, amount, Long::sum);
    }

    void problem(String file, String text) {
        int seen = problemsOfFile.merge(file, 1, Integer::sum);
        if (seen <= PROBLEMS_PER_FILE) {
            problems.add(file + ": " + text);
        } else if (seen == PROBLEMS_PER_FILE + 1) {
            problems.add(file + ": ... and more of the same file");
        }
    }

    /** Something allowed that a reader of the report may want to know. */
    void note(String text) {
        notes.add(text);
    }

    boolean clean() {
        return problems.isEmpty();
    }

    void print() {
        counts.forEach((what, amount) -> System.out.println(what + ": " + amount));
        notes.forEach(note -> System.out.println("note: " + note));
        problems.forEach(problem -> System.out.println("PROBLEM " + problem));
        System.out.println(clean() ? "disk: nothing wrong" : "disk: " + problems.size() + " problems");
    }
}
