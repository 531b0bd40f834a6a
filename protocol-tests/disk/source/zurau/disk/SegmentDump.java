package zurau.disk;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads what the dump tool prints about one segment or metadata snapshot. */
final class SegmentDump {
    private static final Pattern BATCH = Pattern.compile(
        "baseOffset: (-?\\d+) lastOffset: (-?\\d+) count: (\\S+) baseSequence: (-?\\d+) lastSequence: (-?\\d+)"
            + " producerId: (-?\\d+) producerEpoch: (-?\\d+) partitionLeaderEpoch: (-?\\d+) .*isControl: (\\S+) .*"
            + " position: (\\d+) \\S+: (-?\\d+) size: (\\d+) magic: (\\d+) compresscodec: (\\S+) crc: (\\d+)"
            + " isvalid: (\\S+)");
    private static final Pattern INVALID_TAIL = Pattern.compile("Found (\\d+) invalid bytes at the end of .*");
    /** How the tool says that a decoder did not understand a record. */
    private static final Pattern NOT_DECODED = Pattern.compile(
        ".*(key|payload): (Error at |Unknown record type |Failed to decode message).*");

    private static final Pattern NOT_CONSECUTIVE = Pattern.compile("\\s*(-?\\d+) is followed by (\\d+)");

    /** One batch header as the tool printed it. */
    record Batch(long baseOffset, long lastOffset, int baseSequence, int lastSequence, long producerId,
                 int producerEpoch, int leaderEpoch, boolean control, long maxTimestamp) {
    }

    private final String name;
    private final Report report;
    private final Consumer<Batch> batches;
    private long expectedRecords;
    private long records;
    private long invalidTail;
    private boolean failed;

    private SegmentDump(String name, Report report, Consumer<Batch> batches) {
        this.name = name;
        this.report = report;
        this.batches = batches;
    }

    /**
     * Dumps a file, hands its batches on in order and reports what is wrong. The bytes at the end that are no batch are
     * returned, since whether they are wrong is for the caller to say. Below {@code cleanedUpTo} offsets may be missing.
     */
    static long read(Path file, String name, String decoder, Report report, long cleanedUpTo, Consumer<Batch> batches) {
        SegmentDump dump = new SegmentDump(name, report, batches);
        List<String> options = decoder == null ? List.of("--deep-iteration") : List.of("--deep-iteration", decoder);
        withoutFalseAlarm(DumpTool.run(file, options, dump::line), cleanedUpTo).forEach(complaint -> dump.wrong(complaint.strip()));
        dump.finishBatch("the end");
        report.count("records", dump.records);
        return dump.invalidTail;
    }

    /**
     * Since it was rewritten in Java, the tool takes offset -1 for the one before the first of a segment, and so it
     * reports every segment that starts later than at 0. That line goes, with those about what was compacted, and the
     * heading goes with the last of them.
     */
    private static List<String> withoutFalseAlarm(List<String> complaints, long cleanedUpTo) {
        List<String> left = complaints.stream().filter(line -> {
            Matcher gap = NOT_CONSECUTIVE.matcher(line);
            return !gap.matches() || !gap.group(1).equals("-1") && Long.parseLong(gap.group(2)) >= cleanedUpTo;
        }).collect(Collectors.toList());
        boolean hasGap = left.stream().anyMatch(line -> NOT_CONSECUTIVE.matcher(line).matches());
        if (!hasGap && left.size() < complaints.size()) {
            left.removeIf(line -> line.startsWith("Non-consecutive"));
        }
        return left;
    }

    private void wrong(String text) {
        failed = true;
        report.problem(name, text);
    }

    private void line(String line) {
        if (line.startsWith("| ")) {
            records++;
            expectedRecords--;
            if (NOT_DECODED.matcher(line).matches()) {
                wrong(line);
            }
            return;
        }
        Matcher batch = BATCH.matcher(line);
        if (batch.matches()) {
            batch(batch);
            return;
        }
        Matcher tail = INVALID_TAIL.matcher(line);
        if (tail.matches()) {
            invalidTail = Long.parseLong(tail.group(1));
        } else if (!line.isEmpty() && !line.startsWith("Dumping ") && !line.startsWith("Log starting offset: ")
            && !line.startsWith("Snapshot end offset: ") && !line.equals("KRaft bootstrap snapshot")) {
            // Old batch formats are printed differently, and are as wrong here as anything unheard of.
            wrong("unexpected output of the dump tool: " + line);
        }
    }

    private void batch(Matcher batch) {
        long baseOffset = Long.parseLong(batch.group(1));
        finishBatch("the batch at offset " + baseOffset);
        report.count("batches", 1);
        report.count("batches compressed with " + batch.group(14).toLowerCase(), 1);
        if (!batch.group(16).equals("true")) {
            wrong("the batch at offset " + baseOffset + " is not valid");
        }
        if (!batch.group(13).equals("2")) {
            wrong("the batch at offset " + baseOffset + " has magic " + batch.group(13));
        }
        String count = batch.group(3);
        expectedRecords = count.equals("null") ? 0 : Long.parseLong(count);
        batches.accept(new Batch(baseOffset, Long.parseLong(batch.group(2)), Integer.parseInt(batch.group(4)),
            Integer.parseInt(batch.group(5)), Long.parseLong(batch.group(6)), Integer.parseInt(batch.group(7)),
            Integer.parseInt(batch.group(8)), Boolean.parseBoolean(batch.group(9)), Long.parseLong(batch.group(11))));
    }

    /** The records that follow a batch header must be as many as it declares. */
    private void finishBatch(String before) {
        if (expectedRecords != 0 && !failed) {
            wrong("before " + before + " " + expectedRecords + " records of a batch are missing");
        }
        expectedRecords = 0;
    }
}
