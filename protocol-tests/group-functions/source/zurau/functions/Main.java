package zurau.functions;

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.Uuid;

/** What Kafka's own functions of groups make of random cases: Main assignments|history|hashes|patterns SEED COUNT [small]. */
public final class Main {
    private Main() { }

    /** Prints the cases. */
    public static void main(String[] arguments) {
        long seed = Long.parseLong(arguments[1]);
        int count = Integer.parseInt(arguments[2]);
        boolean small = arguments.length > 3;
        try (PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8)) {
            switch (arguments[0]) {
                case "assignments" -> new Assignments(seed, false, small, out).print(count);
                case "hashes" -> new TopicHashes(seed, out).print(count);
                case "patterns" -> new Patterns(seed, out).print(count);
                case "history" -> new Assignments(seed, true, small, out).print(count);
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
    }

    /** The order of ids by their bytes, which is ours. */
    static int compareBytes(Uuid one, Uuid other) {
        int order = Long.compareUnsigned(one.getMostSignificantBits(), other.getMostSignificantBits());
        return order != 0 ? order
            : Long.compareUnsigned(one.getLeastSignificantBits(), other.getLeastSignificantBits());
    }
}
