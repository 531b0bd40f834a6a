package zurau.ecosystem.connect;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;
import zurau.ecosystem.process.FreePort;
import zurau.ecosystem.process.Worker;

/** Connect as one process: a file goes through a topic into another file. */
public final class Standalone {
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private Standalone() {
    }

    /** The second worker resumes both connectors just where the first one left them. */
    public static void fileToFile(Run run) throws Exception {
        Broker broker = run.broker();
        String topic = run.name("lines");
        TopicPartition partition = new TopicPartition(topic, 0);
        String source = run.name("source");
        String sink = run.name("sink");
        Lines lines = new Lines(run.path("source.txt"));
        Path sinkFile = run.path("sink.txt");

        Map<String, String> worker = FileConnectors.worker(broker.servers(), FreePort.find());
        worker.put("offset.storage.file.filename", run.path("offsets").toString());
        List<Path> settings = List.of(
            Worker.properties(run.path("worker.properties"), worker),
            Worker.properties(run.path("source.properties"), FileConnectors.source(source, lines.file(), topic)),
            Worker.properties(run.path("sink.properties"), FileConnectors.sink(sink, topic, sinkFile)));

        lines.add(2000);
        try (Worker first = start(run, settings)) {
            awaitLines(first, sinkFile, lines.written());
            lines.add(500);
            awaitLines(first, sinkFile, lines.written());
            first.stop();
        }
        Expect.equal(1, broker.partitionCount(topic), "partitions of the topic that Connect created");
        Expect.equal("123456789", broker.setting(topic, "retention.ms"), "retention.ms of that topic");
        Expect.equal(2500L, broker.committed(FileConnectors.group(sink)).get(partition), "commit of the sink");

        // One record comes in while nobody is there, and lines that have not been read yet come after it.
        broker.produce(List.of(new ProducerRecord<>(topic, "meanwhile")));
        List<String> expected = new ArrayList<>(lines.written());
        expected.add("meanwhile");
        lines.add(300);
        expected.addAll(lines.written().subList(2500, 2800));
        try (Worker second = start(run, settings)) {
            awaitLines(second, sinkFile, expected);
            second.stop();
        }
        Expect.equal(expected, broker.readAll(topic).stream().map(record -> record.value()).toList(), "the topic");
        Expect.equal(expected, Lines.of(sinkFile), "the sink's file after the end");
        Expect.equal(2801L, broker.committed(FileConnectors.group(sink)).get(partition), "last commit of the sink");
    }

    private static Worker start(Run run, List<Path> settings) throws Exception {
        return Worker.start("the worker", run.path("worker.log"), "org.apache.kafka.connect.cli.ConnectStandalone",
            settings);
    }

    private static void awaitLines(Worker worker, Path file, List<String> expected) throws Exception {
        Expect.grows(PATIENCE, expected, "the sink's file", () -> {
            worker.mustBeAlive();
            return Lines.of(file);
        });
    }
}
