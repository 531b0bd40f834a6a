import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.utils.internals.Exit;
import org.apache.kafka.tools.ConsumerPerformance;
import org.apache.kafka.tools.ProducerPerformance;

/**
 * Runs Apache Kafka's own performance tools, several at once where that is asked for, in one Java process that stays.
 * So neither the start of Java nor cold code is measured, and eight producers do not need eight Javas.
 *
 * <p>Standard input names one tool per line, "producer" or "consumer" and its arguments, separated by tabs; an empty
 * line runs those together. What the tools print goes to standard output, then a line "done" or "failed: reason".
 */
final class PerfTools {
    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((status, message) -> {
            throw new IllegalStateException("the tool wants to exit with status " + status + ": " + message);
        });
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        List<String[]> tools = new ArrayList<>();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (!line.isEmpty()) {
                tools.add(line.split("\t"));
                continue;
            }
            String failure = runTogether(tools);
            System.out.println(failure == null ? "done" : "failed: " + failure.replace('\n', ' '));
            System.out.flush();
            tools.clear();
        }
    }

    private static String runTogether(List<String[]> tools) throws InterruptedException {
        String[] failures = new String[tools.size()];
        CountDownLatch gate = new CountDownLatch(1);
        List<Thread> threads = new ArrayList<>();
        for (int at = 0; at < tools.size(); at++) {
            int number = at;
            Thread thread = new Thread(() -> {
                try {
                    gate.await();
                    run(tools.get(number));
                } catch (Throwable failure) {
                    failures[number] = failure.toString();
                }
            });
            thread.start();
            threads.add(thread);
        }
        gate.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        return Arrays.stream(failures).filter(failure -> failure != null).findFirst().orElse(null);
    }

    private static void run(String[] words) throws Exception {
        String[] arguments = Arrays.copyOfRange(words, 1, words.length);
        if (words[0].equals("producer")) {
            ProducerPerformance.main(arguments);
        } else {
            ConsumerPerformance.main(arguments);
        }
    }
}
