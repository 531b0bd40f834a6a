package zurau.exactlyonce;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** Runs workers, each given as ROLE:WORKER:RUN, until standard input says stop or ends. */
public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        Thread listener = new Thread(() -> {
            try {
                System.in.read();
            } catch (java.io.IOException gone) {
                // Nobody is left who would want a history.
            }
            stop.set(true);
        });
        listener.setDaemon(true);
        listener.start();
        List<Thread> workers = new ArrayList<>();
        for (String argument : arguments) {
            String[] words = argument.split(":");
            Thread worker = new Thread(() -> work(words[0], words[1], Integer.parseInt(words[2]), stop), words[1]);
            worker.start();
            workers.add(worker);
        }
        for (Thread worker : workers) {
            worker.join();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void work(String role, String name, int run, AtomicBoolean stop) {
        History history = new History(Settings.HISTORIES, name, run);
        try {
            Worker worker = switch (role) {
                case "writer" -> new Writer(name, run, history, stop);
                case "loop" -> new Loop(name, run, history, stop);
                case "reader" -> new Reader(name, history, stop);
                default -> throw new IllegalArgumentException("no role " + role);
            };
            worker.run();
        } catch (Throwable failure) {
            history.write("died", "error", failure.toString());
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
        history.write("end");
    }
}
