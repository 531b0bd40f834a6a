package zurau.disk;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.apache.kafka.tools.DumpLogSegments;

/**
 * Runs Kafka's dump tool inside this process, since one JVM per file would take minutes. The tool writes to the
 * standard streams, so these are replaced while it runs.
 */
final class DumpTool {
    private DumpTool() {
    }

    /**
     * Dumps one file. Every line of standard output goes to {@code lines}; what is returned are the complaints: all of
     * standard error, and the exception that ended the tool.
     */
    static List<String> run(Path file, List<String> options, Consumer<String> lines) {
        List<String> arguments = new ArrayList<>(options);
        // A file list is separated by commas, which topic names cannot contain but directories can.
        if (file.toString().contains(",")) {
            throw new IllegalArgumentException("the dump tool cannot take a path with a comma: " + file);
        }
        arguments.addAll(Arrays.asList("--files", file.toString()));

        List<String> complaints = new ArrayList<>();
        PrintStream output = System.out;
        PrintStream errors = System.err;
        LineStream capturedOutput = new LineStream(lines);
        LineStream capturedErrors = new LineStream(complaints::add);
        try {
            KafkaExit.instead("setExitProcedure", (proxy, method, given) -> {
                throw new IllegalStateException("the dump tool wanted to exit with " + given[0] + ": " + given[1]);
            });
            System.setOut(new PrintStream(capturedOutput, false, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(capturedErrors, true, StandardCharsets.UTF_8));
            DumpLogSegments.main(arguments.toArray(new String[0]));
        } catch (Exception | StackOverflowError | OutOfMemoryError problem) {
            complaints.add("the dump tool failed with " + problem);
        } finally {
            System.out.flush();
            System.err.flush();
            System.setOut(output);
            System.setErr(errors);
            capturedOutput.finish();
            capturedErrors.finish();
        }
        return complaints;
    }

    /** Cuts a byte stream into lines without keeping more than one of them. */
    private static final class LineStream extends OutputStream {
        private final Consumer<String> lines;
        private byte[] buffer = new byte[4096];
        private int length;

        LineStream(Consumer<String> lines) {
            this.lines = lines;
        }

        @Override
        public void write(int value) {
            if (value == '\n') {
                pass();
                return;
            }
            if (length == buffer.length) {
                buffer = Arrays.copyOf(buffer, length * 2);
            }
            buffer[length++] = (byte) value;
        }

        @Override
        public void write(byte[] bytes, int offset, int count) {
            for (int index = offset; index < offset + count; index++) {
                write(bytes[index]);
            }
        }

        void finish() {
            if (length > 0) {
                pass();
            }
        }

        private void pass() {
            String line = new String(buffer, 0, length, StandardCharsets.UTF_8);
            length = 0;
            lines.accept(line);
        }
    }
}
