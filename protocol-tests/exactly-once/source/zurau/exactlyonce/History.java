package zurau.exactlyonce;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;

/** A worker's history: one JSON object a line, written at once so that it outlives a SIGKILL. */
final class History {
    private final OutputStream file;

    History(String directory, String worker, int run) {
        try {
            file = new FileOutputStream(directory + "/" + worker + "." + run + ".jsonl", true);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Fields are names and values in turn: numbers, booleans, texts, positions or records. */
    synchronized void write(String event, Object... fields) {
        StringBuilder line = new StringBuilder();
        line.append("{\"t\":").append(System.nanoTime()).append(",\"e\":\"").append(event).append('"');
        for (int index = 0; index < fields.length; index += 2) {
            line.append(",\"").append(fields[index]).append("\":");
            value(line, fields[index + 1]);
        }
        try {
            file.write(line.append("}\n").toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    private static void value(StringBuilder line, Object value) {
        if (value instanceof Number || value instanceof Boolean) {
            line.append(value);
        } else if (value instanceof Map<?, ?> positions) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : positions.entrySet()) {
                String place = Settings.place((TopicPartition) entry.getKey());
                line.append(separator).append('"').append(place).append("\":").append(entry.getValue());
                separator = ",";
            }
            line.append(positions.isEmpty() ? "{}" : "}");
        } else if (value instanceof ConsumerRecords<?, ?> records) {
            String separator = "[";
            for (ConsumerRecord<?, ?> record : records) {
                String place = Settings.place(new TopicPartition(record.topic(), record.partition()));
                line.append(separator).append("[\"").append(place).append("\",").append(record.offset()).append(",\"")
                    .append(record.value()).append("\"]");
                separator = ",";
            }
            line.append(records.isEmpty() ? "[]" : "]");
        } else {
            text(line, String.valueOf(value));
        }
    }

    private static void text(StringBuilder line, String text) {
        line.append('"');
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                line.append('\\').append(letter);
            } else {
                line.append(letter < ' ' ? ' ' : letter);
            }
        }
        line.append('"');
    }
}
