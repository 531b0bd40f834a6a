package zurau.ecosystem;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

/** What a scenario demands. */
public final class Expect {
    private Expect() {
    }

    public static void that(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    public static void equal(Object expected, Object actual, String what) {
        if (!Objects.deepEquals(expected, actual)) {
            throw new AssertionError(what + ":\n  expected " + shorten(expected) + "\n  got      " + shorten(actual));
        }
    }

    /** Waits until the condition holds. */
    public static void within(Duration limit, String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!condition.call()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + limit.toSeconds() + " s: " + what);
            }
            Thread.sleep(50);
        }
    }

    /** Waits until something is as expected, and says what it was instead when it never is. */
    public static void becomes(Duration limit, Object expected, String what, Callable<?> asked) throws Exception {
        Object[] last = new Object[1];
        try {
            within(limit, what, () -> Objects.deepEquals(expected, last[0] = asked.call()));
        } catch (AssertionError late) {
            equal(expected, last[0], late.getMessage());
        }
    }

    /** Waits for a list that only grows at its end; where it goes wrong can be told at once. */
    public static void grows(Duration limit, List<?> expected, String what, Callable<List<?>> asked) throws Exception {
        within(limit, what + " holds " + expected.size() + " entries", () -> {
            List<?> now = asked.call();
            for (int index = 0; index < now.size(); index++) {
                Object wanted = index < expected.size() ? expected.get(index) : null;
                equal(wanted, now.get(index), what + ", entry " + index);
            }
            return now.size() == expected.size();
        });
    }

    private static String shorten(Object value) {
        String text = String.valueOf(value);
        return text.length() < 1500 ? text : text.substring(0, 1500) + "... (" + text.length() + " characters)";
    }
}
