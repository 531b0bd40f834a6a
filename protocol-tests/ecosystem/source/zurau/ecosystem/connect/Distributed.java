package zurau.ecosystem.connect;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import zurau.ecosystem.Broker;
import zurau.ecosystem.Expect;
import zurau.ecosystem.Run;
import zurau.ecosystem.process.FreePort;
import zurau.ecosystem.process.Worker;

/** Connect as a group of workers, which keeps connectors, offsets and states in compacted topics. */
public final class Distributed {
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private final Run run;
    private final Broker broker;
    private final Lines lines;
    private final Path sinkFile;

    private Distributed(Run run) {
        this.run = run;
        broker = run.broker();
        lines = new Lines(run.path("source.txt"));
        sinkFile = run.path("sink.txt");
    }

    /** A second worker takes its share, the first one leaves, the second one is started anew: no line is lost. */
    public static void twoWorkers(Run run) throws Exception {
        new Distributed(run).shareAndLeave();
    }

    private void shareAndLeave() throws Exception {
        String topic = run.name("lines");
        String source = run.name("source");
        String sink = run.name("sink");
        lines.add(1000);
        try (RestWorker first = worker("first")) {
            first.put(source, FileConnectors.source(source, lines.file(), topic));
            first.put(sink, FileConnectors.sink(sink, topic, sinkFile));
            first.awaitRunning(Set.of(first.id()), source, sink);
            awaitLines(first);
            checkTopics();
            try (RestWorker second = worker("second")) {
                second.awaitRunning(Set.of(first.id(), second.id()), source, sink);
                lines.add(500);
                awaitLines(second);
                first.stop();
                second.awaitRunning(Set.of(second.id()), source, sink);
                lines.add(500);
                awaitLines(second);
                second.stop();
            }
        }
        lines.add(500);
        // Only the topics know what it has to run.
        try (RestWorker third = worker("third")) {
            third.awaitRunning(Set.of(third.id()), source, sink);
            awaitLines(third);
            third.stop();
        }
        Expect.equal(lines.written(), broker.readAll(topic).stream().map(record -> record.value()).toList(),
            "the topic");
    }

    private RestWorker worker(String name) throws Exception {
        int port = FreePort.find();
        Map<String, String> settings = FileConnectors.worker(broker.servers(), port);
        settings.put("group.id", run.name("workers"));
        for (String kind : List.of("config", "offset", "status")) {
            settings.put(kind + ".storage.topic", storageTopic(kind));
            settings.put(kind + ".storage.replication.factor", "1");
        }
        // By default the tasks of a worker that left wait five minutes for it to come back.
        settings.put("scheduled.rebalance.max.delay.ms", "0");
        Path file = Worker.properties(run.path(name + ".properties"), settings);
        return RestWorker.start("the " + name + " worker", run.path(name + ".log"), file, port);
    }

    private String storageTopic(String kind) {
        return run.name("connect-" + kind);
    }

    private void checkTopics() throws Exception {
        Map<String, Integer> partitions = Map.of("config", 1, "offset", 25, "status", 5);
        for (String kind : partitions.keySet()) {
            String topic = storageTopic(kind);
            Expect.equal(partitions.get(kind), broker.partitionCount(topic), "partitions of " + topic);
            Expect.equal("compact", broker.setting(topic, "cleanup.policy"), "cleanup.policy of " + topic);
        }
    }

    private void awaitLines(RestWorker worker) throws Exception {
        Expect.grows(PATIENCE, lines.written(), "the sink's file", () -> {
            worker.mustBeAlive();
            return Lines.of(sinkFile);
        });
    }
}
