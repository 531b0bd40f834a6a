package zurau.tools;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs Kafka's command line tools one after another in one process, since a Java machine takes longer to start than
 * most tools to do what they do. Each line of input is {"main": class, "arguments": [...], "input": text}; each line of
 * output {"status": number, "output": text, "errors": text}.
 */
public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** A tool wants to end. No tool catches it: they look for exceptions. */
    private static final class Ended extends Error {
        Ended() {
            super("the tool has ended", null, false, false);
        }
    }

    /** One tool at work. What it says first is its status: some end a second time on the way out. */
    private static final class Run {
        private final List<Runnable> hooks = new ArrayList<>();
        private Integer status;

        private synchronized Object end(int code) {
            if (status == null) {
                status = code;
            }
            throw new Ended();
        }

        private synchronized int status(boolean failed) {
            return status != null ? status : failed ? 1 : 0;
        }
    }

    private Tools() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        InputStream requests = System.in;
        BufferedReader lines = new BufferedReader(new InputStreamReader(requests, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            answers.println(JSON.writeValueAsString(run(JSON.readTree(line))));
            answers.flush();
        }
        System.exit(0);
    }

    private static ObjectNode run(JsonNode request) throws Exception {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        PrintStream before = System.out;
        PrintStream errorsBefore = System.err;
        System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(request.path("input").asText("").getBytes(StandardCharsets.UTF_8)));
        Run run = new Run();
        InvocationHandler end = (proxy, method, arguments) -> run.end((int) arguments[0]);
        KafkaExit.instead("setExitProcedure", end);
        KafkaExit.instead("setHaltProcedure", end);
        KafkaExit.instead("setShutdownHookAdder", (proxy, method, arguments) -> {
            run.hooks.add((Runnable) arguments[1]);
            return null;
        });
        boolean failed = false;
        try {
            List<String> words = new ArrayList<>();
            request.get("arguments").forEach(word -> words.add(word.asText()));
            Class<?> tool = Class.forName(request.get("main").asText());
            tool.getMethod("main", String[].class).invoke(null, (Object) words.toArray(new String[0]));
        } catch (InvocationTargetException problem) {
            if (!(problem.getCause() instanceof Ended)) {
                failed = true;
                problem.getCause().printStackTrace();
            }
        }
        run.hooks.forEach(Runnable::run);
        System.out.flush();
        System.err.flush();
        System.setOut(before);
        System.setErr(errorsBefore);
        ObjectNode answer = JSON.createObjectNode();
        answer.put("status", run.status(failed));
        answer.put("output", output.toString(StandardCharsets.UTF_8));
        answer.put("errors", errors.toString(StandardCharsets.UTF_8));
        return answer;
    }
}
