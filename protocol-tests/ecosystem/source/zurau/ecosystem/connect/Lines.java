package zurau.ecosystem.connect;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/** A file of numbered lines that grows. Plain ASCII, since the file source counts characters and resumes at bytes. */
final class Lines {
    private final Path file;
    private final List<String> written = new ArrayList<>();

    Lines(Path file) {
        this.file = file;
    }

    Path file() {
        return file;
    }

    /** Adds lines that are not in the file yet. */
    void add(int count) throws IOException {
        List<String> added = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            added.add("line " + (written.size() + number) + " goes through");
        }
        written.addAll(added);
        Files.write(file, added, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** All lines so far. */
    List<String> written() {
        return written;
    }

    /** The finished lines of another file, which somebody may be writing; none as long as it is not there. */
    static List<String> of(Path file) throws IOException {
        if (!Files.exists(file)) {
            return List.of();
        }
        String text = Files.readString(file);
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    }
}
