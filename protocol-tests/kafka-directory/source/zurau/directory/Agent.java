package zurau.directory;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Path;

/**
 * Serves one line after another, so that one process lasts through all the stays of a directory.
 *
 * <pre>
 *   contents BOOTSTRAP FILE       everything that can be read of topics and groups, as sorted lines
 *   cluster BOOTSTRAP FILE        what only Kafka tells: users, quotas, ACLs, features, groups of new kinds
 *   kept BOOTSTRAP FILE STAY      what Zurau tells of that: users, quotas, settings of groups and client metrics
 *   load BOOTSTRAP STAY           what every broker takes
 *   transactions BOOTSTRAP STAY   transactions, of which one is left open
 *   kafka-load BOOTSTRAP STAY     what only Kafka takes
 * </pre>
 *
 * The answer is "ok" or "failed" with a reason.
 */
public final class Agent {
    private Agent() {
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            try {
                serve(words);
                System.out.println("ok");
            } catch (Throwable problem) {
                problem.printStackTrace();
                System.out.println("failed " + problem.toString().replace('\n', ' '));
            }
            System.out.flush();
        }
        // Clients that were left in the midst of a transaction end with the process.
        System.exit(0);
    }

    private static void serve(String[] words) throws Exception {
        switch (words[0]) {
            case "contents" -> Contents.write(words[1], Path.of(words[2]));
            case "cluster" -> ClusterState.write(words[1], Path.of(words[2]));
            case "kept" -> ClusterState.writeKept(words[1], Path.of(words[2]), Integer.parseInt(words[3]));
            case "load" -> Load.run(words[1], Integer.parseInt(words[2]));
            case "transactions" -> Transactions.run(words[1], Integer.parseInt(words[2]));
            case "kafka-load" -> KafkaLoad.run(words[1], Integer.parseInt(words[2]));
            default -> throw new IllegalArgumentException("no command " + words[0]);
        }
    }
}
